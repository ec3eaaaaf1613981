"""Nothing expires unproven: parts whose messages are about to leave the table are read again, and if one cannot be, nothing leaves.

An item has a date of expiry only once a part that holds it was proven. This errand proves it once more, shortly before that date: a part
that was lost or damaged since is put back from an older version or the second copy. Where that fails too, or the bucket does not let the
part be read, DynamoDB's expiry is switched off for the whole table, for which items a lost part held nobody can say, and stays off until
every part near its date is proven again. It is off, too, while messages of a part that the archive had to strike (`service`) may not all
be filed anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from functions.archive.allowance import Allowance, OutOfTime
from functions.archive.bucket import ArchiveBucket
from functions.archive.due import DueReader
from functions.archive.held import HeldContacts
from functions.archive.holds import Holds
from functions.archive.hot import HotReader
from functions.archive.manifests import Ledger, Manifest
from functions.archive.mending import Mender
from functions.archive.parts import ArchiveUnproven
from functions.archive.retention import Retention
from functions.common.clock import to_iso
from functions.common.errors import Unavailable, aws_faults
from functions.common.table import Table
from functions.common.telemetry import Telemetry

# Switching expiry off takes DynamoDB up to an hour; parts filed late hold messages that leave the table a day after their proof.
BEFORE = timedelta(days=3)
AFTER = timedelta(days=8)
# So long after a message should have been archived somebody is told that it was not.
OVERDUE = timedelta(days=2)
# How long originals of masked texts stay (classify), and some days.
ORIGINALS = timedelta(days=34)
# What is in no part so long after its receipt may lose its original before it is.
UNFILED = timedelta(days=24)
_HALT = ("A#expiry", "halt")
_ON = ("ENABLED", "ENABLING")


@dataclass(slots=True, kw_only=True)
class _Round:
    """How far a round has come: `after` which place it goes on, how many parts were `proven`, and which are `lost`."""

    after: str
    lost: list[Manifest]
    proven: int = 0

    def note(self, manifest: Manifest, *, sound: bool) -> None:
        self.proven += sound
        self.after = _place(manifest)
        if not sound:
            self.lost.append(manifest)


def _place(manifest: Manifest) -> str:
    """A part's place in the order in which the ledger gives parts."""
    return f"{manifest.day}#{manifest.part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryWatch:
    """`shards` are those of the `archive` index."""

    table: Table
    ledger: Ledger
    bucket: ArchiveBucket
    mender: Mender
    holds: Holds
    retention: Retention
    telemetry: Telemetry
    shards: int

    def look(self, now: datetime, time: Allowance, *, after: str = "", halted: bool = False) -> dict[str, Any]:
        """Prove every part near its expiry; halt expiry when one is not what its manifest says, and lift the halt when all are.

        A round that is short of time says `more`, `after` which place the next one goes on, and whether it `halted` expiry.
        """
        told = _Round(after=after, lost=list(self.ledger.open_losses()))
        try:
            self._prove(told, now, time)
            if not told.lost and not halted:
                self._lift()
            self._keep_originals(now, time)
        except OutOfTime:
            return {"proven": told.proven, "more": True, "after": told.after, "halted": halted or bool(told.lost)}
        overdue = self._overdue(now)
        self.telemetry.count({"ExpiryWatches": 1, "ArchiveBehind": overdue})
        self.telemetry.info("expiry_watched", proven=told.proven, lost=len(told.lost), overdue=overdue)
        lost = [manifest.key for manifest in told.lost]
        return {"proven": told.proven, "lost": lost, "overdue": overdue, "more": False}

    def _prove(self, told: _Round, now: datetime, time: Allowance) -> None:
        try:
            for manifest in self._near(now):
                if _place(manifest) > told.after:
                    time.check()
                    told.note(manifest, sound=self._sound(manifest))
        finally:
            # When time is up too: whatever the other parts are, one that is lost lets nothing expire.
            if told.lost:
                self._halt(told.lost, now)

    def _keep_originals(self, now: datetime, time: Allowance) -> None:
        hot = HotReader(self.table, self.shards, DueReader(self.table, self.shards, self.telemetry))
        contacts = HeldContacts(holds=self.holds, ledger=self.ledger, bucket=self.bucket, hot=hot, telemetry=self.telemetry)
        try:
            contacts.look(self.retention.day(now - ORIGINALS), self.retention.day(now + BEFORE), now - UNFILED, time)
        finally:
            self.holds.keep_originals()

    def _near(self, now: datetime) -> list[Manifest]:
        """The parts whose messages may leave the table soon, or are just leaving it."""
        oldest = self.retention.day(now - self.retention.hot - AFTER)
        # While expiry is off, whatever was near when it was switched off stays in view: time alone makes nothing proven.
        oldest = min(oldest, self._halted_from() or oldest)
        newest = self.retention.day(now - self.retention.hot + BEFORE)
        return list(self.ledger.committed(oldest, newest))

    def _sound(self, manifest: Manifest) -> bool:
        try:
            self.bucket.prove(manifest)
        except ArchiveUnproven as fault:
            # It may have been written anew, without somebody's lines, since the list was made.
            if self.ledger.stored(manifest.day, manifest.part) is None:
                return True
            self.telemetry.error("archive_unproven", fault, run=manifest.run)
            self.telemetry.count({"ArchiveUnproven": 1})
            return self._mended(manifest)
        except Unavailable as fault:
            # A bucket that refuses proves nothing; the items of this part may be gone before it answers.
            self.telemetry.error("archive_unproven", fault, run=manifest.run)
            return False
        return True

    def _mended(self, manifest: Manifest) -> bool:
        try:
            return self.mender.mend(manifest)
        except (ArchiveUnproven, Unavailable) as fault:
            # While that cannot be said, nothing expires.
            self.telemetry.error("mending_failed", fault, key=manifest.key)
            return False

    def _halt(self, lost: list[Manifest], now: datetime) -> None:
        pk, sk = _HALT
        oldest = min(manifest.day for manifest in lost)
        keys = [manifest.key for manifest in lost[:20]]
        halt = {"since": to_iso(now), **(self.table.get(*_HALT) or {}), "from": min(oldest, self._halted_from() or oldest)}
        self.table.put(halt | {"pk": pk, "sk": sk, "parts": keys})
        self._switch(on=False)
        self.telemetry.count({"ExpiryHalted": len(lost)})
        self.telemetry.warning("expiry_halted", parts=keys)

    def _halted_from(self) -> str | None:
        """The oldest day that had a lost part since expiry was switched off; None while it is on."""
        halt = self.table.get(*_HALT)
        return None if halt is None else halt.get("from")

    def _lift(self) -> None:
        """Switch expiry on again, if it was this watch that switched it off."""
        if self.table.get(*_HALT) is None:
            return
        self._switch(on=True)
        self.table.delete(*_HALT)
        self.telemetry.warning("expiry_resumed")

    def _switch(self, *, on: bool) -> None:
        client, name = self.table.client, self.table.name
        with aws_faults("DescribeTimeToLive"):
            status = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"].get("TimeToLiveStatus")
        if (status in _ON) == on:
            return
        with aws_faults("UpdateTimeToLive"):
            client.update_time_to_live(TableName=name, TimeToLiveSpecification={"AttributeName": "exp", "Enabled": on})

    def _overdue(self, now: datetime) -> int:
        """Over how many shards of the index the oldest message should have been archived days ago. It has no expiry, and stays."""
        before = to_iso(now - self.retention.at_latest - OVERDUE)
        found = 0
        for shard in range(self.shards):
            values = {":pk": f"A#{shard}", ":before": before}
            late = self.table.query("archive_pk = :pk AND archive_sk < :before", values, index="archive", limit=1)
            found += next(late, None) is not None
        return found
