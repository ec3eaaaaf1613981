"""One run of the archive: finish what earlier runs left, then collect, write, prove, commit and mark, batch by batch.

Per part: intent → object → read back and compare → commit → marks → done. Before the commit a part is nothing, and a later run removes
it; from the commit on it counts, and a later run finishes it before it collects anything. So no message is ever filed twice or lost.
A part whose object is lost in between, here and in the copy, is struck from the ledger: its messages are in the table, and are filed
anew; one that was written anew itself is written once more (`successors`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from functions.archive.allowance import Allowance, OutOfTime
from functions.archive.batch import Batch
from functions.archive.bucket import ArchiveBucket, part_key
from functions.archive.crew import Crew
from functions.archive.due import DueReader, Owed, Reading, Stray
from functions.archive.manifests import Ledger, Manifest, Pending, Superseded, intent
from functions.archive.marks import Marks
from functions.archive.packs import Sealed
from functions.archive.parts import ArchiveUnproven, Filed, Part
from functions.archive.remains import Remains
from functions.archive.removals import Removals
from functions.archive.retention import Retention
from functions.archive.rewriting import Rewriter
from functions.archive.successors import Successors
from functions.archive.tombstones import Tombstones
from functions.common import keys
from functions.common.errors import MalformedEnvelope
from functions.common.telemetry import Telemetry

T = TypeVar("T")
# Longer than Lambda lets any run live: after it no earlier run can still write the object of a part that was discarded.
_LONGEST_RUN = timedelta(minutes=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cabinet:
    """What archiving works with. `retention` gives the policy in force; `reader` is new for every run; `sealed` are the month-end packs to
    which nothing is added any more; `mend` puts a part that is lost back, if it can.
    """

    ledger: Ledger
    bucket: ArchiveBucket
    reader: DueReader
    marks: Marks
    crew: Crew
    tombstones: Tombstones
    removals: Removals
    remains: Remains
    retention: Callable[[], Retention]
    telemetry: Telemetry
    sealed: Callable[[], Sealed] = Sealed
    mend: Callable[..., bool] = lambda _, **__: False


# What is told of a part.
_TOLD = ("key", "count", "sha256", "bytes")


@dataclass(slots=True, kw_only=True)
class Summary:
    """What one run did. `parts`: of each its key, count, sha256 and bytes, and no more: a run may write thousands.

    `finished`, `discarded` and `lost` count parts that earlier runs had left.
    """

    run: str
    parts: list[tuple[Any, ...]] = field(default_factory=list)
    conversations: int = 0
    items: int = 0
    finished: int = 0
    discarded: int = 0
    lost: int = 0
    more: bool = False
    superseded: bool = False

    @property
    def messages(self) -> int:
        """Messages in the parts that this run committed."""
        return sum(part[_TOLD.index("count")] for part in self.parts)


def archive(cabinet: Cabinet, *, run: str, now: datetime, remaining: Callable[[], int]) -> dict[str, Any]:
    """One run, ended before `remaining` (milliseconds) is used up; `ArchiveUnproven` and `Unavailable` leave the rest to the next."""
    work = Run(cabinet, run=run, now=now, remaining=remaining)
    try:
        work.go()
    except OutOfTime:
        work.summary.more = True
    except Superseded:
        work.summary.superseded = True
        cabinet.telemetry.warning("archive_superseded", run=run)
    except ArchiveUnproven as fault:
        cabinet.telemetry.error("archive_unproven", fault, run=run)
        cabinet.telemetry.count({"ArchiveUnproven": 1})
        raise
    finally:
        cabinet.telemetry.count({"Archived": work.summary.messages, "ArchiveParts": len(work.summary.parts)})
    return _told(work.summary, cabinet)


class Run:
    """The state of one run."""

    def __init__(self, cabinet: Cabinet, *, run: str, now: datetime, remaining: Callable[[], int]) -> None:
        self.cabinet = cabinet
        self.summary = Summary(run=run)
        self.run = run
        self.now = now
        self.time = Allowance(remaining)
        self.retention = cabinet.retention()
        self.sealed = Sealed()

    def take_over(self) -> None:
        """Become the run that may write, and finish what earlier ones left."""
        self.cabinet.ledger.open(self.run, self.now)
        recovered: set[str] = set()
        for pending in self.cabinet.ledger.pending():
            self.time.check()
            self._recover(pending)
            recovered.add(pending.part)
        self.prove_successors(recovered)
        self.cabinet.removals.carry_out()

    def prove_successors(self, proven: Collection[str] = ()) -> None:
        """Before removals are carried out: prove what takes the place of such parts as are to go, but for what was `proven` just now; one
        that is lost is written once more.
        """
        for manifest in self._successors().unremoved():
            self.time.check()
            if manifest.part not in proven and not self._is_whole(manifest):
                self._strike(manifest)

    def go(self) -> None:
        """The whole run."""
        self.take_over()
        # After the fence is taken: a pack that is sealed later takes it from this run, so that it sees what this run has committed.
        self.sealed = self.cabinet.sealed()
        due = self.cabinet.reader.read(self.retention, self.now, self.cabinet.tombstones.lately(self.now))
        while batch := self._collect(due):
            self.cabinet.crew.each(self._remove, self._in_time(batch.strays))
            for part in batch.parts():
                self._finish(self._write(part))
            left = self._file_owed(batch.owed)
            settled = (reading for reading in batch.readings if reading.conversation.conv not in left)
            self.cabinet.crew.each(self.cabinet.marks.settle, self._in_time(settled))
            self.summary.conversations += sum(reading.whole for reading in batch.readings)
            self.summary.items += batch.items
        if not self.summary.more:
            self.cabinet.ledger.close_losses(self.now - self.retention.at_latest, self.now)

    def _file_owed(self, owed: list[Owed]) -> set[str]:
        """Write the parts that lack records of replies anew with them; the conversations of which one could not be."""
        places: dict[tuple[str, str], dict[str, Owed]] = defaultdict(dict)
        for each in owed:
            places[self.retention.day(each.received_at), each.channel][each.reply.message_id] = each
        left: set[str] = set()
        rewriter = self._rewriter()
        for (day, channel), some in sorted(places.items()):
            try:
                self._file_replies(rewriter, day, channel, some)
            except ArchiveUnproven as fault:
                # One damaged part keeps nobody else waiting; the conversations stay in the index.
                self.cabinet.telemetry.error("archive_unproven", fault, run=self.run)
                self.cabinet.telemetry.count({"ArchiveUnproven": 1})
                left |= {keys.split(message_id).conv for message_id in some}
        return left

    def _file_replies(self, rewriter: Rewriter, day: str, channel: str, owed: dict[str, Owed]) -> None:
        replies, held = {message_id: each.reply for message_id, each in owed.items()}, 0
        for manifest in list(self.cabinet.ledger.committed(day, day)):
            if manifest.channel == channel:
                self.time.check()
                held += rewriter.with_replies(manifest, replies)
        self.cabinet.telemetry.info("replies_filed", day=day, channel=channel, records=len(owed), held=held)
        for each in owed.values():
            # One whose message the policy has removed from the archive goes with it.
            self.cabinet.marks.mark_reply(each.reply, f"{self.run}-replies", self.retention.expiry(each.received_at, self.now))

    def _remove(self, stray: Stray) -> None:
        try:
            self.cabinet.remains.remove(stray.conv, stray.until, clear=stray.clear)
        except MalformedEnvelope as fault:
            # A later message that cannot be read keeps its conversation's item for the next night, and nobody else's messages waiting.
            self.cabinet.telemetry.error(
                "message_unreadable", fault, pk=keys.conversation_pk(stray.conv), sk=keys.CONVERSATION_SK
            )
            return
        self.cabinet.telemetry.info("came_after_erasure", conversation=stray.conv)

    def _recover(self, pending: Pending) -> None:
        manifest = self.cabinet.ledger.stored(pending.day, pending.part)
        if manifest is None or manifest.state == "writing":
            return self._discard(pending, manifest)
        if manifest.state == "done":
            return self.cabinet.ledger.forget(pending.part)
        if not self._is_whole(manifest):
            return self._strike(manifest)
        self._finish(manifest)
        self.summary.finished += 1
        return None

    def _is_whole(self, manifest: Manifest) -> bool:
        try:
            self.cabinet.bucket.prove(manifest)
        except ArchiveUnproven as fault:
            self.cabinet.telemetry.error("archive_unproven", fault, run=manifest.run)
            self.cabinet.telemetry.count({"ArchiveUnproven": 1})
            return self.cabinet.mend(manifest)
        return True

    def _strike(self, manifest: Manifest) -> None:
        """Let a lost part no longer count. Its conversations are still in the index, for they leave it after its marks."""
        if manifest.replaces is None:
            self.cabinet.ledger.strike(manifest, self.run, self.now)
        elif self._successors().write_again(manifest, self._rewriter()):
            self.cabinet.telemetry.warning("part_written_again", key=manifest.key, count=manifest.count)
            return
        else:
            # What it held was marked, and left the index, with the part that it replaced: it stays in the ledger for people to see to.
            self.cabinet.ledger.done(manifest)
        self.summary.lost += 1
        self.cabinet.telemetry.warning("part_lost", key=manifest.key, count=manifest.count, refiled=manifest.replaces is None)

    def _successors(self) -> Successors:
        known = self.cabinet
        return Successors(
            ledger=known.ledger,
            bucket=known.bucket,
            removals=known.removals,
            tombstones=known.tombstones,
            mend=known.mend,
            telemetry=known.telemetry,
        )

    def _rewriter(self) -> Rewriter:
        return Rewriter(self.cabinet.ledger, self.cabinet.bucket, run=self.run, now=self.now)

    def _discard(self, pending: Pending, manifest: Manifest | None) -> None:
        if manifest is not None:
            self.cabinet.ledger.discard(manifest, self.run)
            self.summary.discarded += 1
        self.cabinet.bucket.remove_for_good(pending.key)  # an erasure passes over what is pending
        # The run that began it may still be alive and about to write the object; a later run looks once more.
        if self.now - pending.began > _LONGEST_RUN:
            self.cabinet.ledger.forget(pending.part)

    def _collect(self, due: Iterator[Filed | Owed | Stray | Reading]) -> Batch | None:
        batch = Batch(self.retention)
        while not batch.full:
            if not self.time.has_time_to_collect():
                self.summary.more = True
                break
            found = next(due, None)
            if found is None:
                break
            batch.take(self._counted(found) if isinstance(found, Filed) else found)
        return None if batch.empty else batch

    def _counted(self, filed: Filed) -> Filed:
        """The message; if its month's pack was sealed before anybody found it, as one that was stored now."""
        if not self.sealed.misses(filed):
            return filed
        self.cabinet.telemetry.info("found_late", message_id=filed.judged.message.message_id)
        return self.cabinet.marks.count_from(filed, max(self.now, self.sealed.until))

    def _write(self, part: Part) -> Manifest:
        name = f"{self.run}-{len(self.summary.parts) + 1}"
        key = part_key(part.day, part.channel, name)
        manifest = intent(part, name=name, key=key, run=self.run, began=self.now)
        self.cabinet.ledger.intend(manifest)
        self.cabinet.bucket.put(key, part.body)
        try:
            self.cabinet.bucket.prove(manifest)
            committed = self.cabinet.ledger.commit(manifest)
        except (ArchiveUnproven, Superseded):
            self._give_way(manifest)
            raise
        self.summary.parts.append(tuple(getattr(committed, name) for name in _TOLD))
        return committed

    def _give_way(self, manifest: Manifest) -> None:
        """Leave a part to the run that has discarded it, if one has; the object may have come after that run had looked."""
        if self.cabinet.ledger.stored(manifest.day, manifest.part) is None:
            self.cabinet.bucket.remove_for_good(manifest.key)
            raise Superseded(self.run) from None

    def _finish(self, manifest: Manifest) -> None:
        """Everything that follows from a commit; may be repeated."""
        self.cabinet.bucket.put_manifest(manifest)
        if manifest.replaces is None:
            self._mark_all(manifest)
        self.cabinet.ledger.done(manifest)

    def _mark_all(self, manifest: Manifest) -> None:
        self.cabinet.crew.each(
            lambda filed: self.cabinet.marks.mark(filed, manifest.part, self._expiry(filed)),
            self._in_time(self.cabinet.bucket.messages(manifest)),
        )

    def _expiry(self, filed: Filed) -> int:
        return self.retention.expiry(filed.judged.message.received_at, self.now)

    def _in_time(self, things: Iterable[T]) -> Iterator[T]:
        """The things, one at a time, as long as there is time."""
        for thing in things:
            self.time.check()
            yield thing


def _told(summary: Summary, cabinet: Cabinet) -> dict[str, Any]:
    """The run's outcome, in the log and for the caller."""
    told = {
        "run": summary.run,
        "messages": summary.messages,
        "conversations": summary.conversations,
        "items_filed": summary.items,
        "items_read": cabinet.reader.items_read,
        "entries_read": cabinet.reader.entries_read,
        "finished": summary.finished,
        "discarded": summary.discarded,
        "lost": summary.lost,
        "more": summary.more,
        "superseded": summary.superseded,
    }
    cabinet.telemetry.info("archived", parts=len(summary.parts), **told)
    return {"parts": [dict(zip(_TOLD, part, strict=True)) for part in summary.parts], **told}
