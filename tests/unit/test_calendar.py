from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.common.calendar import NeverOpen, read_calendar, read_calendars
from functions.common.errors import BundleInvalid
from infra.cli.bundle import compiled_sections

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
    calendar = read_calendars(compiled_sections(today=date(2026, 9, 1))["calendar"]).house
    assert calendar.is_open(_local("2026-11-21 10:00"))
    assert not calendar.is_open(_local("2026-11-22 10:00"))
    assert calendar.next_open(_local("2026-09-30 18:00")) == _local("2026-10-08 09:00")


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
    ("raw", "says"),
    [
        ({}, "calendar.week: is missing"),
        ([], "calendar: not a mapping"),
        ({"zone": "Asia/Shanghai"}, "calendar.week: is missing"),
        ({"week": {}}, "calendar.zone: no such time zone: None"),
        ({"zone": "Asia/Nowhere", "week": {}}, "calendar.zone: no such time zone: Asia/Nowhere"),
        ({"zone": "Asia", "week": {}}, "calendar.zone: no such time zone: Asia"),
        ({"zone": 8, "week": {}}, "calendar.zone: no such time zone: 8"),
        ({"zone": "UTC", "week": []}, "calendar.week: not a mapping"),
        ({"zone": "UTC", "week": {"monday": []}}, "calendar.week: no such field: monday; there are mon, tue"),
        ({"zone": "UTC", "week": {}, "holidays": {}}, "calendar: no such field: holidays; there are zone"),
        (
            {"zone": "UTC", "week": {"mon": [["18:00", "09:00"]]}},
            "calendar.week.mon: a slot must end after it starts: 18:00-09:00",
        ),
        ({"zone": "UTC", "week": {"mon": [["09:00"]]}}, "calendar.week.mon: not a list of slots such as"),
        # What YAML makes of 09:00 without quotes.
        (
            {"zone": "UTC", "week": {"mon": [[540, 1080]]}},
            'calendar.week.mon: 540 is not a time of day such as "09:00", in quotes',
        ),
        ({"zone": "UTC", "week": {"mon": [["9:00", "18:00"]]}}, "calendar.week.mon: '9:00' is not a time of day"),
        ({"zone": "UTC", "week": {"mon": [["09:00+08:00", "18:00+08:00"]]}}, "calendar.week.mon: a time of day has no zone"),
        ({"zone": "UTC", "week": {"mon": "09:00-18:00"}}, "calendar.week.mon: not a list of slots such as"),
        ({"zone": "UTC", "week": {}, "days": []}, "calendar.days: not a mapping"),
        ({"zone": "UTC", "week": {}, "days": {"1 May": []}}, "calendar.days: 1 May is not a day such as 2026-10-01"),
        ({"zone": "UTC", "week": {}, "days": {"2026-05-01": ["x"]}}, "calendar.days.2026-05-01: not a list of slots"),
        (
            {"zone": "UTC", "week": {"mon": [["09:00", "13:00"], ["12:00", "18:00"]]}},
            "calendar.week.mon: two slots overlap at 12:00",
        ),
        ({"zone": "UTC", "week": {}, "answers_per_hour": 0}, "calendar.answers_per_hour: 0 is not a number above 0"),
        ({"zone": "UTC", "week": {}, "answers_per_hour": "many"}, "calendar.answers_per_hour: 'many' is not a number"),
    ],
)
def test_a_calendar_that_cannot_be_meant_is_refused_by_its_place(raw, says):
    with pytest.raises(BundleInvalid) as refused:
        read_calendar(raw)
    assert str(refused.value).startswith(says)


def test_working_time_leaves_out_lunch_nights_weekends_and_holidays():
    calendar = read_calendar(OFFICE)
    assert calendar.working_time(_local("2026-09-30 11:30"), _local("2026-09-30 13:30")) == timedelta(hours=1)
    assert calendar.working_time(_local("2026-09-30 17:00"), _local("2026-10-05 10:00")) == timedelta(hours=2)
    assert calendar.working_time(_local("2026-10-01 00:00"), _local("2026-10-03 00:00")) == timedelta()
    assert calendar.working_time(_local("2026-09-30 17:00"), _local("2026-09-30 10:00")) == timedelta()


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 6, 30), timezones=st.just(UTC)),
    st.integers(1, 60 * 100).map(lambda minutes: timedelta(minutes=minutes)),
)
def test_so_much_working_time_lies_before_the_moment_at_which_it_has_passed(moment, time):
    calendar = read_calendar(OFFICE)
    after = calendar.after_working(moment, time)
    assert calendar.working_time(moment, after) == time
    assert calendar.is_open(after - timedelta(microseconds=1))


def test_working_time_across_a_night_with_25_hours():
    around = read_calendar({"zone": "Europe/London", "week": {day: [["00:00", "24:00"]] for day in ("sat", "sun", "mon")}})
    zone = ZoneInfo("Europe/London")
    assert around.working_time(_local("2026-10-24 12:00", zone), _local("2026-10-25 12:00", zone)) == timedelta(hours=25)


def test_an_answer_comes_when_those_before_have_theirs_and_never_before_the_opening():
    calendar = read_calendar(OFFICE | {"answers_per_hour": 10})
    evening = _local("2026-09-29 20:00")
    assert calendar.answered_by(evening, 0) == _local("2026-09-30 09:06")
    assert calendar.answered_by(evening, 39) == _local("2026-09-30 14:00"), "lunch is no work"
    assert calendar.answered_by(evening, 99) == _local("2026-10-05 11:00"), "nor are holidays and a weekend"
    with pytest.raises(NeverOpen):
        calendar.answered_by(evening, 10**6)


def test_the_last_working_day_of_a_month_knows_make_up_workdays_and_holidays():
    house = read_calendars(compiled_sections(today=date(2026, 1, 15))["calendar"]).house
    assert house.last_working_day(2026, 1) == date(2026, 1, 31), "a Saturday on which we are there"
    assert read_calendar(OFFICE).last_working_day(2026, 10) == date(2026, 10, 30)
    office = read_calendar(OFFICE | {"days": {"2026-02-28": [["09:00", "18:00"]], "2026-09-30": []}})
    assert office.last_working_day(2026, 2) == date(2026, 2, 28)
    assert office.last_working_day(2026, 9) == date(2026, 9, 29)
    with pytest.raises(NeverOpen, match="2026-05"):
        read_calendar({"zone": "UTC", "week": {}}).last_working_day(2026, 5)


def test_teams_have_their_own_hours_or_the_houses():
    calendars = read_calendars(OFFICE | {"teams": {"night": OFFICE | {"week": {"mon": [["20:00", "24:00"]]}}}})
    assert calendars.of("night").is_open(_local("2026-11-23 21:00")) and not calendars.of("desk").is_open(
        _local("2026-11-23 21:00")
    )
    assert calendars.of(None) is calendars.house
    with pytest.raises(BundleInvalid, match=r"calendar\.teams\.night"):
        read_calendars(OFFICE | {"teams": {"night": {"week": {}}}})
    for wrong in ([], {"teams": []}, {"teams": {"a": 1}}):
        with pytest.raises(BundleInvalid, match="calendar"):
            read_calendars(wrong)
