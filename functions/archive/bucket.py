"""The archive bucket: parts under Hive-style partitions, and beside them one manifest per committed part.

`dt=YYYY-MM-DD/channel=<channel>/part-<run>-<n>.jsonl.gz` and `_manifests/<the same>.json`; query engines skip names
that begin with `_`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from typing import TYPE_CHECKING, Any

from functions.archive.manifests import Manifest
from functions.archive.parts import ArchiveUnproven, Filed, Proof, examine, read_part
from functions.common.errors import aws_faults
from functions.common.wire import dumps, plain

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

_SUFFIX = ".jsonl.gz"


def part_key(day: str, channel: str, part: str) -> str:
    """Where a part lies."""
    return f"dt={day}/channel={channel}/part-{part}{_SUFFIX}"


def manifest_object_key(key: str) -> str:
    """Where the manifest of the part at `key` lies."""
    return f"_manifests/{key.removesuffix(_SUFFIX)}.json"


class ArchiveBucket:
    """`client` is boto3's S3 client. Every method may raise `Unavailable`."""

    def __init__(self, client: S3Client, name: str) -> None:
        self.client = client
        self.name = name

    def put(self, key: str, body: bytes) -> None:
        """Write a part."""
        # No Content-Encoding: a client that undoes it for its user would show other bytes than the checksum was made of.
        with aws_faults("PutObject"):
            self.client.put_object(Bucket=self.name, Key=key, Body=body, ContentType="application/gzip")

    def put_manifest(self, manifest: Manifest) -> None:
        """Write a committed part's manifest for those who read the bucket alone; a second call writes the same again."""
        body = dumps({"version": 1, **plain(manifest)}).encode()
        with aws_faults("PutObject"):
            self.client.put_object(
                Bucket=self.name, Key=manifest_object_key(manifest.key), Body=body, ContentType="application/json"
            )

    def prove(self, manifest: Manifest) -> None:
        """Read a part back; `ArchiveUnproven` unless count, length and SHA-256 are what the manifest says."""
        with closing(self._open(manifest.key)) as body, aws_faults("GetObject"):
            found = examine(body)
        _compare(manifest, found)

    def messages(self, manifest: Manifest) -> Iterator[Filed]:
        """The messages of a part, one at a time."""
        yield from read_part(self.fetched(manifest.key))

    def whole(self, manifest: Manifest, version: str | None = None) -> BytesIO:
        """A part's bytes, or those of a version of it, which are what the manifest says; `ArchiveUnproven` otherwise."""
        part = self.fetched(manifest.key, version)
        _compare(manifest, examine(part))
        part.seek(0)
        return part

    def versions(self, key: str) -> Iterator[str]:
        """The ids of an object's versions, newest first; a marker of deletion is none."""
        with aws_faults("ListObjectVersions"):
            for page in self.client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=key):
                for version in page.get("Versions", ()):
                    if version["Key"] == key:
                        yield version["VersionId"]

    def remove_for_good(self, key: str) -> int:
        """Remove every version of an object, markers of deletion too; how many there were."""
        gone = 0
        with aws_faults("ListObjectVersions"):
            for page in self.client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=key):
                versions: list[Any] = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                for version in versions:
                    if version["Key"] == key:
                        self.client.delete_object(Bucket=self.name, Key=key, VersionId=version["VersionId"])
                        gone += 1
        return gone

    def first_day(self) -> str | None:
        """The oldest day of which there is a part, YYYY-MM-DD; None when there is none at all."""
        with aws_faults("ListObjectsV2"):
            found = self.client.list_objects_v2(Bucket=self.name, Prefix="dt=", MaxKeys=1).get("Contents", [])
        return found[0]["Key"][3:13] if found else None

    def put_note(self, key: str, note: dict[str, Any]) -> None:
        """Write something small about the archive, as JSON; its key begins with `_`."""
        with aws_faults("PutObject"):
            self.client.put_object(Bucket=self.name, Key=key, Body=dumps(note).encode(), ContentType="application/json")

    def fetched(self, key: str, version: str | None = None) -> BytesIO:
        """An object's bytes; `ArchiveUnproven` when it is not there."""
        # All of it first: what is done with each message takes longer than S3 keeps an idle download open.
        with closing(self._open(key, version)) as body, aws_faults("GetObject"):
            return BytesIO(body.read())

    def _open(self, key: str, version: str | None = None) -> StreamingBody:
        named: Any = {"VersionId": version} if version else {}
        with aws_faults("GetObject"):
            try:
                return self.client.get_object(Bucket=self.name, Key=key, **named)["Body"]
            except self.client.exceptions.NoSuchKey:
                raise ArchiveUnproven(f"{key}: not there") from None


def _compare(manifest: Manifest, found: Proof) -> None:
    if found != Proof(count=manifest.count, sha256=manifest.sha256, bytes=manifest.bytes):
        raise ArchiveUnproven(f"{manifest.key}: not what was written")
