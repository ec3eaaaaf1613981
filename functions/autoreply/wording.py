"""A candidate's text: its template in the contact's language, with every variable that has a value now."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from functions.autoreply.case import Candidate, Case
from functions.autoreply.templates import TemplateInvalid, spoken_time
from functions.common.calendar import Calendar, NeverOpen


def text_of(case: Case, candidate: Candidate) -> str | None:
    """The text; None when it cannot be completed."""
    if candidate.text is not None:
        return candidate.text
    try:
        return case.policy.book.render(candidate.template, case.language, variables(case) | dict(candidate.variables))
    except TemplateInvalid:
        return None


def variables(case: Case) -> dict[str, str]:
    """Variables that have a value now: see `config.VARIABLES`."""
    calendar, due = case.calendar, case.judged.routing.due_at
    moments = {"due": _kept(due, calendar)} if due > case.now else {}
    expected = answer_expected(case)
    if expected is not None:
        moments["expected"] = expected
    zone, language = calendar.zone, case.language
    return {name: spoken_time(moment, now=case.now, zone=zone, language=language) for name, moment in moments.items()}


def answer_expected(case: Case) -> datetime | None:
    """When somebody will next be there to answer; None while somebody is, and where the calendar knows no such time."""
    if case.calendar.is_open(case.now):
        return None
    with suppress(NeverOpen):
        return case.calendar.next_open(case.now)
    return None


def _kept(due: datetime, calendar: Calendar) -> datetime:
    """When a promise can be kept: at its time, if somebody is there then, else when somebody next is."""
    try:
        return max(due, calendar.next_open(due - timedelta(minutes=1)))
    except NeverOpen:
        return due
