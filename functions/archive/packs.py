"""From when to when each month's pack goes, as it was decided when the pack first fell due: `A#packs` / `2026-11`.

The calendar may change after a pack was made (a make-up workday is published, a holiday moves). What was decided stays, and the next pack
begins where the last one ended: no message is in two packs, and none in no pack.
"""

from __future__ import annotations

from datetime import datetime

from functions.common.clock import from_iso, to_iso
from functions.common.table import ConditionFailed, Item, Table

PACKS_PK = "A#packs"


class Packs:
    """Where it is kept. `Unavailable` when the table does not answer."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def bounds(self, month: str, *, since: datetime, cut: datetime) -> tuple[datetime, datetime]:
        """From when and until when a month's pack goes: as decided before, or from the end of the last pack (`since` if there was
        none) until `cut`, which is decided herewith.
        """
        decided = self.table.get(PACKS_PK, month) or self._decide(month, self._end_of_last(month) or since, cut)
        return from_iso(decided["since"]), from_iso(decided["cut"])

    def _end_of_last(self, month: str) -> datetime | None:
        before = {":pk": PACKS_PK, ":month": month}
        last = next(self.table.query("pk = :pk AND sk < :month", before, descending=True, limit=1), None)
        return None if last is None else from_iso(last["cut"])

    def _decide(self, month: str, since: datetime, cut: datetime) -> Item:
        item = {"pk": PACKS_PK, "sk": month, "since": to_iso(since), "cut": to_iso(cut)}
        try:
            self.table.put_new(item)
        except ConditionFailed as refused:  # by another run, a moment ago
            return refused.item or item
        return item
