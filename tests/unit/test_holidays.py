"""Public holidays and make-up workdays, as they are put into a bundle."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from functions.common.calendar import Calendar, read_calendars
from functions.common.errors import BundleInvalid
from infra.cli.bundle import CONFIG, ConfigInvalid, compiled_sections, notices
from infra.cli.holidays import HolidaysUnknown, compile_calendar, public_days, unpublished

TODAY = date(2026, 11, 22)
WEEK = {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
SECTION: dict[str, Any] = {"zone": "Asia/Shanghai", "holidays": "CN", "week": WEEK, "make_up": [["10:00", "16:00"]]}


def house(section: dict[str, Any], today: date = TODAY) -> Calendar:
    return read_calendars(compile_calendar(section, today)).house


@pytest.mark.parametrize(
    ("day", "working"),
    [
        ("2026-02-13", True),
        ("2026-02-14", True),  # a Saturday worked for the Spring Festival
        ("2026-02-15", False),
        ("2026-02-20", False),  # and the Friday that it pays for
        ("2026-02-23", False),
        ("2026-02-28", True),
        ("2026-10-07", False),
        ("2026-10-08", True),
        ("2026-10-10", True),
        ("2026-10-11", False),
        ("2025-10-08", False),  # last year's are known too: January looks back
    ],
)
def test_the_state_councils_notice_is_followed(day: str, working: bool) -> None:
    assert house(SECTION).is_working_day(date.fromisoformat(day)) is working


def test_a_shop_that_is_open_on_saturdays_is_shut_on_those_of_a_holiday() -> None:
    shop = house({**SECTION, "week": {**WEEK, "sat": [["09:00", "12:00"]], "sun": [["09:00", "12:00"]]}})
    assert not shop.is_working_day(date(2026, 2, 21)) and not shop.is_working_day(date(2026, 1, 3))
    assert not shop.is_working_day(date(2026, 2, 15)), "the Sunday before the eve belongs to it"
    assert shop.is_working_day(date(2026, 1, 10))


def test_a_make_up_workday_has_its_weekdays_slots_or_those_for_make_up_days_or_the_weeks() -> None:
    def slots(**changes: Any) -> Any:
        return compile_calendar({**SECTION, **changes}, TODAY)["days"]["2026-10-10"]

    assert slots() == [["10:00", "16:00"]]
    assert slots(make_up=None) == [["09:00", "18:00"]]
    assert slots(week={**WEEK, "sat": [["09:00", "12:00"]]}) == [["09:00", "12:00"]]


def test_what_an_operator_writes_stands_above_what_the_library_says() -> None:
    calendar = house({**SECTION, "days": {"2026-10-01": [["10:00", "12:00"]], "2026-12-24": []}})
    assert calendar.is_working_day(date(2026, 10, 1)) and not calendar.is_working_day(date(2026, 12, 24))


def test_a_team_has_its_own_country_zone_and_days_and_takes_the_rest_from_the_house() -> None:
    teams = {"overseas": {"zone": "Asia/Singapore", "holidays": "SG", "days": {"2026-12-31": []}}}
    calendars = read_calendars(compile_calendar({**SECTION, "days": {"2026-12-30": []}, "teams": teams}, TODAY))
    there = calendars.of("overseas")
    assert there.zone.key == "Asia/Singapore" and there.is_working_day(date(2026, 10, 1)), "no holiday in Singapore"
    assert not there.is_working_day(date(2026, 8, 10)), "the Monday after the National Day"
    assert not there.is_working_day(date(2026, 12, 30)) and not there.is_working_day(date(2026, 12, 31))
    assert calendars.house.is_working_day(date(2026, 12, 31))
    assert public_days("DE-BY", 2026).off > public_days("DE", 2026).off


def test_a_year_whose_notice_is_not_out_is_named_until_somebody_writes_its_days() -> None:
    unknown = date(2040, 12, 1)
    (this, following) = unpublished(SECTION, unknown)
    assert "2040" in this and "2041" in following and "CN" in this and len(this.splitlines()) == 1
    assert house(SECTION, unknown).is_working_day(date(2040, 10, 1)) is False, "what the law fixes is known"
    assert [line for line in unpublished({**SECTION, "days": {"2040-10-06": []}}, unknown) if "2040" in line] == []
    assert list(unpublished({**SECTION, "holidays": "SG"}, unknown)) == []
    assert [line for line in unpublished(SECTION, TODAY) if "2026" in line] == []


def test_a_country_that_nobody_knows_is_one_line(tmp_path: Any) -> None:
    with pytest.raises(HolidaysUnknown, match="XX"):
        public_days("XX", 2026)
    (tmp_path / "calendar.yaml").write_text("zone: Asia/Shanghai\nholidays: DE-XX\nweek: {}\n")
    with pytest.raises(ConfigInvalid, match="DE-XX"):
        compiled_sections(tmp_path)


def test_the_same_files_make_the_same_bundle_all_year() -> None:
    assert compiled_sections(CONFIG, today=date(2026, 1, 1)) == compiled_sections(CONFIG, today=date(2026, 12, 31))
    assert notices(CONFIG, today=date(2040, 1, 1))


def test_what_cannot_be_meant_is_left_for_the_calendar_to_refuse() -> None:
    for wrong in (
        {"teams": []},
        {**SECTION, "teams": {"a": 1}},
        {**SECTION, "days": ["2026-10-01"]},
        {**SECTION, "week": None},
    ):
        with pytest.raises(BundleInvalid):
            read_calendars(compile_calendar(wrong, TODAY))
