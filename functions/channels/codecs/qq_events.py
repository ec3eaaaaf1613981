"""What QQ's webhooks say, event by event, in our words.

https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/event.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields
from functions.common.message import Attachment, ContactId, Kind, ReplyTo

# `fromisoformat` also takes dates without a time or a zone.
_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
MAX_ATTACHMENTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a message was written. `sender` is the field of `author` that names the person there.

    `group` is the field that names the place; `replies` and `window` say how often and how long it may be answered there (0: never).
    """

    kind: Literal["dm", "group", "channel"]
    sender: str
    id_kind: str
    group: str | None = None
    replies: int = 0
    window: timedelta = timedelta()


# Guilds (频道) are answered by another API, which takes no sequence number and wants the bot on a WebSocket: they are read only.
# https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/send.html
PLACES = {
    "C2C_MESSAGE_CREATE": Place(
        kind="dm", sender="user_openid", id_kind="openid", replies=5, window=timedelta(minutes=60)
    ),
    "GROUP_AT_MESSAGE_CREATE": Place(
        kind="group",
        sender="member_openid",
        id_kind="member_openid",
        group="group_openid",
        replies=5,
        window=timedelta(minutes=5),
    ),
    "DIRECT_MESSAGE_CREATE": Place(kind="dm", sender="id", id_kind="user_id", group="guild_id"),
    "AT_MESSAGE_CREATE": Place(kind="channel", sender="id", id_kind="user_id", group="channel_id"),
    "MESSAGE_CREATE": Place(kind="channel", sender="id", id_kind="user_id", group="channel_id"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who, where and when."""

    kind: Kind
    text: str | None
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[str, ...] = ()
    reply_to: ReplyTo | None = None
    raw_kind: str | None = None


def said(fields: Fields) -> Said:
    """The content of `d`. A message without words or files is of a kind that the documentation does not have."""
    words = (json_fields.text(fields, "content") or "").strip() or None
    files = json_fields.rows(fields, "attachments")[:MAX_ATTACHMENTS]
    kinds: set[Kind] = {_kind(row) for row in files} | ({"text"} if words else set())
    number = json_fields.count(fields, "message_type")
    return Said(
        kind="unsupported" if not kinds else "mixed" if len(kinds) > 1 else kinds.pop(),
        text=words,
        attachments=tuple(map(_attachment, files)),
        mentions=_mentions(fields),
        reply_to=_quoted(fields),
        raw_kind=None if words or files else "empty" if number is None else f"message_type_{number}",
    )


def sent_at(fields: Fields) -> datetime | None:
    """The platform's own time of the message, UTC, to the second; None when there is none."""
    written = fields.get("timestamp")
    if not isinstance(written, str) or not _RFC3339.fullmatch(written):
        return None
    try:
        return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def person(fields: Fields, place: Place, scope: str, open_platform: str) -> tuple[str, tuple[ContactId, ...]]:
    """The id that names the sender in this place, and all ids that the event has, each with the scope in which it is unique."""
    author = json_fields.table(fields, "author")
    primary = json_fields.required_id(author, place.sender)
    within = json_fields.optional_id(fields, place.group) if place.group and place.kind == "group" else None
    ids = [ContactId(kind=place.id_kind, value=primary, scope=within or scope)]
    union = json_fields.optional_id(author, "union_openid")
    if union:
        ids.append(ContactId(kind="unionid", value=union, scope=open_platform))
    return primary, tuple(ids)


def group(fields: Fields, place: Place) -> str | None:
    """The id of the group, guild or channel; `FieldUnreadable` when the place has one and the event has not."""
    return json_fields.required_id(fields, place.group) if place.group else None


def _attachment(row: Fields) -> Attachment:
    mime = json_fields.text(row, "content_type", 100)
    return Attachment(
        kind=_kind(row),
        url=json_fields.url(row, "url"),
        mime=mime if mime and "/" in mime else None,
        size=json_fields.count(row, "size"),
        filename=json_fields.text(row, "filename", 255),
        width=json_fields.count(row, "width"),
        height=json_fields.count(row, "height"),
        # What QQ's own recognition understood; not on every page of the documentation.
        transcript=json_fields.text(row, "asr_refer_text"),
        needs_download=True,
    )


def _kind(row: Fields) -> Kind:
    family = (json_fields.text(row, "content_type") or "").partition("/")[0]
    kinds: dict[str, Kind] = {"image": "image", "video": "video", "voice": "voice", "audio": "voice"}
    return kinds.get(family, "file")


def _mentions(fields: Fields) -> tuple[str, ...]:
    rows = json_fields.rows(fields, "mentions")
    found = (json_fields.optional_id(row, "member_openid") or json_fields.optional_id(row, "id") for row in rows)
    return tuple(each for each in found if each)


def _quoted(fields: Fields) -> ReplyTo | None:
    native_id = json_fields.optional_id(json_fields.table(fields, "message_reference"), "message_id")
    return ReplyTo(native_id=native_id) if native_id else None
