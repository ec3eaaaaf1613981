"""The local scheduler fires what the template says, when it says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from infra.local.errors import TemplateInvalid
from infra.local.resources import Schedule
from infra.local.scheduler import Scheduler, UnknownSchedule, event_of, next_time
from infra.local.workers import Invocation
from tests.fakes.template import loaded

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday


def schedule(expression, timezone="UTC", **more):
    return Schedule(name="job", expression=expression, timezone=timezone, function="JobFunction", **more)


@pytest.mark.parametrize(
    ("expression", "timezone", "wanted"),
    [
        ("rate(5 minutes)", "UTC", "2026-11-20T12:05:00+00:00"),
        ("rate(1 hour)", "UTC", "2026-11-20T13:00:00+00:00"),
        ("rate(2 days)", "UTC", "2026-11-22T12:00:00+00:00"),
        ("cron(0 3 * * ? *)", "Asia/Shanghai", "2026-11-20T19:00:00+00:00"),
        ("cron(0 12 * * ? *)", "UTC", "2026-11-21T12:00:00+00:00"),
        ("cron(0/10 * ? * MON-FRI *)", "UTC", "2026-11-20T12:10:00+00:00"),
        ("cron(0 10 ? * 2-6 *)", "UTC", "2026-11-23T10:00:00+00:00"),  # 2 is Monday with AWS
        ("cron(0 10 ? * 1 *)", "UTC", "2026-11-22T10:00:00+00:00"),  # 1 is Sunday
        ("cron(15 12 L * ? *)", "UTC", "2026-11-30T12:15:00+00:00"),
        ("cron(0 9 ? * 6L *)", "UTC", "2026-11-27T09:00:00+00:00"),
        ("cron(0 9 ? * 2#1 2027)", "UTC", "2027-01-04T09:00:00+00:00"),
    ],
)
def test_the_next_time_of_an_expression(expression, timezone, wanted):
    assert next_time(schedule(expression, timezone), NOON).isoformat() == wanted


def test_a_schedule_keeps_its_local_hour_across_daylight_saving():
    at_nine = schedule("cron(0 9 * * ? *)", "Europe/Berlin")
    before = next_time(at_nine, datetime(2027, 3, 27, 0, tzinfo=UTC))
    after = next_time(at_nine, datetime(2027, 3, 28, 0, tzinfo=UTC))
    assert (before.hour, after.hour) == (8, 7)


@pytest.mark.parametrize(
    ("expression", "timezone"),
    [
        ("cron(0 3 * *)", "UTC"),
        ("at(2027-01-01T00:00:00)", "UTC"),
        ("cron(99 3 * * ? *)", "UTC"),
        ("cron(0 3 * * ? *)", "Here/There"),
    ],
)
def test_what_cannot_be_read_is_told_with_the_schedules_name(expression, timezone):
    with pytest.raises(TemplateInvalid, match="schedule job"):
        next_time(schedule(expression, timezone), NOON)


def test_the_default_event_is_eventbridges():
    event = event_of(schedule("rate(1 hour)"), NOON)
    assert (event["source"], event["detail-type"], event["time"]) == (
        "aws.scheduler",
        "Scheduled Event",
        "2026-11-20T12:00:00.000Z",
    )
    assert event["resources"][0].endswith("-job")


def test_an_input_of_the_templates_takes_its_place():
    assert event_of(schedule("rate(1 hour)", input='{"a": 1}'), NOON) == {"a": 1}


class Runs:
    def __init__(self):
        self.events = []

    def __call__(self, function, event):
        self.events.append((function, event))
        return Invocation({"done": True})


def test_running_one_by_name_merges_what_is_given():
    runs = Runs()
    outcome = Scheduler(loaded().schedules, runs, clock=lambda: NOON).run("archive", {"now": "2026-12-31T19:00:00Z"})
    ((function, event),) = runs.events
    assert function == "ArchiveFunction"
    assert (event["now"], event["source"]) == ("2026-12-31T19:00:00Z", "aws.scheduler")
    assert outcome.payload == {"done": True}


def test_an_unknown_name_is_told():
    with pytest.raises(UnknownSchedule):
        Scheduler(loaded().schedules, Runs(), clock=lambda: NOON).run("nightly")


def test_a_day_of_the_templates_schedules():
    scheduler = Scheduler(loaded().schedules, Runs(), clock=lambda: NOON)
    fired = [
        (name, NOON + timedelta(minutes=minute))
        for minute in range(1441)
        for name in scheduler.due(NOON + timedelta(minutes=minute))
    ]
    assert [when for name, when in fired if name == "archive"] == [datetime(2026, 11, 20, 19, 0, tzinfo=UTC)]
    assert len([when for name, when in fired if name == "escalate"]) == 288


def test_a_machine_that_slept_fires_once_not_for_every_time_missed():
    scheduler = Scheduler(loaded().schedules, Runs(), clock=lambda: NOON)
    later = NOON + timedelta(days=3)
    assert sorted(scheduler.due(later)) == sorted(schedule.name for schedule in loaded().schedules)
    assert scheduler.due(later) == []
