"""The second copy: every committed part and its manifest in another bucket, of another region, account or store that speaks S3.

A part is noted (`A#copies`) in the transaction that commits it, so none is forgotten; the note goes when the copy was read back and is
what the manifest says. A copy that fails stays noted, is counted, and is tried again with the next run: the archive itself does not wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from functions.archive.allowance import Allowance
from functions.archive.bucket import ArchiveBucket, manifest_object_key
from functions.archive.manifests import COPIES_PK, Ledger, Manifest
from functions.archive.parts import ArchiveUnproven
from functions.common.errors import Poison, Unavailable
from functions.common.invalid import first_fault
from functions.common.table import Table
from functions.common.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """`copy` is the other bucket; `archive` the one that counts. `note_place` writes down where the copies go."""

    table: Table
    ledger: Ledger
    archive: ArchiveBucket
    copy: ArchiveBucket
    telemetry: Telemetry
    note_place: Callable[[], None] = lambda: None

    def carry_out(self, time: Allowance) -> dict[str, Any]:
        """Copy what is noted; how many were copied and how many failed. `OutOfTime` leaves the rest noted."""
        copied = failed = 0
        self.note_place()  # first: whatever lies there must be found by an erasure
        for day, part, key in self.noted():
            time.check()
            manifest = self.ledger.stored(day, part)
            if manifest is None:
                self._remove(key)  # a run that was cut short may have copied it
            if manifest is None or self._copied(manifest):
                self.table.delete(COPIES_PK, f"{day}#{part}")
                copied += manifest is not None
            else:
                failed += 1
        self.telemetry.count({"PartsCopied": copied, "CopiesFailed": failed})
        self.telemetry.info("copies_made", copied=copied, failed=failed)
        return {"copied": copied, "failed": failed, "more": False}

    def noted(self) -> Iterator[tuple[str, str, str]]:
        """Day, name and key of each part that is not known to have its copy."""
        for item in self.table.query("pk = :pk", {":pk": COPIES_PK}):
            day, _, part = item["sk"].partition("#")
            yield day, part, item["key"]

    def _copied(self, manifest: Manifest) -> bool:
        try:
            self.copy.put(manifest.key, self.archive.whole(manifest).getvalue())
            self.copy.prove(manifest)
            self.copy.put_manifest(replace(manifest, state="committed"))  # as it stands in the archive
            self._give_way(manifest)
        except (ArchiveUnproven, Unavailable) as fault:
            self.telemetry.error("part_not_copied", fault, key=manifest.key)
            return False
        return True

    def _give_way(self, manifest: Manifest) -> None:
        """Take a part back that was written anew meanwhile: whoever removed it, because somebody was erased, may have looked before."""
        if self.ledger.stored(manifest.day, manifest.part) is None:
            self._remove(manifest.key)

    def _remove(self, key: str) -> None:
        for name in (key, manifest_object_key(key)):
            self.copy.remove_for_good(name)


class CopyKeysInvalid(Poison):
    """The secret with the keys of the second copy's store does not fit."""


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid")

    access_key_id: str
    secret_access_key: str


def read_copy_keys(secret: str) -> dict[str, str]:
    """The keys of another store out of the secret's text; `CopyKeysInvalid` names the field."""
    try:
        return _Keys.model_validate_json(secret).model_dump()
    except ValidationError as error:
        fault = first_fault(error)
        raise CopyKeysInvalid(f"{fault.place or 'secret'}: {fault.kind}") from None
