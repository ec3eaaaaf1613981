"""A part that is lost or damaged put back: from an older version of its object, or from the second copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Protocol

from functions.archive.bucket import ArchiveBucket, manifest_object_key
from functions.archive.manifests import Ledger, Manifest
from functions.archive.parts import ArchiveUnproven
from functions.common.telemetry import Telemetry


class Source(Protocol):
    """A place where a part may still be whole."""

    def __call__(self) -> BytesIO:
        """The part's bytes, proven; `ArchiveUnproven` when it is not whole here either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mender:
    """`archive` is the bucket that counts, `copy` the second one, where there is one."""

    ledger: Ledger
    archive: ArchiveBucket
    copy: ArchiveBucket | None
    telemetry: Telemetry

    def mend(self, manifest: Manifest, *, counts: bool = True) -> bool:
        """Put a part back; False when it is whole nowhere. `Unavailable` when that cannot be said now. `counts`: it is in the ledger."""
        for source in self._sources(manifest):
            try:
                body = source().getvalue()
            except ArchiveUnproven:
                continue
            self.archive.put(manifest.key, body)
            self.archive.prove(manifest)
            if counts:
                self._give_way(manifest)
            self.telemetry.warning("part_mended", key=manifest.key)
            return True
        self.telemetry.warning("part_not_mended", key=manifest.key)
        return False

    def _sources(self, manifest: Manifest) -> Iterator[Source]:
        for version in self.archive.versions(manifest.key):
            yield partial(self.archive.whole, manifest, version)
        if self.copy is not None:
            yield partial(self.copy.whole, manifest)

    def _give_way(self, manifest: Manifest) -> None:
        """Take it back if it was written anew meanwhile: whoever removed it, because somebody was erased, may have looked before."""
        if self.ledger.stored(manifest.day, manifest.part) is None:
            for name in (manifest.key, manifest_object_key(manifest.key)):
                self.archive.remove_for_good(name)
