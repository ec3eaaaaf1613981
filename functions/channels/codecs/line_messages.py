"""What one person said on LINE: a webhook event in our words.

Media come as the message's id: the content is fetched from api-data.line.me, and LINE deletes it after some time, which it does not name.
https://developers.line.biz/en/reference/messaging-api/#webhook-event-objects
https://github.com/line/line-openapi/blob/main/webhook.yml
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import (
    Fields,
    FieldUnreadable,
    count,
    degrees,
    loggable,
    optional_id,
    required_id,
    rows,
    table,
    url,
)
from functions.common.message import Attachment, Contact, ContactId, Interactive, Kind, Location, ReplyTo, Sticker

MAX_DATA = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of an event, without who, where and when. `native_id`: the message's id; a tap (postback) has none."""

    kind: Kind
    native_id: str | None = None
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    location: Location | None = None
    sticker: Sticker | None = None
    interactive: Interactive | None = None
    mentions: tuple[str, ...] = ()
    reply_to: ReplyTo | None = None
    raw_kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an event happened. A group's or room's `contact` is the group: that is where a reply goes."""

    contact: Contact
    group: str | None


def event_name(event: Fields) -> str:
    """The event's type, as it may stand in a log."""
    return loggable(event.get("type"))


def said(event: Fields) -> Said | None:
    """The content of a message or a tap, None for any other event; `FieldUnreadable` when a field that it needs is missing."""
    kind = event.get("type")
    if kind == "postback":
        return _postback(table(event, "postback"))
    return _message(table(event, "message")) if kind == "message" else None


def place(event: Fields, account: str, provider: str) -> Place:
    """The person, or the group with the person in it. User ids are unique within a provider, all of whose channels share them; while the
    account does not name its provider, an id is known to be the person's in this account only.
    """
    source = table(event, "source")
    group = optional_id(source, "groupId") or optional_id(source, "roomId")
    person = optional_id(source, "userId")
    primary = group or person
    if primary is None:
        raise FieldUnreadable("missing", "source.userId")
    kind, scope = ("user_id", provider) if provider else ("uid", account)
    ids = (ContactId(kind=kind, value=person, scope=scope),) if person else ()
    return Place(contact=Contact(primary=primary, ids=ids), group=group)


def _message(message: Fields) -> Said:
    native_id, kind = required_id(message, "id"), loggable(message.get("type"))
    reader = _READERS.get(kind)
    return Said(kind="unsupported", raw_kind=kind, native_id=native_id) if reader is None else reader(message, native_id)


def _text(message: Fields, native_id: str) -> Said:
    mentioned = (optional_id(each, "userId") for each in rows(table(message, "mention"), "mentionees"))
    return Said(
        kind="text",
        native_id=native_id,
        text=json_fields.text(message, "text"),
        mentions=tuple(filter(None, mentioned)),
        reply_to=_quoted(message),
    )


def _medium(kind: Kind) -> Callable[[Fields, str], Said]:
    def read(message: Fields, native_id: str) -> Said:
        provider = table(message, "contentProvider")
        external = url(provider, "originalContentUrl") if provider.get("type") == "external" else None
        attachment = Attachment(
            kind=kind,
            media_id=None if external else native_id,
            url=external,
            size=count(message, "fileSize"),
            filename=json_fields.text(message, "fileName", 255),
            duration_ms=count(message, "duration"),
            needs_download=True,
        )
        return Said(kind=kind, native_id=native_id, attachments=(attachment,), reply_to=_quoted(message))

    return read


def _location(message: Fields, native_id: str) -> Said:
    found = Location(
        lat=degrees(message, "latitude", 90),
        lon=degrees(message, "longitude", 180),
        label=json_fields.text(message, "title", 200),
        address=json_fields.text(message, "address", 500),
    )
    return Said(kind="location", native_id=native_id, location=found)


def _sticker(message: Fields, native_id: str) -> Said:
    """A message sticker bears words that the person typed."""
    found = Sticker(sticker_id=required_id(message, "stickerId"), pack_id=optional_id(message, "packageId"))
    words = json_fields.text(message, "text", 200)
    return Said(kind="sticker", native_id=native_id, text=words, sticker=found, reply_to=_quoted(message))


def _postback(postback: Fields) -> Said:
    """A tap on a button or a menu; a picked date or a switched menu comes in `params`."""
    data = json_fields.text(postback, "data", MAX_DATA)
    if data is None:
        raise FieldUnreadable("missing", "postback.data")
    params = table(postback, "params")
    picked = " ".join(filter(None, (json_fields.text(params, name, 100) for name in sorted(params)[:5])))
    return Said(kind="interactive", interactive=Interactive(type="postback", title=picked or None, payload=data))


def _quoted(message: Fields) -> ReplyTo | None:
    found = optional_id(message, "quotedMessageId")
    return ReplyTo(native_id=found) if found else None


_READERS: dict[str, Callable[[Fields, str], Said]] = {
    "text": _text,
    "image": _medium("image"),
    "video": _medium("video"),
    "audio": _medium("voice"),
    "file": _medium("file"),
    "location": _location,
    "sticker": _sticker,
}
