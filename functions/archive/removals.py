"""Objects that must go for good: every version of them, in the archive bucket and in its second copy.

What is to go is noted (`A#removals`) in the same transaction in which the ledger ceases to count it; the note goes last. Whoever finds a
note carries it out, so a removal that was cut short is finished by the next night's run.
"""

from __future__ import annotations

from collections.abc import Iterator

from functions.archive.bucket import ArchiveBucket, manifest_object_key
from functions.archive.manifests import REMOVALS_PK
from functions.common.table import Table


class Removals:
    """`buckets` is the archive and, where there is one, its second copy."""

    def __init__(self, table: Table, buckets: tuple[ArchiveBucket, ...]) -> None:
        self.table = table
        self.buckets = buckets

    def noted(self) -> Iterator[str]:
        """The keys of parts that are to go."""
        for item in self.table.query("pk = :pk", {":pk": REMOVALS_PK}):
            yield item["sk"]

    def carry_out(self) -> int:
        """Remove what is noted; how many objects and versions of objects went. `Unavailable` leaves the rest noted."""
        return sum(self._remove(key) for key in self.noted())

    def _remove(self, key: str) -> int:
        gone = sum(bucket.remove_for_good(name) for bucket in self.buckets for name in (key, manifest_object_key(key)))
        self.table.delete(REMOVALS_PK, key)
        return gone
