"""Messages and sightings on their way to `inbound.fifo`: one entry each, in their conversation's group, under their own id.

A message's id is a pure function of what the platform sent, so putting it on the queue again does no harm.
"""

from __future__ import annotations

from dataclasses import replace

from functions.channels.contract import ItemError, ParseResult
from functions.common import keys
from functions.common.message import Message, ReplyWindow
from functions.common.queues import Entry
from functions.common.wire import Inbound, Seen, Sighting, dumps

MAX_MESSAGE = 200 * 1024


def inbound_entries(result: ParseResult, *, receive_only: bool = False) -> tuple[list[Entry], ParseResult]:
    """The entries of messages and sightings, and the result that they stand for: a message that no queue would take must not keep its
    siblings out, and becomes an error. `receive_only`: the account's messages are never answered, whatever the platform allows.
    """
    if receive_only:
        unanswered = tuple(replace(message, reply=ReplyWindow(mode="none")) for message in result.messages)
        result = replace(result, messages=unanswered)
    written = [(message, _entry(message)) for message in result.messages]
    fitting = [(message, entry) for message, entry in written if len(entry.body.encode()) <= MAX_MESSAGE]
    if len(fitting) < len(written):
        errors = (ItemError("too_large"),) * (len(written) - len(fitting))
        messages = tuple(message for message, _ in fitting)
        result = ParseResult(messages, result.ignored, result.errors + errors, result.pulls)
    sightings = [_sighting(item.sighting) for item in result.ignored if item.sighting]
    return [*(entry for _, entry in fitting), *sightings], result


def _entry(message: Message) -> Entry:
    conv = keys.split(message.message_id).conv
    return Entry(body=dumps(Inbound(message=message)), group=conv, dedup=message.message_id)


def _sighting(sighting: Sighting) -> Entry:
    conv = keys.conversation_key(sighting.channel, sighting.account, sighting.contact)
    name = keys.short_hash(sighting.native_id, size=10)
    return Entry(body=dumps(Seen(sighting=sighting)), group=conv, dedup=f"{conv}.{sighting.kind}.{name}")
