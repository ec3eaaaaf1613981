"""What the retention policy removes from the archive, part by part, day by day; what a hold or an open conversation keeps.

Each rule has an age. Every night the parts of the days that have reached it are written anew without the lines that match (`rewriting`).
A manifest remembers the rules that went over its part (`cleaned`), so none is read twice for one rule; where something matched but had
to stay, day and channel are noted (`A#clean`) and looked at again; so are they where a part that a rule had gone over was lost, and written
once more with what the rule had removed (`successors`). A rule that is new, or is changed, begins with the oldest day.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from functions.archive.allowance import Allowance
from functions.archive.bucket import ArchiveBucket
from functions.archive.holds import Held, Holds
from functions.archive.manifests import Ledger, Manifest
from functions.archive.parts import ArchiveUnproven, lines
from functions.archive.retention import CleaningRule, Retention
from functions.archive.rewriting import Rewriter
from functions.common import keys
from functions.common.table import Table
from functions.common.telemetry import Telemetry

CLEAN_PK = "A#clean"
Place = tuple[str, str]
# Parts of a day may come so long after it (an outage, a conversation that waits for a person).
_LATE = timedelta(days=31)
_REMEMBERED = 10_000


@dataclass(slots=True)
class Swept:
    """What a sweep found: lines removed (or to be removed), by rule; lines that stay for now, by reason; parts touched."""

    removed: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    parts: int = 0

    def add(self, rule: CleaningRule, verdict: _Verdict, *, touched: bool) -> None:
        """What was found in one part."""
        self.removed[rule.name] += verdict.removed
        self.kept.update(verdict.kept)
        self.parts += touched


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What the policy says, carried out or only looked at."""

    table: Table
    ledger: Ledger
    bucket: ArchiveBucket
    holds: Holds
    retention: Retention
    telemetry: Telemetry

    def preview(self, now: datetime, seen: Callable[[Manifest], None] = lambda _: None) -> Swept:
        """What a run at that time would remove and keep. Reads, and writes nothing."""
        swept, held, statuses = Swept(), self.holds.all(), _Statuses(self.table)
        for rule in self.retention.cleaning:
            for manifest in self._due(rule, now, self._noted(rule)):
                verdict = _Verdict(rule, held, statuses)
                for line in lines(self.bucket.whole(manifest)):
                    verdict(line)
                swept.add(rule, verdict, touched=verdict.removed > 0)
                seen(manifest)
        return swept

    def sweep(self, run: str, now: datetime, time: Allowance) -> dict[str, Any]:
        """Remove what is due, as the run that may write; `OutOfTime` leaves the rest to the next run, `Superseded` to a later one."""
        swept = Swept()
        if self.retention.cleaning:
            rewriter = Rewriter(self.ledger, self.bucket, run=run, now=now)
            held, statuses = self.holds.all(), _Statuses(self.table)
            for rule in self.retention.cleaning:
                self._carry_out(rule, partial(_Verdict, rule, held, statuses), rewriter, swept, time)
        told = {"removed": dict(+swept.removed), "kept": dict(+swept.kept), "parts": swept.parts}
        self.telemetry.count({"Cleaned": swept.removed.total()})
        self.telemetry.info("cleaned", **told)
        return told

    def _carry_out(
        self, rule: CleaningRule, verdicts: Callable[[], _Verdict], rewriter: Rewriter, swept: Swept, time: Allowance
    ) -> None:
        noted, waiting = self._noted(rule), set[Place]()
        for manifest in self._due(rule, rewriter.now, noted):
            time.check()
            verdict = verdicts()
            try:
                rewritten = rewriter.without(manifest, verdict)
            except ArchiveUnproven as fault:
                # One damaged part keeps neither the others nor the second copies waiting.
                self.telemetry.error("archive_unproven", fault, run=rewriter.run)
                self.telemetry.count({"ArchiveUnproven": 1})
                self._wait(rule, manifest, waiting)
                continue
            swept.add(rule, verdict, touched=rewritten is not None)
            if verdict.kept:
                self._wait(rule, manifest, waiting)
            # What is written anew remembers what its predecessor did; a crash before this line only means to read it once more.
            after = rewritten.part if rewritten else manifest
            if after is not None:
                self.ledger.note_cleaned(after, rule.mark)
        for place in noted - waiting:
            self.table.delete(CLEAN_PK, _waiting_sk(rule.mark, place))
        through = self._newest(rule, rewriter.now).isoformat()
        self.table.put({"pk": CLEAN_PK, "sk": f"rule#{rule.mark}", "name": rule.name, "through": through})

    def _wait(self, rule: CleaningRule, manifest: Manifest, waiting: set[Place]) -> None:
        """Note that day and channel are to be looked at again."""
        place = manifest.day, manifest.channel
        waiting.add(place)
        self.table.put({"pk": CLEAN_PK, "sk": _waiting_sk(rule.mark, place)})

    def _due(self, rule: CleaningRule, now: datetime, noted: set[Place]) -> Iterator[Manifest]:
        """The parts that a rule has not gone over yet, and those in which something had to stay."""
        state = self.table.get(CLEAN_PK, f"rule#{rule.mark}")
        first = (date.fromisoformat(state["through"]) - _LATE).isoformat() if state else self.bucket.first_day()
        if first is not None:
            for manifest in self.ledger.committed(first, self._newest(rule, now).isoformat()):
                fresh = rule.mark not in manifest.cleaned and (manifest.day, manifest.channel) not in noted
                if fresh and rule.covers(manifest.channel):
                    yield manifest
        for day, channel in sorted(noted):
            yield from (manifest for manifest in self.ledger.committed(day, day) if manifest.channel == channel)

    def _noted(self, rule: CleaningRule) -> set[Place]:
        """Days and channels in whose parts something matched the rule and had to stay."""
        values = {":pk": CLEAN_PK, ":rule": f"waiting#{rule.mark}#"}
        found = (item["sk"].split("#") for item in self.table.query("pk = :pk AND begins_with(sk, :rule)", values))
        return {(day, channel) for _, _, day, channel in found}

    def _newest(self, rule: CleaningRule, now: datetime) -> date:
        return date.fromisoformat(self.retention.day(now)) - timedelta(days=rule.days)


def look_again(table: Table, lost: Manifest) -> None:
    """Note that every rule that went over a lost part is to go over its day and channel again, however old they are: what takes its place
    has the lines that the rule had removed.
    """
    for mark in lost.cleaned:
        table.put({"pk": CLEAN_PK, "sk": _waiting_sk(mark, (lost.day, lost.channel))})


def _waiting_sk(mark: str, place: Place) -> str:
    return f"waiting#{mark}#{place[0]}#{place[1]}"


class _Statuses:
    """Conversations' statuses, each read once; a bounded number is remembered."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: dict[str, str | None] = {}

    def of(self, conv: str) -> str | None:
        """The status now; None when the conversation is gone."""
        if conv not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            item = self._table.get(keys.conversation_pk(conv), keys.CONVERSATION_SK)
            self._known[conv] = None if item is None else str(item.get("status", "idle"))
        return self._known[conv]


class _Verdict:
    """Whether a line of a part goes, by one rule; counts what it said."""

    def __init__(self, rule: CleaningRule, held: Held, statuses: _Statuses) -> None:
        self.rule = rule
        self.removed = 0
        self.kept: Counter[str] = Counter()
        self._held = held
        self._statuses = statuses

    def __call__(self, line: bytes) -> bool:
        said = json.loads(line)
        if not self.rule.matches(said.get("judgement", {})):
            return False
        reason = self._stays(said["message"])
        if reason:
            self.kept[reason] += 1
            return False
        self.removed += 1
        return True

    def _stays(self, message: dict[str, Any]) -> str | None:
        conv = message["message_id"].partition(".")[0]
        contact = message["contact"]
        names = (contact["primary"], *(known["value"] for known in contact.get("ids", ())))
        if self._held.covers(conv, message["channel"], names):
            return "hold"
        if self.rule.statuses:
            status = self._statuses.of(conv)
            if status is not None and status not in self.rule.statuses:
                return "conversation"
        return None
