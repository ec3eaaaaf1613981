"""An object written piece by piece: it appears whole when all is there, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from functions.common.errors import aws_faults

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# S3 takes pieces of 5 MiB at least, but for the last, and 10,000 of them.
PIECE = 8 << 20


def upload(
    client: S3Client, bucket: str, key: str, content: Iterable[bytes], *, last: Callable[[], None] = lambda: None
) -> int:
    """Write an object of any length; its bytes. Whatever goes wrong, nothing is left that could be taken for it. `last` is asked when all
    of it is out, before it appears: what it raises keeps it from appearing.
    """
    with aws_faults("CreateMultipartUpload"):
        begun = client.create_multipart_upload(Bucket=bucket, Key=key, ContentType="application/zip")
    place: dict[str, Any] = {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]}
    try:
        parts: list[Any] = []
        size = 0
        for number, piece in enumerate(_pieces(content), 1):
            with aws_faults("UploadPart"):
                answer = client.upload_part(**place, PartNumber=number, Body=piece)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            size += len(piece)
        last()
        with aws_faults("CompleteMultipartUpload"):
            client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    except Exception:
        # A process that dies leaves its pieces to the bucket's lifecycle.
        with aws_faults("AbortMultipartUpload"), suppress(client.exceptions.NoSuchUpload):  # an erasure has ended it
            client.abort_multipart_upload(**place)
        raise
    return size


def _pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for some in content:
        held += some
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    if held:
        yield bytes(held)
