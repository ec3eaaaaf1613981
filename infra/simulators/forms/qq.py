"""What QQ's message API takes: a text, markdown with a keyboard, a picture that was fetched before.

https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/trans/msg-btn.html
https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/rich-media.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_TEXT = 4000


class Refused(Exception):
    """QQ refuses a call with this code."""

    def __init__(self, code: int, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.status = code, status


class Files:
    """The pictures that were fetched, by the place they are for and the name that QQ gave them."""

    def __init__(self) -> None:
        self._urls: dict[tuple[str, str], str] = {}

    def fetch(self, place: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Fetch a picture by its address, without sending it."""
        url = asked.get("url")
        if (
            asked.get("file_type") != 1 or asked.get("srv_send_msg") is not False
        ):  # the rest the vendor takes; this simulator does not
            raise Refused(850012)
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise Refused(850026)
        info = f"file-{len(self._urls) + 1}"
        self._urls[place, info] = url
        return {"file_uuid": info, "file_info": info, "ttl": 3600}

    def url(self, place: str, media: Any) -> str:
        """The address of a picture that was fetched for this place."""
        found = self._urls.get((place, str(media.get("file_info")))) if isinstance(media, dict) else None
        if found is None:
            raise Refused(40034013)
        return found


def said(place: str, asked: Mapping[str, Any], files: Files, *, keyboard: bool) -> tuple[str, tuple[str, ...], str | None]:
    """Words, buttons, picture; `keyboard`: the bot may make buttons. The vendor takes other types too; this simulator does not."""
    kind, markdown = asked.get("msg_type"), asked.get("markdown")
    if kind == 7:
        return "", (), files.url(place, asked.get("media"))
    if kind == 2 and isinstance(markdown, dict):
        if not keyboard:
            raise Refused(304054)  # no right to markdown of one's own
        return _checked(markdown.get("content")), _titles(asked.get("keyboard")), None
    if kind != 0:
        raise Refused(340069)
    return _checked(asked.get("content")), (), None


def _checked(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise Refused(50006)  # empty
    if len(text) > MAX_TEXT:
        raise Refused(40054007)
    return text


def _titles(keyboard: Any) -> tuple[str, ...]:
    """What the buttons say: at most five rows of five, each with an id of its own."""
    try:
        rows = [row["buttons"] for row in keyboard["content"]["rows"]]
        buttons = [button for row in rows for button in row]
        says = all(button["action"]["type"] == 2 and button["action"]["permission"]["type"] == 2 for button in buttons)
        titles = tuple(str(button["render_data"]["label"]) for button in buttons)
        shaped = says and tuple(button["action"]["data"] for button in buttons) == titles
    except (KeyError, TypeError):
        raise Refused(304057) from None
    if (
        not shaped
        or not rows
        or len(rows) > 5
        or any(not 0 < len(row) <= 5 for row in rows)
        or len({b["id"] for b in buttons}) < len(buttons)
    ):
        raise Refused(304057)
    return titles
