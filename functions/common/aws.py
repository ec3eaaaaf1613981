"""boto3 clients, made once per process.

`AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>` are read by boto3 itself: they point everything at another endpoint.
"""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def client(service: str, *, read_seconds: float = 5, tries: int = 3) -> Any:
    """The process's client for an AWS service. One second to connect, `read_seconds` to read, so many `tries` in all."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=read_seconds, retries={"mode": "standard", "total_max_attempts": tries})
    return boto3.client(service, config=config)  # type: ignore[call-overload]
