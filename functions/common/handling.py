"""What a person does with a conversation: takes it, answers, hands it back, closes it, holds it. Pure: a step is the conversation after it.

`ConversationActions` (dynamo_actions) writes a step together with its line in the audit, in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from functions.common.errors import Poison
from functions.common.ledger import spoken
from functions.common.store import Conversation, Status, unsettled

Verb = Literal["take", "reply", "release", "resolve", "hold", "correct"]
ActionState = Literal["reserved", "sent", "failed", "unknown"]
HELD_FOR_REVIEW = timedelta(hours=24)
_MOST_HOLDS = 5
# What stands in a conversation only while a person must act.
_SETTLED: dict[str, Any] = {"hold": (), "due_at": None, "problems": (), "escalated_for": None, "waiting_since": None}


class NothingToDo(Poison):
    """The step would change nothing; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A line of the audit: who did what with a conversation, when and why. Only a reply has the fields from `text` on.

    `id` names the line within its conversation. `message_id` is the message whose `labels` a person corrected, by axis, or which a reply
    answers; `reply_id` what the platform is told as its idempotency key; `text` is masked, `buttons` and `image_url` are what stood beside
    it. `sent_parts` of its `parts` are known to be out. `state` reserved without an `outcome`: the process ended before anybody knew.
    """

    id: str
    verb: str
    by: str
    at: datetime
    why: str = ""
    status: str = ""
    labels: dict[str, Any] = field(default_factory=dict)
    text: str | None = None
    message_id: str | None = None
    reply_id: str | None = None
    state: ActionState | None = None
    outcome: str | None = None
    buttons: tuple[str, ...] = ()
    image_url: str | None = None
    parts: int = 1
    sent_parts: int = 0


def taken(before: Conversation, *, by: str, at: datetime) -> Conversation:
    """Somebody sees to it: machines are silent for as long as a takeover lasts."""
    return replace(before, taken_by=by, person_at=at)


def released(before: Conversation) -> Conversation:
    """What was held is reviewed, what was taken is given back; a person still has to act by the due time if one had to."""
    if not before.hold and before.status != "held" and before.taken_by is None and before.person_at is None:
        raise NothingToDo("it is neither held nor taken")
    status: Status = "waiting" if before.status == "held" else before.status
    return replace(before, status=status, hold=(), taken_by=None, person_at=None)


def resolved(before: Conversation) -> Conversation:
    """Closed. A new message opens it again if it needs a person."""
    if before.status == "resolved":
        raise NothingToDo("it is resolved already")
    return replace(before, status="resolved", taken_by=None, **_SETTLED)


def held(before: Conversation, *, why: str, team: str, at: datetime) -> Conversation:
    """Kept for review, by its due time or within a day."""
    hold = tuple(dict.fromkeys((*before.hold, why)))[-_MOST_HOLDS:]
    due_at = before.due_at or at + HELD_FOR_REVIEW
    since = before.waiting_since if unsettled(before) else at
    return replace(before, status="held", hold=hold, team=before.team or team, due_at=due_at, waiting_since=since)


def answering(before: Conversation, action: Action) -> Conversation:
    """A reply reserved: noted in the ledger, so that it draws on the platform's quota, and machines fall silent."""
    assert action.reply_id is not None
    replied = spoken(before, action.reply_id, at=action.at, text=action.text or "", parts=action.parts)
    return replace(replied, taken_by=action.by, person_at=action.at)


def answered(before: Conversation) -> Conversation:
    """The reply went out: nobody needs to act any more, unless something is held."""
    if before.status == "held":
        return before
    status: Status = "resolved" if before.status == "resolved" else "idle"
    return replace(before, status=status, **_SETTLED)
