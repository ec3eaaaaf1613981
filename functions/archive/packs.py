"""Which month's pack goes from when to when, and which are made: `A#packs` / `2026-11`.

From when to when is decided once, when a pack first falls due: the calendar may change after it was made (a make-up workday is published, a
holiday moves). What was decided stays, and the next pack begins where the last one ended: no message is in two packs, and none in no
pack. A pack stays owed until it is noted as made, however many evenings fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from functions.common.clock import from_iso, to_iso
from functions.common.table import ConditionFailed, Item, Table

PACKS_PK = "A#packs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A month's pack: what was received from `since` and before `cut`. `tries` counts beginnings; `made` is when it was found complete."""

    month: str
    since: datetime
    cut: datetime
    tries: int = 0
    made: datetime | None = None


class Packs:
    """Where it is kept. Every method may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def decided(self) -> list[Term]:
        """Every pack that was ever due, oldest first."""
        return [_term(item) for item in self.table.query("pk = :pk", {":pk": PACKS_PK})]

    def decide(self, month: str, since: datetime, cut: datetime) -> Term:
        """Decide from when to when a month's pack goes; as another run did, if one was faster."""
        item = {"pk": PACKS_PK, "sk": month, "since": to_iso(since), "cut": to_iso(cut)}
        try:
            self.table.put_new(item)
        except ConditionFailed as refused:
            return _term(refused.item or item)
        return _term(item)

    def note_try(self, month: str) -> None:
        """Count a beginning before it begins."""
        self.table.update(PACKS_PK, month, "ADD #tries :one", values={":one": 1}, condition="attribute_exists(pk)")

    def note_made(self, month: str, at: datetime) -> None:
        """Note that a pack is there, whole."""
        self.table.update(PACKS_PK, month, "SET #made = :at", values={":at": to_iso(at)}, condition="attribute_exists(pk)")


def _term(item: Item) -> Term:
    made = from_iso(item["made"]) if "made" in item else None
    since, cut = from_iso(item["since"]), from_iso(item["cut"])
    return Term(month=item["sk"], since=since, cut=cut, tries=item.get("tries", 0), made=made)
