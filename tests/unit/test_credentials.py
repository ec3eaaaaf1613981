from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.channels.registry import ChannelUnknown
from functions.common.credentials import KEEP, KEEP_REFUSED, MAX_REFUSED, CredentialsInvalid, CredentialStore
from functions.common.errors import AccountUnknown, Unavailable

OLD, NEW = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZA==", "whsec_bmV3LW5ldy1uZXctbmV3LW5ldw=="
NAME = "postroom/dev/channels/generic/demo"


class Watched:
    """A Secrets Manager client that notes what it is asked."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.asked: list[tuple[str, str]] = []

    def get_secret_value(self, **arguments: Any) -> Any:
        self.asked.append((arguments["SecretId"], arguments["VersionStage"]))
        return self.client.get_secret_value(**arguments)


class Times:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def secrets(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Watched(boto3.client("secretsmanager", region_name="us-east-1"))


@pytest.fixture
def store(secrets, times) -> CredentialStore:
    return CredentialStore(secrets, "postroom/dev/channels/", times)


def _put(secrets: Watched, value: dict[str, Any] | str, name: str = NAME) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        secrets.client.create_secret(Name=name, SecretString=text)
    except secrets.client.exceptions.ResourceExistsException:
        secrets.client.put_secret_value(SecretId=name, SecretString=text)


def _secrets_of(found: tuple[Any, ...]) -> list[str]:
    return [credentials.secret.get_secret_value() for credentials in found]


def test_current_credentials_come_first_and_previous_ones_after_a_rotation(secrets, store):
    _put(secrets, {"secret": OLD})
    _put(secrets, {"secret": NEW})
    assert _secrets_of(store.current("generic", "demo")) == [NEW, OLD]


WECHAT = {"app_id": "wx1", "app_secret": "s3cr3t", "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"}


def test_a_mode_that_was_tightened_holds_for_the_previous_secret_too(secrets, store):
    name = "postroom/dev/channels/wechat_oa/demo"
    _put(secrets, WECHAT | {"token": "old-token", "mode": "plain"}, name)
    _put(secrets, WECHAT | {"token": "new-token", "mode": "safe", "receive_only": True}, name)
    found = store.current("wechat_oa", "demo")
    assert [(each.token.get_secret_value(), each.mode, each.receive_only) for each in found] == [
        ("new-token", "safe", True),
        ("old-token", "safe", True),
    ]


def test_addresses_that_were_listed_hold_for_the_previous_token_too(secrets, store):
    name, tokens = "postroom/dev/channels/aliyun_sms/demo", ["Zq3xV7tLr0bKw9NfYh2uDc", "Mp5eG8sJa1cXv6RiTn4oBk"]
    _put(secrets, {"token": tokens[0]}, name)
    _put(secrets, {"token": tokens[1], "allowed_ips": ["198.51.100.0/24"]}, name)
    assert [[str(net) for net in each.allowed_ips] for each in store.current("aliyun_sms", "demo")] == [["198.51.100.0/24"]] * 2


def test_one_version_or_two_alike_are_one_set_of_credentials(secrets, store, times):
    _put(secrets, {"secret": NEW})
    assert _secrets_of(store.current("generic", "demo")) == [NEW]
    _put(secrets, {"secret": NEW})
    times.now += KEEP
    assert _secrets_of(store.current("generic", "demo")) == [NEW]


def test_credentials_are_asked_for_once_in_five_minutes(secrets, store, times):
    _put(secrets, {"secret": OLD})
    store.current("generic", "demo")
    _put(secrets, {"secret": NEW})
    times.now += KEEP - timedelta(seconds=1)
    assert _secrets_of(store.current("generic", "demo")) == [OLD]
    assert len(secrets.asked) == 2
    times.now += timedelta(seconds=1)
    assert _secrets_of(store.current("generic", "demo")) == [NEW, OLD]


def test_an_unknown_account_is_refused_and_remembered_for_a_minute(secrets, store, times):
    for _ in range(3):
        with pytest.raises(AccountUnknown):
            store.current("generic", "nobody")
    assert secrets.asked == [("postroom/dev/channels/generic/nobody", "AWSCURRENT")]
    _put(secrets, {"secret": NEW}, "postroom/dev/channels/generic/nobody")
    times.now += KEEP_REFUSED
    assert _secrets_of(store.current("generic", "nobody")) == [NEW]


def test_unknown_names_fill_no_more_than_their_share_of_memory(secrets, store):
    for number in range(MAX_REFUSED + 5):
        with pytest.raises(AccountUnknown):
            store.current("generic", f"nobody-{number}")
    asked = len(secrets.asked)
    assert asked == MAX_REFUSED + 5
    with pytest.raises(AccountUnknown):
        store.current("generic", "nobody-0")  # the oldest was forgotten
    with pytest.raises(AccountUnknown):
        store.current("generic", f"nobody-{MAX_REFUSED + 4}")  # the newest was not
    assert len(secrets.asked) == asked + 1


@pytest.mark.parametrize("account", ["", "a/b", "a b", "x" * 65, "名字", "a\n", "../../other"])
def test_a_name_that_no_account_can_have_is_not_asked_for(secrets, store, account):
    with pytest.raises(AccountUnknown):
        store.current("generic", account)
    assert secrets.asked == []


def test_an_unknown_channel_is_not_asked_for(secrets, store):
    with pytest.raises(ChannelUnknown):
        store.current("carrier_pigeon", "demo")
    assert secrets.asked == []


@pytest.mark.parametrize(
    ("secret", "field"),
    [
        ({"secret": "whsec_c2hvcnQ="}, "secret: value_error"),
        ({"secret": NEW, "replyurl": "https://hunter2.example"}, "replyurl: extra_forbidden"),
        ({}, "the whole: secret_missing"),  # only some descriptions of a platform need one
        ("hunter2", "the whole: json_invalid"),
    ],
)
def test_a_secret_that_does_not_fit_names_the_field_and_never_the_value(secrets, store, secret, field):
    _put(secrets, secret)
    with pytest.raises(CredentialsInvalid) as refused:
        store.current("generic", "demo")
    assert field in str(refused.value)
    assert NAME in str(refused.value)
    assert "c2hvcnQ" not in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_wrong_secret_that_was_put_right_does_no_harm_as_the_previous_version(secrets, store):
    _put(secrets, {"secert": OLD})
    _put(secrets, {"secret": NEW})
    assert _secrets_of(store.current("generic", "demo")) == [NEW]


def test_a_deleted_secret_is_an_unknown_account(secrets, store):
    _put(secrets, {"secret": NEW})
    secrets.client.delete_secret(SecretId=NAME)
    with pytest.raises(AccountUnknown):
        store.current("generic", "demo")


def test_a_fault_of_the_service_is_retryable_and_not_remembered(secrets, times):
    class Down:
        calls = 0

        def get_secret_value(self, **arguments):
            from botocore.exceptions import EndpointConnectionError

            Down.calls += 1
            raise EndpointConnectionError(endpoint_url="https://secretsmanager.example")

    store = CredentialStore(Down(), "postroom/dev/channels/", times)
    for _ in range(2):
        with pytest.raises(Unavailable):
            store.current("generic", "demo")
    assert Down.calls == 2
