"""What the push of Weibo's fan service (粉丝服务平台) says, type by type, in our words.

https://open.weibo.com/wiki/Receive_General_Message
https://open.weibo.com/wiki/Receive_Event_Push
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.common.message import Attachment, Interactive, Kind, Location

# "Mon Jul 16 18:09:20 +0800 2012": `strptime` would read the names in the process's locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CREATED_AT = re.compile(
    r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) (?P<day>[0-9]{1,2}) "
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2}) (?P<sign>[+-])(?P<off>[0-9]{4}) (?P<year>[0-9]{4})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who and when. `public`: a mention in a post or a comment, not a private message."""

    kind: Kind
    text: str | None = None
    attachment: Attachment | None = None
    location: Location | None = None
    interactive: Interactive | None = None
    native_id: str | None = None
    raw_kind: str | None = None
    public: bool = False


def said(fields: Fields) -> Said | None:
    """The content, or None for an event that is no message (all but a tap on a menu); `FieldUnreadable` when it cannot be read."""
    kind = json_fields.text(fields, "type")
    if kind is None:
        raise FieldUnreadable("missing", "type")
    if kind == "event":
        event = _EVENTS.get(event_name(fields))
        return event(fields) if event else None
    reader = _READERS.get(kind)
    return reader(fields) if reader else Said(kind="unsupported", raw_kind=json_fields.loggable(kind))


def event_name(fields: Fields) -> str:
    """The event's subtype as the vendor writes it (`follow`, `scan_follow`)."""
    return json_fields.loggable(json_fields.table(fields, "data").get("subtype"))


def created_at(fields: Fields) -> datetime:
    """The platform's own time of the message, to the second, UTC."""
    written = fields.get("created_at")
    found = _CREATED_AT.fullmatch(written) if isinstance(written, str) else None
    if found is None or found["month"] not in _MONTHS:
        raise FieldUnreadable("not a time", "created_at")
    year, day, hour, minute, second = (int(found[part]) for part in ("year", "day", "hour", "minute", "second"))
    offset = timedelta(hours=int(found["off"][:2]), minutes=int(found["off"][2:])) * (-1 if found["sign"] == "-" else 1)
    try:
        there = datetime(year, _MONTHS.index(found["month"]) + 1, day, hour, minute, second, tzinfo=timezone(offset))
        return there.astimezone(UTC)
    except (ValueError, OverflowError):
        raise FieldUnreadable("not a time", "created_at") from None


def identity(fields: Fields) -> tuple[str, ...]:
    """What tells this message from the sender's others.

    Weibo gives no id and advises sender and time, but two messages of one second would be one then: type, text and data are added.
    """
    data = json.dumps(fields.get("data"), sort_keys=True, separators=(",", ":"))
    sender = json_fields.required_id(fields, "sender_id")
    return sender, str(fields.get("created_at")), str(fields.get("type")), str(fields.get("text")), data


def _text(fields: Fields) -> Said:
    words = json_fields.text(fields, "text")
    if words is None:
        raise FieldUnreadable("missing", "text")
    return Said(kind="text", text=words)


def _position(fields: Fields) -> Said:
    data = json_fields.table(fields, "data")
    lat, lon = json_fields.degrees(data, "latitude", 90), json_fields.degrees(data, "longitude", 180)
    # The text is Weibo's own ("我在这里: http://t.cn/…"): a label, not the person's words.
    return Said(kind="location", location=Location(lat=lat, lon=lon, label=json_fields.text(fields, "text", 300)))


def _media(kind: Kind) -> Callable[[Fields], Said]:
    def read(fields: Fields) -> Said:
        # `vfid` is for the sender's eyes, `tovfid` for the receiver's. The text is Weibo's ("发了一张图片").
        media_id = json_fields.required_id(json_fields.table(fields, "data"), "tovfid")
        caption = json_fields.text(fields, "text", 300)
        return Said(kind=kind, attachment=Attachment(kind=kind, media_id=media_id, caption=caption, needs_download=True))

    return read


def _menu_click(fields: Fields) -> Said:
    key = json_fields.text(json_fields.table(fields, "data"), "key", 512)
    return Said(kind="interactive", interactive=Interactive(type="menu", payload=key))


def _mention(fields: Fields) -> Said:
    data = json_fields.table(fields, "data")
    return Said(
        kind="text",
        text=json_fields.text(fields, "text"),
        native_id=json_fields.optional_id(data, "key"),
        public=True,
    )


_READERS: dict[str, Callable[[Fields], Said]] = {
    "text": _text,
    "position": _position,
    "image": _media("image"),
    "voice": _media("voice"),
    "mention": _mention,
}
# One page of the vendor's gives mentions a type of their own, another makes them an event.
_EVENTS: dict[str, Callable[[Fields], Said]] = {"click": _menu_click, "mention": _mention}
