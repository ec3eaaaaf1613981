"""What a platform does not show, in words; and a reply sent in words after the platform refused what it should have shown.

A picture becomes its address, buttons a numbered list of their titles under the text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zlib import crc32

from functions.channels.contract import Adapter, Outbound, OutgoingReply, SendResult
from functions.common.origin import MARK


def in_words(text: str, buttons: tuple[str, ...] = (), image_url: str | None = None) -> str:
    """A text with what cannot be shown beside it."""
    titles = [f"{number}. {title}" for number, title in enumerate(buttons, start=1)]
    return "\n".join((*([text] if text else ()), *titles, *([image_url] if image_url else ())))


def plain(reply: OutgoingReply, mark: str = "") -> OutgoingReply:
    """The same reply as text alone, with `mark` before what had no text that could bear one."""
    words = in_words(reply.text, reply.buttons, reply.image_url)
    return replace(reply, text=words if reply.text else mark + words, buttons=(), image_url=None)


def fingerprint(reply: OutgoingReply) -> int:
    """Thirty-two bits of what is said: the same for a part in words as for its pictures and buttons, another for another text."""
    words = in_words(reply.text, reply.buttons, reply.image_url).replace(MARK, "")
    return crc32(words.encode("utf-8", "surrogatepass"), reply.part)


def send(
    adapter: Adapter, reply: OutgoingReply, credentials: Any, outbound: Outbound, *, doubtful: bool = False, mark: str = ""
) -> SendResult:
    """Send one part, with a new token if the old one is refused, and in words if the platform refuses the form (`invalid`: nothing left).

    `doubtful`: an earlier try may have arrived. Then another form could be a second answer, and none is tried. `mark` is what our own
    texts are known by when they come back as echoes.
    """
    result = _sent(adapter, reply, credentials, outbound)
    if result.outcome != "invalid" or doubtful or not (reply.buttons or reply.image_url):
        return result
    words = _sent(adapter, plain(reply, mark), credentials, outbound)
    return replace(words, code=f"{words.code}, in words after {result.code}")


def _sent(adapter: Adapter, reply: OutgoingReply, credentials: Any, outbound: Outbound) -> SendResult:
    result = adapter.send(reply, credentials, outbound)
    # The adapter has dropped the token: the next one is new.
    return adapter.send(reply, credentials, outbound) if result.outcome == "auth_expired" else result
