"""The section `teams` of the bundle, checked; docs/configuration.md explains the file, this is its grammar."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from functions.classify.config import CONTACTS_KEPT, Hours, Labels, Name, Part, Points, Several, Window
from functions.common.judgement import Business, Content, Risk, Sentiment, Spam, Urgency


class ServiceLevel(Part):
    """Within how many hours a person must have answered. `working` names those that are hours of work, by the team's calendar."""

    urgent: Hours = 2
    normal: Hours = 24
    working: Several[Urgency] | None = None


class ServiceClass(ServiceLevel):
    """A service level for conversations that have one of these tags."""

    tags: Several[Name]


class Team(Part):
    """A team; `name` is what people see, `hours` its service level where it has its own."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    hours: ServiceLevel | None = None


class Route(Part):
    """The team for messages with these labels."""

    when: Labels
    team: Name


class RepeatContact(Window):
    """Points for somebody who writes again and again."""

    more_than: Annotated[int, Field(ge=1, le=CONTACTS_KEPT)] = 3
    points: Points = 0


class Waiting(Part):
    """Points for each whole hour for which a person has been due to act, up to so many."""

    per_hour: Points = 0
    at_most: Points = 0


class PointsTable(Part):
    """Priority points for what was found; a message's priority is their sum."""

    urgency: dict[Urgency, Points] = Field(default_factory=dict)
    business: dict[Business, Points] = Field(default_factory=dict)
    content: dict[Content, Points] = Field(default_factory=dict)
    sentiment: dict[Sentiment, Points] = Field(default_factory=dict)
    spam: dict[Spam, Points] = Field(default_factory=dict)
    risk: dict[Risk, Points] = Field(default_factory=dict)
    wants_human: Points = 0
    first_contact: Points = 0
    repeat_contact: RepeatContact = RepeatContact()
    waiting: Waiting = Waiting()
    tags: dict[Name, Points] = Field(default_factory=dict)


class TeamsSection(Part):
    """config/teams.yaml. The first route that matches decides, and the first service class; where none does, `default` and `hours`."""

    teams: dict[Name, Team] = Field(min_length=1)
    default: Name
    routes: list[Route] = Field(default_factory=list)
    hours: ServiceLevel = ServiceLevel()
    classes: dict[Name, ServiceClass] = Field(default_factory=dict)
    points: PointsTable = PointsTable()
