"""The kill switch: what operators have stopped, kept in the table, and read there at most every `LOOK_EVERY` by each process.

One item per scope, in one partition: who stopped or started it, when, why and until when, with what was done before. It is asked just
before every request (`interruption.Watched`), and what it says is never older than `LOOK_EVERY`; if the table does not answer in that
time, nothing is sent. From then on a request needs at most `outbound.CONNECTED_WITHIN` to get a connection and twice
`outbound.CONNECT_SECONDS` to be written: nothing leaves later than thirty seconds after a stop.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.autoreply.stops import ALL, Stops
from functions.common.clock import Clock, from_iso, to_iso
from functions.common.errors import Poison, Unavailable
from functions.common.table import ConditionFailed, Item, Table

LOOK_EVERY = timedelta(seconds=15)
PARTITION = "X#stops"
# What is noted of a scope's past: nobody needs more than the last hundred changes.
HISTORY = 100
_TRIES = 5
_SCOPE = re.compile(r"all|channel:[a-z][a-z0-9_]{0,39}|account:[a-z][a-z0-9_]{0,39}/[\w.-]{1,64}|rule:[a-z][a-z0-9_-]{0,39}")


class NoScope(Poison):
    """The text names nothing that can be stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Somebody stopped or started a scope. `until`: when a stop ends by itself, None for never."""

    scope: str
    act: str
    by: str
    at: datetime
    why: str
    until: datetime | None = None

    def stands(self, now: datetime) -> bool:
        """Whether the scope is stopped."""
        return self.act == "stop" and (self.until is None or now < self.until)


class StopBoard:
    """The stops of one stack. A process keeps what it read for `LOOK_EVERY`."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._known: list[Change] = []
        self._looked: datetime | None = None

    def current(self) -> Stops:
        """What is stopped now; `Unavailable` when that cannot be known."""
        now = self._clock()
        if self._looked is None or not timedelta() <= now - self._looked < LOOK_EVERY:
            self._known, self._looked = self.latest(), now
            if self._clock() - now >= LOOK_EVERY:
                raise Unavailable("what is stopped took too long to be read")
        return Stops(frozenset(each.scope for each in self._known if each.stands(now)))

    def latest(self) -> list[Change]:
        """The last change of every scope that was ever stopped, by scope."""
        found = self._table.query("pk = :pk", {":pk": PARTITION})
        return [_change(item["sk"], item) for item in found]

    def history(self, scope: str) -> list[Change]:
        """What was done to a scope, oldest first."""
        item = self._table.get(PARTITION, _checked(scope)) or {}
        return [_change(scope, each) for each in item.get("history", [])]

    def note(self, change: Change) -> None:
        """Stop or start a scope, in one write that keeps what was done before."""
        said = {
            "act": change.act,
            "by": change.by,
            "at": to_iso(change.at),
            "why": change.why,
            "until": to_iso(change.until) if change.until else "",
        }
        for _ in range(_TRIES):
            with suppress(ConditionFailed):
                self._looked = None
                return self._write(_checked(change.scope), said)
        raise Unavailable(f"{change.scope} kept changing")

    def _write(self, scope: str, said: Item) -> None:
        before = (self._table.get(PARTITION, scope) or {}).get("history", [])
        values = {f":{name}": value for name, value in said.items()} | {":history": [*before, said][-HISTORY:]}
        expression = ", ".join(f"#{name} = :{name}" for name in (*said, "history"))
        condition = "attribute_not_exists(#history)"
        if before:
            condition, values[":before"] = "#history = :before", before
        self._table.update(PARTITION, scope, f"SET {expression}", values=values, condition=condition)


def scope_of(text: str) -> str:
    """A scope as it is stored; `NoScope` when the text is none."""
    return _checked(text.strip() if text.strip() != "global" else ALL)


def _checked(scope: str) -> str:
    if not _SCOPE.fullmatch(scope):
        raise NoScope(f"{scope[:80]!r} is no scope: all, channel:wechat_oa, account:wechat_oa/shop or rule:return_how")
    return scope


def _change(scope: str, item: Item) -> Change:
    until = from_iso(item["until"]) if item.get("until") else None
    return Change(scope=scope, act=item["act"], by=item["by"], at=from_iso(item["at"]), why=item["why"], until=until)
