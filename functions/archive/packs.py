"""Which month's pack goes from when to when, which are sealed, and which are made: `A#packs` / `2026-11`.

From when to when is decided once, when a pack first falls due: the calendar may change after it was made (a make-up workday is published, a
holiday moves). What was decided stays, and the next pack begins where the last one ended: no message is in two packs, and none in no
pack. Once it is sealed, which messages of the table it tells is decided too (`claims`). A pack stays owed until it is noted as made,
however many evenings fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from functions.archive.parts import Filed
from functions.common.clock import from_iso, to_iso
from functions.common.judgement import Judged
from functions.common.table import ConditionFailed, Item, Table

PACKS_PK = "A#packs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A month's pack: what counts from `since` and before `cut`. `tries` counts beginnings; `made` is when it was found complete.

    `claimed` is how far its messages are claimed, until it is `sealed`.
    """

    month: str
    since: datetime
    cut: datetime
    tries: int = 0
    claimed: str | None = None
    sealed: datetime | None = None
    made: datetime | None = None

    def counts(self, judged: Judged) -> bool:
        """Whether a message is of its time."""
        return self.since <= stored_at(judged) < self.cut


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

    def note_claimed(self, month: str, place: str) -> None:
        """Note how far a pack's messages are claimed."""
        self._set(month, "SET #claimed = :place", {":place": place})

    def seal(self, month: str, at: datetime) -> None:
        """From here on nothing more is claimed for a pack."""
        self._set(month, "SET #sealed = if_not_exists(#sealed, :at) REMOVE #claimed", {":at": to_iso(at)})

    def note_made(self, month: str, at: datetime) -> None:
        """Note that a pack is there, whole."""
        self._set(month, "SET #made = :at", {":at": to_iso(at)})

    def _set(self, month: str, expression: str, values: Item) -> None:
        self.table.update(PACKS_PK, month, expression, values=values, condition="attribute_exists(pk)")


@dataclass(frozen=True, slots=True)
class Sealed:
    """The packs whose messages are decided upon, for whoever takes messages out of the table."""

    terms: tuple[Term, ...] = ()

    @classmethod
    def of(cls, packs: Packs) -> Sealed:
        """As they are now."""
        return cls(tuple(term for term in packs.decided() if term.sealed is not None))

    def misses(self, filed: Filed) -> bool:
        """Whether the pack of a message's time was sealed without it: nobody had found it."""
        term = next((term for term in self.terms if term.counts(filed.judged)), None)
        # What is marked with a part that was lost was in that part when a pack was made.
        return term is not None and not filed.claimed and not (filed.lost and term.made)

    @property
    def until(self) -> datetime:
        """The end of the newest."""
        return max(term.cut for term in self.terms)


def stored_at(judged: Judged) -> datetime:
    """When a message counts: when it was received, or when it was stored where that was long after."""
    return judged.late_at or judged.message.received_at


def _term(item: Item) -> Term:
    times = {name: from_iso(item[name]) for name in ("since", "cut", "sealed", "made") if name in item}
    return Term(month=item["sk"], tries=item.get("tries", 0), claimed=item.get("claimed"), **times)
