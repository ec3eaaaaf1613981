"""Where a platform's JSON keeps what a message needs, described by configuration: paths of names and list places, dots between them.

`*` in the path of the list is every entry (`entry.*.messaging`). A path with `$.` in front begins at the whole body, not the item:
for what a webhook says once for all its messages. Of several paths with `|` between them the first that leads somewhere counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from functions.channels.codecs import json_fields
from functions.channels.codecs.batch import MAX_ITEMS
from functions.channels.codecs.custom_signature import Section
from functions.channels.codecs.generic_item import MAX_NAME, MAX_TEXT
from functions.channels.codecs.platform_time import believable
from functions.channels.contract import Ignored
from functions.common.clock import from_ms
from functions.common.message import Kind

_NUMBER = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?")
_STEP = r"[^.|$*\s]{1,64}"
_PATH = rf"(\$\.)?{_STEP}(\.{_STEP}){{0,9}}"

Path = Annotated[str, Field(pattern=rf"^{_PATH}(\|{_PATH}){{0,4}}$")]
ListPath = Annotated[str, Field(pattern=rf"^({_STEP}|\*)(\.({_STEP}|\*)){{0,9}}$")]


class CustomFields(Section):
    """`only`: the values that a path must have for the item to be a message; any other item is ignored, and counted.

    `kinds` says which of our kinds a platform's kind is. Without an `id` path, contact, text and time stand for the id.
    `utc_offset_hours` is that of times written without a zone.
    """

    contact: Path
    messages: ListPath | None = None
    id: Path | None = None
    unionid: Path | None = None
    name: Path | None = None
    locale: Path | None = None
    text: Path | None = None
    kind: Path | None = None
    media_url: Path | None = None
    reply_to: Path | None = None
    sent_at: Path | None = None
    sent_at_unit: Literal["s", "ms", "iso"] = "s"
    utc_offset_hours: float = Field(0, ge=-12, le=14)
    kinds: Mapping[str, Kind] = Field(default_factory=dict)
    only: Mapping[Path, tuple[str, ...]] = Field(default_factory=dict)

    def items(self, body: Mapping[str, Any]) -> list[Any] | None:
        """The raw items of a webhook; None when no list is where it should be."""
        if self.messages is None:
            return [body]
        found = list(_entries(body, self.messages.split(".")))
        return [item for rows in found for item in rows] if found else None

    def ignored(self, item: Any, body: Mapping[str, Any]) -> Ignored | None:
        """Why an item is no message, or None when it is one."""
        for path, values in self.only.items():
            value = at(path, item, body)
            if named(value) not in values:
                native = at(self.id, item, body)
                return Ignored(json_fields.loggable(named(value)), json_fields.optional_id({"id": native}, "id"))
        return None

    def read(self, item: Any, body: Mapping[str, Any], received_at: datetime) -> dict[str, Any]:
        """The item as the channel's own format writes it (`generic_item.Item`): what does not fit there is its own check to refuse."""
        found = {name: at(getattr(self, name), item, body) for name in ("contact", "name", "locale", "text", "reply_to")}
        text, sent = found["text"], self._time(at(self.sent_at, item, body), received_at)
        kind, media = self._kind(at(self.kind, item, body)), json_fields.url({"url": at(self.media_url, item, body)}, "url")
        return {
            "id": self._id(item, body, found),
            "contact": {
                "id": found["contact"],
                "unionid": json_fields.optional_id({"unionid": at(self.unionid, item, body)}, "unionid"),
                "name": json_fields.text(found, "name", MAX_NAME),
                "locale": json_fields.text(found, "locale", 35),
            },
            "text": text[:MAX_TEXT] if isinstance(text, str) else text,
            "kind": kind,
            "attachments": [{"kind": kind if kind in get_args(Kind) else "file", "url": media}] if media else [],
            "reply_to": json_fields.optional_id(found, "reply_to"),
            "sent_at": sent,
        }

    def _id(self, item: Any, body: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
        if self.id is not None:
            return at(self.id, item, body)
        stands_for_it = (found["contact"], found["text"], at(self.sent_at, item, body), at(self.media_url, item, body))
        written = "\x00".join(named(value) or "" for value in stands_for_it).encode("utf-8", "surrogatepass")
        return sha256(written).hexdigest()[:40]

    def _kind(self, value: Any) -> str | None:
        kind = named(value)
        return self.kinds.get(kind, kind[:64]) if kind else None

    def _time(self, value: Any, received_at: datetime) -> datetime | None:
        """The platform's time, or None where it gives none that can be true."""
        if self.sent_at_unit == "iso":
            return believable(self._written_time(value), received_at)
        number = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        if not isinstance(number, str) or not _NUMBER.fullmatch(number):
            return None
        milliseconds = float(number) * (1000 if self.sent_at_unit == "s" else 1)
        return believable(from_ms(round(milliseconds)), received_at) if milliseconds < 10**14 else None

    def _written_time(self, value: Any) -> datetime | None:
        try:
            written = datetime.fromisoformat(value)
            zone = timezone(timedelta(hours=self.utc_offset_hours))
            return (written if written.tzinfo else written.replace(tzinfo=zone)).astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            return None


def _entries(node: Any, steps: list[str]) -> Iterator[list[Any]]:
    """Every list at the end of a path with stars in it; none behind a star on a list of more than `MAX_ITEMS`."""
    if not steps:
        if isinstance(node, list):
            yield node
        return
    if steps[0] == "*":
        for inner in node if isinstance(node, list) and len(node) <= MAX_ITEMS else ():
            yield from _entries(inner, steps[1:])
    else:
        yield from _entries(step(node, steps[0]), steps[1:])


def at(paths: str | None, item: Any, body: Mapping[str, Any]) -> Any:
    """What stands at the first of the paths that leads somewhere; None when none does."""
    for path in paths.split("|") if paths else ():
        node: Any = body if path.startswith("$.") else item
        for name in path.removeprefix("$.").split("."):
            node = step(node, name)
        if node is not None:
            return node
    return None


def step(node: Any, name: str) -> Any:
    """A field of an object, an entry of a list, or None."""
    if isinstance(node, Mapping):
        return node.get(name)
    if isinstance(node, list) and name.isascii() and name.isdecimal() and len(name) < 6 and int(name) < len(node):
        return node[int(name)]
    return None


def named(value: Any) -> str | None:
    """A text, or a number or a truth as JSON writes it; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 2**64 else None
    return value if isinstance(value, str) else None
