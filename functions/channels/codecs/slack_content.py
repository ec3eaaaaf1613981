"""What Slack sends, in our words: events as JSON, and taps, shortcuts, forms and commands as form fields.

https://docs.slack.dev/reference/events/message
https://docs.slack.dev/reference/interaction-payloads
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.common.message import Attachment, Interactive, Kind

# Subtypes that a person's message may have; every other subtype is an event about a message, or about the channel.
WRITTEN = frozenset({None, "file_share", "thread_broadcast", "me_message"})

_MENTION = re.compile(r"<@([UW][A-Z0-9]{2,20})(?:\|[^<>]{0,200})?>")
_MEDIA_KINDS: dict[str, Kind] = {"image": "image", "audio": "voice", "video": "video"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """Something that was done with a button, a menu, a form or a command. `at` is Slack's `1234567890.123456`, where it has one."""

    interactive: Interactive
    identity: tuple[str, ...]
    user: Fields
    text: str | None = None
    at: str | None = None
    channel: str | None = None
    replied: str | None = None


def ignored(event: Fields, own_users: tuple[str, ...]) -> str | None:
    """Why an event is no message of a person to us; None when it is one."""
    kind, subtype = event.get("type"), event.get("subtype")
    if kind not in ("message", "app_mention"):
        return json_fields.loggable(kind)
    if event.get("user") in own_users:
        return "echo"
    if "bot_id" in event or "bot_profile" in event or subtype == "bot_message":
        return "bot"
    written = subtype is None or (isinstance(subtype, str) and subtype in WRITTEN)
    return None if written and "hidden" not in event else json_fields.loggable(subtype)


def plain(text: str | None) -> str | None:
    """Slack's three escapes undone; its links and mentions stay as they are."""
    return text and text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def escaped(text: str) -> str:
    """A text that mentions nobody and links nothing, whatever stands in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mentions(text: str | None) -> tuple[str, ...]:
    """The ids of the people whom a text, not yet unescaped, mentions."""
    return tuple(dict.fromkeys(_MENTION.findall(text or "")))[:50]


def attachments(event: Fields) -> tuple[Attachment, ...]:
    """The files of a message. Their links need the bot's token and do not expire."""
    return tuple(_attachment(file) for file in json_fields.rows(event, "files"))


def _attachment(file: Fields) -> Attachment:
    mime = json_fields.text(file, "mimetype", 100)
    seconds = json_fields.count(file, "duration_ms")
    return Attachment(
        kind=_MEDIA_KINDS.get((mime or "").partition("/")[0], "file"),
        media_id=json_fields.optional_id(file, "id"),
        url=json_fields.url(file, "url_private"),
        mime=mime,
        size=json_fields.count(file, "size"),
        filename=json_fields.text(file, "name", 255),
        width=json_fields.count(file, "original_w"),
        height=json_fields.count(file, "original_h"),
        duration_ms=seconds,
        transcript=json_fields.text(json_fields.table(json_fields.table(file, "transcription"), "preview"), "content", 4000),
    )


def kind(event: Fields, files: tuple[Attachment, ...]) -> tuple[Kind, str | None]:
    """The kind of a message with these files, and Slack's own name of what makes it up where we have none."""
    if files:
        media = _MEDIA_KINDS.get((files[0].mime or "").partition("/")[0], "file")
        return "mixed" if event.get("text") else media, None
    if event.get("text"):
        return "text", None
    # A text of Slack's own stands for blocks in a message that an app wrote; a person's may have none.
    blocks = json_fields.rows(event, "blocks")
    return "unsupported", json_fields.loggable(blocks[0].get("type")) if blocks else "empty"


def taps(payload: Fields) -> Iterator[Tap | FieldUnreadable]:
    """Every action of an interaction, or why it cannot be read; none of one that needs no answer (a view closed, a suggestion)."""
    read = _READERS.get("command" if "command" in payload else str(payload.get("type")))
    acted = json_fields.rows(payload, "actions") if read is _action else [payload]
    for each in acted if read else ():
        try:
            yield read(payload, each)  # type: ignore[misc]
        except FieldUnreadable as fault:
            yield fault


def _command(fields: Fields, _: Fields) -> Tap:
    """A slash command. It has no time and no id but the trigger's; Slack does not send it twice."""
    name, said = json_fields.required_id(fields, "command"), json_fields.text(fields, "text")
    return Tap(
        interactive=Interactive(type="menu", id=name, title=name, payload=said),
        identity=("command", json_fields.required_id(fields, "trigger_id")),
        user={"id": fields.get("user_id"), "name": fields.get("user_name")},
        text=said,
        channel=json_fields.optional_id(fields, "channel_id"),
    )


def _action(payload: Fields, action: Fields) -> Tap:
    at, action_id = json_fields.required_id(action, "action_ts"), json_fields.required_id(action, "action_id")
    chosen = json_fields.table(action, "selected_option")
    button = action.get("type") == "button"
    return Tap(
        interactive=Interactive(
            type="button" if button else "list" if chosen else "form",
            id=action_id,
            title=plain(json_fields.text(json_fields.table(chosen or action, "text"), "text", 200)),
            payload=json_fields.text(action, "value", 2000) or json_fields.text(chosen, "value", 2000),
        ),
        identity=("action", at, action_id, json_fields.optional_id(action, "block_id") or ""),
        user=json_fields.table(payload, "user"),
        at=at,
        channel=json_fields.optional_id(json_fields.table(payload, "channel"), "id"),
        replied=json_fields.optional_id(json_fields.table(payload, "container"), "message_ts"),
    )


def _shortcut(payload: Fields, _: Fields) -> Tap:
    callback, at = json_fields.required_id(payload, "callback_id"), json_fields.required_id(payload, "action_ts")
    return Tap(
        interactive=Interactive(type="menu", id=callback, title=callback, payload=callback),
        identity=("shortcut", at, callback),
        user=json_fields.table(payload, "user"),
        at=at,
        channel=json_fields.optional_id(json_fields.table(payload, "channel"), "id"),
        replied=json_fields.optional_id(payload, "message_ts"),
    )


def _submission(payload: Fields, _: Fields) -> Tap:
    view = json_fields.table(payload, "view")
    values = json_fields.table(json_fields.table(view, "state"), "values")
    callback = json_fields.optional_id(view, "callback_id")
    return Tap(
        interactive=Interactive(
            type="form", id=callback, title=callback, payload=json.dumps(values, ensure_ascii=False)[:8000]
        ),
        identity=("view", json_fields.required_id(view, "id"), json_fields.optional_id(view, "hash") or ""),
        user=json_fields.table(payload, "user"),
        text="\n".join(_written(values)) or None,
    )


def _written(values: Fields) -> Iterator[str]:
    """What was typed into a form's fields, in order."""
    for block in list(values.values())[:50]:
        for field in list(block.values())[:50] if isinstance(block, dict) else ():
            said = json_fields.text(field, "value", 3000) if isinstance(field, dict) else None
            if said:
                yield said


_READERS: dict[str, Callable[[Fields, Fields], Tap]] = {
    "block_actions": _action,
    "message_action": _shortcut,
    "shortcut": _shortcut,
    "view_submission": _submission,
    "command": _command,
}


def blocks(text: str, buttons: tuple[str, ...], image_url: str | None) -> list[Fields]:
    """A picture, or a text with buttons under it; a tap comes back as an interaction. https://docs.slack.dev/reference/block-kit/blocks"""
    if image_url:
        return [{"type": "image", "image_url": image_url, "alt_text": image_url[:2000]}]
    titles = [
        {"type": "button", "action_id": f"b{place}", "value": title, "text": {"type": "plain_text", "text": title}}
        for place, title in enumerate(buttons)
    ]
    words = {"type": "section", "text": {"type": "plain_text", "text": text}}
    return [words, {"type": "actions", "elements": titles}]
