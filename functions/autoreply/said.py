"""What was said before, and which candidates it rules out: quotas, the loop guard, repetitions, notices already given."""

from __future__ import annotations

from collections.abc import Sequence

from functions.autoreply.case import Candidate, Case
from functions.autoreply.reasons import NOTICES, Reason
from functions.common.calendar import NeverOpen
from functions.common.store import Reply

_MAY_HAVE_ARRIVED = ("reserved", "sent", "unknown")


def counted(case: Case, replies: Sequence[Reply]) -> list[Reply]:
    """The replies that count against this message: those to others that may have arrived."""
    own = case.message.message_id
    return [reply for reply in replies if reply.state in _MAY_HAVE_ARRIVED and reply.message_id != own]


def enough_said(case: Case, said: list[Reply]) -> Reason | None:
    """Why nothing at all may be said now; None when something may."""
    limits, message = case.policy.book.limits, case.message
    allowed = message.reply.max_replies
    # Every message of the contact opens the platform's quota anew: what was said since this one came has drawn on it.
    drawn = sum(reply.at >= message.received_at for reply in said)
    if allowed is not None and allowed - drawn <= limits.keep_for_people:
        return Reason.QUOTA_EXHAUSTED
    for cap in limits.machine_replies:
        if sum(case.now - reply.at < cap.within for reply in said) >= cap.at_most:
            return Reason.LOOP_GUARD
    return None


def said_already(case: Case, candidate: Candidate, text: str | None, said: list[Reply]) -> Reason | None:
    """Why this candidate says nothing new; None when it does."""
    if candidate.reason in NOTICES and _notice_given(case, said):
        return Reason.NOTICE_GIVEN
    recent = (reply for reply in said if case.now - reply.at < case.policy.book.limits.same_text)
    return Reason.REPEATED if text is not None and any(reply.text == text for reply in recent) else None


def _notice_given(case: Case, said: list[Reply]) -> bool:
    """Whether a notice went out since people were last there: one that named the same opening."""
    notices = [reply for reply in said if reply.reason in NOTICES]
    try:
        opening = case.calendar.next_open(case.now) if notices else None
        return any(case.calendar.next_open(reply.at) == opening for reply in notices)
    except NeverOpen:
        return True
