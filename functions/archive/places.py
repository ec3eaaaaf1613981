"""Where the archive's second copies lie: noted in the archive bucket (`_copies/`) before anything is copied there.

So an operator's erasure finds every copy there ever was without being told: in another bucket, another region, another store. The note has
the name of the secret with that store's keys, not the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from functions.archive.bucket import ArchiveBucket
from functions.archive.copies import read_copy_keys
from functions.archive.notes import notes_under
from functions.archive.parts import ArchiveUnproven
from functions.common import keys
from functions.common.aws import s3_elsewhere
from functions.common.wire import plain

PREFIX = "_copies/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A bucket of this account, or of another region's; of another store, by its `endpoint` and the name of the `secret` with its keys."""

    bucket: str
    region: str | None = None
    endpoint: str | None = None
    secret: str | None = None

    @property
    def name(self) -> str:
        """How people are told of it."""
        where = self.endpoint or self.region
        return f"{self.bucket} ({where})" if where else self.bucket

    @property
    def key(self) -> str:
        """Where it is noted: in whichever region, a bucket of one store is one place."""
        return f"{PREFIX}{keys.short_hash(self.bucket, self.endpoint or '', size=10)}.json"


def note(archive: ArchiveBucket, place: Place) -> None:
    """Write a place down; a second time changes nothing but what is new about it."""
    archive.put_note(place.key, {"version": 1, **plain(place)})


def noted(archive: ArchiveBucket) -> Iterator[Place]:
    """Every place that was written down. `ArchiveUnproven` when a note cannot be read."""
    for key, said in notes_under(archive, PREFIX):
        yield _place(key, said)


def forget(archive: ArchiveBucket, place: Place) -> None:
    """Strike a place off: nothing is there any more."""
    archive.remove_for_good(place.key)


def bucket_at(place: Place, secret: Callable[[str], str]) -> ArchiveBucket:
    """The bucket, with keys that `secret` gives by their name. `CopyKeysInvalid`, `Unavailable`."""
    known = read_copy_keys(secret(place.secret)) if place.secret else {}
    return ArchiveBucket(s3_elsewhere(endpoint=place.endpoint, region=place.region, **known), place.bucket)


def _place(key: str, said: dict[str, Any]) -> Place:
    if said.get("version") != 1 or not isinstance(said.get("bucket"), str):
        raise ArchiveUnproven(f"{key}: not the note of a second copy")
    return Place(bucket=said["bucket"], **{name: said.get(name) for name in ("region", "endpoint", "secret")})
