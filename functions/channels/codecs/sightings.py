"""Echoes and recalls as what they mean for a conversation: a person answered on the platform itself, or the contact took a message back.

An echo of our own reply, known by its mark, means nothing. One without (a platform may drop characters that nobody sees) is compared
with what was said when it reaches the conversation.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from functions.channels.contract import Ignored
from functions.common.origin import is_marked, sign
from functions.common.wire import Sighting

# Channel, account and contact; the last is None where the platform does not say who.
Place = tuple[str, str, str | None]


def answered(item: Ignored, place: Place, native_id: str | None, text: str | None, at: datetime) -> Ignored:
    """An echo with what it tells. Without a contact or an id it tells nothing."""
    channel, account, contact = place
    if contact is None or native_id is None or is_marked(text):
        return item
    words = sign(text) if text else None
    seen = Sighting(kind="answered", channel=channel, account=account, contact=contact, native_id=native_id, at=at, text=words)
    return replace(item, sighting=seen)


def recalled(item: Ignored, place: Place, native_id: str | None, at: datetime) -> Ignored:
    """A recall with what it tells: that the message of this id at the platform was taken back."""
    channel, account, contact = place
    if contact is None or native_id is None:
        return item
    seen = Sighting(kind="recalled", channel=channel, account=account, contact=contact, native_id=native_id, at=at)
    return replace(item, sighting=seen)
