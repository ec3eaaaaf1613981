"""What one person said in a TikTok business conversation: `content` of an `im_receive_msg` webhook in our words.

An image is an id, fetched through the API with conversation and message (`thread_id`, `native_id`). Types that TikTok announces without
handing them over (a sticker, a video) are `unsupported`.
https://github.com/chatwoot/chatwoot/blob/develop/app/services/tiktok/message_service.rb
"""

from __future__ import annotations

from dataclasses import dataclass

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields, loggable, optional_id, required_id, table, url
from functions.common.message import Attachment, Kind, Link, ReplyTo


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who, where and when."""

    kind: Kind
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    link: Link | None = None
    reply_to: ReplyTo | None = None
    raw_kind: str | None = None


def said(content: Fields) -> Said:
    """The content; `FieldUnreadable` when a picture has no id."""
    kind, quoted = loggable(content.get("type")), _quoted(content)
    if kind == "text":
        return Said(kind="text", text=json_fields.text(table(content, "text"), "body"), reply_to=quoted)
    if kind == "image":
        picture = Attachment(kind="image", media_id=required_id(table(content, "image"), "media_id"), needs_download=True)
        return Said(kind="image", attachments=(picture,), reply_to=quoted)
    shared = url(table(content, "share_post"), "embed_url") if kind == "share_post" else None
    if shared:
        return Said(kind="link", link=Link(url=shared), reply_to=quoted)
    return Said(kind="unsupported", raw_kind=kind, reply_to=quoted)


def name(content: Fields) -> str | None:
    """The person's user name."""
    return json_fields.text(content, "from", 200)


def _quoted(content: Fields) -> ReplyTo | None:
    found = optional_id(table(content, "referenced_message_info"), "referenced_message_id")
    return ReplyTo(native_id=found) if found else None
