"""What Douyin's webhooks say, event by event, in our words.

https://developer.open-douyin.com/docs/resource/zh-CN/dop/develop/openapi/search-management/private-message/private-msg-webhook
https://developer.open-douyin.com/docs/resource/zh-CN/mini-app/develop/server/instant-message/private-message/enter-direct-msg-webhook
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from functions.channels.codecs import json_fields, sightings, strict_json
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.contract import Ignored, Payload
from functions.common.errors import MalformedPayload
from functions.common.message import Attachment, Interactive, Kind, Referral, Sticker

RECEIVED = "im_receive_msg"
ENTERED = "im_enter_direct_msg"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who and when. `entered`: the person opened the chat and has not written."""

    kind: Kind
    text: str | None = None
    attachment: Attachment | None = None
    sticker: Sticker | None = None
    interactive: Interactive | None = None
    referral: Referral | None = None
    raw_kind: str | None = None
    entered: bool = False


def said(event: str, content: Fields) -> Said | None:
    """The content, or None for an event that is no message; `FieldUnreadable` when it cannot be read.

    That somebody opened the chat is a message only when an advertisement brought them: the visit is what the brand paid for, no later
    message names the advertisement, and Douyin lets the brand greet them for half a minute. Any other visit needs nothing from us.
    """
    if event == RECEIVED:
        return _message(content)
    referral = _referral(content) if event == ENTERED else None
    if referral is None:
        return None
    return Said(kind="interactive", interactive=Interactive(type="postback", id=ENTERED), referral=referral, entered=True)


def opened(fields: Fields, name: str) -> Fields:
    """An object that Douyin writes now as an object, now as text that holds one; empty when it is absent."""
    value = fields.get(name)
    if isinstance(value, str) and value:
        try:
            value = strict_json.parse(value.encode("utf-8", "replace"))
        except MalformedPayload:
            raise FieldUnreadable("not JSON", name) from None
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise FieldUnreadable("not an object", name)
    return value


def profile(content: Fields, open_id: str) -> Fields:
    """What `user_infos` says of a person: `nick_name`, `avatar`."""
    return next((row for row in json_fields.rows(content, "user_infos") if row.get("open_id") == open_id), {})


def _message(content: Fields) -> Said:
    kind = json_fields.text(content, "message_type")
    if kind is None:
        raise FieldUnreadable("missing", "message_type")
    reader = _READERS.get(kind)
    return reader(content) if reader else Said(kind="unsupported", raw_kind=json_fields.loggable(kind))


def _text(content: Fields) -> Said:
    words = json_fields.text(content, "text")
    if words is None:
        raise FieldUnreadable("missing", "text")
    return Said(kind="text", text=words)


def _shared(kind: Kind) -> Callable[[Fields], Said]:
    """Pictures and videos of Douyin itself: to be seen in the app only, but for a video's id."""

    def read(content: Fields) -> Said:
        return Said(kind=kind, attachment=Attachment(kind=kind, media_id=json_fields.optional_id(content, "item_id")))

    return read


def _local(kind: Kind) -> Callable[[Fields], Said]:
    """Out of the person's own album: the media API gives a link for the message's id, for half a year.

    https://developer.open-douyin.com/docs/resource/zh-CN/dop/develop/openapi/search-management/business-tool/get-message-resources
    """

    def read(content: Fields) -> Said:
        media_id = json_fields.optional_id(content, "server_message_id")
        return Said(kind=kind, attachment=Attachment(kind=kind, media_id=media_id, needs_download=True))

    return read


def _emoji(content: Fields) -> Said:
    picture = Attachment(
        kind="sticker",
        url=json_fields.url(content, "resource_url"),
        width=json_fields.count(content, "resource_width"),
        height=json_fields.count(content, "resource_height"),
        needs_download=True,
    )
    return Said(kind="sticker", sticker=Sticker(), attachment=picture if picture.url else None)


def _card(content: Fields) -> Said:
    """A lead card that the person filled in. What they wrote is text, so that it is masked and labelled as their words are."""
    lines = [_line(row) for row in json_fields.rows(content, "card_data")]
    form = Interactive(type="form", id=json_fields.optional_id(content, "card_id"))
    return Said(kind="interactive", text="\n".join(filter(None, lines))[: json_fields.MAX_TEXT] or None, interactive=form)


def _line(row: Fields) -> str | None:
    label, value = json_fields.text(row, "label", 100), json_fields.text(row, "value", 1000)
    return f"{label}: {value}" if label and value else value


def _referral(content: Fields) -> Referral | None:
    found = opened(content, "ad_info")
    ids = {name: _ad_number(found, name) for name in _AD_NUMBERS}
    if not any(ids.values()):
        return None
    more = {name: value for name, value in ids.items() if value and name in _AD_REST}
    return Referral(
        source="ad",
        ad_id=ids["ad_id"],
        creative_id=ids["creative_id"],
        advertiser_id=ids["adv_id"],
        headline=json_fields.text(found, "ad_name", 200),
        ref=urlencode(more) or None,
    )


def _ad_number(found: Fields, name: str) -> str | None:
    number = json_fields.optional_id(found, name)
    return None if number == "0" else number


_AD_REST = ("promotion_id", "material_title_id", "material_image_id", "material_video_id")
_AD_NUMBERS = ("adv_id", "ad_id", "creative_id", *_AD_REST)
_READERS: dict[str, Callable[[Fields], Said]] = {
    "text": _text,
    "image": _shared("image"),
    "video": _shared("video"),
    "user_local_image": _local("image"),
    "user_local_video": _local("video"),
    "emoji": _emoji,
    "retain_consult_card": _card,
}


def filled(shape: Any, values: Fields) -> Any:
    """A JSON value with every text that is `{name}` and nothing else replaced by the value of that name."""
    if isinstance(shape, dict):
        return {key: filled(value, values) for key, value in shape.items()}
    if isinstance(shape, list):
        return [filled(value, values) for value in shape]
    if isinstance(shape, str) and shape[:1] == "{" and shape[-1:] == "}":
        return values.get(shape[1:-1], shape)
    return shape


def is_challenge(challenge: object) -> bool:
    """Whether this may be sent back: a number, or a word that no browser could take for a page."""
    if isinstance(challenge, str):
        return _CHALLENGE.fullmatch(challenge) is not None
    return isinstance(challenge, int) and not isinstance(challenge, bool) and abs(challenge) < 2**63


def seen(item: Ignored, payload: Payload) -> Ignored:
    """An event with what it tells of a conversation: somebody answered in the app, or the contact took a message back."""
    fields: Fields = payload.body
    at, account = payload.verified.request.received_at, payload.account
    try:
        content = opened(fields, "content") if item.kind in ("im_send_msg", "im_recall_msg") else {}
    except FieldUnreadable:
        return item
    message = json_fields.optional_id(content, "server_message_id")
    if item.kind == "im_recall_msg":
        return sightings.recalled(item, ("douyin", account, json_fields.optional_id(fields, "from_user_id")), message, at)
    if item.kind != "im_send_msg" or content.get("source") == payload.verified.credentials.client_key:
        return item  # what this app sent is ours
    place = ("douyin", account, json_fields.optional_id(fields, "to_user_id"))
    return sightings.answered(item, place, message, json_fields.text(content, "text"), at)
