"""Messages on the queues and in the table, as JSON. Writing needs the standard library only; reading validates with pydantic.

A field that has its default value is left out: it keeps an item under the kilobyte that one write unit pays for. An envelope
carries its version. Within a version fields may be added, and a reader ignores those it does not know (functions are not
deployed at one instant); anything else changes the version, and an unknown version is `MalformedEnvelope`, never a guess.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from functions.common.clock import to_iso
from functions.common.errors import MalformedEnvelope
from functions.common.invalid import first_fault
from functions.common.judgement import Judged
from functions.common.message import Message

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """What ingest puts on `inbound.fifo`."""

    message: Message
    version: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a platform tells us beside messages: somebody `answered` the contact there, in words that `text` stands for (`origin.sign`), or
    the contact `recalled` the message `native_id`.
    """

    kind: Literal["answered", "recalled"]
    channel: str
    account: str
    contact: str
    native_id: str
    at: datetime
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A sighting on `inbound.fifo`, in the group of its conversation."""

    sighting: Sighting
    version: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTask:
    """What classify puts on `replies.fifo`: masked text only. `first_contact` is true for a conversation's first message."""

    judged: Judged
    first_contact: bool
    version: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PullTask:
    """What ingest puts on `pulls.fifo` when a platform only announces: something waits at `source`, and must be fetched.

    `source` is the platform's name of the place (an OpenKfId); it is part of a table's key and of a queue's group. `announcement` names
    this announcement: a platform's retry of the same bytes has the same name. `token` is the voucher that came with it.
    """

    channel: str
    account: str
    source: str
    announcement: str
    announced_at: datetime
    token: str | None = field(default=None, repr=False)
    version: Literal[1] = 1


def plain(value: Any) -> Any:
    """Dataclasses, tuples and times as what JSON knows; fields at their default are left out (but `version` never)."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if _said(f, getattr(value, f.name))}
    if isinstance(value, datetime):
        return to_iso(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _said(known: Field[Any], value: Any) -> bool:
    if known.name == "version":
        return True
    default = known.default_factory() if known.default_factory is not MISSING else known.default
    return bool(value != default)


def dumps(value: Any) -> str:
    """Compact JSON of a dataclass. Lone surrogates, which UTF-8 cannot carry, become U+FFFD.

    U+FFFE and U+FFFF, which SQS refuses in a message, are written as JSON escapes.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    text = json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    if text.isascii():
        return text
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def read_inbound(body: str) -> Inbound:
    """Parse an `inbound.fifo` body; `MalformedEnvelope` when it is not one."""
    return _read(Inbound, body)


def holds_sighting(body: str) -> bool:
    """Whether an `inbound.fifo` body is a sighting rather than a message."""
    return body.startswith('{"sighting"')


def read_sighting(body: str) -> Sighting:
    """Parse a sighting's body; `MalformedEnvelope` when it is not one."""
    return _read(Seen, body).sighting


def read_reply_task(body: str) -> ReplyTask:
    """Parse a `replies.fifo` body; `MalformedEnvelope` when it is not one."""
    return _read(ReplyTask, body)


def read_pull_task(body: str) -> PullTask:
    """Parse a `pulls.fifo` body; `MalformedEnvelope` when it is not one."""
    return _read(PullTask, body)


def judged_from(stored: dict[str, Any]) -> Judged:
    """A `Judged` out of a stored item's plain form; `MalformedEnvelope` when it does not fit."""
    return _checked(Judged, stored)


def message_from(stored: dict[str, Any]) -> Message:
    """A `Message` out of its plain form; `MalformedEnvelope` when it does not fit."""
    return _checked(Message, stored)


def _read(kind: type[T], body: str) -> T:
    return _checked(kind, body, as_json=True)


def _checked(kind: type[T], value: Any, *, as_json: bool = False) -> T:
    from pydantic import ValidationError

    adapter: TypeAdapter[T] = _adapter(kind)  # type: ignore[arg-type]
    try:
        return adapter.validate_json(value) if as_json else adapter.validate_python(value)
    except ValidationError as error:
        fault = first_fault(error, kind.__name__)
        raise MalformedEnvelope(f"{fault.place}: {fault.kind}") from None


@cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
