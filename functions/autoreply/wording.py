"""A candidate's text: its template in the contact's language, with every variable that has a value now."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.autoreply.case import Candidate, Case
from functions.autoreply.reasons import Reason
from functions.autoreply.templates import TemplateInvalid, spoken_time
from functions.common import keys
from functions.common.calendar import Calendar, NeverOpen
from functions.common.clock import EPOCH

QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text that may be sent, and the name of its template's variant where it has several."""

    text: str
    variant: str | None = None


def worded(case: Case, candidate: Candidate) -> Wording | Reason:
    """The candidate's text, or why there is none."""
    if candidate.text is not None:
        return Wording(text=candidate.text)
    try:
        template = case.policy.book.template(candidate.template)
        if template.expired(case.now.astimezone(case.calendar.zone).date()):
            return Reason.TEMPLATE_EXPIRED
        variant, texts = template.texts(case.message.channel, keys.split(case.message.message_id).conv)
        text = template.render(case.language, variables(case) | dict(candidate.variables), texts)
    except TemplateInvalid:
        return Reason.TEMPLATE_INVALID
    return Wording(text=text, variant=variant)


def variables(case: Case) -> dict[str, str]:
    """Variables that have a value now: see `config.VARIABLES`."""
    calendar, due = case.calendar, case.judged.routing.due_at
    moments = {"due": _kept(due, calendar)} if due > case.now else {}
    if (expected := answer_expected(case)) is not None:
        moments["expected"] = expected
    if (answer_by := answered_by(case)) is not None:
        moments["answer_by"] = answer_by
    zone, language = calendar.zone, case.language
    return {name: spoken_time(moment, now=case.now, zone=zone, language=language) for name, moment in moments.items()}


def answer_expected(case: Case) -> datetime | None:
    """When somebody will next be there to answer; None while somebody is, and where the calendar knows no such time."""
    if case.calendar.is_open(case.now):
        return None
    with suppress(NeverOpen):
        return case.calendar.next_open(case.now)
    return None


def answered_by(case: Case) -> datetime | None:
    """By when an answer will come, at the team's pace and with those who wait already before it, to the next quarter of an hour.

    None while somebody is there, and where the calendar knows no such time.
    """
    if case.calendar.is_open(case.now):
        return None
    with suppress(NeverOpen):
        # The conversation itself waits, too, by the time its notice is written.
        exact = case.calendar.answered_by(case.now, max(0, (case.backlog or 0) - 1))
        return exact + (EPOCH - exact) % QUARTER
    return None


def _kept(due: datetime, calendar: Calendar) -> datetime:
    """When a promise can be kept: at its time, if somebody is there then, else when somebody next is."""
    try:
        return max(due, calendar.next_open(due - timedelta(minutes=1)))
    except NeverOpen:
        return due
