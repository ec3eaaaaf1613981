"""Each function's role against the calls that the function really makes: nothing missing, nothing to spare."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from infra.local import template
from infra.simulators.contract import ApiAnswer
from tests.fakes.house import House, open_house

# How a call is named in a policy, where that is not `service:Operation`.
ACTIONS = {
    "sqs:SendMessageBatch": {"sqs:SendMessage"},
    "sqs:ChangeMessageVisibilityBatch": {"sqs:ChangeMessageVisibility"},
    "events:PutEvents": {"events:PutEvents"},
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "s3:ListObjectVersions": {"s3:ListBucketVersions"},
    "s3:ListMultipartUploads": {"s3:ListBucketMultipartUploads"},
    "s3:HeadObject": {"s3:GetObject"},
    "s3:CreateMultipartUpload": {"s3:PutObject"},
    "s3:UploadPart": {"s3:PutObject"},
    "s3:CompleteMultipartUpload": {"s3:PutObject"},
    "lambda:Invoke": {"lambda:InvokeFunction"},
    "dynamodb:TransactWriteItems": {
        "dynamodb:ConditionCheckItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
    },
}
# Granted for what no call shows: S3 says 404 instead of 403 for a missing object only to those who may list the bucket.
# The last is for DynamoDB, which writes its exports in the function's name.
SILENT = {"s3:ListBucket", "s3:PutObjectAcl"}
# Only after a crash: the object of a part that was begun by a run that died, or of one that an erasure had replaced; or after a loss: the
# older version from which a part is put back (the call is GetObject's).
RECOVERY = {
    "archive": {"s3:DeleteObject", "s3:AbortMultipartUpload", "s3:DeleteObjectVersion", "s3:GetObjectVersion"},
}
# Lambda's own event source calls these on the function's behalf; the logs are Lambda's too.
EVENT_SOURCE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}


def granted(function: str) -> set[str]:
    """The actions of the function's own role, and of nothing that is managed elsewhere."""
    resources = template.translated()["Resources"]
    role = resources[f"{function.capitalize()}FunctionRole"]["Properties"]
    assert not role.get("ManagedPolicyArns"), f"{function} has policies that nobody here wrote"
    actions: set[str] = set()
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            listed = statement["Action"]
            actions |= {listed} if isinstance(listed, str) else set(listed)
            assert statement["Resource"] != "*", f"{function}: {statement}"
    return actions


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which everything has happened once that costs a call."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        live_through(opened)
        yield opened


def live_through(house: House) -> None:
    generic, wechat = house.simulators["generic"], house.simulators["wechat_oa"]
    now = datetime.now(UTC)
    texts = ("你好", "我的手机号是13912345678,请回电", "再不退款我就去法院起诉你们", "请问几点开门?")
    for number, text in enumerate(texts):
        house.receive("generic", generic.text(f"u{number}", text, native_id=f"m{number}"))
    house.receive("generic", generic.text("u0", "你好", native_id="m0"))
    house.receive("wechat_oa", wechat.text("openid1", "请问几点开门?", native_id="1"))
    house.pump()
    wechat.revoke_tokens()
    house.receive("wechat_oa", wechat.text("openid2", "请问几点关门?", native_id="2"))
    wechat.failures.append("lose")
    house.receive("wechat_oa", wechat.text("openid3", "请问几点关门?", native_id="3"))
    pull_something(house)
    generic.failures.append(ApiAnswer(status=429))
    house.receive("generic", generic.text("u5", "请问几点开门?", native_id="m5"))
    house.pump()
    poison(house)
    house.invoke("escalate", {"now": (now + timedelta(days=2)).isoformat()})
    house.invoke("archive", {"now": (now + timedelta(days=20)).isoformat()}, remaining=[9_000, *[1_000] * 99])
    house.invoke("archive", {"action": "month_end", "now": (now + timedelta(days=32)).isoformat()})
    house.go_on()
    practise(house, now)


def practise(house: House, now: datetime) -> None:
    """The archive's other errands: a backup that is begun and seen to end, a drill, and a part that is lost near its expiry."""
    from functions.archive.bucket import ArchiveBucket
    from functions.common import aws

    for hours in (0, 1):
        house.invoke("archive", {"action": "backup", "now": (now + timedelta(hours=hours)).isoformat()})
    house.invoke("archive", {"action": "drill", "now": (now + timedelta(days=20)).isoformat()})
    key = next(key for key in house.archived() if key.startswith("dt="))
    ArchiveBucket(aws.client("s3"), house.bucket).remove_for_good(key)
    house.invoke("archive", {"action": "watch", "now": (now + timedelta(days=29)).isoformat()})


def pull_something(house: House) -> None:
    """An announcement of a platform that has its messages fetched."""
    simulator = house.simulators["wecom_kf"]
    house.receive("wecom_kf", simulator.text(simulator.person(1), "请问几点开门?"))


def poison(house: House) -> None:
    from functions.common import aws

    url = house.queues["InboundQueue"]
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="p", MessageDeduplicationId="p")
    house.pump()


@pytest.mark.parametrize("function", [f.name for f in template.load().functions])
def test_a_role_grants_what_its_function_calls_and_nothing_else(house: House, function: str) -> None:
    made: set[str] = set()
    for caller, service, operation in house.calls:
        if caller == function:
            made |= ACTIONS.get(f"{service}:{operation}", {f"{service}:{operation}"})
    assert made, f"{function} made no call"
    fed_by_a_queue = function in {"classify", "autoreply", "pull"}
    needed = made | LOGS | (EVENT_SOURCE if fed_by_a_queue else set())
    assert needed - granted(function) == set(), "missing"
    assert granted(function) - needed - SILENT - RECOVERY.get(function, set()) == set(), "to spare"
