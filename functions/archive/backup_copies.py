"""The second copy of the table's backups: every object of the backup bucket in the other bucket too, under `backups/<its day>/`.

Nothing is noted anywhere: an object has its copy when beside that lies a checksum (`….sha256`), written once the copy was read back and
found the same. So whatever a run does not come to, or dies over, is the next one's. Copies go when the backups themselves go, by the day in
their names, for the certificate of an erasure names the day on which the last one is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from functions.archive.allowance import Allowance
from functions.archive.bucket import ArchiveBucket
from functions.archive.parts import ArchiveUnproven
from functions.archive.upload import PIECE, upload
from functions.common.errors import Unavailable, aws_faults
from functions.common.telemetry import Telemetry

PREFIX = "backups/"
# As long as template.yaml keeps backups.
KEPT = timedelta(days=35)
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """One object of the backup bucket, of a day (UTC)."""

    key: str
    size: int
    day: date

    @property
    def copy(self) -> str:
        """Where its copy lies."""
        return f"{PREFIX}{self.day.isoformat()}/{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupCopies:
    """`backups` is the backup bucket, `copy` the other one."""

    backups: ArchiveBucket
    copy: ArchiveBucket
    telemetry: Telemetry

    def carry_out(self, now: datetime, time: Allowance) -> dict[str, Any]:
        """Copy what has no copy, and remove copies that are old; how many of each, and how many failed. `OutOfTime` leaves the rest."""
        told = {"copied": 0, "failed": 0, "removed": 0}
        try:
            self._bring_up(told, (now - KEPT).date(), time)
        except Unavailable as fault:
            told["failed"] += 1
            self.telemetry.error("backup_not_copied", fault, key=PREFIX)
        finally:
            self.telemetry.count({"BackupsCopied": told["copied"], "CopiesFailed": told["failed"]})
            self.telemetry.info("backups_copied", **told)
        return told

    def _bring_up(self, told: dict[str, int], oldest: date, time: Allowance) -> None:
        there = set(self._copies())
        for key in sorted(key for key in there if _day(key) < oldest.isoformat()):
            told["removed"] += self.copy.remove_for_good(key) > 0
        for found in self._objects():
            if found.day >= oldest and f"{found.copy}.sha256" not in there:
                time.check()
                told["copied" if self._copied(found) else "failed"] += 1

    def _copied(self, found: _Object) -> bool:
        try:
            written = self._write(found)
            if _digest(_pieces(self.copy, found.copy)) != written:
                raise ArchiveUnproven(f"{found.copy}: not what was written")
            self.copy.put(f"{found.copy}.sha256", f"{written}  {found.key.rpartition('/')[2]}\n".encode())
        except (ArchiveUnproven, Unavailable) as fault:
            self.telemetry.error("backup_not_copied", fault, key=found.key)
            return False
        return True

    def _write(self, found: _Object) -> str:
        """Write the copy, piece by piece if it is large; the checksum of what was read."""
        digest = sha256()
        if found.size < PIECE:
            body = b"".join(_noted(_pieces(self.backups, found.key), digest.update))
            self.copy.put(found.copy, body)
        else:
            upload(self.copy.client, self.copy.name, found.copy, _noted(_pieces(self.backups, found.key), digest.update))
        return digest.hexdigest()

    def _objects(self) -> Iterator[_Object]:
        for about in _listed(self.backups, ""):
            yield _Object(key=about["Key"], size=about["Size"], day=about["LastModified"].date())

    def _copies(self) -> Iterator[str]:
        yield from (about["Key"] for about in _listed(self.copy, PREFIX))


def _day(key: str) -> str:
    return key.removeprefix(PREFIX)[:10]


def _listed(bucket: ArchiveBucket, prefix: str) -> Iterator[Any]:
    with aws_faults("ListObjectsV2"):
        for page in bucket.client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix=prefix):
            yield from page.get("Contents", ())


def _pieces(bucket: ArchiveBucket, key: str) -> Iterator[bytes]:
    with aws_faults("GetObject"), closing(bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"]) as body:
        yield from body.iter_chunks(_CHUNK)


def _noted(pieces: Iterator[bytes], note: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        note(piece)
        yield piece


def _digest(pieces: Iterator[bytes]) -> str:
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
