"""The ledger made anew in a table that lost it, from the manifests in the archive's bucket: each lies there since its part counts.

A part whose place another took does not come back: its object is noted for removal, for that may be why it was replaced. What is in the
ledger stays as it is. Where the table has messages that are in no part as far as it knows (a table of some days ago), parts of that time
come back as committed and not done: the archive's next run marks the messages that they hold, so that none is filed twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from functions.archive.bucket import manifest_object_key
from functions.archive.manifests import REMOVALS_PK, Manifest, manifest_from
from functions.archive.notes import note_at
from functions.archive.parts import ArchiveUnproven
from functions.common.clock import from_iso
from functions.common.errors import aws_faults
from infra.records.catalogue import MANIFESTS, Catalogue
from infra.records.errors import PartUnsound

_AT_ONCE = 8


@dataclass(slots=True, kw_only=True)
class Relisted:
    """`parts` came back into the ledger; `replaced` ones are to go; `missing` are keys of parts of which there is a manifest only."""

    parts: list[Manifest] = field(default_factory=list)
    replaced: int = 0
    missing: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """The same in numbers, but for what is missing."""
        return {"parts": len(self.parts), "replaced": self.replaced, "missing": self.missing}


class LostLedger:
    """What the ledger lacks of `catalogue`'s bucket. `shards` are those of the `archive` index. Every method may raise `Unavailable`."""

    def __init__(self, catalogue: Catalogue, shards: int) -> None:
        self._ledger = catalogue.ledger
        self._bucket = catalogue.bucket
        self._shards = shards

    def lacking(self) -> list[str]:
        """The keys of manifests whose parts are neither in the ledger nor to be removed, oldest day first."""
        listed = list(self._listed())
        if not listed:
            return []
        days = [key.removeprefix(MANIFESTS)[:10] for key in listed]
        known = {manifest_object_key(manifest.key) for manifest in self._ledger.committed(min(days), max(days))}
        known |= {manifest_object_key(item["sk"]) for item in self._ledger.table.query("pk = :pk", {":pk": REMOVALS_PK})}
        known |= {manifest_object_key(pending.key) for pending in self._ledger.pending()}
        return [key for key in listed if key not in known]

    def bring_back(self, run: str, now: datetime, *, dry_run: bool = False) -> Relisted:
        """Put them into the ledger, as the run that may write; `PartUnsound` when a manifest cannot be read, and nothing is changed."""
        if not dry_run:
            self._ledger.open(run, now)  # nobody rewrites a part meanwhile
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = [manifest for manifest in pool.map(self._read, self.lacking()) if manifest is not None]
        replaced = {manifest.replaces for manifest in found} | {manifest.replaces for manifest in self._beside(found)}
        done, unfiled, there = Relisted(), self._unfiled_since(), self._objects(found)
        for manifest in found:
            if manifest.key not in there:
                done.missing.append(manifest.key)
            elif manifest.part in replaced:
                done.replaced += 1
                if not dry_run:
                    self._ledger.note_removal(manifest, run)
            else:
                done.parts.append(manifest)
                if not dry_run:
                    marked = unfiled is None or manifest.last < unfiled
                    self._ledger.relist(replace(manifest, state="done" if marked else "committed"), run)
        return done

    def _listed(self) -> Iterator[str]:
        with aws_faults("ListObjectsV2"):
            for page in self._bucket.client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.name, Prefix=MANIFESTS
            ):
                yield from (found["Key"] for found in page.get("Contents", ()))

    def _read(self, key: str) -> Manifest | None:
        try:
            note = note_at(self._bucket, key)
            if note is None:
                return None  # it went since it was listed
            if note.get("version") != 1:
                raise PartUnsound(f"{key}: not a manifest of ours")
            return manifest_from(note)
        except (ArchiveUnproven, KeyError, TypeError, ValueError):
            raise PartUnsound(f"{key}: not a manifest of ours") from None

    def _beside(self, found: list[Manifest]) -> Iterator[Manifest]:
        if found:
            yield from self._ledger.committed(min(m.day for m in found), max(m.day for m in found))

    def _objects(self, found: list[Manifest]) -> set[str]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return set().union(*pool.map(self._parts_beside, {manifest.key.rpartition("/")[0] for manifest in found}))

    def _parts_beside(self, folder: str) -> set[str]:
        with aws_faults("ListObjectsV2"):
            pages = self._bucket.client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket.name, Prefix=f"{folder}/")
            return {found["Key"] for page in pages for found in page.get("Contents", ())}

    def _unfiled_since(self) -> datetime | None:
        """The oldest receipt of a message that is in no part as far as the table knows."""
        first = partial(self._ledger.table.query, "archive_pk = :pk", index="archive", limit=1)
        found = [from_iso(item["archive_sk"]) for shard in range(self._shards) for item in first({":pk": f"A#{shard}"})]
        return min(found, default=None)
