"""What the local stack starts from: the AWS endpoint, the compiled configuration, the demo accounts, and resources made once."""

from __future__ import annotations

import json

import pytest
from moto import mock_aws

from functions.common.bundle import read_bundle
from infra.cli.bundle import CONFIG, ConfigInvalid, compile_bundle, read_sections
from infra.local import accounts
from infra.local.accounts import AccountsInvalid, filled, read_accounts, simulators
from infra.local.engine import Engine
from infra.local.errors import CannotStart, EngineUnreachable
from infra.local.provision import provision, store_accounts
from tests.fakes.template import loaded

OTHER = "http://127.0.0.1:8000"


# --- the endpoint ---


def test_beside_moto_nothing_of_the_machines_aws_settings_is_used(tmp_path):
    given = {
        "AWS_PROFILE": "mine",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SESSION_TOKEN": "t",
        "AWS_REGION": "eu-west-1",
        "HOME": "/home/me",
    }
    engine = Engine(given, tmp_path)
    environ = engine.environ
    assert engine.is_moto
    assert environ["AWS_ACCESS_KEY_ID"] == environ["AWS_SECRET_ACCESS_KEY"] == "local"
    assert (environ["AWS_REGION"], environ["HOME"]) == ("us-east-1", "/home/me")
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & environ.keys()


def test_another_endpoint_is_reached_with_the_credentials_that_are_there(tmp_path):
    given = {"AWS_ENDPOINT_URL": OTHER, "AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "too"}
    engine = Engine(given, tmp_path)
    assert not engine.is_moto
    assert engine.environ | given == engine.environ


def test_another_endpoint_is_reached_with_dummies_where_there_are_no_credentials(tmp_path):
    environ = Engine({"AWS_ENDPOINT_URL": OTHER}, tmp_path).environ
    assert (environ["AWS_ENDPOINT_URL"], environ["AWS_ACCESS_KEY_ID"]) == (OTHER, "local")


def test_a_service_with_an_endpoint_of_its_own_uses_that(tmp_path):
    engine = Engine({"AWS_ENDPOINT_URL": OTHER, "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9324"}, tmp_path)
    assert engine.client("sqs").meta.endpoint_url == "http://127.0.0.1:9324"
    assert engine.client("dynamodb").meta.endpoint_url == OTHER
    assert engine.environ["AWS_ENDPOINT_URL_SQS"] == "http://127.0.0.1:9324"
    assert Engine({"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9324"}, tmp_path).is_moto


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("AWS_ENDPOINT_URL", "https://dynamodb.us-east-1.amazonaws.com"),
        ("AWS_ENDPOINT_URL_SQS", "https://sqs.cn-north-1.amazonaws.com.cn"),
        ("AWS_ENDPOINT_URL_S3", "https://x.api.aws"),
        ("AWS_ENDPOINT_URL", "localhost:4566"),
        ("AWS_ENDPOINT_URL", "http://"),
    ],
)
def test_aws_itself_and_what_is_no_url_are_refused(tmp_path, name, url):
    with pytest.raises(CannotStart, match=name):
        Engine({name: url}, tmp_path)


def test_a_proxy_of_the_machine_does_not_get_between(tmp_path):
    environ = Engine({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "example.com"}, tmp_path).environ
    assert environ["NO_PROXY"] == environ["no_proxy"] == "example.com,127.0.0.1,localhost"


def test_an_endpoint_where_nobody_answers_is_told_in_one_line(tmp_path):
    engine = Engine({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, tmp_path)
    with pytest.raises(EngineUnreachable, match=r"dynamodb does not answer at http://127\.0\.0\.1:9"):
        provision(loaded(), engine.client)


# --- resources ---


def client(service):
    import boto3

    return boto3.client(service)


def test_making_everything_twice_changes_nothing():
    with mock_aws():
        first = provision(loaded(), client)
        client("sqs").send_message(
            QueueUrl=first["InboundQueue", "Ref"], MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1"
        )
        assert provision(loaded(), client) == first
        attributes = client("sqs").get_queue_attributes(QueueUrl=first["InboundQueue", "Ref"], AttributeNames=["All"])[
            "Attributes"
        ]
        assert attributes["ApproximateNumberOfMessages"] == "1"
        assert json.loads(attributes["RedrivePolicy"]) == {
            "deadLetterTargetArn": first["InboundDeadLetters", "Arn"],
            "maxReceiveCount": 5,
        }


def test_every_resource_is_as_the_template_says():
    with mock_aws():
        physical = provision(loaded(), client)
        name = physical["Table", "Ref"]
        ttl = client("dynamodb").describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        assert ttl == {"AttributeName": "exp", "TimeToLiveStatus": "ENABLED"}
        assert client("s3").get_bucket_versioning(Bucket=physical["ConfigBucket", "Ref"])["Status"] == "Enabled"
        assert client("kms").describe_key(KeyId=physical["VaultKey", "Arn"])["KeyMetadata"]["Enabled"]
        assert client("events").describe_event_bus(Name=physical["EscalationBus", "Ref"])


def test_a_functions_environment_names_what_was_made():
    with mock_aws():
        physical = provision(loaded(), client)
        environments = {function.name: loaded().environment(function, physical) for function in loaded().functions}
    assert environments["ingest"]["INBOUND_QUEUE_URL"].endswith("inbound.fifo")
    assert environments["classify"]["VAULT_KEY_ID"] == physical["VaultKey", "Arn"]
    assert environments["escalate"]["INBOUND_DLQ_URL"] == physical["InboundDeadLetters", "Ref"]


def test_a_secret_that_has_not_changed_is_not_rotated():
    with mock_aws():
        for secret in ("a", "a", "b"):
            store_accounts({"generic": {"demo": {"secret": secret}}}, "postroom/local/channels/", client)
        versions = client("secretsmanager").list_secret_version_ids(SecretId="postroom/local/channels/generic/demo")["Versions"]
        assert sorted(stage for version in versions for stage in version["VersionStages"]) == ["AWSCURRENT", "AWSPREVIOUS"]


# --- configuration ---


def test_the_shipped_configuration_compiles_to_a_bundle_without_the_demo_accounts():
    bundle = read_bundle(compile_bundle())
    assert {"rules", "replies", "teams", "calendar", "retention"} <= bundle.sections.keys()
    assert not [name for name in bundle.sections if "channels" in name or "local" in name]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", "rules.yaml: line"),
        ("a: 1\na: 2\n", r"line 2: the key 'a' stands twice"),
        ("no: 1\n", "line 1: the key False is no text"),
        ("1: 2\n", "line 1: the key 1 is no text"),
        ("- a\n", "not a mapping"),
        ("", "not a mapping"),
        ("a: !!python/object:os.system x\n", "line 1"),
    ],
)
def test_bad_yaml_is_told_in_one_line_with_its_place(tmp_path, text, says):
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(ConfigInvalid, match=says) as caught:
        compile_bundle(tmp_path)
    assert "\n" not in str(caught.value)


def test_dates_stay_text_and_anchors_can_be_used(tmp_path):
    (tmp_path / "calendar.yaml").write_text("day: 2026-10-01\nbase: &base {a: 1}\nmore: {<<: *base, b: 2}\n")
    assert read_sections(tmp_path)["calendar"] == {"day": "2026-10-01", "base": {"a": 1}, "more": {"a": 1, "b": 2}}


# --- accounts ---


def test_the_demo_accounts_fit_their_channels_and_have_a_platform_each():
    read = read_accounts(CONFIG / accounts.FILE)
    known = filled(read, "http://127.0.0.1:1")
    assert known["generic"]["demo"]["reply_url"] == "http://127.0.0.1:1/generic/replies/demo"
    assert {"demo", "plain"} == known["wechat_oa"].keys()
    assert {(s.channel, s.account) for s in simulators(read)} == {
        (channel, name) for channel in known for name in known[channel]
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("channels: [", "line"),
        ("generic: {}", "expected channels"),
        ("channels: {generic: [demo]}", "expected channels"),
        ("channels: {nowhere: {demo: {secret: x}}}", "no channel nowhere"),
        ("channels: {generic: {demo: {secret: c2VjcmV0}}}", "generic.demo.secret"),
        ("channels: {generic: {demo: {sceret: x}}}", "generic.demo"),
    ],
)
def test_a_wrong_account_is_told_without_its_values(tmp_path, text, says):
    path = tmp_path / accounts.FILE
    path.write_text(text)
    with pytest.raises(AccountsInvalid, match=says) as caught:
        filled(read_accounts(path), "http://127.0.0.1:1")
    assert "c2VjcmV0" not in str(caught.value) and "\n" not in str(caught.value)
