"""Every second copy of an archive, opened: those that the archive noted in its bucket, and those that an operator names beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from functions.archive.bucket import ArchiveBucket
from functions.archive.copies import CopyKeysInvalid
from functions.archive.places import Place, bucket_at, noted
from functions.common.errors import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondCopies:
    """`silent` are the buckets whose keys could not be had: why, by name."""

    places: tuple[Place, ...]
    opened: tuple[ArchiveBucket, ...]
    silent: dict[str, str]


def second_copies(archive: ArchiveBucket, named: Iterable[str], secret: Callable[[str], str]) -> SecondCopies:
    """`named` are buckets of this account's S3. Whether a bucket answers is seen when it is asked."""
    known = {(place.bucket, place.endpoint): place for place in (*map(_in_s3, named), *noted(archive))}
    opened, silent = [], {}
    for place in known.values():
        try:
            opened.append(bucket_at(place, secret))
        except (Unavailable, CopyKeysInvalid) as fault:
            silent[place.bucket] = str(fault)
    return SecondCopies(places=tuple(known.values()), opened=tuple(opened), silent=silent)


def _in_s3(bucket: str) -> Place:
    return Place(bucket=bucket)
