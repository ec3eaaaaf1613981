"""What classify works with: the rules and teams in force, and the collaborators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.classify.escalations import EscalationBus
from functions.classify.model.opinion import Model
from functions.classify.model.shelf import Shelf
from functions.classify.routing import TeamBook, read_teams
from functions.classify.rules import RuleBook, read_rules
from functions.common.bundle import Bundle
from functions.common.calendar import read_calendars
from functions.common.clock import Clock
from functions.common.errors import BundleInvalid
from functions.common.identity import Links
from functions.common.queues import FifoQueue
from functions.common.store import Store
from functions.common.telemetry import Telemetry
from functions.common.vault import Vault

if TYPE_CHECKING:
    from functions.classify.advice.panel import Panel


@dataclass(frozen=True, slots=True)
class Handbook:
    """The part of a bundle that judges messages; `bundle` is the bundle's hash."""

    bundle: str
    rules: RuleBook
    teams: TeamBook
    model: Model | None = None


def read_handbook(bundle: Bundle, shelf: Shelf | None = None) -> Handbook:
    """Compile a bundle; `BundleInvalid` when a section is missing, wrong, or a rule names a team that is not there.

    `shelf` keeps the weights that the bundle names; without one, those in the function's own zip are the only ones.
    """
    for name in ("rules", "teams", "calendar"):
        if name not in bundle.sections:
            raise BundleInvalid(f"{name}: missing")
    rules, calendars = read_rules(bundle.sections["rules"]), read_calendars(bundle.sections["calendar"])
    teams = read_teams(bundle.sections["teams"], calendars)
    for team, where in rules.teams().items():
        if team not in teams.names():
            raise BundleInvalid(f"{where}: no team {team}")
    return Handbook(bundle.hash, rules, teams, (shelf or Shelf()).model(bundle.sections))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The desk at which messages are read. `handbook()` is the one in force; `shards` spreads the hourly counters.

    `advice()` makes the panel that a batch may ask for second opinions; None: there is nobody to ask.
    """

    store: Store
    links: Links
    vault: Vault
    replies: FifoQueue
    escalations: EscalationBus
    handbook: Callable[[], Handbook]
    clock: Clock
    telemetry: Telemetry
    shards: int
    advice: Callable[[], Panel] | None = None
