"""How many conversations wait for a team: counted in the work index, at most once a minute and process, and only as far as it matters.

The index follows the table by a moment, and a count may be a minute old: for saying by when an answer will come that is near enough.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from functions.common.clock import Clock
from functions.common.store import PERSON_MUST_ACT
from functions.common.table import Table

COUNT_EVERY = timedelta(minutes=1)
# Of each status and shard: with four shards a team's backlog is counted up to 1,200, a hundred hours of work at the shipped pace.
MOST = 100


class Backlog:
    """`shards`: over how many partitions the index spreads one team's conversations."""

    def __init__(self, table: Table, *, shards: int, clock: Clock) -> None:
        self._table = table
        self._shards = shards
        self._clock = clock
        self._known: dict[str, tuple[datetime, int]] = {}

    def of(self, team: str) -> int:
        """How many conversations wait for the team, held and escalated ones too; `Unavailable` when nobody can say."""
        now = self._clock()
        counted = self._known.get(team)
        if counted is None or not timedelta() <= now - counted[0] < COUNT_EVERY:
            partitions = [f"Q#{team}#{status}#{shard}" for status in PERSON_MUST_ACT for shard in range(self._shards)]
            counted = self._known[team] = (now, sum(map(self._count, partitions)))
        return counted[1]

    def _count(self, partition: str) -> int:
        return sum(1 for _ in self._table.query("work_pk = :pk", {":pk": partition}, index="work", limit=MOST))
