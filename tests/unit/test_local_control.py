"""The endpoints that only the local stack has: what they answer, and what they say to wrong input."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from threading import enumerate as enumerate_threads

import boto3
import pytest
from moto import mock_aws

from functions.common.dynamo_store import DynamoStore
from functions.common.judgement import Firing, Judged, Judgement, Routing, Span
from functions.common.keys import conversation_key, message_id
from functions.common.message import Contact, Message, Verification
from functions.common.store import Conversation, Reply
from functions.common.table import Table
from infra.local.control import Control
from infra.local.inventory import Inventory
from infra.local.invocations import Invocations
from infra.local.payload import HttpRequest
from infra.local.provision import make_queues, make_table
from infra.local.queues import QueueWatch
from infra.local.scheduler import Scheduler
from infra.local.workers import Invocation
from infra.simulators.contract import Delivered
from tests.fakes.template import loaded, table_definition

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONV = conversation_key("generic", "demo", "u-1")


def judged(native_id="n-1", seq=1, contact="u-1"):
    message = Message(
        message_id=message_id("generic", "demo", contact, NOON, native_id),
        channel="generic",
        account="demo",
        contact=Contact(primary=contact, name="王芳"),
        kind="text",
        native_id=native_id,
        text="发票 ***",
        sent_at=NOON,
        received_at=NOON,
        verification=Verification(scheme="test", body_signed=True, timestamped=True),
        pii_masked=True,
    )
    return Judged(
        message=message,
        judgement=Judgement(
            content=("invoice",), firings=(Firing(rule="invoice", version="1", spans=(Span(start=0, end=2),)),)
        ),
        routing=Routing(team="finance", priority=30, due_at=NOON, hold=("money",)),
        bundle="abc",
        seq=seq,
        masked={"phone": 1},
    )


class House:
    """A stored conversation, the queues, schedules that succeed or not, and one reply that arrived."""

    def __init__(self):
        self.sqs, dynamodb = boto3.client("sqs"), boto3.client("dynamodb")
        make_table(dynamodb, loaded().table)
        self.made = make_queues(self.sqs, loaded().queues)
        self.store = DynamoStore(Table(dynamodb, table_definition()["TableName"]), shards=4)
        self.runs, self.outcome = [], Invocation({"messages": 3})
        reply = Delivered("generic", "demo", "u-1", "您好", "the message", NOON)
        self.control = Control(
            inventory=Inventory(dynamodb, table_definition()["TableName"]),
            queues=QueueWatch(self.sqs, loaded().queues, lambda logical_id: self.made[logical_id]["Ref"]),
            scheduler=Scheduler(loaded().schedules, self.run, clock=lambda: NOON),
            invocations=Invocations({"archive": "ArchiveFunction"}, self.run),
            outbox=lambda: [reply],
        )

    def run(self, function, event):
        self.runs.append((function, event))
        return self.outcome

    def send(self, logical_id):
        self.sqs.send_message(
            QueueUrl=self.made[logical_id]["Ref"], MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1"
        )

    def ask(self, method, target, body=b""):
        path, _, query = target.partition("?")
        answer = self.control.answer(HttpRequest(method=method, raw_path=path, raw_query=query, body=body))
        return answer.status, json.loads(answer.body)


@pytest.fixture
def house():
    with mock_aws():
        yield House()


def test_health_is_ok(house):
    assert house.ask("GET", "/health") == (200, {"status": "ok"})


def test_other_paths_are_not_its_business(house):
    assert house.control.answer(HttpRequest(method="POST", raw_path="/webhooks/generic/demo")) is None


def test_a_stored_message_is_shown_with_everything_said_of_it(house):
    first = judged()
    house.store.add_message(first)
    house.store.add_reply(Reply(message_id=first.message.message_id, state="sent", reason="welcome", at=NOON, text="您好"))
    status, said = house.ask("GET", "/_local/messages")
    (message,) = said["messages"]
    assert status == 200
    assert message["conversation"] == CONV
    assert (message["message_id"], message["native_id"], message["contact"]) == (first.message.message_id, "n-1", "u-1")
    assert (message["channel"], message["account"], message["name"], message["text"]) == ("generic", "demo", "王芳", "发票 ***")
    assert message["labels"] == {
        "business": "other",
        "content": ["invoice"],
        "urgency": "normal",
        "sentiment": "neutral",
        "spam": "none",
        "risk": [],
        "wants_human": False,
        "opt_out": False,
        "language": "zh",
    }
    assert message["rules"] == [{"rule": "invoice", "version": "1", "spans": [{"start": 0, "end": 2}]}]
    assert (message["routing"]["team"], message["routing"]["hold"]) == ("finance", ["money"])
    assert message["routing"]["due_at"] == message["sent_at"] == "2026-11-20T12:00:00.000Z"
    assert (message["bundle"], message["seq"], message["masked"]) == ("abc", 1, {"phone": 1})
    assert message["reply"] | {"state": "sent", "reason": "welcome", "text": "您好"} == message["reply"]


def test_messages_can_be_asked_for_by_conversation_and_come_in_order(house):
    for native_id, seq, contact in [("n-2", 2, "u-1"), ("n-1", 1, "u-1"), ("n-9", 1, "u-2")]:
        house.store.add_message(judged(native_id, seq, contact))
    found = house.ask("GET", f"/_local/messages?conversation={CONV}")[1]["messages"]
    assert [message["native_id"] for message in found] == ["n-1", "n-2"]
    assert len(house.ask("GET", "/_local/messages")[1]["messages"]) == 3
    assert house.ask("GET", f"/_local/messages?conversation={'a' * 16}")[1] == {"messages": []}


def test_conversations_are_listed_and_other_items_are_not(house):
    before = Conversation(conv=CONV, channel="generic", account="demo", contact="u-1")
    house.store.apply(before, replace(before, count=1, first_at=NOON, status="waiting", team="finance", due_at=NOON))
    house.store.add_message(judged())
    house.store.count(NOON, "generic", {"stored": 1}, 0)
    (conversation,) = house.ask("GET", "/_local/conversations")[1]["conversations"]
    assert (conversation["conversation"], conversation["contact"], conversation["count"]) == (CONV, "u-1", 1)
    assert (conversation["status"], conversation["due_at"]) == ("waiting", "2026-11-20T12:00:00.000Z")


def test_the_outbox_has_the_fields_of_the_design(house):
    wanted = {
        "channel": "generic",
        "account": "demo",
        "contact": "u-1",
        "text": "您好",
        "in_reply_to": "the message",
        "at": "2026-11-20T12:00:00.000Z",
    }
    assert house.ask("GET", "/_local/outbox") == (200, {"outbox": [wanted]})


def test_queues_are_counted_dead_letters_too(house):
    house.send("InboundDeadLetters")
    queues = {queue.pop("name"): queue for queue in house.ask("GET", "/_local/queues")[1]["queues"]}
    assert {"inbound", "inbound-dead", "replies", "replies-dead"} <= set(queues) and len(queues) == len(loaded().queues)
    assert queues["inbound-dead"] == {"visible": 1, "in_flight": 0, "delayed": 0, "is_dead_letters": True}


def test_draining_does_not_wait_for_dead_letters(house):
    house.send("InboundDeadLetters")
    status, said = house.ask("POST", "/_local/drain?timeout=5")
    assert (status, said["idle"]) == (200, True)


@pytest.mark.parametrize("queue", ["InboundQueue", "RepliesQueue"])
def test_draining_in_vain_says_so(house, queue):
    house.send(queue)  # the replies queue's messages are delayed at first
    status, said = house.ask("POST", "/_local/drain?timeout=0")
    assert (status, said["idle"]) == (504, False)


def test_idle_means_empty_twice_in_a_row(house):
    house.send("InboundQueue")
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 1:
            house.sqs.purge_queue(QueueUrl=house.made["InboundQueue"]["Ref"])

    assert house.control.queues.drain(5, clock=lambda: 0.0, pause=pause)
    assert len(pauses) == 2


def test_a_schedule_runs_now_for_another_moment(house):
    status, said = house.ask("POST", "/_local/schedules/archive", b'{"now": "2026-12-31T19:00:00Z"}')
    assert (status, said) == (200, {"messages": 3})
    assert house.runs[0][0] == "ArchiveFunction"
    assert house.runs[0][1]["now"] == "2026-12-31T19:00:00Z"


def test_a_schedule_that_fails_says_so(house):
    house.outcome = Invocation(fault="KeyError")
    assert house.ask("POST", "/_local/schedules/escalate")[0] == 500


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/_local/", b"", 404),
        ("GET", "/_local/nothing", b"", 404),
        ("GET", "/_local/queues/inbound", b"", 404),
        ("POST", "/_local/queues", b"", 405),
        ("GET", "/_local/drain", b"", 405),
        ("GET", "/_local/schedules/archive", b"", 405),
        ("GET", "/_local/messages?conversation=no-id", b"", 400),
        ("GET", "/_local/messages?conversation=", b"", 400),
        ("GET", "/_local/messages?contact=u-1", b"", 400),
        ("GET", "/_local/outbox?x=1", b"", 400),
        ("POST", "/_local/drain?timeout=soon", b"", 400),
        ("POST", "/_local/drain?timeout=-1", b"", 400),
        ("POST", "/_local/drain?timeout=nan", b"", 400),
        ("POST", "/_local/drain?timeout=1&timeout=2", b"", 400),
        ("POST", "/_local/schedules/", b"", 404),
        ("POST", "/_local/schedules/nightly", b"", 404),
        ("POST", "/_local/schedules/archive", b"{", 400),
        ("POST", "/_local/schedules/archive", b"\xff", 400),
        ("POST", "/_local/schedules/archive", b"[]", 400),
        ("POST", "/_local/schedules/archive", b'{"now": "tomorrow"}', 400),
        ("POST", "/_local/schedules/archive", b'{"now": "2026-12-31T19:00:00"}', 400),
        ("POST", "/_local/schedules/archive", b'{"now": 5}', 400),
    ],
)
def test_wrong_input_is_told_in_one_line(house, method, target, body, status):
    found, said = house.ask(method, target, body)
    assert found == status
    assert set(said) == {"error"} and "\n" not in said["error"]
    assert not house.runs


def test_a_function_is_invoked_as_lambda_would_be(house):
    path = "/2015-03-31/functions/archive/invocations"
    now = house.control.answer(HttpRequest(method="POST", raw_path=path, body=b'{"link": 2}'))
    assert (now.status, json.loads(now.body)) == (200, {"messages": 3})
    house.outcome = Invocation(fault="timed out")
    failed = house.control.answer(HttpRequest(method="POST", raw_path=path))
    assert dict(failed.headers)["x-amz-function-error"] == "Unhandled"
    assert house.runs == [("ArchiveFunction", {"link": 2}), ("ArchiveFunction", {})]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/2015-03-31/functions/nobody/invocations", b"{}", 404), ("/2015-03-31/functions/archive/invocations", b"{", 400)],
)
def test_an_invocation_that_cannot_be_is_refused_as_lambda_would(house, path, body, status):
    answer = house.control.answer(HttpRequest(method="POST", raw_path=path, body=body))
    assert answer.status == status
    assert "x-amzn-errortype" in dict(answer.headers)
    assert house.runs == []


def test_an_asynchronous_invocation_is_taken_at_once_and_work_until_it_has_ended():
    going, release = Event(), Event()

    def invoke(function, event):
        going.set()
        release.wait(10)
        return Invocation({})

    invocations = Invocations({"archive": "ArchiveFunction"}, invoke)
    headers = (("x-amz-invocation-type", "Event"),)
    path = "/2015-03-31/functions/archive/invocations"
    assert invocations.answer(HttpRequest(method="POST", raw_path=path, headers=headers)).status == 202
    assert going.wait(10)
    assert invocations.busy
    release.set()
    for thread in enumerate_threads():
        if thread.name == "invocation of ArchiveFunction":
            thread.join(10)
    assert not invocations.busy
