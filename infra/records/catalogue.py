"""Which parts there are, by the ledger in the table, and their bytes, believed only when they are what the manifest says."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from functions.archive.bucket import ArchiveBucket
from functions.archive.manifests import REMOVALS_PK, Ledger, Manifest
from functions.archive.parts import ArchiveUnproven, Proof, examine
from functions.common.errors import aws_faults
from infra.records.errors import PartUnsound

PARTS = "dt="
MANIFESTS = "_manifests/dt="
ELSEWHERE = "it lies elsewhere than its manifest's day and channel say"


def is_in_place(manifest: Manifest) -> bool:
    """Whether a part's key is one of its day and channel."""
    return manifest.key.startswith(f"{PARTS}{manifest.day}/channel={manifest.channel}/") and ".." not in manifest.key


class Catalogue:
    """The parts of one archive. Every method may raise `Unavailable`."""

    def __init__(self, ledger: Ledger, bucket: ArchiveBucket) -> None:
        self.ledger = ledger
        self.bucket = bucket

    def parts(self, first: str, last: str, channels: Collection[str] = ()) -> Iterator[Manifest]:
        """The committed parts of the days from `first` to `last`, YYYY-MM-DD, oldest day first; no channels means all."""
        for manifest in self.ledger.committed(first, last):
            if not channels or manifest.channel in channels:
                yield manifest

    def believed(self, first: str, last: str, channels: Collection[str] = ()) -> Iterator[Manifest]:
        """The same, for readers who go by a part's place; `PartUnsound` when one lies elsewhere than its manifest says, whoever asked."""
        for manifest in self.ledger.committed(first, last):
            if not is_in_place(manifest):
                raise PartUnsound(f"{manifest.key}: {ELSEWHERE}")
            if not channels or manifest.channel in channels:
                yield manifest

    def uncommitted(self) -> tuple[str, ...]:
        """The keys of objects that may lie in the bucket and do not count."""
        replaced = [item["sk"] for item in self.ledger.table.query("pk = :pk", {":pk": REMOVALS_PK})]
        pending = ((found, self.ledger.stored(found.day, found.part)) for found in self.ledger.pending())
        return (*replaced, *(found.key for found, manifest in pending if manifest is None or manifest.state == "writing"))

    def first_day(self) -> str | None:
        """The oldest day of which the bucket has a part or a manifest; None when it has none at all."""
        return min(filter(None, map(self._first, (PARTS, MANIFESTS))), default=None)

    def _first(self, prefix: str) -> str | None:
        with aws_faults("ListObjectsV2"):
            listed = self.bucket.client.list_objects_v2(Bucket=self.bucket.name, Prefix=prefix, MaxKeys=1)
        return next((found["Key"][len(prefix) :][:10] for found in listed.get("Contents", ())), None)

    def fetch(self, manifest: Manifest, path: Path) -> Path:
        """The part as a file at `path`; `PartUnsound` when it is not what its manifest says. An unsound file is not left behind."""
        rough = path.with_name(f"{path.name}.coming")
        try:
            with rough.open("wb") as file:
                self._sound(manifest, file)
            rough.replace(path)
        finally:
            rough.unlink(missing_ok=True)
        return path

    def check(self, manifest: Manifest) -> None:
        """Read a part from its first byte to its last; `PartUnsound` when it is not what its manifest says."""
        self._sound(manifest, None)

    def _sound(self, manifest: Manifest, file: IO[bytes] | None) -> None:
        try:
            with closing(self._body(manifest.key)) as body, aws_faults("GetObject"):
                found = examine(_Copied(body, file))
        except ArchiveUnproven as fault:
            raise PartUnsound(f"{manifest.key}: {str(fault).removeprefix(f'{manifest.key}: ')}") from None
        if difference := _difference(manifest, found):
            raise PartUnsound(f"{manifest.key}: {difference}")

    def _body(self, key: str) -> Any:
        client = self.bucket.client
        with aws_faults("GetObject"):
            try:
                return client.get_object(Bucket=self.bucket.name, Key=key)["Body"]
            except client.exceptions.NoSuchKey:
                raise PartUnsound(f"{key}: not there") from None


class _Copied:
    """A stream that is written to a file as it is read."""

    def __init__(self, stream: Any, file: IO[bytes] | None) -> None:
        self._stream = stream
        self._file = file

    def read(self, amt: int | None = None, /) -> bytes:
        chunk: bytes = self._stream.read(amt)
        if self._file is not None:
            self._file.write(chunk)
        return chunk


def _difference(manifest: Manifest, found: Proof) -> str | None:
    """The first difference between a manifest and what the part is."""
    for name in ("bytes", "count", "sha256"):
        said, is_ = getattr(manifest, name), getattr(found, name)
        if said != is_:
            return f"its manifest says {name} {said}, it has {is_}"
    return None
