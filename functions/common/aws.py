"""boto3 clients, made once per process, with time limits that fit a webhook's deadline.

`AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>` are read by boto3 itself: they point everything at another endpoint.
"""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def client(service: str) -> Any:
    """The process's client for an AWS service. Seconds: 1 to connect, 5 to read; three tries in all."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client(service, config=config)  # type: ignore[call-overload]
