"""Small things that are written down in the archive bucket beside the parts, as JSON: manifests, certificates, places of second copies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from functions.archive.bucket import ArchiveBucket
from functions.archive.parts import ArchiveUnproven
from functions.common.errors import aws_faults


def note_at(bucket: ArchiveBucket, key: str) -> dict[str, Any] | None:
    """One note; None when there is none. `ArchiveUnproven` when it is no JSON object, `Unavailable`."""
    with aws_faults("GetObject"):
        try:
            found = bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"]
        except bucket.client.exceptions.NoSuchKey:
            return None
        with closing(found) as body:
            return _read(key, body.read())


def notes_under(bucket: ArchiveBucket, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Key and content of each note whose key begins so, in the order of keys. `ArchiveUnproven`, `Unavailable`."""
    with aws_faults("ListObjectsV2"):
        for page in bucket.client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix=prefix):
            for found in page.get("Contents", ()):
                note = note_at(bucket, found["Key"])
                if note is not None:  # it was there when the bucket was listed
                    yield found["Key"], note


def _read(key: str, body: bytes) -> dict[str, Any]:
    try:
        note = json.loads(body)
    except ValueError:
        note = None
    if not isinstance(note, dict):
        raise ArchiveUnproven(f"{key}: not a note of ours")
    return note
