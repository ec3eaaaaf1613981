"""Overdue conversations, unattended holds and dead letters: told of, at least once, and not again and again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from functions.common import aws, keys
from functions.common.bundle import Bundle, dump_bundle
from functions.common.clock import to_iso
from functions.common.dynamo_store import DynamoStore
from functions.common.errors import BundleInvalid, Unavailable
from functions.common.judgement import Judged, Judgement, Routing
from functions.common.message import Contact, Message, Verification
from functions.common.store import Conversation, Status
from functions.common.table import Table
from functions.common.telemetry import Telemetry
from functions.common.wire import Inbound, PullTask, ReplyTask, dumps
from functions.escalate import wiring
from functions.escalate.dead_letters import DeadLetterQueue, LetterBook
from functions.escalate.events import EventBus, EventsRefused
from functions.escalate.handler import lambda_handler
from functions.escalate.policy import read_policy
from functions.escalate.roster import read_duty
from functions.escalate.service import Watch, escalate
from tests.fakes.template import bus_name, queue_definition, table_definition

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)  # a Friday, 11:00 in Shanghai
DUE = NOW - timedelta(minutes=42)
SHARDS = 2
RAW_TEXT = "我的身份证 110101199003074258 手机 13800138000"
SECTIONS: dict[str, Any] = {
    "teams": {"teams": {"finance": {"name": "财务组"}, "frontdesk": {"name": "前台"}}, "default": "frontdesk"},
    "duty": {
        "zone": "Asia/Shanghai",
        "teams": {"finance": [{"days": ["fri"], "from": "09:00", "to": "18:00", "who": ["fang"]}]},
        "default": [{"days": ["fri"], "from": "00:00", "to": "24:00", "who": ["on-call"]}],
    },
}


@dataclass
class Post:
    """Everything escalate looks at and speaks to, in moto; what is put on the bus comes out of a queue."""

    table: Table
    store: DynamoStore
    sqs: Any
    inbound: str
    replies: str
    pulls: str
    bus: str
    heard_url: str

    def watch(self, events: Any = None) -> Watch:
        policy = read_policy(Bundle("b1", SECTIONS))
        return Watch(
            store=self.store,
            bus=EventBus(events or boto3.client("events"), self.bus),
            dead_letters=(
                DeadLetterQueue(self.sqs, "inbound", self.inbound, wait=0, hidden=0),
                DeadLetterQueue(self.sqs, "replies", self.replies, wait=0, hidden=0),
                DeadLetterQueue(self.sqs, "pulls", self.pulls, wait=0, hidden=0),
            ),
            book=LetterBook(self.table),
            policy=lambda: policy,
            telemetry=Telemetry("escalate"),
        )

    def run(
        self, watch: Watch | None = None, now: datetime = NOW, remaining: Callable[[], int] = lambda: 120_000
    ) -> dict[str, Any]:
        return escalate(watch or self.watch(), now=now, remaining=remaining)

    def heard(self) -> list[tuple[str, dict[str, Any]]]:
        """What was said since the last time."""
        said = []
        while found := self.sqs.receive_message(QueueUrl=self.heard_url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                self.sqs.delete_message(QueueUrl=self.heard_url, ReceiptHandle=message["ReceiptHandle"])
                event = json.loads(message["Body"])
                assert event["source"] == "postroom.escalate"
                said.append((event["detail-type"], event["detail"]))
        return said

    def conversation(self, contact: str, status: Status = "waiting", due_at: datetime = DUE, team: str = "finance") -> str:
        conv = keys.conversation_key("generic", "demo", contact)
        before = self.store.conversation(conv) or Conversation(conv=conv, channel="generic", account="demo", contact=contact)
        self.store.apply(before, replace(before, status=status, team=team, due_at=due_at, name="Anna Raw"))
        return conv

    def bury(self, body: str, queue: str | None = None) -> None:
        dedup = str(abs(hash(body)))
        self.sqs.send_message(
            QueueUrl=queue or self.inbound, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=dedup
        )


def message(contact: str) -> Message:
    return Message(
        message_id=keys.message_id("generic", "demo", contact, NOW, "m1"),
        channel="generic",
        account="demo",
        contact=Contact(primary=contact, name="Anna Raw"),
        kind="text",
        text=RAW_TEXT,
        sent_at=NOW,
        received_at=NOW,
        verification=Verification(scheme="standard", body_signed=True, timestamped=True),
    )


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        dynamodb, sqs, events = boto3.client("dynamodb"), boto3.client("sqs"), boto3.client("events")
        dynamodb.create_table(**table_definition())
        table = Table(dynamodb, table_definition()["TableName"])
        inbound, replies, pulls = (
            sqs.create_queue(**queue_definition(name))["QueueUrl"]
            for name in ("InboundDeadLetters", "RepliesDeadLetters", "PullsDeadLetters")
        )
        heard = sqs.create_queue(QueueName="heard")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=heard, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.create_event_bus(Name=bus_name())
        events.put_rule(Name="all", EventBusName=bus_name(), EventPattern=json.dumps({"source": ["postroom.escalate"]}))
        events.put_targets(Rule="all", EventBusName=bus_name(), Targets=[{"Id": "heard", "Arn": arn}])
        yield Post(table, DynamoStore(table, shards=SHARDS), sqs, inbound, replies, pulls, bus_name(), heard)


@pytest.mark.parametrize("status", ["waiting", "escalated"])
def test_an_overdue_conversation_is_told_of_once(post: Post, status: Status) -> None:
    conv = post.conversation("anna", status)
    assert post.run() == {"told": {"ConversationOverdue": 1}, "more": False}
    assert post.heard() == [
        (
            "ConversationOverdue",
            {
                "version": 1,
                "id": f"{conv}@{to_iso(DUE)}",
                "conversation": conv,
                "channel": "generic",
                "account": "demo",
                "team": "finance",
                "status": status,
                "priority": 0,
                "hold": [],
                "due_at": to_iso(DUE),
                "minutes_overdue": 42,
                "on_duty": ["fang"],
            },
        )
    ]
    assert post.run(now=NOW + timedelta(minutes=5)) == {"told": {}, "more": False}
    assert post.heard() == []


def test_a_hold_that_nobody_released_is_told_of_as_such(post: Post) -> None:
    post.conversation("anna", "held", team="frontdesk")
    post.run()
    ((kind, detail),) = post.heard()
    assert kind == "HoldUnattended"
    assert detail["on_duty"] == ["on-call"]


def test_a_new_due_time_is_told_of_anew(post: Post) -> None:
    post.conversation("anna")
    post.run()
    post.conversation("anna", due_at=DUE + timedelta(minutes=10))
    post.run()
    assert [detail["minutes_overdue"] for _, detail in post.heard()] == [42, 32]


@pytest.mark.parametrize(
    ("status", "due_at"), [("waiting", NOW), ("waiting", NOW + timedelta(hours=1)), ("idle", DUE), ("resolved", DUE)]
)
def test_what_is_not_overdue_is_not_told_of(post: Post, status: Status, due_at: datetime) -> None:
    post.conversation("anna", status, due_at)
    assert post.run()["told"] == {}


def test_more_than_one_call_holds_are_all_told_of(post: Post) -> None:
    convs = {post.conversation(f"contact{n}") for n in range(23)}
    assert post.run()["told"] == {"ConversationOverdue": 23}
    assert {detail["conversation"] for _, detail in post.heard()} == convs


class Refusing:
    """EventBridge that does not take the first entry of a call."""

    def __init__(self) -> None:
        self.client = boto3.client("events")

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        if len(Entries) > 1:
            self.client.put_events(Entries=Entries[1:])
        return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}, *({"EventId": "1"} for _ in Entries[1:])]}


def test_what_the_bus_does_not_take_is_told_again_and_nothing_else(post: Post) -> None:
    convs = [post.conversation("anna"), post.conversation("ben")]
    with pytest.raises(EventsRefused):
        post.run(post.watch(Refusing()))
    ((_, first),) = post.heard()
    assert post.run()["told"] == {"ConversationOverdue": 1}
    ((_, second),) = post.heard()
    assert {first["conversation"], second["conversation"]} == set(convs)


def test_a_failure_between_telling_and_noting_tells_again(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    conv = post.conversation("anna")

    def unavailable(*_: Any) -> bool:
        raise Unavailable("UpdateItem: InternalServerError")

    with monkeypatch.context() as patch:
        patch.setattr(DynamoStore, "note_escalation", unavailable)
        with pytest.raises(Unavailable):
            post.run()
    post.run()
    assert [detail["id"] for _, detail in post.heard()] == [f"{conv}@{to_iso(DUE)}"] * 2


def test_a_run_short_of_time_says_that_there_is_more(post: Post) -> None:
    post.conversation("anna")
    left = iter([120_000, 5_000])
    assert post.run(remaining=lambda: next(left, 0)) == {"told": {}, "more": True}
    assert post.run()["told"] == {"ConversationOverdue": 1}


def test_dead_letters_are_told_of_before_what_is_overdue(post: Post) -> None:
    post.conversation("anna")
    post.bury("{}")
    assert post.run()["told"] == {"DeadLetter": 1, "ConversationOverdue": 1}
    assert [kind for kind, _ in post.heard()] == ["DeadLetter", "ConversationOverdue"]


def test_a_backlog_that_was_told_of_does_not_use_up_the_time_unnoticed(post: Post) -> None:
    for number in range(6):
        post.conversation(f"told-{number}")
    assert post.run()["told"] == {"ConversationOverdue": 6}
    asked = iter([120_000] * 4)
    assert post.run(remaining=lambda: next(asked, 0)) == {"told": {}, "more": True}


def test_a_dead_letter_puts_its_conversation_before_a_person_once(post: Post) -> None:
    conv = post.conversation("anna", "idle", team="finance")
    post.bury(dumps(Inbound(message=message("anna"))))
    assert post.run()["told"] == {"DeadLetter": 1}
    ((kind, detail),) = post.heard()
    assert kind == "DeadLetter"
    assert (detail["queue"], detail["message_id"], detail["conversation"]) == ("inbound", message("anna").message_id, conv)
    assert (detail["team"], detail["on_duty"]) == ("finance", ["fang"])
    flagged = post.store.conversation(conv)
    assert flagged is not None
    assert (flagged.status, flagged.problems, flagged.due_at) == ("waiting", ("dead_letter",), NOW + timedelta(hours=2))
    # Somebody sees to the conversation, and leaves the letter where it is.
    post.store.apply(flagged, replace(flagged, status="resolved"))
    assert post.run(now=NOW + timedelta(days=1))["told"] == {}
    resolved = post.store.conversation(conv)
    assert resolved is not None
    assert resolved.status == "resolved"


def test_a_dead_reply_is_told_of_too(post: Post) -> None:
    conv = post.conversation("anna", "idle", team="finance")
    judged = Judged(
        message=message("anna"),
        judgement=Judgement(),
        routing=Routing(team="finance", priority=1, due_at=NOW),
        bundle="b1",
        seq=1,
    )
    post.bury(dumps(ReplyTask(judged=judged, first_contact=True)), post.replies)
    post.run()
    ((_, detail),) = post.heard()
    assert (detail["queue"], detail["conversation"]) == ("replies", conv)


def test_a_dead_announcement_is_told_of_without_a_message(post: Post) -> None:
    task = PullTask(channel="wecom_kf", account="demo", source="wk1", announcement="a1", announced_at=NOW, token="voucher")
    post.bury(dumps(task), post.pulls)
    assert post.run()["told"] == {"DeadLetter": 1}
    ((_, detail),) = post.heard()
    assert (detail["queue"], detail["message_id"], detail["conversation"]) == ("pulls", None, None)
    assert "voucher" not in json.dumps(detail)


def test_a_dead_letter_of_an_unknown_conversation_is_told_of_alone(post: Post) -> None:
    post.bury(dumps(Inbound(message=message("nobody"))))
    post.run()
    ((_, detail),) = post.heard()
    assert detail["message_id"] == message("nobody").message_id
    assert (detail["conversation"], detail["team"], detail["on_duty"]) == (None, "frontdesk", ["on-call"])


@pytest.mark.parametrize("body", ["not json " + RAW_TEXT, json.dumps({"version": 9, "text": RAW_TEXT}), "[]"])
def test_a_letter_that_cannot_be_read_is_told_of_by_its_own_id(post: Post, body: str) -> None:
    post.bury(body)
    assert post.run()["told"] == {"DeadLetter": 1}
    ((_, detail),) = post.heard()
    assert detail["message_id"] is None
    assert detail["id"].startswith("inbound/")
    assert post.run()["told"] == {}


def test_a_readable_letter_with_an_id_that_is_none_is_no_obstacle(post: Post) -> None:
    post.bury(dumps(Inbound(message=replace(message("anna"), message_id="C#x"))))
    post.bury(dumps(Inbound(message=message("anna"))))
    assert post.run()["told"] == {"DeadLetter": 2}


def test_letters_stay_in_their_queue(post: Post) -> None:
    post.bury(dumps(Inbound(message=message("anna"))))
    post.run()
    attributes = post.sqs.get_queue_attributes(QueueUrl=post.inbound, AttributeNames=["ApproximateNumberOfMessages"])
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "1"


def test_no_text_and_no_contact_leaves_in_events_or_logs(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    post.conversation("contact-secret-7")
    post.bury(dumps(Inbound(message=message("contact-secret-7"))))
    post.bury("not json " + RAW_TEXT)
    post.run()
    heard = post.heard()
    assert len(heard) == 3
    said = json.dumps(heard, ensure_ascii=False) + capsys.readouterr().out
    for secret in ("110101199003074258", "13800138000", "身份证", "contact-secret-7", "Anna Raw"):
        assert secret not in said


def test_the_shipped_roster_is_valid_and_always_names_somebody() -> None:
    roster = read_duty(yaml.safe_load(Path("config/duty.yaml").read_text(encoding="utf-8")))
    for hour in range(24 * 7):
        assert roster.on_duty("warehouse", NOW + timedelta(hours=hour))


def test_the_roster_goes_by_the_wall_clock_of_its_zone() -> None:
    roster = read_duty(SECTIONS["duty"])
    assert roster.on_duty("finance", datetime(2026, 11, 20, 1, 0, tzinfo=UTC)) == ("fang",)
    assert roster.on_duty("finance", datetime(2026, 11, 20, 10, 0, tzinfo=UTC)) == ("on-call",)
    assert roster.on_duty("finance", datetime(2026, 11, 21, 3, 0, tzinfo=UTC)) == ()


@pytest.mark.parametrize(
    ("shift", "named"),
    [
        ({"days": ["monday"]}, "duty.default.0.days"),
        ({"from": "18:00", "to": "09:00"}, "duty.default"),
        ({"from": "nine"}, "duty.default"),
        ({"who": []}, "duty.default.0.who"),
        ({"phone": "13800138000"}, "duty.default.0.phone"),
    ],
)
def test_a_shift_that_cannot_be_meant_is_refused_by_name(shift: dict[str, Any], named: str) -> None:
    whole = {"days": ["mon"], "from": "09:00", "to": "18:00", "who": ["fang"]} | shift
    with pytest.raises(BundleInvalid, match=named):
        read_duty({"zone": "Asia/Shanghai", "default": [whole]})


@pytest.mark.parametrize(
    "sections",
    [
        {},
        SECTIONS | {"teams": {"teams": {"frontdesk": {}}, "default": "frontdesk"}},
        SECTIONS | {"teams": {"teams": {"finance": {}}, "default": "frontdesk"}},
        SECTIONS | {"teams": {"teams": ["finance", "frontdesk"]}},
        SECTIONS | {"duty": None},
        SECTIONS | {"duty": {"zone": "Asia/Nowhere", "default": SECTIONS["duty"]["default"]}},
    ],
)
def test_a_policy_that_does_not_fit_together_is_refused(sections: dict[str, Any]) -> None:
    with pytest.raises(BundleInvalid):
        read_policy(Bundle("b1", sections))


class Context:
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


def test_the_handler_escalates_for_the_moment_the_event_names(
    post: Post, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(dump_bundle(SECTIONS))
    boto3.client("s3").create_bucket(Bucket="configuration")
    for name, value in {
        "STAGE": "test",
        "TABLE_NAME": post.table.name,
        "INDEX_SHARDS": str(SHARDS),
        "ESCALATION_BUS_NAME": post.bus,
        "INBOUND_DLQ_URL": post.inbound,
        "REPLIES_DLQ_URL": post.replies,
        "PULLS_DLQ_URL": post.pulls,
        "CONFIG_BUCKET": "configuration",
        "BUNDLE_PATH": str(bundle),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("functions.escalate.wiring.DeadLetterQueue", lambda *arguments: DeadLetterQueue(*arguments, wait=0))
    for cached in (aws.client, wiring.watch):
        cached.cache_clear()
    post.conversation("anna")
    assert lambda_handler({"now": to_iso(DUE)}, Context())["told"] == {}
    assert lambda_handler({"now": to_iso(NOW)}, Context())["told"] == {"ConversationOverdue": 1}
    for cached in (aws.client, wiring.watch):
        cached.cache_clear()
