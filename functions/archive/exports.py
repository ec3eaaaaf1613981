"""Packs taken away from the export bucket because somebody is erased: each may hold the person, and can be made again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.common.errors import aws_faults

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """The export bucket. Every method may raise `Unavailable`."""

    client: S3Client
    bucket: str

    def remove(self) -> int:
        """Remove every pack, and end uploads of packs that are being made; how many packs there were."""
        # Uploads first: one that ends in between is an object by the time that these are listed.
        self._end_uploads()
        gone = 0
        with aws_faults("ListObjectsV2"):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
                for found in page.get("Contents", ()):
                    self.client.delete_object(Bucket=self.bucket, Key=found["Key"])
                    gone += 1
        return gone

    def _end_uploads(self) -> None:
        with aws_faults("ListMultipartUploads"):
            for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket):
                for begun in page.get("Uploads", ()):
                    with suppress(self.client.exceptions.NoSuchUpload):  # it has just come to its end
                        self.client.abort_multipart_upload(Bucket=self.bucket, Key=begun["Key"], UploadId=begun["UploadId"])
