"""A circuit breaker per account: a platform that fails time after time is left alone for a while, by all processes.

Each process counts the failures that it sees, which costs nothing. At `THRESHOLD` in a row the circuit opens, on the board that all
processes read (`circuit_board`). When its time is over one process, whoever claims it first, is let through until it has sent something;
that send decides what follows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from functions.autoreply.circuit_board import Account, Circuit
from functions.common.clock import from_ms, to_ms

THRESHOLD = 5
SHORTEST, LONGEST = timedelta(seconds=30), timedelta(minutes=5)


class Board(Protocol):
    """Where open circuits stand: `circuit_board.CircuitBoard`."""

    def circuit(self, account: Account, now: datetime, /) -> Circuit | None:
        """The account's circuit, if it is open or its time is just over."""

    def change(self, account: Account, before: Circuit | None, after: Circuit | None, /) -> bool:
        """Change it from what it was; False when somebody else did first."""


@dataclass(slots=True)
class OwnBoard:
    """A board of one process, for a desk without a table."""

    known: dict[Account, Circuit] = field(default_factory=dict)

    def circuit(self, account: Account, _now: datetime, /) -> Circuit | None:
        """The account's circuit."""
        return self.known.get(account)

    def change(self, account: Account, _before: Circuit | None, after: Circuit | None, /) -> bool:
        """Change it."""
        self.known.pop(account, None)
        if after:
            self.known[account] = after
        return True


@dataclass(slots=True)
class Breaker:
    """The circuits of all accounts, as this process uses them."""

    board: Board = field(default_factory=OwnBoard)
    _failures: dict[Account, int] = field(default_factory=dict)
    _claims: dict[Account, Circuit] = field(default_factory=dict)

    def seconds_left(self, channel: str, account: str, now: datetime) -> int:
        """For how long the account is to be left alone; 0 when it may be used, by this process alone if its time was just over."""
        key = (channel, account)
        circuit = self.board.circuit(key, now)
        if circuit is None:
            if self._failures.get(key, 0) >= THRESHOLD:
                del self._failures[key]  # it was open, and somebody got through
            return 0
        if circuit == self._claims.get(key):
            return 0  # let through before, and nothing was sent: the message was not to be answered after all
        claim = _opened(circuit.failures + 1, now)
        if now >= circuit.until and self.board.change(key, circuit, claim):
            self._failures[key], self._claims[key] = circuit.failures, claim
            return 0
        circuit = self.board.circuit(key, now)
        return 0 if circuit is None else max(int((circuit.until - now).total_seconds()) + 1, 1)

    def note(self, channel: str, account: str, *, reached: bool, now: datetime) -> None:
        """Note whether the platform answered a send, whatever it said."""
        key = (channel, account)
        self._claims.pop(key, None)
        if reached:
            self._failures.pop(key, None)
            if (open_one := self.board.circuit(key, now)) is not None:
                self.board.change(key, open_one, None)
            return
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        if failures >= THRESHOLD:
            self.board.change(key, self.board.circuit(key, now), _opened(failures, now))


def _opened(failures: int, now: datetime) -> Circuit:
    doubled = min(max(failures - THRESHOLD, 0), 10)
    # To the millisecond, as the board keeps it.
    return Circuit(until=from_ms(to_ms(now + min(SHORTEST * 2**doubled, LONGEST))), failures=failures)
