"""What a platform does not show, in words; and a reply sent in words after the platform refused what it should have shown.

A picture becomes its address, buttons a numbered list of their titles under the text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from functions.channels.contract import Adapter, Outbound, OutgoingReply, SendResult


def in_words(text: str, buttons: tuple[str, ...] = (), image_url: str | None = None) -> str:
    """A text with what cannot be shown beside it."""
    titles = [f"{number}. {title}" for number, title in enumerate(buttons, start=1)]
    return "\n".join((*([text] if text else ()), *titles, *([image_url] if image_url else ())))


def plain(reply: OutgoingReply) -> OutgoingReply:
    """The same reply as text alone."""
    return replace(reply, text=in_words(reply.text, reply.buttons, reply.image_url), buttons=(), image_url=None)


def send(adapter: Adapter, reply: OutgoingReply, credentials: Any, outbound: Outbound, *, doubtful: bool = False) -> SendResult:
    """Send one part, with a new token if the old one is refused, and in words if the platform refuses the form (`invalid`: nothing left).

    `doubtful`: an earlier try may have arrived. Then another form, which has another key, could be a second answer, and none is tried.
    """
    result = _sent(adapter, reply, credentials, outbound)
    if result.outcome != "invalid" or doubtful or not (reply.buttons or reply.image_url):
        return result
    words = _sent(adapter, plain(reply), credentials, outbound)
    return replace(words, code=f"{words.code}, in words after {result.code}")


def _sent(adapter: Adapter, reply: OutgoingReply, credentials: Any, outbound: Outbound) -> SendResult:
    result = adapter.send(reply, credentials, outbound)
    # The adapter has dropped the token: the next one is new.
    return adapter.send(reply, credentials, outbound) if result.outcome == "auth_expired" else result
