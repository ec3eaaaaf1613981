"""Who is on duty: config/duty.yaml, by way of the bundle's section `duty`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from functions.common.calendar import Calendar, read_calendar
from functions.common.errors import BundleInvalid
from functions.common.sections import read_section


@dataclass(frozen=True, slots=True)
class Shift:
    """Some people and the hours they are there."""

    hours: Calendar
    who: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Roster:
    """Shifts by team, and those that stand in when a team has nobody there."""

    teams: dict[str, tuple[Shift, ...]]
    default: tuple[Shift, ...] = ()

    def on_duty(self, team: str, moment: datetime) -> tuple[str, ...]:
        """Who is there for a team at a moment, each named once; empty when nobody is."""
        return _there(self.teams.get(team, ()), moment) or _there(self.default, moment)


class _Shift(BaseModel):
    model_config = ConfigDict(extra="forbid")

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(min_length=1)
    start: str = Field(alias="from")
    end: str = Field(alias="to")
    who: list[str] = Field(min_length=1)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")

    zone: str
    teams: dict[str, list[_Shift]] = {}
    default: list[_Shift] = []


def read_duty(raw: Any) -> Roster:
    """The bundle's section `duty`; `BundleInvalid` names what is wrong."""
    section = read_section(_Section, "duty", raw)
    teams = {team: _shifts(shifts, section.zone, f"duty.teams.{team}") for team, shifts in section.teams.items()}
    return Roster(teams, _shifts(section.default, section.zone, "duty.default"))


def _shifts(shifts: list[_Shift], zone: str, where: str) -> tuple[Shift, ...]:
    try:
        return tuple(
            Shift(
                read_calendar({"zone": zone, "week": {day: [[shift.start, shift.end]] for day in shift.days}}), tuple(shift.who)
            )
            for shift in shifts
        )
    except BundleInvalid as wrong:
        raise BundleInvalid(f"{where}: {wrong}") from None


def _there(shifts: tuple[Shift, ...], moment: datetime) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for shift in shifts if shift.hours.is_open(moment) for name in shift.who))
