"""The time a command is about: from a moment to another, which is not in it any more."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from infra.records.errors import PeriodInvalid

SEARCHED_MONTHS = 6
# With room at either end for other zones, a day more and a few months.
_YEARS = range(1970, 9999)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """`since` ≤ moment < `until`, both UTC."""

    since: datetime
    until: datetime

    def holds(self, moment: datetime) -> bool:
        """Whether the moment is in it."""
        return self.since <= moment < self.until

    def days(self) -> tuple[str, str]:
        """The first and the last day, in whichever zone, that may have a moment of it: YYYY-MM-DD."""
        return _day(self.since, -1), _day(self.until, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How an operator may say a time: one of the first four, or from `since` (until now, or `until`)."""

    today: bool = False
    this_month: bool = False
    last_days: int | None = None
    day: str | None = None
    since: str | None = None
    until: str | None = None


def read_period(asked: Asked, *, now: datetime, zone: ZoneInfo, default_days: int | None = None) -> Period | None:
    """The period that was asked for, or the last `default_days`, or None; days are those of `zone`. `PeriodInvalid`."""
    said = [asked.today, asked.this_month, asked.last_days is not None, asked.day is not None, bool(asked.since or asked.until)]
    if sum(said) > 1:
        raise PeriodInvalid("say the time in one way: today, this month, the last days, a day, or since and until")
    if not any(said) and default_days is None:
        return None
    try:
        since, until = _bounds(asked, now=now, zone=zone, days=asked.last_days if any(said) else default_days)
    except OverflowError:
        raise PeriodInvalid("a time beyond the calendar") from None
    if since.year not in _YEARS or until.year not in _YEARS:
        raise PeriodInvalid(f"a time before {_YEARS[0]} or after {_YEARS[-1]}")
    if since >= until:
        raise PeriodInvalid("the time ends before it begins")
    return Period(since=since.astimezone(UTC), until=until.astimezone(UTC))


def at_most(period: Period, months: int, zone: ZoneInfo) -> Period:
    """The period itself; `PeriodInvalid` when it is longer than so many months."""
    if period.until > _begin_after(period.since.astimezone(zone), months).astimezone(UTC):
        raise PeriodInvalid(f"at most {months} months at once")
    return period


def after_months(moment: datetime, months: int) -> datetime:
    """The same day and time so many months later, or the month's last day where it has no such day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _begin_after(moment: datetime, months: int) -> datetime:
    """The same day so many months later; the first of the next month where there is none, so that six months from the end of August end
    with February.
    """
    later = after_months(moment, months)
    return later if later.day == moment.day else later + timedelta(days=1)


def month(day: date, zone: ZoneInfo) -> Period:
    """The calendar month in which a day lies."""
    first = datetime.combine(day.replace(day=1), time(), zone)
    return Period(since=first.astimezone(UTC), until=after_months(first, 1).astimezone(UTC))


def _bounds(asked: Asked, *, now: datetime, zone: ZoneInfo, days: int | None) -> tuple[datetime, datetime]:
    local = now.astimezone(zone)
    soon = now + timedelta(milliseconds=1)
    if days is not None:
        # The last one day is today: whole days, as people count them.
        return datetime.combine(local.date() - timedelta(days=days - 1), time(), zone), soon
    if asked.today:
        return datetime.combine(local.date(), time(), zone), soon
    if asked.this_month:
        return datetime.combine(local.date().replace(day=1), time(), zone), soon
    if asked.day is not None:
        return _begin(asked.day, zone), _end(asked.day, zone)
    if asked.since is None:
        raise PeriodInvalid("until when is said, but not since when")
    return _begin(asked.since, zone), _end(asked.until, zone) if asked.until else soon


def _begin(text: str, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise PeriodInvalid(f"not a day or a time: {text}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _end(text: str, zone: ZoneInfo) -> datetime:
    """A day ends at its end."""
    begin = _begin(text, zone)
    try:
        date.fromisoformat(text)
    except ValueError:
        return begin
    return begin + timedelta(days=1)  # on the wall clock: a day of 23 or 25 hours is one day


def _day(moment: datetime, by: int) -> str:
    try:
        return (moment + timedelta(days=by)).date().isoformat()
    except OverflowError:
        return moment.date().isoformat()
