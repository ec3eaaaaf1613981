"""What packs are made of: the archive's parts and, beside them, the messages of the table that no part holds.

Those are read first and kept on disk, packed: a message that is archived meanwhile is in both, and is told once. However many there are,
nothing is held in memory but a part.
"""

from __future__ import annotations

import gzip
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import partial
from threading import Lock

from functions.archive.allowance import Allowance
from functions.archive.bucket import ArchiveBucket
from functions.archive.claims import Claims
from functions.archive.manifests import Ledger, Manifest
from functions.archive.pack import Sheet
from functions.archive.packs import Term
from functions.archive.parts import Filed, line, lines
from functions.archive.tombstones import Erased, Tombstones
from functions.common import keys
from functions.common.clock import to_iso

# Gives each message to what it is handed, from several threads at a time.
Given = Callable[[Callable[[Filed], None]], None]


class PackSource:
    """What was received from `since` and before `until`; with `late`, what was stored late from `since` on too, whenever it was received.

    `hot` gives the messages that no part holds. Of these it leaves out, by `tombstones`, what came from somebody who was erased while it
    was on its way: that goes in the next night. `oldest` is when the first of all was received, at the earliest.
    """

    def __init__(
        self,
        bucket: ArchiveBucket,
        ledger: Ledger,
        hot: Given,
        since: datetime,
        until: datetime,
        *,
        tombstones: Tombstones,
        late: bool = False,
    ) -> None:
        self._bucket = bucket
        self._ledger = ledger
        self._since, self._until, self._late = since, until, late
        self._hot = _Kept(hot, tombstones.lately(until))
        self._manifests = list(self._listed())  # after the hot ones: what was archived meanwhile is in these
        late_from = (manifest.late_from for manifest in self._manifests if self._has_late(manifest))
        self.oldest = min([since, *filter(None, (self._hot.oldest, *late_from))])

    @classmethod
    def of_pack(cls, bucket: ArchiveBucket, ledger: Ledger, claims: Claims, term: Term, time: Allowance) -> PackSource:
        """What a month's sealed pack tells; `OutOfTime`."""
        tombstones = Tombstones(claims.table, bucket)
        return cls(bucket, ledger, partial(claims.told, term, time), term.since, term.cut, tombstones=tombstones, late=True)

    @property
    def messages(self) -> int:
        """How many lines there are to be read for each sheet."""
        return sum(manifest.count for manifest in self._manifests) + self._hot.count

    def __call__(self, wanted: Sheet) -> Iterator[bytes]:
        """The lines of every part that may hold some of the sheet's; `ArchiveUnproven` when a part is not what its manifest says."""
        for manifest in self._manifests:
            if manifest.first < wanted.until and manifest.last >= wanted.since:
                yield from self._lines(manifest)
        yield from self._hot.lines()

    def _lines(self, manifest: Manifest) -> Iterator[bytes]:
        for each in lines(self._bucket.whole(manifest)):
            if not self._hot.holds(each):
                yield each

    def _listed(self) -> Iterator[Manifest]:
        # The archive's zone may be a day ahead of UTC, or behind; what was stored late may be of any day.
        first, last = (date.fromordinal(moment.date().toordinal() + by) for moment, by in ((self._since, -1), (self._until, 1)))
        begin = (self._bucket.first_day() if self._late else None) or first.isoformat()
        for manifest in self._ledger.committed(min(begin, first.isoformat()), last.isoformat()):
            if self._has_late(manifest) or (manifest.first < self._until and manifest.last >= self._since):
                yield manifest

    def _has_late(self, manifest: Manifest) -> bool:
        return self._late and manifest.late_until is not None and manifest.late_until >= self._since


class _Kept:
    """Messages on disk; which ones these are, too."""

    def __init__(self, found: Given, erased: Erased) -> None:
        self._erased = erased
        self._file = tempfile.TemporaryFile(prefix="postroom-pack-")  # noqa: SIM115 (it goes with this object)
        # A file without a name, which goes when it is closed. One thread at a time writes.
        self._ids = sqlite3.connect("", check_same_thread=False)
        self._ids.execute("CREATE TABLE ids (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self._lock = Lock()
        self.count = 0
        self.oldest: datetime | None = None
        with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=self._file) as self._packed:
            found(self._keep)

    def _keep(self, filed: Filed) -> None:
        message, text = filed.judged.message, line(filed)
        if self._erased.covers(keys.split(message.message_id).conv, message.received_at):
            return
        with self._lock:
            if self._ids.execute("INSERT OR IGNORE INTO ids VALUES (?)", (message.message_id,)).rowcount:
                self._packed.write(text)
                self.count += 1
                self.oldest = min(self.oldest or message.received_at, message.received_at)

    def holds(self, text: bytes) -> bool:
        """Whether a part's line is one of these; most are too old to be looked for."""
        if self.oldest is None or text.partition(b'"received_at":"')[2][:24] < to_iso(self.oldest).encode():
            return False
        message_id = text.partition(b'"message_id":"')[2].partition(b'"')[0].decode()
        return self._ids.execute("SELECT 1 FROM ids WHERE id = ?", (message_id,)).fetchone() is not None

    def lines(self) -> Iterator[bytes]:
        """Every line, from the first."""
        if self.count:
            self._file.seek(0)
            yield from lines(self._file)
