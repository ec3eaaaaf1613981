"""What lies where parts lie and is in no ledger: left by runs that died, by removals that did not reach a copy, by hands.

No reader takes it for a part. But it may hold somebody's lines, in an older version of an object too, and an erasure must reach those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from functions.archive.bucket import ArchiveBucket, manifest_object_key
from functions.archive.manifests import Ledger
from functions.archive.parts import ArchiveUnproven, lines
from functions.archive.removals import remove_part
from functions.common.errors import Retryable, aws_faults

_PART = re.compile(r"dt=[0-9]{4}-[0-9]{2}-[0-9]{2}/channel=([^/]+)/")


class LedgerIncomplete(Retryable):
    """Parts that counted once are in the bucket and not in the ledger: `postroom restore --from-manifests` brings it up to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an object; a store that keeps none calls it `null`."""

    key: str
    id: str


class Strays:
    """Strays of some channels. Every method may raise `Unavailable`."""

    def __init__(self, ledger: Ledger, channels: Collection[str]) -> None:
        self._ledger = ledger
        self._channels = channels

    def holding(self, bucket: ArchiveBucket, wanted: Callable[[bytes], bool]) -> list[str]:
        """The keys of strays of which a version holds a line that is wanted, or cannot be read at all."""
        return sorted({found.key for found in self._strays(bucket) if _holds(bucket, found, wanted)})

    def remove(self, bucket: ArchiveBucket, wanted: Callable[[bytes], bool]) -> int:
        """Remove those for good; how many objects and versions of objects there were."""
        return sum(remove_part(bucket, key) for key in self.holding(bucket, wanted))

    def refuse_lost(self, archive: ArchiveBucket, removed: Collection[str]) -> None:
        """`LedgerIncomplete` when a manifest beside a stray says that it counted once and it is not to be `removed`: somebody who works
        by this ledger would pass over its lines.
        """
        strays = {found.key for found in self._strays(archive)} - set(removed)
        lost = [key for key in sorted(strays) if _is_there(archive, key) and _is_there(archive, manifest_object_key(key))]
        if lost:
            raise LedgerIncomplete(
                f"{len(lost)} parts are in the bucket and not in the ledger ({lost[0]} first): bring the ledger back before"
            )

    def _strays(self, bucket: ArchiveBucket) -> Iterator[Version]:
        found = list(self._versions(bucket))
        days = [version.key[3:13] for version in found]
        if found:
            counted = {manifest.key for manifest in self._ledger.committed(min(days), max(days))}
            counted |= {pending.key for pending in self._ledger.pending()}
            yield from (version for version in found if version.key not in counted)

    def _versions(self, bucket: ArchiveBucket) -> Iterator[Version]:
        with aws_faults("ListObjectVersions"):
            for page in bucket.client.get_paginator("list_object_versions").paginate(Bucket=bucket.name, Prefix="dt="):
                for version in page.get("Versions", ()):
                    place = _PART.match(version["Key"])
                    if place is not None and place[1] in self._channels:
                        yield Version(key=version["Key"], id=version["VersionId"])


def _is_there(bucket: ArchiveBucket, key: str) -> bool:
    with aws_faults("ListObjectsV2"):
        listed = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=key, MaxKeys=1)
    return any(found["Key"] == key for found in listed.get("Contents", ()))


def _holds(bucket: ArchiveBucket, version: Version, wanted: Callable[[bytes], bool]) -> bool:
    with aws_faults("GetObject"):
        body = bucket.client.get_object(Bucket=bucket.name, Key=version.key, VersionId=version.id)["Body"]
        try:
            return any(map(wanted, lines(body)))
        except (ArchiveUnproven, ValueError, KeyError):
            # Nobody can say whose lines are in it, and nothing counts on it.
            return True
