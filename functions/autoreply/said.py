"""What was said before, and which candidates it rules out: quotas, the loop guard, repetitions, notices already given. Pure."""

from __future__ import annotations

from functions.autoreply.case import Candidate, Case
from functions.autoreply.reasons import ANSWERS, NOTICES, Reason
from functions.autoreply.replybook import Cap
from functions.common.calendar import NeverOpen
from functions.common.judgement import Judged
from functions.common.ledger import Said, ledger, skeleton
from functions.common.origin import sign
from functions.common.store import applied_mark


def counted(case: Case) -> list[Said]:
    """The replies that count against this message: those to others that may have arrived."""
    own = applied_mark(case.message.message_id)
    return [said for said in ledger(case.conversation) if said.kind != "-" and said.mark != own]


def enough_said(case: Case, said: list[Said]) -> Reason | None:
    """Why nothing at all may be said now; None when something may."""
    limits, message = case.policy.book.limits, case.message
    allowed = message.reply.max_replies
    # Every message of the contact opens the platform's quota anew: what was said since this one came has drawn on it.
    whole = [each for each in said if each.kind != "+"]
    drawn = sum(each.at >= message.received_at for each in whole)
    if allowed is not None and allowed - drawn <= limits.keep_for_people:
        return Reason.QUOTA_EXHAUSTED
    machines = [each for each in whole if each.kind != "p"]
    return Reason.LOOP_GUARD if any(_spent(case, cap, machines) for cap in limits.machine_replies) else None


def said_already(case: Case, candidate: Candidate, text: str | None, said: list[Said]) -> Reason | None:
    """Why this candidate says nothing new; None when it does."""
    if candidate.reason in NOTICES and _notice_given(case, said):
        return Reason.NOTICE_GIVEN
    since = [each for each in said if each.at >= case.message.received_at]
    if any(is_courtesy(candidate.reason, case.judged) or each.rule == sign(candidate.template) for each in since):
        return Reason.ANSWERED_WITH_EARLIER
    limits = case.policy.book.limits
    recent = (each for each in said if case.now - each.at < limits.same_text)
    if text is not None and any(each.text == sign(text) for each in recent):
        return Reason.REPEATED
    if _spent(case, limits.same_exchanges, _alike(case, candidate, said)):
        return Reason.LOOP_GUARD
    of_template = [each for each in said if each.rule == sign(candidate.template)]
    return Reason.CAPPED if _spent(case, limits.same_template, of_template) else None


def is_courtesy(reason: Reason, judged: Judged) -> bool:
    """Whether a reply answers nothing that was asked: a welcome, a notice, a receipt, or a rule's word to a greeting or to thanks."""
    return reason not in ANSWERS or judged.judgement.business == "other"


def _spent(case: Case, cap: Cap, said: list[Said]) -> bool:
    return sum(case.now - each.at < cap.within for each in said) >= cap.at_most


def _alike(case: Case, candidate: Candidate, said: list[Said]) -> list[Said]:
    """Exchanges as this one would be: the same template in answer to what differs at most in its numbers."""
    rule, asked = sign(candidate.template), sign(skeleton(case.message.text))
    return [each for each in said if (each.rule, each.asked) == (rule, asked)]


def _notice_given(case: Case, said: list[Said]) -> bool:
    """Whether a notice went out since people were last there: one that named the same opening."""
    notices = [each for each in said if each.kind == "n"]
    try:
        opening = case.calendar.next_open(case.now) if notices else None
        return any(case.calendar.next_open(each.at) == opening for each in notices)
    except NeverOpen:
        return True
