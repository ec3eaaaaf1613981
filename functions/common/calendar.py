"""Working hours: when a team is there, when it will be again, and how much working time lies between. Pure.

Wall-clock slots per weekday in one time zone, with exceptions. The compiled calendar comes from config/calendar.yaml by way of the bundle:
`{"zone": "Asia/Shanghai", "week": {"mon": [["09:00", "18:00"]], …}, "days": {"2026-10-01": [], "2026-10-10": [["09:00", "18:00"]]},
"answers_per_hour": 12, "teams": {"booking": {…}}}`. `days` overrides the week: holidays are empty, make-up workdays (调休) have slots.
Public holidays are put into `days` when the bundle is compiled (`infra.cli.holidays`); nothing here knows any.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from functions.common.errors import BundleInvalid

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FIELDS = ("zone", "week", "days", "answers_per_hour")
LOOK_AHEAD = timedelta(days=30)
FARTHEST = timedelta(days=400)
ANSWERS_PER_HOUR = 12

Slots = tuple[tuple[time, time], ...]


class NeverOpen(BundleInvalid):
    """The calendar has no working hours where they were looked for: in the next thirty days, in a month, in the next year."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Working hours of one team or the whole house. `answers_per_hour`: how many conversations it answers in an hour of work."""

    zone: ZoneInfo
    week: tuple[Slots, ...]
    days: dict[date, Slots]
    answers_per_hour: float = ANSWERS_PER_HOUR

    def is_open(self, moment: datetime) -> bool:
        """Whether somebody is there."""
        local = moment.astimezone(self.zone)
        return any(start <= local.time() < end for start, end in self._slots(local.date()))

    def next_open(self, moment: datetime) -> datetime:
        """`moment` itself when somebody is there, else when somebody next will be, UTC; `NeverOpen` beyond thirty days."""
        if self.is_open(moment):
            return moment
        for start, _ in self._hours_from(moment, LOOK_AHEAD):
            if start > moment:
                return start
        raise NeverOpen("no working hours in the next thirty days")

    def working_time(self, start: datetime, end: datetime) -> timedelta:
        """How much of the time from `start` to `end` somebody is there; nothing when `end` is not after `start`."""
        hours = self._hours_from(start, max(end - start, timedelta()))
        return sum((max(min(end, shut) - max(start, opens), timedelta()) for opens, shut in hours), timedelta())

    def after_working(self, moment: datetime, time: timedelta) -> datetime:
        """When somebody will have been there for so long since `moment`, UTC; `NeverOpen` when that is not within 400 days."""
        left = time
        for opens, shut in self._hours_from(moment, FARTHEST):
            begins = max(opens, moment)
            if shut - begins >= left:
                return begins + left
            left -= max(shut - begins, timedelta())
        raise NeverOpen("not enough working hours within 400 days")

    def answered_by(self, moment: datetime, ahead: int) -> datetime:
        """When somebody who writes at `moment` will have an answer, with so many conversations before theirs, UTC; or `NeverOpen`."""
        return self.after_working(self.next_open(moment), timedelta(hours=(ahead + 1) / self.answers_per_hour))

    def is_working_day(self, day: date) -> bool:
        """Whether somebody is there at any time of the day."""
        return bool(self._slots(day))

    def last_working_day(self, year: int, month: int) -> date:
        """The last day of a month on which somebody is there; `NeverOpen` when there is none."""
        for number in range(monthrange(year, month)[1], 0, -1):
            if self.is_working_day(day := date(year, month, number)):
                return day
        raise NeverOpen(f"no working day in {year:04d}-{month:02d}")

    def _slots(self, day: date) -> Slots:
        return self.days.get(day, self.week[day.weekday()])

    def _hours_from(self, moment: datetime, ahead: timedelta) -> Iterator[tuple[datetime, datetime]]:
        """The working hours of the days from that of `moment` to that of `moment + ahead`, in order, UTC."""
        first = moment.astimezone(self.zone).date()
        for number in range((ahead // timedelta(days=1)) + 2):
            day = first + timedelta(days=number)
            for start, end in self._slots(day):
                yield _moment(day, start, self.zone), _moment(day, end, self.zone)


@dataclass(frozen=True, slots=True)
class Calendars:
    """The house's working hours, and those of teams that have their own."""

    house: Calendar
    teams: Mapping[str, Calendar] = field(default_factory=dict)

    def of(self, team: str | None) -> Calendar:
        """The calendar that a team works by."""
        return self.teams.get(team or "", self.house)


def read_calendars(raw: Any) -> Calendars:
    """The calendars out of the bundle's section `calendar`; `BundleInvalid` names what is wrong."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("teams", {}), Mapping):
        raise BundleInvalid("calendar: not a mapping")
    house = {name: value for name, value in raw.items() if name != "teams"}
    teams = {str(team): read_calendar(its, f"calendar.teams.{team}") for team, its in raw.get("teams", {}).items()}
    return Calendars(read_calendar(house), teams)


def read_calendar(raw: Any, where: str = "calendar") -> Calendar:
    """One calendar out of the bundle's plain form; `BundleInvalid` names what is wrong."""
    try:
        _only(FIELDS, raw)
        _only(WEEKDAYS, raw["week"])
        zone = ZoneInfo(raw["zone"])
        week = tuple(_slots(raw["week"].get(day, [])) for day in WEEKDAYS)
        days = {date.fromisoformat(str(day)): _slots(slots) for day, slots in raw.get("days", {}).items()}
        pace = _pace(raw.get("answers_per_hour", ANSWERS_PER_HOUR))
    # OSError: a zone that names a directory of the zone database.
    except (KeyError, TypeError, ValueError, AttributeError, OSError, ZoneInfoNotFoundError) as error:
        raise BundleInvalid(f"{where}: {type(error).__name__}: {error}") from None
    return Calendar(zone, week, days, pace)


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    if at == time.max:
        day, at = day + timedelta(days=1), time.min
    return datetime.combine(day, at, zone).astimezone(UTC)


def _only(known: tuple[str, ...], raw: dict[str, Any]) -> None:
    # A weekday that is misspelt would be a day off.
    unknown = sorted(str(name) for name in raw.keys() - set(known))
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}")


def _pace(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 < raw <= 10_000:
        raise ValueError(f"answers_per_hour: {raw!r}")
    return float(raw)


def _slots(raw: list[list[str]]) -> Slots:
    slots = tuple(sorted((_clock_time(start), _clock_time(end)) for start, end in raw))
    for start, end in slots:
        if start >= end:
            raise ValueError(f"a slot must end after it starts: {start}-{end}")
    for (_, end), (start, _) in pairwise(slots):
        if start < end:
            raise ValueError(f"two slots overlap at {start}")
    return slots


def _clock_time(text: str) -> time:
    if text == "24:00":
        return time.max
    moment = time.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError(f"a time of day has no zone of its own: {text}")
    return moment
