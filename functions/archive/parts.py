"""Archive parts: gzip JSON lines, one object per message, in the order in which they were collected. Pure; bytes in, bytes out.

The same messages give the same bytes: gzip's header carries no time and no name.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from typing import Any, Protocol, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from functions.common.errors import MalformedEnvelope, Retryable
from functions.common.invalid import first_fault
from functions.common.judgement import Judged
from functions.common.store import Conversation, Reply
from functions.common.wire import dumps, judged_from, plain

_CHUNK = 1 << 16
_REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)
_CONVERSATION: TypeAdapter[Conversation] = TypeAdapter(Conversation)
T = TypeVar("T")


class ArchiveUnproven(Retryable):
    """A part does not read back as it was written: nothing of it may expire."""


class Stream(Protocol):
    """Bytes that can be read once: an S3 body, a file."""

    def read(self, amt: int | None = None, /) -> bytes:
        """At most `amt` bytes; none at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """One message as the archive keeps it: masked, with everything said of it and our reply if there was one.

    `conversation` stands with the first message that a run files of a conversation: as it was when it was read. Of one that was read from
    the table, `claimed` says that a month's pack tells it, and `lost` names the part that was lost with whose name it is marked.
    """

    judged: Judged
    reply: Reply | None
    conversation: Conversation | None = None
    claimed: bool = False
    lost: str | None = None

    @property
    def items(self) -> int:
        """How many of the table's items it holds."""
        return 1 + (self.reply is not None) + (self.conversation is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a part's bytes amount to: `bytes` of the object, `sha256` over them, `count` of lines inside."""

    count: int
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A finished part. `first` and `last` are receipt times; `bundles` the configurations that judged its messages. Of messages that were
    stored long after their receipt, `late_from` is the first receipt and `late_until` the last storing; None where there are none.
    """

    day: str
    channel: str
    body: bytes
    proof: Proof
    first: datetime
    last: datetime
    bundles: tuple[str, ...]
    late_from: datetime | None = None
    late_until: datetime | None = None


def line(filed: Filed) -> bytes:
    """One message as a line of a part, version 1."""
    message = filed.judged.message
    # What a reply was addressed with (a session's webhook, say) is a key, and of no use later.
    judged = replace(filed.judged, message=replace(message, reply=replace(message.reply, token=None)))
    raw = {"version": 1, **plain(judged), "reply": filed.reply and plain(filed.reply)}
    if filed.conversation is not None:
        raw["conversation"] = plain(filed.conversation)
    return (dumps(raw) + "\n").encode()


class PartWriter:
    """A part in the making; only compressed bytes are held."""

    def __init__(self, day: str, channel: str) -> None:
        self.day = day
        self.channel = channel
        self._body = BytesIO()
        self._gzip = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=self._body, mtime=0)
        self._count = 0
        self._times: tuple[datetime, datetime] | None = None
        self._late: tuple[datetime, datetime] | None = None
        self._bundles: set[str] = set()

    def add(self, filed: Filed) -> int:
        """Write one message; the length of its line in bytes."""
        judged = filed.judged
        return self.add_line(line(filed), judged.message.received_at, judged.bundle, judged.late_at)

    def add_line(self, text: bytes, received_at: datetime, bundle: str, late_at: datetime | None = None) -> int:
        """Write a line of another part as it is; its length in bytes."""
        first, last = self._times or (received_at, received_at)
        self._times = min(first, received_at), max(last, received_at)
        if late_at is not None:
            since, until = self._late or (received_at, late_at)
            self._late = min(since, received_at), max(until, late_at)
        self._bundles.add(bundle)
        self._count += 1
        return self._gzip.write(text)

    def close(self) -> Part:
        """The finished part; nothing can be added after it."""
        assert self._times is not None, "a part holds at least one message"
        self._gzip.close()
        body = self._body.getvalue()
        return Part(
            day=self.day,
            channel=self.channel,
            body=body,
            proof=Proof(count=self._count, sha256=sha256(body).hexdigest(), bytes=len(body)),
            first=self._times[0],
            last=self._times[1],
            bundles=tuple(sorted(self._bundles)),
            late_from=self._late[0] if self._late else None,
            late_until=self._late[1] if self._late else None,
        )


def examine(stream: Stream) -> Proof:
    """Read a part from its first byte to its last; `ArchiveUnproven` when it is cut short or is no gzip."""
    digest, inflate = sha256(), zlib.decompressobj(wbits=31)
    count = size = 0
    try:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            count += inflate.decompress(chunk).count(b"\n")
    except zlib.error:
        raise ArchiveUnproven("not gzip") from None
    if not inflate.eof or inflate.unused_data:
        raise ArchiveUnproven("not one whole gzip member")
    return Proof(count=count, sha256=digest.hexdigest(), bytes=size)


def lines(stream: Stream) -> Iterator[bytes]:
    """The lines of a part as they stand; `ArchiveUnproven` when it is cut short or is no gzip."""
    try:
        with gzip.GzipFile(fileobj=cast("Any", stream), mode="rb") as found:
            yield from found
    except (OSError, EOFError, zlib.error) as fault:
        raise ArchiveUnproven(f"unreadable: {type(fault).__name__}") from None


def read_part(stream: Stream) -> Iterator[Filed]:
    """The messages of a part, line by line; `ArchiveUnproven` when one cannot be read."""
    try:
        with gzip.GzipFile(fileobj=cast("Any", stream), mode="rb") as lines:
            yield from map(filed_from, lines)
    except (OSError, EOFError, zlib.error, ValueError, KeyError, MalformedEnvelope) as fault:
        raise ArchiveUnproven(f"unreadable: {type(fault).__name__}") from None


def reply_from(stored: dict[str, Any]) -> Reply:
    """A reply out of its plain form; `MalformedEnvelope` when it does not fit."""
    return _checked(_REPLY, "Reply", stored)


def _checked(adapter: TypeAdapter[T], name: str, stored: Any) -> T:
    try:
        return adapter.validate_python(stored)
    except ValidationError as error:
        fault = first_fault(error, name)
        raise MalformedEnvelope(f"{fault.place}: {fault.kind}") from None


def filed_from(text: bytes) -> Filed:
    """One line of a part as the message that it is; `MalformedEnvelope`, or `ValueError` or `KeyError` when it is not one of ours."""
    raw = json.loads(text)
    if not isinstance(raw, dict) or raw.pop("version") != 1:
        raise MalformedEnvelope("a version of the archive that this code does not know")
    reply, conversation = raw.pop("reply"), raw.pop("conversation", None)
    return Filed(
        judged=judged_from(raw),
        reply=None if reply is None else reply_from(reply),
        conversation=None if conversation is None else _checked(_CONVERSATION, "Conversation", conversation),
    )
