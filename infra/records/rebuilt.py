"""A conversation that the table no longer has, made anew from its archived messages."""

from __future__ import annotations

from dataclasses import replace

from functions.archive.parts import Filed
from functions.common import keys
from functions.common.clock import EPOCH
from functions.common.store import Conversation
from functions.common.table import Item


def is_rebuilt(item: Item) -> bool:
    """Whether the conversation was made by a restore and has not been touched since."""
    return "restored" in item and item.get("rev") == 1


def with_message(before: Conversation | None, filed: Filed) -> Conversation:
    """A conversation as far as its archived messages tell; nobody must act on it."""
    message, contact = filed.judged.message, filed.judged.message.contact
    known = _newer(before, _as_filed(filed)) or Conversation(
        conv=keys.split(message.message_id).conv,
        channel=message.channel,
        account=message.account,
        contact=contact.primary,
        rev=1,
    )
    newest = known.last_at is None or message.received_at >= known.last_at
    return replace(
        known,
        name=(contact.name if newest else None) or known.name,
        locale=(contact.locale if newest else None) or known.locale,
        count=max(known.count, filed.judged.seq),
        first_at=min(known.first_at or message.received_at, message.received_at),
        last_at=max(known.last_at or message.received_at, message.received_at),
        opted_out=known.opted_out or filed.judged.judgement.opt_out,
    )


def _newer(before: Conversation | None, as_filed: Conversation | None) -> Conversation | None:
    """Of what is known so far and what stands with a message the newer: whoever opted out or was blocked between two parts stays so."""
    if before is None or as_filed is None:
        return before or as_filed
    if (as_filed.last_at or EPOCH) < (before.last_at or EPOCH):
        return before
    return replace(
        as_filed,
        count=max(as_filed.count, before.count),
        first_at=min(filter(None, (as_filed.first_at, before.first_at)), default=None),
        opted_out=as_filed.opted_out or before.opted_out,
    )


def _as_filed(filed: Filed) -> Conversation | None:
    """The conversation as the archive knew it, which stands with some of its messages; what was to be done then is not to be done now."""
    known = filed.conversation
    return known and replace(
        known,
        rev=1,
        vouched=(),  # who else has the person's ids is not archived: their next message says so again
        status="idle",
        due_at=None,
        hold=(),
        unarchived_since=None,
        unarchived_from=None,
        unarchived_few=(),
        escalated_for=None,
    )
