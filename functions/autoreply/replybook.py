"""What operators say about replies, compiled: texts, which of them greet and give notice, and how much a machine may say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Protocol

from functions.autoreply.commands import Command
from functions.autoreply.outgoing import Outgoing
from functions.autoreply.phrase_index import Likeness
from functions.autoreply.templates import Language, Template, TemplateInvalid
from functions.common.calendar import Calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most so many machine replies to one conversation within so long."""

    at_most: int
    within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Names of the templates that no rule names.

    `welcome` greets somebody whose message a person will answer, `greeting` somebody who only said hello; `receipt` says that a complaint
    or an urgent matter has arrived.
    """

    welcome: str
    greeting: str
    welcome_out_of_hours: str
    out_of_hours: str
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """When machines say nothing on some channels (none named: on all). `begin` after `end` spans midnight."""

    channels: tuple[str, ...]
    begin: time
    end: time

    def hold(self, channel: str, local: time) -> bool:
        """Whether they hold on a channel at a time of day."""
        if self.channels and channel not in self.channels:
            return False
        within = (self.begin <= local, local < self.end)
        return all(within) if self.begin < self.end else any(within)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a machine may say. docs/configuration.md explains each."""

    machine_replies: tuple[Cap, ...]
    same_exchanges: Cap
    same_template: Cap
    account_per_hour: int | None
    same_text: timedelta
    keep_for_people: int
    too_old: timedelta
    takeover: timedelta
    window_margin: timedelta
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """What of a language model's words goes out unreviewed: its picks from faq.yaml, and its wording of some templates."""

    send_picks: bool = False
    send_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyBook:
    """config/replies.yaml, checked."""

    templates: Mapping[str, Template]
    notices: Notices
    limits: Limits
    commands: tuple[Command, ...] = ()
    quiet_hours: tuple[QuietHours, ...] = ()
    drafts: Drafts = Drafts()

    @property
    def names(self) -> tuple[str, ...]:
        """Every template that a rule may name, sorted."""
        return tuple(sorted(self.templates))

    def template(self, name: str) -> Template:
        """One template; `TemplateInvalid` when there is none of that name."""
        if name not in self.templates:
            raise TemplateInvalid(f"no template {name}")
        return self.templates[name]

    def render(self, name: str, language: Language, variables: Mapping[str, str]) -> str:
        """A template's own text; `TemplateInvalid` when there is no such template or a variable has no value."""
        return self.template(name).render(language, variables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer that was found: the entry's name, its text in the language asked for, how well it fits, 0…1, and what it matched."""

    name: str
    text: str
    score: float
    matched: str = ""


class Answers(Protocol):
    """Where answers to frequent questions are found: in process, without input or output."""

    def answer(self, question: str, language: Language) -> Answered | None:
        """The answer that fits the question well enough; None when none does."""

    def like(self, question: str, language: Language, *, floor: float, most: int) -> Sequence[Likeness]:
        """The entries most like the question, best first."""

    def text(self, name: str, language: Language) -> str | None:
        """An entry's answer in a language; None when it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPolicy:
    """What autoreply works by: the bundle's replies, calendar, answers and what must not go out; `bundle` is the bundle's hash.

    `teams` holds the calendars of teams that have their own.
    """

    bundle: str
    book: ReplyBook
    calendar: Calendar
    faq: Answers | None = None
    teams: Mapping[str, Calendar] = field(default_factory=dict)
    outgoing: Outgoing = field(default_factory=Outgoing)

    def calendar_of(self, team: str) -> Calendar:
        """The working hours of the team that a message went to."""
        return self.teams.get(team, self.calendar)
