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
    fields = _mapping(raw, where, FIELDS)
    week = _mapping(fields.get("week"), f"{where}.week", WEEKDAYS)  # a weekday that is misspelt would be a day off
    days = _mapping(fields.get("days", {}), f"{where}.days")
    return Calendar(
        zone=_zone(fields.get("zone"), f"{where}.zone"),
        week=tuple(_slots(week.get(day, []), f"{where}.week.{day}") for day in WEEKDAYS),
        days={_day(day, f"{where}.days"): _slots(slots, f"{where}.days.{day}") for day, slots in days.items()},
        answers_per_hour=_pace(fields.get("answers_per_hour", ANSWERS_PER_HOUR), f"{where}.answers_per_hour"),
    )


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    if at == time.max:
        day, at = day + timedelta(days=1), time.min
    return datetime.combine(day, at, zone).astimezone(UTC)


def _mapping(raw: Any, where: str, known: tuple[str, ...] = ()) -> Mapping[Any, Any]:
    if not isinstance(raw, Mapping):
        raise BundleInvalid(f"{where}: {'is missing' if raw is None else 'not a mapping'}")
    if known and (unknown := sorted(str(name) for name in raw.keys() - set(known))):
        raise BundleInvalid(f"{where}: no such field: {', '.join(unknown)}; there are {', '.join(known)}")
    return raw


def _zone(name: Any, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    # OSError: a zone that names a directory of the zone database.
    except (TypeError, ValueError, AttributeError, OSError, ZoneInfoNotFoundError):
        raise BundleInvalid(f"{where}: no such time zone: {name}") from None


def _day(raw: Any, where: str) -> date:
    try:
        return date.fromisoformat(str(raw))
    except ValueError:
        raise BundleInvalid(f"{where}: {raw} is not a day such as 2026-10-01") from None


def _pace(raw: Any, where: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 < raw <= 10_000:
        raise BundleInvalid(f"{where}: {raw!r} is not a number above 0 and up to 10,000")
    return float(raw)


def _slots(raw: Any, where: str) -> Slots:
    if not isinstance(raw, list) or not all(isinstance(slot, list) and len(slot) == 2 for slot in raw):
        raise BundleInvalid(f'{where}: not a list of slots such as ["09:00", "18:00"]')
    slots = tuple(sorted((_clock_time(start, where), _clock_time(end, where)) for start, end in raw))
    for start, end in slots:
        if start >= end:
            raise BundleInvalid(f"{where}: a slot must end after it starts: {start:%H:%M}-{end:%H:%M}")
    for (_, end), (start, _) in pairwise(slots):
        if start < end:
            raise BundleInvalid(f"{where}: two slots overlap at {start:%H:%M}")
    return slots


def _clock_time(text: Any, where: str) -> time:
    if text == "24:00":
        return time.max
    try:
        moment = time.fromisoformat(text)
    except (TypeError, ValueError):
        raise BundleInvalid(f'{where}: {text!r} is not a time of day such as "09:00", in quotes') from None
    if moment.tzinfo is not None:
        raise BundleInvalid(f"{where}: a time of day has no zone of its own: {text}")
    return moment
