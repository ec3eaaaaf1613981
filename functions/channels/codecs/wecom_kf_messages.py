"""What 微信客服's `sync_msg` lists, type by type, in our words.

That a customer opened the chat is a message only where the way they came by has a name: the `scene_param` that the corp put into its
link, or a page of a Channels account (视频号). No later message tells it. `send_msg` cannot answer such a visit: the customer must write.

https://developer.work.weixin.qq.com/document/path/94670
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.contract import Ignored
from functions.common.message import Attachment, Interactive, Kind, Link, Location, Referral

ENTERED = "enter_session"
CUSTOMER, SYSTEM, SERVICER = 3, 4, 5
_ORIGINS = {SYSTEM: "system", SERVICER: "servicer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who, where and when. `entered`: the customer opened the chat and has not written."""

    kind: Kind
    text: str | None = None
    attachment: Attachment | None = None
    location: Location | None = None
    interactive: Interactive | None = None
    link: Link | None = None
    referral: Referral | None = None
    raw_kind: str | None = None
    entered: bool = False


def said(item: Fields) -> Said | Ignored:
    """The content of a customer's message or named visit; `Ignored` for other events and for what our own people wrote."""
    kind = json_fields.required_id(item, "msgtype")
    if kind == "event":
        return _event(json_fields.table(item, "event"), json_fields.optional_id(item, "msgid"))
    origin = json_fields.count(item, "origin")
    if origin is None:
        raise FieldUnreadable("missing", "origin")
    if origin != CUSTOMER:
        return Ignored(_ORIGINS.get(origin, "other_origin"), json_fields.optional_id(item, "msgid"))
    reader = _READERS.get(kind)
    return reader(json_fields.table(item, kind)) if reader else Said(kind="unsupported", raw_kind=json_fields.loggable(kind))


def _event(event: Fields, native_id: str | None) -> Said | Ignored:
    name = json_fields.loggable(event.get("event_type"))
    referral = _referral(event) if name == ENTERED else None
    if referral is None:
        return Ignored(name, native_id)
    return Said(kind="interactive", interactive=Interactive(type="postback", id=ENTERED), referral=referral, entered=True)


def _referral(event: Fields) -> Referral | None:
    """The way by which a customer came: a link's own words (`scene`, `scene_param`), or a Channels account by its name."""
    channels = json_fields.table(event, "wechat_channels")
    scene, param = json_fields.text(event, "scene", 64), json_fields.text(event, "scene_param", 256)
    account = json_fields.text(channels, "nickname", 200) or json_fields.text(channels, "shop_nickname", 200)
    if account:
        place = json_fields.count(channels, "scene")
        return Referral(source="share", headline=account, ref=None if place is None else f"wechat_channels={place}")
    return Referral(source="link", ref=urlencode({"scene": scene or "", "scene_param": param})) if param else None


def _text(content: Fields) -> Said:
    text = json_fields.text(content, "content")
    if text is None:
        raise FieldUnreadable("missing", "text.content")
    choice = json_fields.optional_id(content, "menu_id")
    return Said(kind="text", text=text, interactive=Interactive(type="menu", id=choice, title=text) if choice else None)


def _media(kind: Kind, mime: str | None = None) -> Callable[[Fields], Said]:
    def read(content: Fields) -> Said:
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


def _order(content: Fields) -> Said:
    """An order at a Channels shop, a line for what, for how much, and how it stands."""
    lines = (json_fields.text(content, name, 500) for name in ("product_titles", "price_wording", "state", "order_id"))
    return Said(kind="order", text="\n".join(filter(None, lines)) or None)


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
    "channels_shop_order": _order,
}
