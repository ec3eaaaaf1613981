"""What a DingTalk robot is sent, type by type, in our words.

Text stands under `text`, everything else under `content`. Files are named by a download code, which the vendor's API turns into a link.
The message that a text quotes stands beside it (`isReplyMsg`, `repliedMsg`): on no page of the vendor's, but bots that meet it agree on it.
https://open.dingtalk.com/document/orgapp/receive-message
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.common.message import Attachment, Kind, ReplyTo

MAX_QUOTED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The content of a message, without who, where and when."""

    kind: Kind
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    reply_to: ReplyTo | None = None
    raw_kind: str | None = None


def said(fields: Fields) -> Said:
    """The content; `FieldUnreadable` when it cannot be read."""
    kind = json_fields.required_id(fields, "msgtype")
    if kind == "text":
        return _text(json_fields.table(fields, "text"))
    reader = _READERS.get(kind)
    return (
        reader(json_fields.table(fields, "content"))
        if reader
        else Said(kind="unsupported", raw_kind=json_fields.loggable(kind))
    )


def _text(content: Fields) -> Said:
    text = json_fields.text(content, "content")
    if text is None:
        raise FieldUnreadable("missing", "text.content")
    # In a group the name of the robot is cut out of the text, the space behind it stays.
    return Said(kind="text", text=text.strip(), reply_to=_quoted(content))


def _quoted(content: Fields) -> ReplyTo | None:
    """The message that a text answers. Its words are text, or the texts of rich text; other kinds have none."""
    quoted = json_fields.table(content, "repliedMsg")
    inner, native_id = json_fields.table(quoted, "content"), json_fields.optional_id(quoted, "msgId")
    pieces = (
        json_fields.text(piece, "text") or json_fields.text(piece, "content") for piece in json_fields.rows(inner, "richText")
    )
    words = json_fields.text(inner, "text") or json_fields.text(quoted, "content") or "".join(filter(None, pieces))
    return ReplyTo(native_id=native_id, text=words[:MAX_QUOTED].strip() or None) if native_id or words else None


def _picture(content: Fields) -> Said:
    return Said(kind="image", attachments=(_attachment(content, "image"),))


def _audio(content: Fields) -> Said:
    recognised = json_fields.text(content, "recognition")
    return Said(kind="voice", attachments=(_attachment(content, "voice", transcript=recognised),))


def _video(content: Fields) -> Said:
    return Said(kind="video", attachments=(_attachment(content, "video"),))


def _file(content: Fields) -> Said:
    return Said(kind="file", attachments=(_attachment(content, "file"),))


def _rich_text(content: Fields) -> Said:
    """Texts and pictures in turn. Pieces of other kinds (a mention, a link) are texts too, or nothing that can be kept."""
    pieces = json_fields.rows(content, "richText")
    texts = [text for piece in pieces if (text := json_fields.text(piece, "text"))]
    pictures = tuple(_attachment(piece, "image") for piece in pieces if json_fields.optional_id(piece, _CODE))
    if not texts and not pictures:
        raise FieldUnreadable("missing", "content.richText")
    kind: Kind = "mixed" if texts and pictures else "image" if pictures else "text"
    return Said(kind=kind, text="".join(texts)[: json_fields.MAX_TEXT].strip() or None, attachments=pictures)


def _attachment(content: Fields, kind: str, *, transcript: str | None = None) -> Attachment:
    return Attachment(
        kind=kind,
        media_id=json_fields.required_id(content, _CODE),
        filename=json_fields.text(content, "fileName", limit=255),
        # Milliseconds for a recording; for a film the vendor's samples show both.
        duration_ms=json_fields.count(content, "duration") if kind == "voice" else None,
        transcript=transcript,
        needs_download=True,
    )


_CODE = "downloadCode"
_READERS: dict[str, Callable[[Fields], Said]] = {
    "picture": _picture,
    "audio": _audio,
    "video": _video,
    "file": _file,
    "richText": _rich_text,
}
