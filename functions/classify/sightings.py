"""What was seen in a conversation beside messages: a person who answered on the platform itself, a message that was taken back.

It costs one read, and one write where it changes something; a conversation that we do not know is left alone. Doing it twice does no
harm.
"""

from __future__ import annotations

from dataclasses import replace

from functions.classify.desk import Desk
from functions.common import keys
from functions.common.errors import Unavailable
from functions.common.ledger import is_ours, overheard
from functions.common.origin import sign
from functions.common.store import Conversation, ConversationChanged, recall_mark
from functions.common.wire import Sighting

_TRIES = 5
_RECALLED_KEPT = 4


def note(sighting: Sighting, desk: Desk) -> None:
    """Write a sighting into its conversation."""
    conv = keys.conversation_key(sighting.channel, sighting.account, sighting.contact)
    # A platform's clock may be wrong by a zone: nobody has answered in the future, and no takeover lasts for hours longer.
    sighting = replace(sighting, at=min(sighting.at, desk.clock()))
    for _ in range(_TRIES):
        before = desk.store.conversation(conv)
        if before is None or (after := noticed(before, sighting)) == before:
            return None
        try:
            desk.store.apply(before, after)
        except ConversationChanged:
            continue
        return desk.telemetry.info("seen", kind=sighting.kind, conversation=conv, channel=sighting.channel)
    raise Unavailable(f"conversation {conv} kept changing")


def noticed(before: Conversation, sighting: Sighting) -> Conversation:
    """The conversation after a sighting. What a machine of ours said is nobody's answer."""
    if sighting.kind == "recalled":
        mark = recall_mark(sighting.native_id)
        known = mark in before.recalled
        return before if known else replace(before, recalled=(*before.recalled, mark)[-_RECALLED_KEPT:])
    if sighting.text is not None and is_ours(before, sighting.text):
        return before
    # The platform counts it: machines and people have one quota.
    charged = overheard(before, sighting.native_id, at=sighting.at, text=sighting.text or sign(""))
    return replace(charged, person_at=max(before.person_at or sighting.at, sighting.at))
