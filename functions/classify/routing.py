"""Who handles a message, how soon, and whether it is held, escalated or settled by machine."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from functions.classify.conditions import matcher
from functions.classify.judging import Consequences, Verdict
from functions.classify.standing import STRANGER, Standing
from functions.classify.team_config import PointsTable, ServiceLevel, TeamsSection
from functions.common.calendar import Calendars, NeverOpen
from functions.common.errors import BundleInvalid
from functions.common.judgement import Business, Judgement, Risk, Routing, Urgency
from functions.common.sections import read_section

# What follows from a risk is fixed by the label sheet.
HELD: tuple[Risk, ...] = ("money", "credentials")
ESCALATED: tuple[Risk, ...] = ("legal_media", "safety")
# These are about something that a machine's answer cannot settle, whatever a rule says.
FOR_PEOPLE: frozenset[Business] = frozenset({"complaint", "appointment", "after_sales"})


@dataclass(frozen=True, slots=True)
class TeamBook:
    """The teams, which of them gets what, and when they work; config/teams.yaml and config/calendar.yaml, checked."""

    section: TeamsSection
    calendars: Calendars
    routes: tuple[tuple[Callable[[Judgement], bool], str], ...]

    @property
    def default(self) -> str:
        """The team for what no route names."""
        return self.section.default

    def names(self) -> dict[str, str]:
        """Every team by its machine name, with the name that people see."""
        return {team: details.name for team, details in self.section.teams.items()}

    def team(self, judgement: Judgement) -> str:
        """The team of the first route that matches the labels."""
        return next((team for fits, team in self.routes if fits(judgement)), self.default)

    def service(self, team: str, tags: Collection[str] = ()) -> tuple[str | None, ServiceLevel]:
        """The service level of a message: the first class that has one of the conversation's tags, the team's own, the house's (None)."""
        for name, details in self.section.classes.items():
            if not set(details.tags).isdisjoint(tags):
                return name, details
        its = self.section.teams.get(team)
        return (team, its.hours) if its and its.hours else (None, self.section.hours)

    def due_at(self, team: str, urgency: Urgency, received_at: datetime, tags: Collection[str] = ()) -> datetime:
        """When somebody of the team must have answered. A team that never works is held to the clock."""
        _, hours = self.service(team, tags)
        within = timedelta(hours=hours.urgent if urgency == "urgent" else hours.normal)
        if urgency in (hours.working or ()):
            with suppress(NeverOpen):
                return self.calendars.of(team).after_working(received_at, within)
        return received_at + within


def read_teams(section: dict[str, Any], calendars: Calendars) -> TeamBook:
    """The team book out of the bundle's section `teams`; `BundleInvalid` names the field that is wrong."""
    teams = read_section(TeamsSection, "teams", section)
    named = {"teams.default": teams.default} | {
        f"teams.routes.{place}.team": route.team for place, route in enumerate(teams.routes)
    }
    for where, team in named.items():
        if team not in teams.teams:
            raise BundleInvalid(f"{where}: no team {team}")
    return TeamBook(teams, calendars, tuple((matcher(route.when), route.team) for route in teams.routes))


def route(
    verdict: Verdict,
    teams: TeamBook,
    *,
    received_at: datetime,
    first_contact: bool,
    from_bot: bool,
    standing: Standing = STRANGER,
) -> Routing:
    """Where a message goes, and by when somebody must have answered it."""
    judgement, wanted = verdict.judgement, verdict.consequences
    hold = _reasons(HELD, judgement, wanted.hold)
    # A false legal notice is a trick, not a threat; a rule may still say otherwise.
    escalate = _reasons(() if judgement.spam != "none" else ESCALATED, judgement, wanted.escalate)
    table = teams.section.points
    points = _points(table, judgement, first_contact) | standing.points(table, received_at) | wanted.points
    must = bool(hold or escalate or _is_for_people(judgement))
    no_reply = wanted.no_reply or judgement.opt_out or judgement.spam != "none" or from_bot
    team = wanted.team or teams.team(judgement)
    return Routing(
        team=team,
        priority=max(0, sum(points.values())),
        due_at=teams.due_at(team, judgement.urgency, received_at, standing.tags),
        hold=hold,
        escalate=escalate,
        tags=wanted.tags,
        points=points,
        needs_person=must or _is_wanted(judgement, wanted),
        reply=None if no_reply or (must and wanted.needs_person is False) else wanted.reply,
        no_reply=no_reply,
        opt_in=wanted.opt_in and not no_reply,
        suggest=wanted.suggest,
        service=teams.service(team, standing.tags)[0],
    )


def _reasons(risks: tuple[Risk, ...], judgement: Judgement, wanted: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*(risk for risk in risks if risk in judgement.risk), *wanted)))


def _is_for_people(judgement: Judgement) -> bool:
    return (
        judgement.urgency == "urgent"
        or judgement.wants_human
        or judgement.sentiment == "negative"
        or judgement.business in FOR_PEOPLE
    )


def _is_wanted(judgement: Judgement, wanted: Consequences) -> bool:
    if wanted.needs_person is None:
        # What may be spam is not dropped unseen.
        return judgement.spam == "none" or "spam" in judgement.uncertain
    return wanted.needs_person


def _points(table: PointsTable, judgement: Judgement, first_contact: bool) -> dict[str, int]:
    """The points that count for something, by the label that gave them."""
    labels: list[tuple[str, dict[Any, int]]] = [
        (axis, getattr(table, axis)) for axis in ("urgency", "business", "content", "sentiment", "spam", "risk")
    ]
    found = {
        f"{axis}.{value}": values[value]
        for axis, values in labels
        for value in _values(getattr(judgement, axis))
        if values.get(value)
    }
    if judgement.wants_human and table.wants_human:
        found["wants_human"] = table.wants_human
    if first_contact and table.first_contact:
        found["first_contact"] = table.first_contact
    return found


def _values(label: str | tuple[str, ...]) -> tuple[str, ...]:
    return label if isinstance(label, tuple) else (label,)
