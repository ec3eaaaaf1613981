"""config/calendar.yaml compiled: public holidays and make-up workdays (调休) become days of the calendar, each team gets a whole one.

The days come from the library `holidays` for last year, this one and the next. A function never sees the library: what it gets is `days`.
https://holidays.readthedocs.io
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

from functions.common.calendar import WEEKDAYS

INHERITED = ("zone", "holidays", "week", "make_up", "answers_per_hour")
# Where the government moves days about, by a notice each autumn, and says which weekends are worked instead.
MOVED_BY_NOTICE = ("CN",)
_SATURDAY = 5


class HolidaysUnknown(Exception):
    """The library has no such country or part of one; the message names it."""


@dataclass(frozen=True, slots=True)
class PublicDays:
    """What a country says of a year: days off, and weekend days that are worked instead of others."""

    off: frozenset[date]
    worked: frozenset[date]


def compile_calendar(section: dict[str, Any], today: date) -> dict[str, Any]:
    """The section as functions read it. What is wrong in it otherwise is left for them to say."""
    compiled: dict[str, Any] = _compiled(section, today)
    teams = section.get("teams")
    if isinstance(teams, Mapping):
        compiled["teams"] = {team: _compiled(_inherited(section, its), today) for team, its in teams.items()}
    elif teams is not None:
        compiled["teams"] = teams
    return compiled


def unpublished(section: dict[str, Any], today: date) -> Iterator[str]:
    """One line for each country and year whose days off are not known yet: the library knows those that the law fixes, no more."""
    teams = section.get("teams") or {}
    wanted = [section, *(_inherited(section, its) for its in teams.values() if isinstance(its, Mapping))]
    for country in sorted({str(each["holidays"]) for each in wanted if each.get("holidays") in MOVED_BY_NOTICE}):
        for year in (today.year, today.year + 1):
            written = any(str(day).startswith(f"{year}-") for each in wanted for day in each.get("days") or {})
            if not written and not any(day.year == year for day in public_days(country, year).worked):
                yield (
                    f"calendar.yaml: the notice of {country}'s days off in {year} is not in the holiday library yet: only the days "
                    f"that the law fixes are off, and no weekend is worked. Update the library when it is out, or write the days in `days`"
                )


def years(today: date) -> tuple[int, ...]:
    """The years whose holidays a bundle holds."""
    return today.year - 1, today.year, today.year + 1


@cache
def public_days(country: str, year: int) -> PublicDays:
    """A country's (`CN`), or a part of one's (`DE-BY`), days of a year; `HolidaysUnknown`."""
    import holidays

    name, _, part = country.partition("-")
    try:
        found = holidays.country_holidays(name, subdiv=part or None, years=year)
    except NotImplementedError:
        raise HolidaysUnknown(f"calendar.yaml: the holiday library knows no {country}") from None
    off = frozenset(day for day in found if day.year == year)
    worked = frozenset(day for day in found.weekend_workdays if day.year == year)
    return PublicDays(_with_weekends(off, worked) if country in MOVED_BY_NOTICE else off, worked)


def _with_weekends(off: frozenset[date], worked: frozenset[date]) -> frozenset[date]:
    """The days off with the weekend days next to them: a notice counts them in, and a shop that is open on Saturdays is shut on those."""
    whole = set(off)
    for day in sorted(off):
        for step in (-1, 1):
            beside = day + timedelta(days=step)
            while beside.weekday() >= _SATURDAY and beside not in worked and beside.year == day.year:
                whole.add(beside)
                beside += timedelta(days=step)
    return frozenset(whole)


def _inherited(house: dict[str, Any], team: Any) -> Any:
    """A team's calendar with what it leaves out taken from the house's; its `days` come on top of the house's."""
    if not isinstance(team, Mapping):
        return team
    both = {name: house[name] for name in INHERITED if name in house}
    return {**both, **team, "days": {**(house.get("days") or {}), **(team.get("days") or {})}}


def _compiled(section: Any, today: date) -> Any:
    if not isinstance(section, Mapping):
        return section
    rest = {name: value for name, value in section.items() if name not in ("holidays", "make_up", "days", "teams")}
    written = section.get("days") or {}
    if not section.get("holidays") or not isinstance(written, Mapping):
        return {**rest, "days": written}
    week = section.get("week") or {}
    found: dict[str, Any] = {}
    for year in years(today):
        days = public_days(str(section["holidays"]), year)
        found |= {day.isoformat(): [] for day in sorted(days.off)}
        found |= {day.isoformat(): _make_up(section, week, day) for day in sorted(days.worked)}
    return {**rest, "days": {**found, **written}}


def _make_up(section: Any, week: Mapping[str, Any], day: date) -> Any:
    """The slots of a make-up workday: the weekday's own where it has some, else `make_up`, else those of the week's first working day."""
    own = week.get(WEEKDAYS[day.weekday()])
    return own or section.get("make_up") or _first(week.get(name) for name in WEEKDAYS)


def _first(slots: Iterable[Any]) -> Any:
    return next((each for each in slots if each), [])
