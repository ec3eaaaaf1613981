"""What WeChat's XML says, message type by message type, in our words. The official accounts and WeCom share the format.

https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_standard_messages.html
https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_event_pushes.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from functions.channels.codecs.constant_time import unix_time
from functions.channels.codecs.platform_time import believable
from functions.common.errors import Poison
from functions.common.message import Attachment, Interactive, Kind, Link, Location

Fields = Mapping[str, str]

# A sticker, a channel video and whatever else the account may not receive arrive as a text of WeChat's own, in the sender's language.
# No page of the vendor's lists them; these are known from bots that meet them.
NOT_FORWARDED = {
    "【收到不支持的消息类型，暂无法显示】",
    "【收到不支援的訊息類型，無法顯示】",
    "[Unsupported Message]",
    "[Unsupported message]",
}
MAX_ID = 256
MEDIA_KEPT = timedelta(days=3)
VOICE_MIME = {"amr": "audio/amr", "speex": "audio/speex", "mp3": "audio/mpeg"}
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,20})?")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class FieldUnreadable(Poison):
    """A field that the message cannot do without is missing or of a wrong form. `where` names it."""

    def __init__(self, reason: str, where: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.reason = reason
        self.where = where


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who, where and when. `from_menu`: a tap on a menu made it, no typing did."""

    kind: Kind
    text: str | None = None
    attachment: Attachment | None = None
    location: Location | None = None
    interactive: Interactive | None = None
    link: Link | None = None
    raw_kind: str | None = None
    from_menu: bool = False


def said(fields: Fields) -> Said | None:
    """The content, or None for an event that is no message (all but a tap on a menu); `FieldUnreadable` when it cannot be read."""
    kind = required(fields, "MsgType")
    if kind == "event":
        return _menu_click(fields) if event_name(fields) == "CLICK" else None
    reader = _READERS.get(kind)
    return reader(fields) if reader else Said(kind="unsupported", raw_kind=_name(kind))


def event_name(fields: Fields) -> str:
    """The event's name as the vendor writes it (`subscribe`, `SCAN`); `unnamed` when it is none that may stand in a log."""
    return _name(fields.get("Event", ""))


def sent_at(fields: Fields, received_at: datetime) -> datetime | None:
    """The platform's own time of the message, to the second; None when it cannot be true."""
    moment = unix_time(required(fields, "CreateTime"))
    if moment is None:
        raise FieldUnreadable("not a time", "CreateTime")
    return believable(moment, received_at)


def kept(attachment: Attachment | None, since: datetime) -> tuple[Attachment, ...]:
    """What came along, with its end: a media id is good for three days.

    https://developers.weixin.qq.com/doc/offiaccount/Asset_Management/Get_temporary_materials.html
    """
    return (replace(attachment, url_expires_at=since + MEDIA_KEPT),) if attachment else ()


def identity(fields: Fields) -> tuple[str, ...]:
    """What tells this message from the contact's others: its id, or for an event, which has none, the fields that stand for it."""
    if required(fields, "MsgType") != "event":
        return (required(fields, "MsgId"),)
    return (
        required(fields, "FromUserName"),
        required(fields, "CreateTime"),
        fields.get("Event", ""),
        fields.get("EventKey", ""),
    )


def required(fields: Fields, name: str) -> str:
    """A field that must be there, be not empty and no longer than an id may be."""
    value = fields.get(name)
    if not value:
        raise FieldUnreadable("missing", name)
    if len(value) > MAX_ID:
        raise FieldUnreadable("too long", name)
    return value


def _name(text: str) -> str:
    return text if _NAME.fullmatch(text) else "unnamed"


def _text(fields: Fields) -> Said:
    content = fields.get("Content")
    if content is None:
        raise FieldUnreadable("missing", "Content")
    if content.strip() in NOT_FORWARDED:
        return Said(kind="unsupported", raw_kind="text")
    choice = fields.get("bizmsgmenuid")
    # A tap on a menu *message* arrives as the text of the entry, with the entry's id.
    interactive = Interactive(type="menu", id=choice, title=content) if choice else None
    return Said(kind="text", text=content, interactive=interactive, from_menu=bool(choice))


def _menu_click(fields: Fields) -> Said:
    return Said(kind="interactive", interactive=Interactive(type="menu", payload=fields.get("EventKey")), from_menu=True)


def _image(fields: Fields) -> Said:
    return Said(kind="image", attachment=_media(fields, "image", url=fields.get("PicUrl") or None))


def _voice(fields: Fields) -> Said:
    mime = VOICE_MIME.get(fields.get("Format", "").lower())
    # Recognition is there where the account has speech recognition switched on.
    return Said(kind="voice", attachment=_media(fields, "voice", mime=mime, transcript=fields.get("Recognition") or None))


def _video(fields: Fields) -> Said:
    return Said(kind="video", attachment=_media(fields, "video"))


def _media(
    fields: Fields, kind: str, *, url: str | None = None, mime: str | None = None, transcript: str | None = None
) -> Attachment:
    media_id = required(fields, "MediaId")
    return Attachment(kind=kind, media_id=media_id, url=url, mime=mime, transcript=transcript, needs_download=True)


def _location(fields: Fields) -> Said:
    lat, lon = _degrees(fields, "Location_X", 90), _degrees(fields, "Location_Y", 180)
    return Said(kind="location", location=Location(lat=lat, lon=lon, label=fields.get("Label") or None))


def _degrees(fields: Fields, name: str, limit: int) -> float:
    text = required(fields, name)
    if not _DEGREES.fullmatch(text) or abs(float(text)) > limit:
        raise FieldUnreadable("not degrees", name)
    return float(text)


def _link(fields: Fields) -> Said:
    url = fields.get("Url")
    if not url:
        raise FieldUnreadable("missing", "Url")
    return Said(kind="link", link=Link(url=url, title=fields.get("Title") or None, desc=fields.get("Description") or None))


_READERS: dict[str, Callable[[Fields], Said]] = {
    "text": _text,
    "image": _image,
    "voice": _voice,
    "video": _video,
    "shortvideo": _video,
    "location": _location,
    "link": _link,
}
