"""What was said before, and which candidates it rules out: quotas, the loop guard, repetitions, notices already given. Pure."""

from __future__ import annotations

from datetime import timedelta

from functions.autoreply.case import Candidate, Case, Silence
from functions.autoreply.delivery import parts_of
from functions.autoreply.pace import is_quick
from functions.autoreply.reasons import ANSWERS, NOTICES, Reason
from functions.autoreply.replybook import Cap
from functions.common.calendar import NeverOpen
from functions.common.judgement import Judged
from functions.common.ledger import Said, ledger, skeleton
from functions.common.origin import sign
from functions.common.store import applied_mark

# Letters of a text that anybody may say by chance: 您好, thanks a lot.
SHORT = 10
# A window that shuts sooner is for machines: LINE's reply token lives a minute and is good for one reply.
IN_TIME = timedelta(minutes=2)


def counted(case: Case) -> list[Said]:
    """The replies that count against this message: those to others that may have arrived."""
    own = applied_mark(case.message.message_id)
    return [said for said in ledger(case.conversation) if said.kind != "-" and said.mark != own]


def enough_said(case: Case, said: list[Said]) -> Silence | None:
    """Why nothing at all may be said now; None when something may."""
    left = _left(case, said)
    if left is not None and left < 1:
        return Silence(reason=Reason.QUOTA_EXHAUSTED)
    caps, machines = case.policy.book.limits.machine_replies, [each for each in said if each.kind not in ("+", "p")]
    if any(_spent(case, cap, machines) for cap in caps):
        return Silence(reason=Reason.LOOP_GUARD)
    if is_echo(case, said):
        return Silence(reason=Reason.LOOP_GUARD, detail="our_words")
    again = bool(machines) and machines[-1].quick and is_quick(case, said)
    return Silence(reason=Reason.LOOP_GUARD, detail="pace") if again else None


def is_echo(case: Case, said: list[Said]) -> bool:
    """Whether the message is word for word what we said here lately; what people may well say, too, is short."""
    text = case.message.text or ""
    ours = {each.text for each in said if each.kind != "p"}
    return bool(ours) and len(skeleton(text)) >= SHORT and sign(text) in ours


def too_many_parts(case: Case, template: str | None, text: str, said: list[Said]) -> Reason | None:
    """Whether the answer takes more of the platform's messages than are left: half an answer is worse than none."""
    left = _left(case, said)
    return Reason.QUOTA_EXHAUSTED if left is not None and parts_of(case, template, text) > left else None


def left_for_people(case: Case) -> int | None:
    """How many messages may still be sent by anybody; None: no limit."""
    left = _left(case, counted(case))
    return None if left is None else left + _kept_for_people(case)


def _left(case: Case, said: list[Said]) -> int | None:
    """How many messages a machine may still send, of those that the platform allows and people do not need; None: no limit.

    Every message of the contact opens the platform's quota anew: what was said since this one came has drawn on it, part by part.
    """
    message = case.message
    if message.reply.max_replies is None:
        return None
    drawn = sum(each.parts for each in said if each.kind != "+" and each.at >= message.received_at)
    return message.reply.max_replies - drawn - _kept_for_people(case)


def _kept_for_people(case: Case) -> int:
    """How many of the platform's messages are never a machine's: not its only one, where no person reads and answers in time."""
    window, keep = case.message.reply, case.policy.book.limits.keep_for_people
    hurried = window.expires_at is not None and window.expires_at - case.message.received_at < IN_TIME
    return min(keep, window.max_replies - 1) if hurried and window.max_replies else keep


def said_already(case: Case, candidate: Candidate, text: str | None, said: list[Said]) -> Reason | None:
    """Why this candidate says nothing new; None when it does."""
    # A receipt says no more than a notice did.
    if candidate.reason in (*NOTICES, Reason.RECEIPT) and _notice_given(case, said):
        return Reason.NOTICE_GIVEN
    since, rule = [each for each in said if each.at >= case.message.received_at], sign(candidate.template)
    if since and (is_courtesy(candidate.reason, case.judged) or any(each.rule == rule for each in since)):
        return Reason.ANSWERED_WITH_EARLIER
    limits = case.policy.book.limits
    recent = {each.text for each in said if case.now - each.at < limits.same_text}
    if recent and text is not None and sign(text) in recent:
        return Reason.REPEATED
    if _spent(case, limits.same_exchanges, _alike(case, candidate, said)):
        return Reason.LOOP_GUARD
    of_template = [each for each in said if each.rule == rule]
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
