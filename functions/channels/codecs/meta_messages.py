"""What one person said on Messenger or Instagram: an item of `entry[].messaging[]` in our words.

https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/messages
https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/messaging_postbacks
https://developers.facebook.com/documentation/business-messaging/instagram-messaging/webhooks
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields, loggable, optional_id, required_id, rows, table, url
from functions.channels.codecs.meta_attachments import Attached, attached
from functions.channels.contract import Ignored
from functions.common.message import Attachment, Interactive, Kind, Link, Location, Referral, ReplyTo, Sticker

# Everything that an item may be about beside a message. What is in none of these lists is `unnamed`.
_EVENTS = (
    "read", "delivery", "reaction", "referral", "optin", "account_linking", "policy_enforcement", "message_edit", "take_thread_control",
    "pass_thread_control", "request_thread_control", "app_roles", "game_play", "order", "feedback", "call_permission_reply",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who, where and when. `identity` tells it from the contact's others."""

    kind: Kind
    identity: tuple[str, ...]
    native_id: str | None = None
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    location: Location | None = None
    sticker: Sticker | None = None
    interactive: Interactive | None = None
    link: Link | None = None
    reply_to: ReplyTo | None = None
    referral: Referral | None = None
    raw_kind: str | None = None


def ignored(item: Fields, ours: str) -> Ignored | None:
    """Why an item is no message of a person to us: an echo of `ours`, a receipt, a reaction, a deletion, an event."""
    message = table(item, "message")
    mid = optional_id(message, "mid") or optional_id(table(item, "postback"), "mid")
    if message.get("is_echo") is True or optional_id(table(item, "sender"), "id") == ours:
        return Ignored("echo", mid)
    if message.get("is_deleted") is True:
        return Ignored("deleted", mid)
    if not message and not table(item, "postback") and not _from_an_ad(item):
        return Ignored(next((name for name in _EVENTS if name in item), "unnamed"), mid)
    return None


def said(item: Fields, story_until: datetime) -> Said:
    """The content of a message, a postback or an arrival; `FieldUnreadable` when a field that it needs is missing."""
    message, postback = table(item, "message"), table(item, "postback")
    if message:
        return _message(message, item, story_until)
    return _postback(postback, item) if postback else _arrival(table(item, "referral"), item)


def _from_an_ad(item: Fields) -> bool:
    return optional_id(table(item, "referral"), "ad_id") is not None


def _arrival(referral: Fields, item: Fields) -> Said:
    """Somebody who has written before came back by an advertisement: what the brand paid for, and no later message says it.

    https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messaging_referrals
    """
    found = _referral(referral)
    return Said(
        kind="interactive",
        identity=("referral", optional_id(item, "timestamp") or "", optional_id(referral, "ad_id") or ""),
        interactive=Interactive(type="postback", id="referral"),
        referral=found,
    )


def _message(message: Fields, item: Fields, story_until: datetime) -> Said:
    mid, text = required_id(message, "mid"), json_fields.text(message, "text")
    found, tap = attached(rows(message, "attachments"), story_until), _quick_reply(message, text)
    kind, raw_kind = ("interactive", None) if tap else _kind(message, text, found)
    story = table(table(message, "reply_to"), "story")
    return Said(
        kind=kind,
        raw_kind=raw_kind,
        identity=(mid,),
        native_id=mid,
        text=text,
        attachments=found.media,
        location=found.location,
        sticker=found.sticker,
        interactive=tap,
        link=found.link,
        reply_to=_reply_to(table(message, "reply_to")),
        referral=_referral(table(message, "referral") or table(item, "referral")) or _story(story),
    )


def _postback(postback: Fields, item: Fields) -> Said:
    """A tap on a button, an ice breaker or Get Started. Before Graph v11 it had no id: time and payload stand for it."""
    mid, title = optional_id(postback, "mid"), json_fields.text(postback, "title")
    payload = json_fields.text(postback, "payload")
    return Said(
        kind="interactive",
        identity=(mid,) if mid else ("postback", optional_id(item, "timestamp") or "", payload or "", title or ""),
        native_id=mid,
        text=title,
        interactive=Interactive(type="postback", title=title, payload=payload),
        referral=_referral(table(postback, "referral") or table(item, "referral")),
    )


def _kind(message: Fields, text: str | None, found: Attached) -> tuple[Kind, str | None]:
    if message.get("is_unsupported") is True:
        return "unsupported", "is_unsupported"
    if found.sticker:
        return "sticker", None
    if found.location:
        return "location", None
    media = [each for each in found.media if each.kind != "story"]
    if media:
        return ("mixed" if text else _media_kind(media[0].kind)), None
    if text:  # an address in it comes along as a shared link
        return "text", None
    return ("link", None) if found.link else ("unsupported", found.unknown or "empty")


def _media_kind(kind: str) -> Kind:
    kinds: dict[str, Kind] = {"image": "image", "video": "video", "voice": "voice"}
    return kinds.get(kind, "file")


def _quick_reply(message: Fields, text: str | None) -> Interactive | None:
    payload = json_fields.text(table(message, "quick_reply"), "payload")
    return Interactive(type="quick_reply", title=text[:1024] if text else None, payload=payload) if payload else None


def _reply_to(node: Fields) -> ReplyTo | None:
    quoted = optional_id(node, "mid") or optional_id(table(node, "story"), "id")
    return ReplyTo(native_id=quoted) if quoted else None


def _story(story: Fields) -> Referral | None:
    """A reply to a story of ours: the story is what brought the person here. The link dies with the story."""
    found, source = optional_id(story, "id"), url(story, "url")
    return Referral(source="post", ref=found, source_url=source) if found or source else None


def _referral(node: Fields) -> Referral | None:
    """What brought the person here: an ad, a product, a short link, a QR code (`MESSENGER_CODE`) …"""
    if not node:
        return None
    ad, product = optional_id(node, "ad_id"), optional_id(table(node, "product"), "id")
    source = loggable(node.get("source")).upper()
    kinds = {"ADS": "ad", "MESSENGER_CODE": "qr"}
    return Referral(
        source="ad" if ad else "post" if product else kinds.get(source, "link"),
        ad_id=ad,
        ref=json_fields.text(node, "ref") or product,
        source_url=url(node, "referer_uri"),
        headline=json_fields.text(table(node, "ads_context_data"), "ad_title"),
    )
