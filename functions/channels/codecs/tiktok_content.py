"""What one person said in a TikTok business conversation: `content` of an `im_receive_msg` webhook in our words.

An image is an id, fetched through the API with conversation and message (`thread_id`, `native_id`). Types that TikTok announces without
handing them over (a sticker, a video) are `unsupported`.
https://github.com/chatwoot/chatwoot/blob/develop/app/services/tiktok/message_service.rb
"""

from __future__ import annotations

from dataclasses import dataclass

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields, loggable, optional_id, required_id, table, url
from functions.common.message import Attachment, Interactive, Kind, Link, Referral, ReplyTo

ARRIVED = "im_referral_msg"
CARD_TITLE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who, where and when."""

    kind: Kind
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    link: Link | None = None
    interactive: Interactive | None = None
    referral: Referral | None = None
    reply_to: ReplyTo | None = None
    raw_kind: str | None = None


def said(content: Fields) -> Said:
    """The content; `FieldUnreadable` when a picture has no id."""
    kind, quoted = loggable(content.get("type")), _quoted(content)
    if kind == "text":
        return Said(
            kind="text", text=json_fields.text(table(content, "text"), "body"), interactive=_tap(content), reply_to=quoted
        )
    if kind == "image":
        picture = Attachment(kind="image", media_id=required_id(table(content, "image"), "media_id"), needs_download=True)
        return Said(kind="image", attachments=(picture,), reply_to=quoted)
    shared = url(table(content, "share_post"), "embed_url") if kind == "share_post" else None
    if shared:
        return Said(kind="link", link=Link(url=shared), reply_to=quoted)
    return Said(kind="unsupported", raw_kind=kind, reply_to=quoted)


def arrival(content: Fields) -> Said | None:
    """An `im_referral_msg`: somebody came by an advertisement, and has not written. None for any other link, which needs nothing from us.

    Fields as in public code that meets them (`source`, `ad`: `ad_id`, `ad_name`, `embed_url`); TikTok's own page is behind a log-in.
    """
    referral = table(content, "referral")
    ad = table(referral, "ad")
    ad_id = optional_id(ad, "ad_id")
    if ad_id is None:
        return None
    found = Referral(source="ad", ad_id=ad_id, headline=json_fields.text(ad, "ad_name", 200), source_url=url(ad, "embed_url"))
    return Said(kind="interactive", interactive=Interactive(type="postback", id=ARRIVED), referral=found)


def written(text: str, buttons: tuple[str, ...]) -> Fields:
    """A text, or a question with its answers to tap on."""
    if not buttons:
        return {"message_type": "TEXT", "text": {"body": text}}
    answers = [{"type": "REPLY", "title": title, "id": title} for title in buttons]
    return {"message_type": "TEMPLATE", "template": {"type": "QA_BUTTON_CARD", "title": text, "buttons": answers}}


def name(content: Fields) -> str | None:
    """The person's user name."""
    return json_fields.text(content, "from", 200)


def _tap(content: Fields) -> Interactive | None:
    """Which button of a card of ours was tapped: the tap itself says its title."""
    tapped = optional_id(table(content, "reply_source_payload"), "reply_source_unique_id")
    return Interactive(type="button", id=tapped, payload=tapped) if tapped else None


def _quoted(content: Fields) -> ReplyTo | None:
    found = optional_id(table(content, "referenced_message_info"), "referenced_message_id")
    return ReplyTo(native_id=found) if found else None
