"""Objects that must go for good: every version of them, in the archive bucket and in its second copies.

What is to go is noted (`A#removals`) in the same transaction in which the ledger ceases to count it; the note goes last. Whoever finds a
note carries it out, so a removal that was cut short is finished by the next night's run. A copy that does not answer keeps the note, and
keeps nobody waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from functions.archive.bucket import ArchiveBucket, manifest_object_key
from functions.archive.manifests import REMOVALS_PK
from functions.common.errors import Unavailable
from functions.common.table import ConditionFailed, Table
from functions.common.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """How many objects and versions of objects went, and the copies (their buckets) that did not answer: what is in them stays noted."""

    objects: int
    unreached: tuple[str, ...] = ()


class Removals:
    """`buckets` is the archive and, where there are any, its second copies; `shut` are copies that could not be opened."""

    def __init__(
        self,
        table: Table,
        buckets: tuple[ArchiveBucket, ...],
        telemetry: Telemetry | None = None,
        shut: tuple[str, ...] = (),
    ) -> None:
        self.table = table
        self.shut = shut
        self.archive, *self.copies = buckets
        self.telemetry = telemetry

    def noted(self) -> Iterator[str]:
        """The keys of parts that are to go."""
        for item in self.table.query("pk = :pk", {":pk": REMOVALS_PK}):
            yield item["sk"]

    def replaced(self) -> Iterator[tuple[str, str]]:
        """Day and name of the parts that took the place of such as are to go."""
        for item in self.table.query("pk = :pk", {":pk": REMOVALS_PK}):
            if "instead" in item:
                yield item["day"], item["instead"]

    def carry_out(self) -> Removed:
        """Remove what is noted; `Unavailable`, of the archive's bucket, leaves the rest noted."""
        objects, silent = 0, dict[str, Unavailable]()
        for item in self.table.query("pk = :pk", {":pk": REMOVALS_PK}):
            key = item["sk"]
            objects += remove_part(self.archive, key)
            for copy in self.copies:
                if copy.name not in silent:
                    try:
                        objects += remove_part(copy, key)
                    except Unavailable as fault:
                        silent[copy.name] = fault
            if not silent and not self.shut:
                self.table.delete(REMOVALS_PK, key)
            elif "instead" in item:
                self._forget_successor(key)
        self._tell(silent)
        return Removed(objects=objects, unreached=(*self.shut, *silent))

    def _forget_successor(self, key: str) -> None:
        """Nothing is left in the archive to write it again from: a copy that is silent for weeks must not have it proven every night."""
        with suppress(ConditionFailed):  # another run has carried it out
            self.table.update(REMOVALS_PK, key, "REMOVE #instead", condition="attribute_exists(pk)")

    def _tell(self, silent: dict[str, Unavailable]) -> None:
        if self.telemetry is not None and silent:
            for bucket, fault in silent.items():
                self.telemetry.error("copy_not_cleared", fault, bucket=bucket)
            self.telemetry.count({"CopiesFailed": len(silent)})


def remove_part(bucket: ArchiveBucket, key: str) -> int:
    """Remove a part and its manifest, every version; how many there were."""
    return sum(bucket.remove_for_good(name) for name in (key, manifest_object_key(key)))
