"""What a Telegram message holds, kind by kind. https://core.telegram.org/bots/api#message

A file id is good for ever with the same bot; a link to the file is asked for with it, and is then good for an hour.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields
from functions.common.message import Attachment, Interactive, Kind, Location, Referral, ReplyTo, Sticker

# Fields that say who, where, when and how, and not what.
ENVELOPE = frozenset({
    "message_id", "message_thread_id", "direct_messages_topic", "from", "sender_chat", "sender_boost_count",
    "sender_business_bot", "sender_tag", "date", "business_connection_id", "chat", "forward_origin", "is_topic_message",
    "is_automatic_forward", "reply_to_message", "external_reply", "quote", "reply_to_story", "reply_to_checklist_task_id",
    "via_bot", "edit_date", "has_protected_content", "is_from_offline", "is_paid_post", "media_group_id", "author_signature",
    "paid_star_count", "entities", "link_preview_options", "suggested_post_info", "effect_id", "caption", "caption_entities",
    "show_caption_above_media", "has_media_spoiler", "reply_markup", "text",
})  # fmt: skip
# What Telegram itself says in a chat: nobody wrote it.
SERVICE = frozenset({
    "new_chat_members", "left_chat_member", "chat_owner_left", "chat_owner_changed", "new_chat_title", "new_chat_photo",
    "delete_chat_photo", "group_chat_created", "supergroup_chat_created", "channel_chat_created",
    "message_auto_delete_timer_changed", "migrate_to_chat_id", "migrate_from_chat_id", "pinned_message", "connected_website",
    "write_access_allowed", "proximity_alert_triggered", "boost_added", "chat_background_set", "forum_topic_created",
    "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened", "general_forum_topic_hidden",
    "general_forum_topic_unhidden", "giveaway_created", "giveaway_completed", "video_chat_scheduled", "video_chat_started",
    "video_chat_ended", "video_chat_participants_invited", "checklist_tasks_done", "checklist_tasks_added",
    "direct_message_price_changed", "paid_message_price_changed",
})  # fmt: skip
FILES: dict[str, Kind] = {
    "voice": "voice",
    "audio": "voice",
    "video": "video",
    "video_note": "video",
    "animation": "video",
    "document": "file",
}

_START = re.compile(r"/start ([A-Za-z0-9_-]{1,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What was said, without who, where and when."""

    kind: Kind
    text: str | None = None
    attachment: Attachment | None = None
    location: Location | None = None
    sticker: Sticker | None = None
    interactive: Interactive | None = None
    raw_kind: str | None = None


def service(fields: Fields) -> str | None:
    """The name of the service message that this is, or None."""
    return next((name for name in fields if name in SERVICE), None)


def content(fields: Fields) -> Content:
    """The content; a kind that nothing here knows is `unsupported`, named. `FieldUnreadable` for a location without degrees."""
    said = json_fields.text(fields, "text")
    if said is not None:
        return Content(kind="text", text=said)
    # An animation comes as a document too: the more telling name stands first.
    reader = next((read for name, read in _READERS.items() if name in fields), None)
    if reader:
        return reader(fields)
    name = next((name for name in FILES if name in fields), None)
    if name:
        return _file(name, fields)
    strange = next((name for name in fields if name not in ENVELOPE), "empty")
    return Content(kind="unsupported", raw_kind=json_fields.loggable(strange), text=json_fields.text(fields, "caption"))


def quoted(fields: Fields) -> ReplyTo | None:
    """The earlier message that this one answers, with the passage that was picked from it."""
    earlier = json_fields.table(fields, "reply_to_message")
    native_id = json_fields.optional_id(earlier, "message_id")
    said = json_fields.text(json_fields.table(fields, "quote"), "text", 1000) or json_fields.text(earlier, "text", 1000)
    return ReplyTo(native_id=native_id, text=said) if native_id else None


def mentions(fields: Fields) -> tuple[str, ...]:
    """The ids of mentioned people who have no user name; a user name is part of the text."""
    users = (json_fields.table(entity, "user") for entity in json_fields.rows(fields, "entities"))
    return tuple(filter(None, (json_fields.optional_id(user, "id") for user in users)))


def referral(said: str | None) -> Referral | None:
    """The parameter of a t.me/bot?start=… link, which the person's first message repeats."""
    match = _START.fullmatch(said) if said else None
    return Referral(source="link", ref=match.group(1)) if match else None


def button_title(tapped: Fields, data: str | None) -> str | None:
    """What stands on the button of a message that sends `data`."""
    keyboard = json_fields.table(tapped, "reply_markup").get("inline_keyboard")
    rows = keyboard[:50] if isinstance(keyboard, list) else []
    buttons = (button for row in rows if isinstance(row, list) for button in row[:50] if isinstance(button, dict))
    return next(
        (json_fields.text(button, "text", 200) for button in buttons if data and button.get("callback_data") == data), None
    )


def _file(name: str, fields: Fields) -> Content:
    found, kind = json_fields.table(fields, name), FILES[name]
    seconds = json_fields.count(found, "duration")
    return _with_caption(
        Attachment(
            kind=kind,
            media_id=json_fields.optional_id(found, "file_id"),
            mime=json_fields.text(found, "mime_type", 100),
            size=json_fields.count(found, "file_size"),
            filename=json_fields.text(found, "file_name", 255),
            width=json_fields.count(found, "width"),
            height=json_fields.count(found, "height"),
            duration_ms=None if seconds is None else seconds * 1000,
        ),
        kind,
        fields,
    )


def _photo(fields: Fields) -> Content:
    sizes = json_fields.rows(fields, "photo")
    largest = max(sizes, key=lambda size: json_fields.count(size, "width") or 0, default={})
    return _with_caption(
        Attachment(
            kind="image",
            media_id=json_fields.optional_id(largest, "file_id"),
            mime="image/jpeg",
            size=json_fields.count(largest, "file_size"),
            width=json_fields.count(largest, "width"),
            height=json_fields.count(largest, "height"),
        ),
        "image",
        fields,
    )


def _with_caption(attachment: Attachment, kind: Kind, fields: Fields) -> Content:
    caption = json_fields.text(fields, "caption")
    return Content(kind="mixed" if caption else kind, text=caption, attachment=attachment)


def _sticker(fields: Fields) -> Content:
    found = json_fields.table(fields, "sticker")
    sticker = Sticker(
        sticker_id=json_fields.optional_id(found, "file_id"),
        pack_id=json_fields.optional_id(found, "set_name"),
        emoji=json_fields.text(found, "emoji", 16),
    )
    return Content(kind="sticker", sticker=sticker)


def _location(fields: Fields) -> Content:
    venue = json_fields.table(fields, "venue")
    place = json_fields.table(venue or fields, "location")
    return Content(
        kind="location",
        location=Location(
            lat=json_fields.degrees(place, "latitude", 90),
            lon=json_fields.degrees(place, "longitude", 180),
            accuracy=json_fields.measure(place, "horizontal_accuracy"),
            label=json_fields.text(venue, "title", 200),
            address=json_fields.text(venue, "address", 500),
        ),
    )


def _contact(fields: Fields) -> Content:
    card = json_fields.table(fields, "contact")
    parts = (json_fields.text(card, name, 200) for name in ("first_name", "last_name", "phone_number"))
    return Content(kind="contact", text=" ".join(filter(None, parts)) or None)


def _web_app(fields: Fields) -> Content:
    found = json_fields.table(fields, "web_app_data")
    tapped = Interactive(
        type="form", title=json_fields.text(found, "button_text", 200), payload=json_fields.text(found, "data", 4096)
    )
    return Content(kind="interactive", interactive=tapped)


_READERS: dict[str, Callable[[Fields], Content]] = {
    "photo": _photo,
    "sticker": _sticker,
    "venue": _location,
    "location": _location,
    "contact": _contact,
    "web_app_data": _web_app,
}
