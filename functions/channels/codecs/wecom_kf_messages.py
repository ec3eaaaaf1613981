"""What 微信客服's `sync_msg` lists, type by type, in our words.

https://developer.work.weixin.qq.com/document/path/94670
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.contract import Ignored
from functions.common.message import Attachment, Interactive, Kind, Link, Location

CUSTOMER, SYSTEM, SERVICER = 3, 4, 5
_ORIGINS = {SYSTEM: "system", SERVICER: "servicer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who, where and when."""

    kind: Kind
    text: str | None = None
    attachment: Attachment | None = None
    location: Location | None = None
    interactive: Interactive | None = None
    link: Link | None = None
    raw_kind: str | None = None


def said(item: Fields) -> Said | Ignored:
    """The content of a customer's message; `Ignored` for events and for what our own people wrote."""
    kind = json_fields.required_id(item, "msgtype")
    if kind == "event":
        event = json_fields.table(item, "event").get("event_type")
        return Ignored(json_fields.loggable(event), json_fields.optional_id(item, "msgid"))
    origin = json_fields.count(item, "origin")
    if origin is None:
        raise FieldUnreadable("missing", "origin")
    if origin != CUSTOMER:
        return Ignored(_ORIGINS.get(origin, "other_origin"), json_fields.optional_id(item, "msgid"))
    reader = _READERS.get(kind)
    return reader(json_fields.table(item, kind)) if reader else Said(kind="unsupported", raw_kind=json_fields.loggable(kind))


def _text(content: Fields) -> Said:
    text = json_fields.text(content, "content")
    if text is None:
        raise FieldUnreadable("missing", "text.content")
    choice = json_fields.optional_id(content, "menu_id")
    return Said(kind="text", text=text, interactive=Interactive(type="menu", id=choice, title=text) if choice else None)


def _media(kind: Kind, mime: str | None = None) -> Callable[[Fields], Said]:
    def read(content: Fields) -> Said:
        # A media id is good for three days.
        media_id = json_fields.required_id(content, "media_id")
        return Said(kind=kind, attachment=Attachment(kind=kind, media_id=media_id, mime=mime, needs_download=True))

    return read


def _location(content: Fields) -> Said:
    place = Location(
        lat=json_fields.degrees(content, "latitude", 90),
        lon=json_fields.degrees(content, "longitude", 180),
        label=json_fields.text(content, "name"),
        address=json_fields.text(content, "address"),
    )
    return Said(kind="location", location=place)


def _link(content: Fields) -> Said:
    url = json_fields.url(content, "url")
    if url is None:
        raise FieldUnreadable("missing", "link.url")
    return Said(
        kind="link", link=Link(url=url, title=json_fields.text(content, "title"), desc=json_fields.text(content, "desc"))
    )


def _card(content: Fields) -> Said:  # noqa: ARG001  a message has no room for somebody else's id
    return Said(kind="contact")


def _miniprogram(content: Fields) -> Said:
    page, title = json_fields.url(content, "pagepath"), json_fields.text(content, "title")
    return Said(kind="unsupported", raw_kind="miniprogram", link=Link(url=page, title=title) if page else None)


_READERS: dict[str, Callable[[Fields], Said]] = {
    "text": _text,
    "image": _media("image"),
    "voice": _media("voice", "audio/amr"),  # the format that we ask for
    "video": _media("video"),
    "file": _media("file"),
    "location": _location,
    "link": _link,
    "business_card": _card,
    "miniprogram": _miniprogram,
}
