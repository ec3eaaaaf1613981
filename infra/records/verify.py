"""Whether the archive is what its ledger says: every committed part read again from its first byte to its last.

Beside the checksum, which a manifest can be wrong about in good company, the lines themselves are read: that each is a message, of the
part's channel, received between `first` and `last`, and judged by one of `bundles`. So is which of
them were stored late, for month-end packs go by that.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from functions.archive.bucket import manifest_object_key
from functions.archive.manifests import Manifest
from functions.archive.parts import ArchiveUnproven, read_part
from functions.common.errors import aws_faults
from functions.common.judgement import Judged
from functions.common.wire import plain
from infra.records.catalogue import ELSEWHERE, PARTS, Catalogue, is_in_place
from infra.records.errors import PartUnsound


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one object of the archive bucket."""

    key: str
    what: str


@dataclass(slots=True, kw_only=True)
class Verdict:
    """`strays`: objects that look like parts and that no committed manifest names; no reader takes them for parts."""

    parts: int = 0
    messages: int = 0
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)


def verify(
    catalogue: Catalogue, first: str, last: str, channels: Collection[str] = (), *, seen: Iterable[Manifest] | None = None
) -> Verdict:
    """Check the parts of the days from `first` to `last`. `seen` stands for the same manifests, while somebody watches them pass."""
    verdict, known = Verdict(), set()
    for manifest in seen or catalogue.parts(first, last, channels):
        known.add(manifest.key)
        verdict.parts += 1
        problems = list(_problems(catalogue, manifest))
        verdict.problems += problems
        if not problems:
            verdict.messages += manifest.count
            verdict.bytes += manifest.bytes
    verdict.strays = [key for key in _objects(catalogue, first, last, channels) if key not in known]
    verdict.problems += list(_unlisted(catalogue, set(verdict.strays) - set(catalogue.uncommitted())))
    return verdict


def _problems(catalogue: Catalogue, manifest: Manifest) -> Iterator[Problem]:
    try:
        with tempfile.TemporaryDirectory(prefix="postroom-verify-") as directory:
            yield from _lies(manifest, catalogue.fetch(manifest, Path(directory) / "part"))
    except PartUnsound as fault:
        yield Problem(key=manifest.key, what=str(fault).removeprefix(f"{manifest.key}: "))
    yield from _beside(catalogue, manifest)


def _lies(manifest: Manifest, path: Path) -> Iterator[Problem]:
    """What the lines say against the manifest: only a look inside finds a manifest that was wrong from the beginning."""
    found = _Inside()
    try:
        with path.open("rb") as stream:
            for filed in read_part(stream):
                found.note(filed.judged)
    except ArchiveUnproven as fault:
        yield Problem(key=manifest.key, what=str(fault))
        return
    if manifest.count and (found.first, found.last) != (manifest.first, manifest.last):
        yield Problem(key=manifest.key, what="its messages were not received from the manifest's first to its last")
    if not found.bundles <= set(manifest.bundles):
        yield Problem(key=manifest.key, what="its messages were judged by other bundles than the manifest says")
    if found.late != (manifest.late_from, manifest.late_until):
        yield Problem(key=manifest.key, what="its late messages are not from the manifest's late_from to its late_until")
    if not found.channels <= {manifest.channel}:
        yield Problem(key=manifest.key, what="its messages are of another channel than the manifest says")
    if not is_in_place(manifest):
        yield Problem(key=manifest.key, what=ELSEWHERE)


@dataclass(slots=True)
class _Inside:
    """What a part's lines amount to."""

    first: datetime | None = None
    last: datetime | None = None
    late: tuple[datetime | None, datetime | None] = None, None
    bundles: set[str] = field(default_factory=set)
    channels: set[str] = field(default_factory=set)

    def note(self, judged: Judged) -> None:
        """Take one more message into account."""
        received = judged.message.received_at
        self.first, self.last = min(self.first or received, received), max(self.last or received, received)
        if judged.late_at is not None:
            since, until = self.late
            self.late = min(since or received, received), max(until or judged.late_at, judged.late_at)
        self.bundles.add(judged.bundle)
        self.channels.add(judged.message.channel)


def _beside(catalogue: Catalogue, manifest: Manifest) -> Iterator[Problem]:
    """The manifest in the bucket, for those who read the bucket alone, against the ledger's."""
    key = manifest_object_key(manifest.key)
    client: Any = catalogue.bucket.client
    with aws_faults("GetObject"):
        try:
            body = client.get_object(Bucket=catalogue.bucket.name, Key=key)["Body"].read()
        except client.exceptions.NoSuchKey:
            # Between the commit and this object a run may have died; the next one writes it.
            if manifest.state == "done":
                yield Problem(key=key, what="not there")
            return
    try:
        said = json.loads(body)
        differing = [name for name, value in _constant(plain(manifest)).items() if said[name] != value]
    except (ValueError, KeyError, TypeError):
        yield Problem(key=key, what="not a manifest")
        return
    if differing:
        yield Problem(key=key, what=f"says another {differing[0]} than the ledger")


def _constant(manifest: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in manifest.items() if name != "state"}


def _objects(catalogue: Catalogue, first: str, last: str, channels: Collection[str]) -> Iterator[str]:
    """The keys of all that lies where parts of these days lie."""
    pages = catalogue.bucket.client.get_paginator("list_objects_v2").paginate(
        Bucket=catalogue.bucket.name, Prefix=PARTS, StartAfter=f"{PARTS}{first}"
    )
    with aws_faults("ListObjectsV2"):
        for page in pages:
            for found in page.get("Contents", ()):
                day, _, rest = found["Key"].removeprefix(PARTS).partition("/")
                if day > last:
                    return
                if not channels or rest.partition("/")[0].removeprefix("channel=") in channels:
                    yield found["Key"]


def _unlisted(catalogue: Catalogue, strays: Collection[str]) -> Iterator[Problem]:
    """A stray that a manifest in the bucket vouches for was committed once: its ledger entry is lost."""
    client: Any = catalogue.bucket.client
    for key in sorted(strays):
        with aws_faults("HeadObject"):
            listed = client.list_objects_v2(Bucket=catalogue.bucket.name, Prefix=manifest_object_key(key), MaxKeys=1)
        if listed.get("KeyCount"):
            yield Problem(key=key, what="committed once, as the manifest beside it shows, and not in the ledger")
