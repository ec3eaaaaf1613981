"""Parts as files on this machine, laid out as in the bucket, each believed only by its checksum.

A folder that is kept from one search to the next saves fetching. What no manifest names any more (a part that was written anew because
somebody was erased) is removed from it for the days that are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import file_digest
from itertools import islice
from pathlib import Path

from functions.archive.manifests import Manifest
from infra.records.catalogue import PARTS, Catalogue
from infra.records.errors import PartUnsound
from infra.records.question import Question

_AT_ONCE = 8
Watched = Callable[[Iterable[Manifest], int], Iterable[Manifest]]


class Shelf:
    """The parts of an archive under a folder. `watched(manifests, how many)` lets somebody see them pass."""

    def __init__(self, catalogue: Catalogue, folder: Path, watched: Watched = lambda manifests, _: manifests) -> None:
        self._catalogue = catalogue
        self._folder = folder
        self._watched = watched

    def parts(self, question: Question) -> list[Path]:
        """The files in which the question's messages may be; `PartUnsound` when one cannot be had as its manifest says."""
        first, last = question.period.days()
        listed = list(self._catalogue.believed(first, last))
        self._clear(first, last, {self._place(manifest) for manifest in listed})
        wanted = [manifest for manifest in listed if _may_hold(manifest, question)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [path for some in _batches(self._watched(wanted, len(wanted))) for path in pool.map(self._fetched, some)]

    def _fetched(self, manifest: Manifest) -> Path:
        path = self._place(manifest)
        if path.exists() and _digest(path) == manifest.sha256:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._catalogue.fetch(manifest, path)
        except PartUnsound:
            return self._fetched_anew(manifest)

    def _fetched_anew(self, before: Manifest) -> Path:
        """It may have been written anew since its manifest was read."""
        now = self._catalogue.ledger.stored(before.day, before.part)
        if now is None or replace(now, state=before.state) == before:
            self._catalogue.check(before)  # raises, unless it was a fault of the moment
            return self._catalogue.fetch(before, self._place(before))
        return self._catalogue.fetch(now, self._place(now))

    def _place(self, manifest: Manifest) -> Path:
        return self._folder / Path(manifest.key).parent / f"{manifest.sha256[:24]}.jsonl.gz"

    def _clear(self, first: str, last: str, named: set[Path]) -> None:
        for day in self._folder.glob(f"{PARTS}*"):
            if first <= day.name.removeprefix(PARTS) <= last:
                for path in set(day.glob("channel=*/*")) - named:
                    path.unlink(missing_ok=True)


def _may_hold(manifest: Manifest, question: Question) -> bool:
    in_time = manifest.first < question.period.until and manifest.last >= question.period.since
    return in_time and (not question.channels or manifest.channel in question.channels)


def _batches(manifests: Iterable[Manifest]) -> Iterator[list[Manifest]]:
    left = iter(manifests)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
