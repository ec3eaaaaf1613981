"""Open circuits, in the table: what one process found out of an account's platform, all know within `LOOK_EVERY`.

One item per account in one partition, written when a circuit opens, when its time is over and one process is let through, and when it
closes: never for a send that goes well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.common.clock import from_iso, to_iso
from functions.common.errors import Unavailable
from functions.common.table import ConditionFailed, Item, Table

LOOK_EVERY = timedelta(seconds=15)
PARTITION = "X#circuits"
_KEPT = timedelta(days=1)
Account = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """An account that is left alone until `until`, after so many failures in a row."""

    until: datetime
    failures: int


class CircuitBoard:
    """The open circuits of one stack, as of at most `LOOK_EVERY` ago. If the table does not answer, what was known stands."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: dict[Account, Circuit] = {}
        self._looked: datetime | None = None

    def circuit(self, account: Account, now: datetime) -> Circuit | None:
        """The account's circuit, if it is open or its time is just over."""
        if self._looked is None or not timedelta() <= now - self._looked < LOOK_EVERY:
            self._looked = now
            self._read()
        return self._known.get(account)

    def change(self, account: Account, before: Circuit | None, after: Circuit | None) -> bool:
        """Open, prolong or close (None) a circuit; False when another process did something to it first, whose word then counts."""
        until = to_iso(after.until) if after else ""
        values: Item = {":until": until, ":failures": after.failures if after else 0}
        condition = "attribute_not_exists(#until) OR #until = :was"
        if after:
            values[":exp"] = int((after.until + _KEPT).timestamp())
        expression = "SET #until = :until, #failures = :failures" + (", #exp = :exp" if after else "")
        values[":was"] = to_iso(before.until) if before else ""
        try:
            self._table.update(PARTITION, "/".join(account), expression, values=values, condition=condition)
        except ConditionFailed:
            self._read()
            return False
        except Unavailable:
            pass  # the table is away: this process keeps to what it found out, and the others find out for themselves
        self._know(account, after)
        return True

    def _read(self) -> None:
        try:
            found = list(self._table.query("pk = :pk", {":pk": PARTITION}))
        except Unavailable:
            return  # what was known stands
        self._known = {}
        for item in found:
            channel, _, name = str(item["sk"]).partition("/")
            if item["until"]:
                self._known[channel, name] = Circuit(until=from_iso(item["until"]), failures=item["failures"])

    def _know(self, account: Account, circuit: Circuit | None) -> None:
        if circuit is None:
            self._known.pop(account, None)
        else:
            self._known[account] = circuit
