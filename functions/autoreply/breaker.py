"""A circuit breaker per account: a platform that fails time after time is left alone for a while.

It knows what this process saw. Lambda runs several; each finds out for itself after `THRESHOLD` failures, which costs nothing in the
table and no call to the platform that would not have been made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

THRESHOLD = 5
SHORTEST, LONGEST = timedelta(seconds=30), timedelta(minutes=5)


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    until: datetime | None = None


@dataclass(slots=True)
class Breaker:
    """Circuits by (channel, account). An open one lets a send through once its time is over; that send decides what follows."""

    _circuits: dict[tuple[str, str], _Circuit] = field(default_factory=dict)

    def seconds_left(self, channel: str, account: str, now: datetime) -> int:
        """For how long the account is to be left alone; 0 when it may be used."""
        circuit = self._circuits.get((channel, account))
        if circuit is None or circuit.until is None or now >= circuit.until:
            return 0
        return int((circuit.until - now).total_seconds()) + 1

    def note(self, channel: str, account: str, *, reached: bool, now: datetime) -> None:
        """Note whether the platform answered a send, whatever it said."""
        if reached:
            self._circuits.pop((channel, account), None)
            return
        circuit = self._circuits.setdefault((channel, account), _Circuit())
        circuit.failures += 1
        if circuit.failures >= THRESHOLD:
            doubled = min(circuit.failures - THRESHOLD, 10)
            circuit.until = now + min(SHORTEST * 2**doubled, LONGEST)
