from __future__ import annotations

from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.channels.contract import AccessToken, Unreachable
from functions.common import keys
from functions.common.table import Table
from functions.common.token_lease import LEASE, SK, WAITS, TokenAwaited, TokenLeases
from tests.fakes.reply_desk import Times

PK = keys.token_pk("wechat_oa", "demo")
ACCOUNT = ("wechat_oa", "demo")


class Vendor:
    """Gives out t1, t2, …, each good for two hours."""

    def __init__(self) -> None:
        self.fetched = 0

    def __call__(self) -> AccessToken:
        self.fetched += 1
        return AccessToken(f"t{self.fetched}", 7200)


@pytest.fixture
def table(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
        schema = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        client.create_table(TableName="t", AttributeDefinitions=attributes, KeySchema=schema, BillingMode="PAY_PER_REQUEST")
        yield Table(client, "t")


class Stand:
    """Processes that share one table and one clock. `waited` holds the pauses; `meanwhile` runs in each of them."""

    def __init__(self, table: Table) -> None:
        self.table, self.times, self.vendor = table, Times(), Vendor()
        self.waited: list[float] = []
        self.meanwhile: Any = lambda: None
        self.holders = 0

    def process(self) -> TokenLeases:
        return TokenLeases(self.table, self.times, pause=self._pause, new_holder=self._holder)

    def _pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.meanwhile()

    def _holder(self) -> str:
        self.holders += 1
        return f"holder-{self.holders}"

    def item(self) -> dict[str, Any]:
        return self.table.get(PK, SK) or {}


@pytest.fixture
def stand(table) -> Stand:
    return Stand(table)


def test_one_token_serves_every_process_until_a_tenth_of_its_life_is_left(stand):
    first, second = stand.process(), stand.process()
    assert [first.token(*ACCOUNT, stand.vendor), second.token(*ACCOUNT, stand.vendor)] == ["t1", "t1"]
    stand.times.now += timedelta(seconds=6479)
    assert second.token(*ACCOUNT, stand.vendor) == "t1"
    stand.times.now += timedelta(seconds=1)
    assert second.token(*ACCOUNT, stand.vendor) == "t2"
    assert first.token(*ACCOUNT, stand.vendor) == "t2"
    assert stand.vendor.fetched == 2
    assert stand.waited == []
    assert "holder" not in stand.item()
    assert stand.item()["exp"] > stand.item()["expires_ms"] // 1000


def test_accounts_do_not_share_tokens(stand):
    process = stand.process()
    assert process.token("wechat_oa", "demo", stand.vendor) == "t1"
    assert process.token("wechat_oa", "other", stand.vendor) == "t2"


def test_while_one_refreshes_the_others_go_on_with_the_old_token(stand):
    first, second = stand.process(), stand.process()
    first.token(*ACCOUNT, stand.vendor)
    stand.times.now += timedelta(seconds=6500)
    seen: list[str] = []

    def slow() -> AccessToken:
        seen.append(second.token(*ACCOUNT, stand.vendor))
        return stand.vendor()

    assert first.token(*ACCOUNT, slow) == "t2"
    assert seen == ["t1"]
    assert stand.vendor.fetched == 2


def test_without_an_old_token_the_others_wait_for_the_holder(stand):
    first, second = stand.process(), stand.process()
    taken: list[str] = []

    def slow() -> AccessToken:
        # The second process comes in the middle of the first one's fetch and finds the token written after a moment.
        stand.meanwhile = lambda: stand.table.update(
            PK, SK, "SET #token = :t, #refresh_ms = :r, #expires_ms = :r", values={":t": "t9", ":r": 10**13}
        )
        taken.append(second.token(*ACCOUNT, stand.vendor))
        return stand.vendor()

    assert first.token(*ACCOUNT, slow) == "t1"
    assert taken == ["t9"]
    assert len(stand.waited) == 1


def test_who_waits_too_long_comes_back_later(stand):
    first, second = stand.process(), stand.process()

    def slow() -> AccessToken:
        with pytest.raises(TokenAwaited):
            second.token(*ACCOUNT, stand.vendor)
        return stand.vendor()

    assert first.token(*ACCOUNT, slow) == "t1"
    assert len(stand.waited) == WAITS


def test_a_holder_that_died_loses_the_lease(stand):
    class Killed(BaseException):
        pass

    def die() -> AccessToken:
        raise Killed

    with pytest.raises(Killed):
        stand.process().token(*ACCOUNT, die)
    assert stand.item()["holder"] == "holder-1"
    stand.times.now += LEASE + timedelta(milliseconds=1)
    assert stand.process().token(*ACCOUNT, stand.vendor) == "t1"


def test_a_holder_that_comes_back_too_late_overwrites_nothing(stand):
    late, next_one = stand.process(), stand.process()

    def very_slow() -> AccessToken:
        old = stand.vendor()
        stand.times.now += LEASE + timedelta(seconds=1)
        assert next_one.token(*ACCOUNT, stand.vendor) == "t2"
        return old

    assert late.token(*ACCOUNT, very_slow) == "t1"
    assert stand.item()["token"] == "t2"
    assert late.token(*ACCOUNT, stand.vendor) == "t2"


def test_a_fetch_that_fails_gives_the_lease_back_and_its_fault_on(stand):
    def fail() -> AccessToken:
        raise Unreachable("vendor down")

    process = stand.process()
    with pytest.raises(Unreachable):
        process.token(*ACCOUNT, fail)
    assert process.token(*ACCOUNT, stand.vendor) == "t1"
    assert stand.waited == []


def test_a_refused_token_is_forgotten_by_everybody(stand):
    first, second = stand.process(), stand.process()
    first.token(*ACCOUNT, stand.vendor)
    second.token(*ACCOUNT, stand.vendor)
    first.forget(*ACCOUNT, "t1")
    assert first.token(*ACCOUNT, stand.vendor) == "t2"
    second.forget(*ACCOUNT, "t1")  # it was refused here, too, and has been replaced since
    assert second.token(*ACCOUNT, stand.vendor) == "t2"
    assert stand.vendor.fetched == 2


def test_a_token_that_is_already_old_is_not_kept(stand):
    process = stand.process()
    assert process.token(*ACCOUNT, lambda: AccessToken("short", 0)) == "short"
    assert process.token(*ACCOUNT, stand.vendor) == "t1"


def test_tokens_do_not_show_in_a_representation(stand):
    process = stand.process()
    process.token(*ACCOUNT, lambda: AccessToken("hunter2", 7200))
    assert "hunter2" not in repr(vars(process))
    assert "hunter2" not in repr(AccessToken("hunter2", 7200))
