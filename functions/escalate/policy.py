"""What escalate takes out of the bundle: the teams whose queues it looks through, and who is on duty."""

from __future__ import annotations

from dataclasses import dataclass

from functions.common.bundle import Bundle
from functions.common.errors import BundleInvalid
from functions.escalate.roster import Roster, read_duty


@dataclass(frozen=True, slots=True)
class Policy:
    """`default_team` takes a conversation that had no team when something went wrong with it."""

    teams: tuple[str, ...]
    default_team: str
    roster: Roster


def read_policy(bundle: Bundle) -> Policy:
    """Teams and roster of a bundle; `BundleInvalid` when one is missing, or shifts are kept for a team that is none."""
    try:
        section = bundle.sections["teams"]
        teams, default_team = tuple(sorted(section["teams"])), str(section["default"])
    except (KeyError, TypeError) as error:
        raise BundleInvalid(f"teams: {type(error).__name__}: {error}") from None
    roster = read_duty(bundle.sections.get("duty"))
    unknown = sorted({default_team, *roster.teams} - set(teams))
    if unknown:
        raise BundleInvalid(f"no such team: {', '.join(unknown)}")
    return Policy(teams, default_team, roster)
