"""Originals of masked text: sealed under KMS, bound to their message."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.common import vault
from functions.common.errors import Unavailable
from functions.common.vault import SealBroken, Vault


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Counted:
    """A KMS client that counts the data keys it gave."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.keys = 0

    def generate_data_key(self, **arguments: Any) -> Any:
        self.keys += 1
        return self._client.generate_data_key(**arguments)

    def decrypt(self, **arguments: Any) -> Any:
        return self._client.decrypt(**arguments)


@pytest.fixture
def kms() -> Iterator[Counted]:
    with mock_aws():
        yield Counted(boto3.client("kms", region_name="us-east-1"))


@pytest.fixture
def key_id(kms: Counted) -> str:
    return str(kms._client.create_key()["KeyMetadata"]["Arn"])


def test_what_was_sealed_opens_again(kms: Counted, key_id: str) -> None:
    sealed = Vault(kms, key_id, clock=Clock()).seal("m1", "电话13800138000".encode())
    assert b"13800138000" not in sealed
    assert Vault(kms, key_id, clock=Clock()).open("m1", sealed) == "电话13800138000".encode()


def test_a_sealed_original_belongs_to_its_message(kms: Counted, key_id: str) -> None:
    safe = Vault(kms, key_id, clock=Clock())
    with pytest.raises(SealBroken):
        safe.open("m2", safe.seal("m1", b"text"))


def test_the_same_text_never_looks_the_same(kms: Counted, key_id: str) -> None:
    safe = Vault(kms, key_id, clock=Clock())
    assert safe.seal("m1", b"text") != safe.seal("m1", b"text")


def test_what_was_altered_or_cut_does_not_open(kms: Counted, key_id: str) -> None:
    safe = Vault(kms, key_id, clock=Clock())
    sealed = safe.seal("m1", b"text")
    for broken in (b"", b"\x01", b"\x02" + sealed[1:], sealed[:-1], sealed[:40], sealed[:-1] + bytes([sealed[-1] ^ 1])):
        with pytest.raises((SealBroken, Unavailable)):
            safe.open("m1", broken)


def test_one_data_key_serves_many_originals_but_not_for_ever(
    kms: Counted, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    safe = Vault(kms, key_id, clock=clock)
    for _ in range(20):
        safe.seal("m1", b"text")
    assert kms.keys == 1
    clock.now += vault.LIFETIME
    safe.seal("m1", b"text")
    assert kms.keys == 2
    clock.now += timedelta(seconds=1)
    for _ in range(vault.USES):
        safe.seal("m1", b"text")
    assert kms.keys == 3


def test_a_key_service_that_refuses_is_unavailable(kms: Counted) -> None:
    with pytest.raises(Unavailable, match="GenerateDataKey: NotFoundException"):
        Vault(kms, "arn:aws:kms:us-east-1:123456789012:key/missing", clock=Clock()).seal("m1", b"text")
