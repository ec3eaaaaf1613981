"""What a message does to its conversation. Pure: the same message on the same conversation gives the same result."""

from __future__ import annotations

from dataclasses import replace

from functions.classify.contacts import with_heard
from functions.classify.repeats import with_said
from functions.common import keys
from functions.common.identity import with_vouched
from functions.common.judgement import Judged
from functions.common.message import Message
from functions.common.store import APPLIED_KEPT, Conversation, Status, applied_mark, unsettled, with_unarchived

_SEVERITY: dict[Status, int] = {"idle": 0, "resolved": 0, "waiting": 1, "escalated": 2, "held": 3}
_MAX_HOLD = 5


def new_conversation(message: Message) -> Conversation:
    """The conversation that a contact's first message begins."""
    return Conversation(
        conv=keys.split(message.message_id).conv,
        channel=message.channel,
        account=message.account,
        contact=message.contact.primary,
    )


def advanced(before: Conversation, judged: Judged, *, default_team: str) -> Conversation:
    """The conversation after the message. Times are of receipt: what a sender says of time may lie in any year."""
    message, heard_at = judged.message, judged.message.received_at
    after = replace(
        with_unarchived(before, message.message_id, heard_at),
        name=message.contact.name or before.name,
        locale=_locale(before, judged),
        count=before.count + 1,
        first_at=min(before.first_at or heard_at, heard_at),
        last_at=max(before.last_at or heard_at, heard_at),
        opted_out=judged.judgement.opt_out or (before.opted_out and not judged.routing.opt_in),
        vouched=with_vouched(before.vouched, message),
        said=with_said(before, judged),
        heard=with_heard(before.heard, heard_at),
        campaign=judged.campaign or before.campaign,
        applied=(*before.applied, applied_mark(message.message_id))[-APPLIED_KEPT:],
    )
    return _with_work(after, judged, default_team) if judged.routing.needs_person else after


def _locale(before: Conversation, judged: Judged) -> str | None:
    """What the platform says, else the language last written in; `mixed` and `other` name none."""
    written = judged.judgement.language
    return judged.message.contact.locale or (written if len(written) == 2 else before.locale)


def _with_work(after: Conversation, judged: Judged, default_team: str) -> Conversation:
    """Work for a person: added to what is already waiting, whose severity and due time only ever sharpen, or begun anew."""
    routing = judged.routing
    status: Status = "held" if routing.hold else "escalated" if routing.escalate else "waiting"
    if not unsettled(after):
        return replace(
            after,
            status=status,
            team=routing.team,
            priority=routing.priority,
            due_at=routing.due_at,
            hold=routing.hold,
            waiting_since=judged.message.received_at,
        )
    graver = _SEVERITY[status] > _SEVERITY[after.status]
    # A greeting goes to the default team; the question that follows it takes the conversation where it belongs.
    passed_on = graver or after.team in (None, default_team)
    return replace(
        after,
        status=status if graver else after.status,
        team=routing.team if passed_on else after.team,
        priority=max(after.priority, routing.priority),
        due_at=min(after.due_at or routing.due_at, routing.due_at),
        hold=tuple(dict.fromkeys((*after.hold, *routing.hold)))[:_MAX_HOLD],
    )
