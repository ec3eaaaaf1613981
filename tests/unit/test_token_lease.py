from __future__ import annotations

from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.channels import registry
from functions.channels.contract import AccessToken, HttpResult, OutgoingReply, Unreachable
from functions.common import keys
from functions.common.table import Table
from functions.common.token_lease import LEASE, SK, WAITS, TokenAwaited, TokenLeases
from tests.fakes.house import ACCOUNTS
from tests.fakes.reply_desk import Heard, Times
from tests.fakes.simulated_platform import NOW

APP = keys.app("weixin", "wx1")
PK = keys.token_pk(APP)


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
        self.heard = Heard()

    def process(self) -> TokenLeases:
        return TokenLeases(self.table, self.times, pause=self._pause, new_holder=self._holder, telemetry=self.heard)

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
    assert [first.token(APP, stand.vendor), second.token(APP, stand.vendor)] == ["t1", "t1"]
    stand.times.now += timedelta(seconds=6479)
    assert second.token(APP, stand.vendor) == "t1"
    stand.times.now += timedelta(seconds=1)
    assert second.token(APP, stand.vendor) == "t2"
    assert first.token(APP, stand.vendor) == "t2"
    assert stand.vendor.fetched == 2
    assert stand.waited == []
    assert "holder" not in stand.item()
    assert stand.item()["exp"] > stand.item()["expires_ms"] // 1000


def test_apps_do_not_share_tokens(stand):
    process = stand.process()
    assert process.token(keys.app("weixin", "wx1"), stand.vendor) == "t1"
    assert process.token(keys.app("weixin", "wx2"), stand.vendor) == "t2"
    assert process.token(keys.app("qq", "wx1"), stand.vendor) == "t3"


def test_an_early_refresh_that_fails_leaves_the_old_token_in_use_until_it_ends(stand):
    process = stand.process()
    process.token(APP, stand.vendor)

    def refused() -> AccessToken:
        raise Unreachable("token")

    stand.times.now += timedelta(seconds=6600)
    assert process.token(APP, refused) == "t1"
    assert stand.heard.lines == [("token_not_refreshed", {"app": APP})]
    stand.times.now += timedelta(seconds=601)
    with pytest.raises(Unreachable):
        process.token(APP, refused)
    assert process.token(APP, stand.vendor) == "t2"


def test_while_one_refreshes_the_others_go_on_with_the_old_token(stand):
    first, second = stand.process(), stand.process()
    first.token(APP, stand.vendor)
    stand.times.now += timedelta(seconds=6500)
    seen: list[str] = []

    def slow() -> AccessToken:
        seen.append(second.token(APP, stand.vendor))
        return stand.vendor()

    assert first.token(APP, slow) == "t2"
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
        taken.append(second.token(APP, stand.vendor))
        return stand.vendor()

    assert first.token(APP, slow) == "t1"
    assert taken == ["t9"]
    assert len(stand.waited) == 1


def test_who_waits_too_long_comes_back_later(stand):
    first, second = stand.process(), stand.process()

    def slow() -> AccessToken:
        with pytest.raises(TokenAwaited):
            second.token(APP, stand.vendor)
        return stand.vendor()

    assert first.token(APP, slow) == "t1"
    assert len(stand.waited) == WAITS


def test_a_holder_that_died_loses_the_lease(stand):
    class Killed(BaseException):
        pass

    def die() -> AccessToken:
        raise Killed

    with pytest.raises(Killed):
        stand.process().token(APP, die)
    assert stand.item()["holder"] == "holder-1"
    stand.times.now += LEASE + timedelta(milliseconds=1)
    assert stand.process().token(APP, stand.vendor) == "t1"


def test_a_holder_that_comes_back_too_late_overwrites_nothing(stand):
    late, next_one = stand.process(), stand.process()

    def very_slow() -> AccessToken:
        old = stand.vendor()
        stand.times.now += LEASE + timedelta(seconds=1)
        assert next_one.token(APP, stand.vendor) == "t2"
        return old

    assert late.token(APP, very_slow) == "t1"
    assert stand.item()["token"] == "t2"
    assert late.token(APP, stand.vendor) == "t2"


def test_a_fetch_that_fails_gives_the_lease_back_and_its_fault_on(stand):
    def fail() -> AccessToken:
        raise Unreachable("vendor down")

    process = stand.process()
    with pytest.raises(Unreachable):
        process.token(APP, fail)
    assert process.token(APP, stand.vendor) == "t1"
    assert stand.waited == []


def test_a_refused_token_is_forgotten_by_everybody(stand):
    first, second = stand.process(), stand.process()
    first.token(APP, stand.vendor)
    second.token(APP, stand.vendor)
    first.forget(APP, "t1")
    assert first.token(APP, stand.vendor) == "t2"
    second.forget(APP, "t1")  # it was refused here, too, and has been replaced since
    assert second.token(APP, stand.vendor) == "t2"
    assert stand.vendor.fetched == 2


def test_a_token_that_is_already_old_is_not_kept(stand):
    process = stand.process()
    assert process.token(APP, lambda: AccessToken("short", 0)) == "short"
    assert process.token(APP, stand.vendor) == "t1"


def test_tokens_do_not_show_in_a_representation(stand):
    process = stand.process()
    process.token(APP, lambda: AccessToken("hunter2", 7200))
    assert "hunter2" not in repr(vars(process))
    assert "hunter2" not in repr(AccessToken("hunter2", 7200))


class Leasing:
    """A platform behind the real lease that gives every app a token and takes every send."""

    def __init__(self, leases: TokenLeases) -> None:
        self.leases, self.fetched = leases, list[str]()

    def now(self) -> Any:
        return NOW

    def origin(self, default: str) -> str:
        return default

    def access_token(self, app: str, fetch: Any) -> str:
        return self.leases.token(app, lambda: self._noted(app, fetch))

    def forget_token(self, app: str, token: str) -> None:
        self.leases.forget(app, token)

    def request(self, method: str, url: str, **_: Any) -> HttpResult:
        return HttpResult(200, {}, TOKEN)

    def _noted(self, app: str, fetch: Any) -> AccessToken:
        self.fetched.append(app)
        token: AccessToken = fetch()
        return token


TOKEN = (
    b'{"errcode":0,"code":0,"access_token":"t","tenant_access_token":"t","expires_in":7200,"expire":7200,'
    b'"data":{"access_token":"t","expires_in":7200}}'
)
OTHER_WEBHOOK = {  # what two accounts of one app may differ in
    "wechat_oa": {"token": "another-token"},
    "wecom": {"token": "another-token", "agent_id": 7},
    "wecom_kf": {"token": "another-token"},
    "feishu": {"verification_token": "another-token"},
    "qq": {"tolerance_seconds": 600},
    "line": {"provider_id": "2000"},
}
OTHER_APP = {
    "wechat_oa": {"app_id": "wx2"},
    "wecom": {"corp_secret": "that of another application"},
    "wecom_kf": {"corp_id": "ww2"},
    "feishu": {"app_id": "cli_2"},
    "qq": {"app_id": "2"},
    "line": {"channel_id": "2"},
    "douyin": {"open_id": "another account, which has to let the app in itself"},
    "tiktok_business": {"business_id": "another account, which has to let the app in itself"},
}


def answered_from(channel: str, outbound: Leasing, **changes: Any) -> None:
    adapter = registry.adapter(channel)
    credentials = adapter.credentials.model_validate(ACCOUNTS[channel]["demo"] | changes)
    token = "im_reply_msg 1" if channel == "douyin" else "kf1"
    sent = OutgoingReply(message_id="m", native_id="n", contact="c", text="x", token=None if channel == "qq" else token)
    adapter.send(sent, credentials, outbound)


@pytest.mark.parametrize("channel", sorted(OTHER_WEBHOOK))
def test_two_accounts_of_one_app_share_a_token_that_one_of_them_fetched(stand: Stand, channel: str) -> None:
    one, other = Leasing(stand.process()), Leasing(stand.process())
    answered_from(channel, one)
    answered_from(channel, other, **OTHER_WEBHOOK[channel])
    assert (len(one.fetched), len(other.fetched)) == (1, 0)


@pytest.mark.parametrize("channel", sorted(OTHER_APP))
def test_two_apps_have_a_token_each(stand: Stand, channel: str) -> None:
    outbound = Leasing(stand.process())
    answered_from(channel, outbound)
    answered_from(channel, outbound, **OTHER_APP[channel])
    assert len(set(outbound.fetched)) == 2


def test_an_application_that_serves_customers_too_has_one_token_for_both(stand: Stand) -> None:
    """A corp may let an application of its own use 微信客服: one secret, two channels, one token."""
    outbound = Leasing(stand.process())
    answered_from("wecom", outbound)
    answered_from("wecom_kf", outbound, corp_secret=ACCOUNTS["wecom"]["demo"]["corp_secret"])
    assert len(outbound.fetched) == 1


def test_no_secret_stands_in_a_key(stand: Stand) -> None:
    outbound = Leasing(stand.process())
    answered_from("wecom", outbound)
    assert ACCOUNTS["wecom"]["demo"]["corp_secret"] not in "".join(outbound.fetched)
