"""What Feishu's reply API takes: a text, or a card with a text and buttons.

https://open.feishu.cn/document/server-docs/im-v1/message/reply
https://open.feishu.cn/document/feishu-cards/card-json-structure
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_CARD = 30 * 1024


class Refused(Exception):
    """Feishu refuses a call with this code."""

    def __init__(self, code: int, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.status = code, status


def said(asked: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The words, and the titles of the buttons. The vendor takes other types too; this simulator does not."""
    content = asked.get("content")
    try:
        inner = json.loads(str(content))
        text, titles = (inner["text"], ()) if asked.get("msg_type") == "text" else _card(asked.get("msg_type"), inner)
    except (ValueError, KeyError, TypeError, IndexError):
        raise Refused(230001) from None
    if not isinstance(text, str) or not text:
        raise Refused(230001)
    if titles and len(str(content).encode()) > MAX_CARD:
        raise Refused(230025)
    return text, titles


def _card(kind: Any, card: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
    words, actions = card["elements"]
    shaped = kind == "interactive" and (words["tag"], words["text"]["tag"], actions["tag"]) == ("div", "plain_text", "action")
    buttons = actions["actions"]
    if (
        not shaped
        or not buttons
        or not all(button["tag"] == "button" and isinstance(button["value"], dict) for button in buttons)
    ):
        raise Refused(230099)  # the card cannot be made
    return words["text"]["content"], tuple(button["text"]["content"] for button in buttons)
