from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from functions.common.calendar import NeverOpen, read_calendar
from functions.common.errors import BundleInvalid

SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFICE = {
    "zone": "Asia/Shanghai",
    "week": {day: [["09:00", "12:00"], ["13:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
    "days": {"2026-10-01": [], "2026-10-02": [], "2026-10-10": [["10:00", "16:00"]]},
}


def _local(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "is_open", "next_open"),
    [
        ("2026-09-30 09:00", True, "2026-09-30 09:00"),  # the first minute
        ("2026-09-30 11:59", True, "2026-09-30 11:59"),
        ("2026-09-30 12:00", False, "2026-09-30 13:00"),  # the lunch break
        ("2026-09-30 08:59", False, "2026-09-30 09:00"),
        ("2026-09-30 18:00", False, "2026-10-05 09:00"),  # two holidays and a weekend
        ("2026-10-10 10:00", True, "2026-10-10 10:00"),  # a Saturday that is a make-up workday
        ("2026-10-10 09:00", False, "2026-10-10 10:00"),
        ("2026-10-10 16:00", False, "2026-10-12 09:00"),
    ],
)
def test_hours_holidays_and_make_up_workdays(moment, is_open, next_open):
    calendar = read_calendar(OFFICE)
    assert calendar.is_open(_local(moment)) is is_open
    assert calendar.next_open(_local(moment)) == _local(next_open)


def test_the_shipped_calendar_is_open_on_a_saturday_and_shut_on_the_national_day():
    shipped = yaml.safe_load((Path(__file__).parents[2] / "config" / "calendar.yaml").read_text("utf-8"))
    calendar = read_calendar(shipped)
    assert calendar.is_open(_local("2026-11-21 10:00"))
    assert not calendar.is_open(_local("2026-11-22 10:00"))
    assert calendar.next_open(_local("2026-09-30 18:00")) == _local("2026-10-05 09:00")


def test_a_calendar_without_hours_says_so_instead_of_searching_for_ever():
    with pytest.raises(NeverOpen):
        read_calendar({"zone": "UTC", "week": {}}).next_open(datetime(2026, 1, 1, tzinfo=UTC))


def test_a_slot_may_end_at_midnight():
    calendar = read_calendar({"zone": "UTC", "week": {"mon": [["18:00", "24:00"]]}})
    assert calendar.is_open(datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC))
    assert not calendar.is_open(datetime(2026, 11, 24, 0, 0, tzinfo=UTC))


def test_clocks_that_change_keep_the_wall_time():
    london = {"zone": "Europe/London", "week": {"sun": [["09:00", "12:00"]]}}
    zone = ZoneInfo("Europe/London")
    # The night of 25 October 2026 has 25 hours.
    assert read_calendar(london).next_open(_local("2026-10-24 22:00", zone)) == datetime(2026, 10, 25, 9, 0, tzinfo=UTC)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)))
def test_the_next_opening_is_open_is_not_past_and_nothing_is_open_before_it(moment):
    calendar = read_calendar(OFFICE)
    opening = calendar.next_open(moment)
    assert calendar.is_open(opening)
    assert opening >= moment
    step = moment
    while step < opening:
        assert not calendar.is_open(step)
        step += timedelta(minutes=30)
    assert calendar.next_open(opening) == opening


@pytest.mark.parametrize(
    "raw",
    [
        {},
        [],
        {"zone": "Asia/Shanghai"},
        {"zone": "Asia/Nowhere", "week": {}},
        {"zone": "Asia", "week": {}},
        {"zone": 8, "week": {}},
        {"zone": "UTC", "week": {"monday": []}},
        {"zone": "UTC", "week": {}, "holidays": {}},
        {"zone": "UTC", "week": {"mon": [["18:00", "09:00"]]}},
        {"zone": "UTC", "week": {"mon": [["09:00"]]}},
        {"zone": "UTC", "week": {"mon": [[540, 1080]]}},  # what YAML makes of 09:00 without quotes
        {"zone": "UTC", "week": {"mon": [["09:00+08:00", "18:00+08:00"]]}},
        {"zone": "UTC", "week": {"mon": "09:00-18:00"}},
        {"zone": "UTC", "week": {}, "days": {"1 May": []}},
    ],
)
def test_a_calendar_that_cannot_be_meant_is_refused(raw):
    with pytest.raises(BundleInvalid, match="calendar"):
        read_calendar(raw)
