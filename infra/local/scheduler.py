"""EventBridge Scheduler: the template's rate and cron schedules, in their time zones, fired while the stack runs, or by hand.

A failed run is reported and not tried again before its next time; on AWS it would be, as often as its RetryPolicy says.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from functions.common.clock import Clock, to_iso
from infra.local.errors import TemplateInvalid
from infra.local.resources import STACK, Schedule
from infra.local.template import ACCOUNT_ID, REGION
from infra.local.workers import Invocation

LOG = logging.getLogger(__name__)
TICK = 1.0
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")


class UnknownSchedule(Exception):
    """The template has no schedule of this name."""


class Scheduler:
    """`invoke(function's logical id, event)` runs a function."""

    def __init__(
        self, schedules: Sequence[Schedule], invoke: Callable[[str, dict[str, Any]], Invocation], *, clock: Clock
    ) -> None:
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._invoke = invoke
        self._clock = clock
        self.set_out()
        self._stopping = Event()
        self._thread = Thread(target=self._run, daemon=True, name="scheduler")

    def set_out(self) -> None:
        """Take what the clock says now as the start: nothing that lies before it is due."""
        now = self._clock()
        self._next = {name: next_time(schedule, now) for name, schedule in self._schedules.items()}

    def start(self) -> None:
        """Begin to fire."""
        self._thread.start()

    def stop(self) -> None:
        """Fire nothing more."""
        self._stopping.set()

    def names(self) -> list[str]:
        """The schedules' names, sorted."""
        return sorted(self._schedules)

    def run(self, name: str, given: Mapping[str, Any] | None = None) -> Invocation:
        """Run a schedule now, with `given` merged into its input; `UnknownSchedule` when there is none of the name."""
        schedule = self._schedules.get(name)
        if schedule is None:
            raise UnknownSchedule(name)
        return self._invoke(schedule.function, event_of(schedule, self._clock()) | dict(given or {}))

    def due(self, now: datetime) -> list[str]:
        """Names of the schedules whose time has come, soonest first; each is then due at its next time after `now`."""
        names = sorted((name for name, when in self._next.items() if when <= now), key=lambda name: self._next[name])
        for name in names:
            self._next[name] = next_time(self._schedules[name], now)
        return names

    def _run(self) -> None:
        while not self._stopping.wait(TICK):
            for name in self.due(self._clock()):
                # A long run must not hold up the others.
                Thread(target=self._fire, args=(name,), daemon=True, name=f"schedule {name}").start()

    def _fire(self, name: str) -> None:
        outcome = self.run(name)
        if outcome.fault is not None and not self._stopping.is_set():
            LOG.warning("schedule %s failed: %s", name, outcome.fault)


def next_time(schedule: Schedule, after: datetime) -> datetime:
    """When a schedule fires next, strictly later than `after`; `TemplateInvalid` when its expression cannot be read."""
    rate = _RATE.fullmatch(schedule.expression)
    if rate:
        return after + timedelta(**{f"{rate[2]}s": int(rate[1])})
    cron = _CRON.fullmatch(schedule.expression)
    if cron is None:
        raise TemplateInvalid(f"template.yaml: schedule {schedule.name}: cannot read {schedule.expression!r}")
    from croniter import croniter

    try:
        local = after.astimezone(ZoneInfo(schedule.timezone))
        found: datetime = croniter(_unix_cron(cron.groups()), local).get_next(datetime)
    except (ZoneInfoNotFoundError, ValueError, KeyError) as error:
        raise TemplateInvalid(f"template.yaml: schedule {schedule.name}: {error}") from error
    return found.astimezone(after.tzinfo)


def event_of(schedule: Schedule, now: datetime) -> dict[str, Any]:
    """What the function is given: the schedule's own input, or else EventBridge's default."""
    if schedule.input is not None:
        event: dict[str, Any] = json.loads(schedule.input)
        return event
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT_ID,
        "time": to_iso(now),
        "region": REGION,
        "resources": [f"arn:aws:scheduler:{REGION}:{ACCOUNT_ID}:schedule/default/{STACK}-{schedule.name}"],
        "detail": "{}",
    }


def _unix_cron(fields: Sequence[str]) -> str:
    """AWS counts weekdays from 1 (Sunday), writes the last Friday as 6L and has a year; croniter counts from 0, writes L5 and wants
    seconds before the year.
    """
    minute, hour, day, month, weekday, year = (field.replace("?", "*") for field in fields)
    weekday = re.sub(r"(?<![#/\d])\d", lambda digit: str(int(digit[0]) - 1), weekday)
    weekday = re.sub(r"(\d)L", r"L\1", weekday)
    return " ".join((minute, hour, day, month, weekday, "0", year))
