"""What Feishu's events say, in both of their shapes, in our words.

Version 2.0 has a `header` and an `event`; version 1 has `uuid`, `token` and `ts` beside the `event`. A message's content is JSON inside
text.
https://open.feishu.cn/document/server-docs/im-v1/message/events/receive
https://open.feishu.cn/document/server-docs/im-v1/message-content-description/message_content
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from functions.channels.codecs import json_fields, strict_json
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.common.errors import MalformedPayload
from functions.common.message import Attachment, Interactive, Kind, Location, Sticker

V2_MESSAGE = "im.message.receive_v1"
V1_MESSAGE = "message"
# A tap on a button of a card of ours: https://open.feishu.cn/document/feishu-cards/card-callback-communication
V2_TAP = "card.action.trigger"
MESSAGES = frozenset({V1_MESSAGE, V2_MESSAGE, V2_TAP})
_V1_TYPES = {"private": "p2p"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of either version. `message` is empty for an event that is no message; `content` is still JSON inside text."""

    kind: str
    event_id: str | None
    app_id: str | None
    tenant: str | None
    sender_type: str = "user"
    sender: Fields
    message: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who, where and when."""

    kind: Kind
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    location: Location | None = None
    sticker: Sticker | None = None
    interactive: Interactive | None = None
    raw_kind: str | None = None


def token(fields: Fields) -> str:
    """The verification token that came with an event or a verification call, wherever its version puts it."""
    found = json_fields.table(fields, "header").get("token") if fields.get("schema") == "2.0" else fields.get("token")
    return found if isinstance(found, str) else ""


def event(fields: Fields) -> Event:
    """Either version as one shape."""
    inner = json_fields.table(fields, "event")
    return _version_2(fields, inner) if fields.get("schema") == "2.0" else _version_1(fields, inner)


def said(message: Fields) -> Said:
    """The content of a message; `FieldUnreadable` when it cannot be read."""
    kind = json_fields.text(message, "message_type")
    if kind is None:
        raise FieldUnreadable("missing", "message_type")
    reader = _READERS.get(kind)
    if reader is None:
        return Said(kind="unsupported", raw_kind=json_fields.loggable(kind))
    return reader(_content(message), _names(message))


def mentions(message: Fields) -> tuple[str, ...]:
    """The open_ids of those who are mentioned."""
    rows = json_fields.rows(message, "mentions")
    found = (json_fields.optional_id(json_fields.table(row, "id"), "open_id") for row in rows)
    return tuple(each for each in found if each)


def _version_2(fields: Fields, inner: Fields) -> Event:
    header, sender = json_fields.table(fields, "header"), json_fields.table(inner, "sender")
    kind = json_fields.loggable(header.get("event_type"))
    if kind == V2_TAP:
        sender = {"sender_type": "user", "sender_id": inner.get("operator")}
        inner = {"message": _tap(header, inner)}
    return Event(
        kind=kind,
        event_id=json_fields.optional_id(header, "event_id"),
        app_id=json_fields.optional_id(header, "app_id"),
        tenant=json_fields.optional_id(header, "tenant_key"),
        sender_type=json_fields.loggable(sender.get("sender_type")),
        sender=json_fields.table(sender, "sender_id"),
        message=json_fields.table(inner, "message") if kind in MESSAGES else {},
    )


def _tap(header: Fields, inner: Fields) -> Fields:
    """A tap in the words of a message. It has none of its own: what it answers, and what is answered, is the card. Its time is in µs."""
    context, value = json_fields.table(inner, "context"), json_fields.table(json_fields.table(inner, "action"), "value")
    at, card = json_fields.optional_id(header, "create_time"), json_fields.optional_id(context, "open_message_id")
    return {
        "message_id": card,
        "parent_id": card,
        "chat_id": context.get("open_chat_id"),
        "chat_type": "group" if value.get("chat") == "group" else "p2p",
        "create_time": at[:-3] if at and len(at) == 16 else at,
        "message_type": V2_TAP,
        "content": value,
    }


def _version_1(fields: Fields, inner: Fields) -> Event:
    kind = json_fields.loggable(inner.get("type"))
    return Event(
        kind=kind,
        event_id=json_fields.optional_id(fields, "uuid"),
        app_id=json_fields.optional_id(inner, "app_id"),
        tenant=json_fields.optional_id(inner, "tenant_key"),
        sender={name: inner.get(name) for name in ("open_id", "union_id")} | {"user_id": inner.get("employee_id")},
        message=_version_1_message(fields, inner) if kind == V1_MESSAGE else {},
    )


def _version_1_message(fields: Fields, inner: Fields) -> Fields:
    """Version 1 in version 2's words. Its time is that of the event, in seconds with a fraction."""
    chat_type, seconds = inner.get("chat_type"), fields.get("ts")
    return {
        "message_id": inner.get("open_message_id"),
        "parent_id": inner.get("parent_id"),
        "chat_id": inner.get("open_chat_id"),
        "chat_type": _V1_TYPES.get(chat_type, chat_type) if isinstance(chat_type, str) else None,
        "message_type": inner.get("msg_type"),
        "create_time": seconds.partition(".")[0] if isinstance(seconds, str) else seconds,
        "content": {"text": inner.get("text_without_at_bot") or inner.get("text")}
        | {name: inner.get(name) for name in ("title", "image_key", "file_key")},
    }


def _content(message: Fields) -> Fields:
    value = message.get("content")
    if isinstance(value, str):
        try:
            value = strict_json.parse(value.encode("utf-8", "replace"))
        except MalformedPayload:
            raise FieldUnreadable("not JSON", "content") from None
    if not isinstance(value, dict):
        raise FieldUnreadable("not an object", "content")
    return value


def _names(message: Fields) -> Mapping[str, str]:
    """What stands for a mention in the text, and the name it stands for."""
    rows = json_fields.rows(message, "mentions")
    pairs = ((json_fields.text(row, "key", 32), json_fields.text(row, "name", 100)) for row in rows)
    return {key: f"@{name}" for key, name in pairs if key and name}


def _named(words: str, names: Mapping[str, str]) -> str:
    # The longest first: @_user_1 is how @_user_10 begins.
    for key in sorted(names, key=len, reverse=True):
        words = words.replace(key, names[key])
    return words.strip()[: json_fields.MAX_TEXT]


def _text(content: Fields, names: Mapping[str, str]) -> Said:
    words = json_fields.text(content, "text")
    if words is None:
        raise FieldUnreadable("missing", "text")
    return Said(kind="text", text=_named(words, names) or None)


def _post(content: Fields, names: Mapping[str, str]) -> Said:
    """Rich text: its words line by line, its pictures and films apart. It may be wrapped in the name of its language."""
    if "content" not in content and "text" not in content:
        content = next((value for value in content.values() if isinstance(value, dict)), content)
    lines = content.get("content")
    rows = [json_fields.rows({"line": line}, "line") for line in lines[:500]] if isinstance(lines, list) else []
    written = ["".join(filter(None, map(_words, row))) for row in rows]
    head = [json_fields.text(content, "title", 1000), json_fields.text(content, "text")]
    words = _named("\n".join(filter(None, [*head, *written])), names) or None
    files = tuple(_files(tag for row in rows for tag in row))[: json_fields.MAX_ROWS]
    kinds = {file.kind for file in files}
    kind: Kind = "text" if not kinds else "mixed" if words or len(kinds) > 1 else "image" if kinds == {"image"} else "video"
    return Said(kind=kind, text=words, attachments=files)


def _words(tag: Fields) -> str | None:
    name, words = tag.get("tag"), json_fields.text(tag, "text")
    if name == "a" and words:
        return f"{words} ({json_fields.url(tag, 'href') or ''})"
    if name == "at":
        return f"@{json_fields.text(tag, 'user_name', 100) or ''}"
    return words


def _files(tags: Iterator[Fields]) -> Iterator[Attachment]:
    for tag in tags:
        key = json_fields.optional_id(tag, "file_key" if tag.get("tag") == "media" else "image_key")
        if key and tag.get("tag") in ("img", "media"):
            kind = "image" if tag.get("tag") == "img" else "video"
            yield Attachment(kind=kind, media_id=key, needs_download=True)


def _media(kind: Kind, name: str) -> Callable[[Fields, Mapping[str, str]], Said]:
    """A file under its key. It is fetched with the key and the message's id, by an API of its own."""

    def read(content: Fields, _names: Mapping[str, str]) -> Said:
        attachment = Attachment(
            kind=kind,
            media_id=json_fields.required_id(content, name),
            filename=json_fields.text(content, "file_name", 255),
            duration_ms=json_fields.count(content, "duration"),
            needs_download=True,
        )
        return Said(kind=kind, attachments=(attachment,))

    return read


def _sticker(content: Fields, _names: Mapping[str, str]) -> Said:
    return Said(kind="sticker", sticker=Sticker(sticker_id=json_fields.required_id(content, "file_key")))


def is_ours(tap: Fields) -> bool:
    """Whether a tap was on a button of ours: an app may have other cards."""
    return isinstance(json_fields.table(tap, "content").get("say"), str)


def _location(content: Fields, _names: Mapping[str, str]) -> Said:
    lat, lon = json_fields.degrees(content, "latitude", 90), json_fields.degrees(content, "longitude", 180)
    return Said(kind="location", location=Location(lat=lat, lon=lon, label=json_fields.text(content, "name", 300)))


def _tapped(content: Fields, _names: Mapping[str, str]) -> Said:
    title = json_fields.text(content, "say", 100)
    return Said(kind="interactive", interactive=Interactive(type="button", title=title, payload=title))


def _contact(_content: Fields, _names: Mapping[str, str]) -> Said:
    return Said(kind="contact", raw_kind="share_user")


_READERS: dict[str, Callable[[Fields, Mapping[str, str]], Said]] = {
    "text": _text,
    "post": _post,
    "image": _media("image", "image_key"),
    "file": _media("file", "file_key"),
    "audio": _media("voice", "file_key"),
    "media": _media("video", "file_key"),
    "sticker": _sticker,
    "location": _location,
    "share_user": _contact,
    V2_TAP: _tapped,
}
