"""Whether and what to answer: one pure decision per message, with its reason.

First whatever forbids a machine to speak (`bar`), which is asked once more just before a reply is sent; then the candidates in order
of preference; then what was said before, the ledger, which may rule out some of them or all. The first candidate that is left is the reply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from functions.autoreply.replybook import ReplyPolicy
from functions.autoreply.templates import Language, TemplateInvalid, language_of, spoken_time
from functions.common.calendar import Calendar, NeverOpen
from functions.common.store import Conversation, Reply
from functions.common.wire import ReplyTask


class Reason(StrEnum):
    """Why there is a reply, or none. Stored with every message; docs/configuration.md explains each."""

    KEYWORD = "keyword"  # a rule names a template
    WELCOME = "welcome"  # the first message of somebody
    WELCOME_OUT_OF_HOURS = "welcome_out_of_hours"  # the same, with the notice, in one reply
    OUT_OF_HOURS = "out_of_hours"  # nobody is there; the reply says when somebody will be

    BOT = "bot"  # a machine wrote the message
    SPAM = "spam"
    HELD = "held"  # the message, or the conversation by now, waits for review
    OPTED_OUT = "opted_out"  # the contact wants no messages of ours
    NO_REPLY = "no_reply"  # a rule forbids a machine's answer
    HUMAN_WANTED = "human_wanted"  # the contact asked for a person, and people are there
    RECEIVE_ONLY = "receive_only"  # the platform lets us not answer
    WINDOW_CLOSED = "window_closed"  # the platform no longer lets us answer
    STALE = "stale"  # too late for a machine's answer to be of use
    QUOTA_EXHAUSTED = "quota_exhausted"  # what the platform still allows is kept for people
    LOOP_GUARD = "loop_guard"  # machines have said enough here for now
    REPEATED = "repeated"  # the same text went out a moment ago
    NOTICE_GIVEN = "notice_given"  # the contact knows that nobody is there, and until when
    TEMPLATE_INVALID = "template_invalid"  # the text cannot be completed, or is not in the bundle
    NOTHING_TO_SAY = "nothing_to_say"


NOTICES = (Reason.OUT_OF_HOURS, Reason.WELCOME_OUT_OF_HOURS)
_MAY_HAVE_ARRIVED = ("reserved", "sent", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a decision is about and rests on. `conversation` is None while classify has not written it yet."""

    task: ReplyTask
    conversation: Conversation | None
    policy: ReplyPolicy
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """A candidate that was not sent, and why."""

    reason: Reason
    because: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A reply (`template` and `text`) with its reason, or the reason for none (both None)."""

    reason: Reason
    template: str | None = None
    text: str | None = None
    suppressed: tuple[Suppressed, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    reason: Reason
    template: str


def decide(case: Case, replies: Sequence[Reply]) -> Decision:
    """The decision about a message. `replies` are the conversation's reply records, in any order."""
    return decide_at_once(case) or _decide_by_ledger(case, [each for each in replies if _counts(each, case)])


def decide_at_once(case: Case) -> Decision | None:
    """The decision, where it does not depend on what was said before; None where it does."""
    reason = bar(case)
    if reason is None and not _candidates(case):
        reason = Reason.NOTHING_TO_SAY
    return None if reason is None else Decision(reason=reason)


def bar(case: Case) -> Reason | None:
    """What forbids a machine to answer this message, by what is known at `case.now`; None when nothing does."""
    return next((reason for reason, holds in _BARS if holds(case)), None)


def veto(case: Case, reply: Reply) -> Reason | None:
    """What forbids a reply that was decided on earlier: any bar, or a notice that nobody is there when somebody is."""
    late_notice = reply.reason in NOTICES and case.policy.calendar.is_open(case.now)
    return bar(case) or (Reason.STALE if late_notice else None)


def _is_held(case: Case) -> bool:
    there = case.conversation
    return bool(case.task.judged.routing.hold) or (there is not None and (there.status == "held" or bool(there.hold)))


def _opted_out(case: Case) -> bool:
    return case.task.judged.judgement.opt_out or (case.conversation is not None and case.conversation.opted_out)


def _window_closed(case: Case) -> bool:
    closes = case.task.judged.message.reply.expires_at
    return closes is not None and case.now >= closes - case.policy.book.limits.window_margin


def _human_there(case: Case) -> bool:
    return case.task.judged.judgement.wants_human and case.policy.calendar.is_open(case.now)


def _stale(case: Case) -> bool:
    # By our own clock: a platform's time may be wrong by a zone.
    return case.now - case.task.judged.message.received_at > case.policy.book.limits.too_old


_BARS: tuple[tuple[Reason, Callable[[Case], bool]], ...] = (
    (Reason.BOT, lambda case: case.task.judged.message.contact.is_bot),
    (Reason.SPAM, lambda case: case.task.judged.judgement.spam != "none"),
    (Reason.HELD, _is_held),
    (Reason.OPTED_OUT, _opted_out),
    (Reason.NO_REPLY, lambda case: case.task.judged.routing.no_reply),
    (Reason.HUMAN_WANTED, _human_there),
    (Reason.RECEIVE_ONLY, lambda case: case.task.judged.message.reply.mode == "none"),
    (Reason.WINDOW_CLOSED, _window_closed),
    (Reason.STALE, _stale),
)


def _candidates(case: Case) -> list[_Candidate]:
    """What could be said, best first. To somebody who asked for a person, only when a person will be there."""
    routing, notices = case.task.judged.routing, case.policy.book.notices
    wants_human = case.task.judged.judgement.wants_human
    awaited = routing.needs_person or wants_human
    notice = awaited and not case.policy.calendar.is_open(case.now)
    greeted = case.task.first_contact and routing.reply == notices.greeting  # that is what the welcome is for
    found = []
    if routing.reply and not greeted and not wants_human:
        found.append(_Candidate(Reason.KEYWORD, routing.reply))
    if case.task.first_contact and not wants_human:
        if notice:
            found.append(_Candidate(Reason.WELCOME_OUT_OF_HOURS, notices.welcome_out_of_hours))
        found.append(_Candidate(Reason.WELCOME, notices.welcome if awaited else notices.greeting))
    if notice:
        found.append(_Candidate(Reason.OUT_OF_HOURS, notices.out_of_hours))
    return found


def _counts(reply: Reply, case: Case) -> bool:
    return reply.state in _MAY_HAVE_ARRIVED and reply.message_id != case.task.judged.message.message_id


def _decide_by_ledger(case: Case, said: list[Reply]) -> Decision:
    reason = _enough_said(case, said)
    if reason is not None:
        return Decision(reason=reason, suppressed=tuple(Suppressed(reason=c.reason, because=reason) for c in _candidates(case)))
    suppressed: list[Suppressed] = []
    for candidate in _candidates(case):
        text = _text(case, candidate)
        because = _ruled_out(case, candidate, text, said)
        if because is None:
            return Decision(reason=candidate.reason, template=candidate.template, text=text, suppressed=tuple(suppressed))
        suppressed.append(Suppressed(reason=candidate.reason, because=because))
    return Decision(reason=suppressed[0].because, suppressed=tuple(suppressed))


def _enough_said(case: Case, said: list[Reply]) -> Reason | None:
    limits, message = case.policy.book.limits, case.task.judged.message
    allowed = message.reply.max_replies
    # Every message of the contact opens the platform's quota anew: what was said since this one came has drawn on it.
    drawn = sum(reply.at >= message.received_at for reply in said)
    if allowed is not None and allowed - drawn <= limits.keep_for_people:
        return Reason.QUOTA_EXHAUSTED
    for cap in limits.machine_replies:
        if sum(case.now - reply.at < cap.within for reply in said) >= cap.at_most:
            return Reason.LOOP_GUARD
    return None


def _ruled_out(case: Case, candidate: _Candidate, text: str | None, said: list[Reply]) -> Reason | None:
    if candidate.reason in NOTICES and _notice_given(case, said):
        return Reason.NOTICE_GIVEN
    if text is None:
        return Reason.TEMPLATE_INVALID
    recent = (reply for reply in said if case.now - reply.at < case.policy.book.limits.same_text)
    return Reason.REPEATED if any(reply.text == text for reply in recent) else None


def _notice_given(case: Case, said: list[Reply]) -> bool:
    """Whether a notice went out since people were last there: one that named the same opening."""
    notices = [reply for reply in said if reply.reason in NOTICES]
    try:
        opening = case.policy.calendar.next_open(case.now) if notices else None
        return any(case.policy.calendar.next_open(reply.at) == opening for reply in notices)
    except NeverOpen:
        return True


def _text(case: Case, candidate: _Candidate) -> str | None:
    """The candidate's text; None when it cannot be completed."""
    judged = case.task.judged
    language = language_of(judged.judgement.language, judged.message.text)
    try:
        return case.policy.book.render(candidate.template, language, _variables(case, language))
    except TemplateInvalid:
        return None


def _kept(due: datetime, calendar: Calendar) -> datetime:
    """When a promise can be kept: at its time, if somebody is there then, else when somebody next is."""
    try:
        return max(due, calendar.next_open(due - timedelta(minutes=1)))
    except NeverOpen:
        return due


def _variables(case: Case, language: Language) -> dict[str, str]:
    """Variables that have a value now: see `config.VARIABLES`."""
    calendar, due = case.policy.calendar, case.task.judged.routing.due_at
    moments = {"due": _kept(due, calendar)} if due > case.now else {}
    if not calendar.is_open(case.now):
        with suppress(NeverOpen):
            moments["expected"] = calendar.next_open(case.now)
    return {name: spoken_time(moment, now=case.now, zone=calendar.zone, language=language) for name, moment in moments.items()}
