"""boto3 clients, made once per process.

`AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>` are read by boto3 itself: they point everything at another endpoint.
"""

from __future__ import annotations

from functools import cache
from typing import Any

_RETRIES = {"mode": "standard", "total_max_attempts": 3}


@cache
def client(service: str, *, read_seconds: float = 5, tries: int = 3) -> Any:
    """The process's client for an AWS service. One second to connect, `read_seconds` to read, so many `tries` in all."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=read_seconds, retries={"mode": "standard", "total_max_attempts": tries})
    return boto3.client(service, config=config)  # type: ignore[call-overload]


@cache
def s3_elsewhere(
    *, endpoint: str | None, region: str | None, access_key_id: str | None = None, secret_access_key: str | None = None
) -> Any:
    """An S3 client for another region or, by an `endpoint` URL and keys of its own, another store that speaks S3 (OSS, MinIO).

    Other stores do not know the checksums that boto3 adds by itself since 2025; ours are compared after every write instead.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=3,
        read_timeout=60,
        retries=_RETRIES,  # type: ignore[arg-type]
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    keys = {"aws_access_key_id": access_key_id, "aws_secret_access_key": secret_access_key} if access_key_id else {}
    return boto3.client("s3", endpoint_url=endpoint, region_name=region, config=config, **keys)  # type: ignore[call-overload]
