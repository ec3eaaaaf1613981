"""What DingTalk shows beside plain text, all of it in its markdown: a picture by its address, and links that say something when tapped.

`dtmd://dingtalkclient/sendMessage?content=…` sends its words in the name of whoever taps it. Public bots use it in markdown messages; the
vendor's page on these does not have it. Markdown would read asterisks and their like in a text as its own: such a text goes plain.
https://open.dingtalk.com/document/robots/custom-robot-access
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from functions.channels.codecs import markdown_text, plain_form
from functions.channels.codecs.picture_card import TITLE
from functions.channels.contract import TEXT_ONLY, OutgoingReply, Shows
from functions.common.message import Message

SHOWS = Shows(image=True, buttons=10, button_title=20, text_beside_buttons=8000)
PICTURES = Shows(image=True)
MAX_TITLE = 20

_PLAIN_URL = re.compile(r"https?://[^\s()<>\[\]]+")


def shown(message: Message) -> Shows:
    """In a group a tap would be said to all, and the robot hears what names it: buttons are for conversations with it alone."""
    return SHOWS if message.conversation_kind == "dm" else PICTURES if message.reply.mode != "none" else TEXT_ONLY


def written(reply: OutgoingReply, text: str) -> dict[str, Any]:
    """The reply as a message of DingTalk's; `text` is its text without control characters."""
    if reply.image_url and _PLAIN_URL.fullmatch(reply.image_url):
        return _markdown(TITLE, f"![{TITLE}]({reply.image_url})")
    if reply.buttons and markdown_text.reads_as_itself(text, *reply.buttons):
        return _markdown(text[:MAX_TITLE], "\n\n".join((*text.split("\n"), *map(_link, reply.buttons))))
    return {"msgtype": "text", "text": {"content": plain_form.in_words(text, reply.buttons, reply.image_url)}}


def _markdown(title: str, text: str) -> dict[str, Any]:
    return {"msgtype": "markdown", "markdown": {"title": title, "text": text}}


def _link(title: str) -> str:
    return f"[{title}](dtmd://dingtalkclient/sendMessage?content={quote(title, safe='', errors='replace')})"
