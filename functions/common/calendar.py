"""Working hours: when a team is there, and when it will be again. Wall-clock slots per weekday in one time zone, with exceptions.

The compiled calendar comes from config/calendar.yaml by way of the bundle: `{"zone": "Asia/Shanghai", "week": {"mon": [["09:00",
"18:00"]], …}, "days": {"2026-10-01": [], "2026-10-10": [["09:00", "18:00"]]}}`. `days` overrides the week: holidays are empty, make-up
workdays (调休) have slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from functions.common.errors import BundleInvalid

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LOOK_AHEAD = timedelta(days=30)

Slots = tuple[tuple[time, time], ...]


class NeverOpen(BundleInvalid):
    """The calendar has no working hours in the next thirty days."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Working hours of one team or the whole house."""

    zone: ZoneInfo
    week: tuple[Slots, ...]
    days: dict[date, Slots]

    def is_open(self, moment: datetime) -> bool:
        """Whether somebody is there."""
        local = moment.astimezone(self.zone)
        return any(start <= local.time() < end for start, end in self._slots(local.date()))

    def next_open(self, moment: datetime) -> datetime:
        """`moment` itself when somebody is there, else when somebody next will be, UTC; `NeverOpen` beyond thirty days."""
        if self.is_open(moment):
            return moment
        local = moment.astimezone(self.zone)
        for ahead in range(LOOK_AHEAD.days):
            day = local.date() + timedelta(days=ahead)
            starts = (datetime.combine(day, start, self.zone) for start, _ in self._slots(day))
            later = [start for start in starts if start > local]
            if later:
                return min(later).astimezone(UTC)
        raise NeverOpen("no working hours in the next thirty days")

    def _slots(self, day: date) -> Slots:
        return self.days.get(day, self.week[day.weekday()])


def read_calendar(raw: dict[str, Any]) -> Calendar:
    """A calendar out of the bundle's plain form; `BundleInvalid` names what is wrong."""
    try:
        _only(("zone", "week", "days"), raw)
        _only(WEEKDAYS, raw["week"])
        zone = ZoneInfo(raw["zone"])
        week = tuple(_slots(raw["week"].get(day, [])) for day in WEEKDAYS)
        days = {date.fromisoformat(str(day)): _slots(slots) for day, slots in raw.get("days", {}).items()}
    # OSError: a zone that names a directory of the zone database.
    except (KeyError, TypeError, ValueError, AttributeError, OSError, ZoneInfoNotFoundError) as error:
        raise BundleInvalid(f"calendar: {type(error).__name__}: {error}") from None
    return Calendar(zone, week, days)


def _only(known: tuple[str, ...], raw: dict[str, Any]) -> None:
    # A weekday that is misspelt would be a day off.
    unknown = sorted(str(name) for name in raw.keys() - set(known))
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}")


def _slots(raw: list[list[str]]) -> Slots:
    slots = tuple((_clock_time(start), _clock_time(end)) for start, end in raw)
    for start, end in slots:
        if start >= end:
            raise ValueError(f"a slot must end after it starts: {start}-{end}")
    return slots


def _clock_time(text: str) -> time:
    if text == "24:00":
        return time.max
    moment = time.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError(f"a time of day has no zone of its own: {text}")
    return moment
