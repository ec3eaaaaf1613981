"""The poller does what Lambda's SQS event source does, on moto's queues as template.yaml defines them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws

from functions.common.queues import FifoQueue
from infra.local.poller import Poller, Source, failed_ids
from infra.local.provision import make_queues
from infra.local.runtime import _invoke, _watched_waits
from infra.local.workers import Invocation
from tests.fakes.template import loaded


class Post:
    """The inbound queue, its dead letters, and a function that fails for the bodies in `failing`."""

    def __init__(self):
        self.sqs = boto3.client("sqs")
        made = make_queues(self.sqs, loaded().queues)
        self.url, self.dead_url = made["InboundQueue"]["Ref"], made["InboundDeadLetters"]["Ref"]
        self.arn = made["InboundQueue"]["Arn"]
        self.now = 0.0
        self.batches: list[list[dict]] = []
        self.failing: set[str] = set()
        self.answer: Callable[[list[dict]], Invocation] = self.report
        self.watch()

    def watch(self, **changes):
        source = {"url": self.url, "arn": self.arn, "batch_size": 10, "reports_failures": True} | changes
        self.poller = Poller(self.sqs, Source(**source), self.invoke, retry_seconds=2, clock=lambda: self.now)

    def invoke(self, event):
        self.batches.append(event["Records"])
        return self.answer(event["Records"])

    def report(self, records):
        failed = [{"itemIdentifier": record["messageId"]} for record in records if record["body"] in self.failing]
        return Invocation({"batchItemFailures": failed})

    def send(self, body, group="g", url=None):
        self.sqs.send_message(QueueUrl=url or self.url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body)

    def bodies(self):
        return [[record["body"] for record in batch] for batch in self.batches]

    def count(self, url=None):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=names)["Attributes"]
        return tuple(int(found[name]) for name in names)

    def later(self, seconds=2.0):
        self.now += seconds
        return self.poller.poll()


@pytest.fixture
def post():
    with mock_aws():
        yield Post()


def test_a_batch_is_handled_in_order_and_deleted(post):
    for body in ("1", "2", "3"):
        post.send(body)
    assert post.poller.poll() == 3
    assert post.bodies() == [["1", "2", "3"]]
    assert post.count() == (0, 0)


def test_a_record_has_lambdas_fields(post):
    post.send("hello", group="conversation")
    post.poller.poll()
    ((record,),) = post.batches
    assert set(record) == {
        "messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfBody", "eventSource", "eventSourceARN", "awsRegion",
    }  # fmt: skip
    assert (record["body"], record["eventSource"], record["eventSourceARN"]) == ("hello", "aws:sqs", post.arn)
    attributes = record["attributes"]
    assert (attributes["MessageGroupId"], attributes["MessageDeduplicationId"]) == ("conversation", "hello")
    assert attributes["ApproximateReceiveCount"] == "1"
    assert {"SequenceNumber", "SentTimestamp", "ApproximateFirstReceiveTimestamp"} <= set(attributes)


def test_a_batch_is_no_larger_than_the_template_says(post):
    post.watch(batch_size=2)
    for body in ("1", "2", "3"):
        post.send(body)
    post.poller.poll()
    post.poller.poll()
    assert post.bodies() == [["1", "2"], ["3"]]


def test_only_what_failed_comes_again_and_only_after_a_while(post):
    post.failing = {"2"}
    for body in ("1", "2", "3"):
        post.send(body)
    post.poller.poll()
    assert post.count() == (0, 1)
    assert post.later(1.9) == 0
    post.failing = set()
    assert post.later(0.2) == 1
    assert post.bodies() == [["1", "2", "3"], ["2"]]
    assert post.count() == (0, 0)


def test_messages_that_failed_come_again_in_their_order_and_before_later_ones(post):
    post.failing = {"2", "3"}
    for body in ("1", "2", "3"):
        post.send(body)
    post.poller.poll()
    post.send("4")
    post.failing = set()
    assert post.later(1) == 0
    post.later(1.5)
    assert post.bodies() == [["1", "2", "3"], ["2", "3", "4"]]


def test_a_blocked_conversation_does_not_block_another(post):
    post.failing = {"a1"}
    post.send("a1", group="a")
    post.poller.poll()
    post.send("a2", group="a")
    post.send("b1", group="b")
    assert post.later(1) == 1
    assert post.bodies() == [["a1"], ["b1"]]


@pytest.mark.parametrize("fault", ["KeyError", "crashed", "timed out after 30 s"])
def test_a_failed_invocation_gives_the_whole_batch_back(post, fault):
    post.answer = lambda records: Invocation(fault=fault)
    post.send("1")
    post.send("2")
    post.poller.poll()
    assert post.count() == (0, 2)
    post.answer = post.report
    post.later()
    assert post.bodies() == [["1", "2"], ["1", "2"]]
    assert post.count() == (0, 0)


def test_poison_ends_among_the_dead_letters_and_its_conversation_goes_on(post):
    post.failing = {"poison"}
    post.send("poison")
    post.poller.poll()
    post.send("next")
    for _ in range(5):
        post.later()
    receives = [
        record["attributes"]["ApproximateReceiveCount"]
        for batch in post.batches
        for record in batch
        if record["body"] == "poison"
    ]
    assert receives == ["1", "2", "3", "4", "5"]
    assert "next" in [body for batch in post.bodies() for body in batch]
    assert (post.count(), post.count(post.dead_url)) == ((0, 0), (1, 0))


def test_where_the_endpoint_keeps_no_count_of_tries_the_poller_buries_the_dead(post):
    post.watch(max_receives=1, dead_letters=post.dead_url)
    post.failing = {"poison"}
    post.send("poison")
    post.poller.poll()
    post.later()
    assert post.bodies() == [["poison"]]
    (letter,) = post.sqs.receive_message(QueueUrl=post.dead_url, AttributeNames=["All"])["Messages"]
    assert (letter["Body"], letter["Attributes"]["MessageGroupId"]) == ("poison", "g")
    assert post.count() == (0, 0)


RECORDS = [{"messageId": "a"}, {"messageId": "b"}]


@pytest.mark.parametrize(
    ("payload", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "b"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": "stranger"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, {"a", "b"}),
        ({"batchItemFailures": [{"id": "a"}]}, {"a", "b"}),
        ({"batchItemFailures": ["a"]}, {"a", "b"}),
        ("yes", {"a", "b"}),
    ],
)
def test_a_report_is_read_as_lambda_reads_it(payload, failed):
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    assert failed_ids(Invocation(payload), RECORDS, reports=True) == failed


def test_a_function_that_does_not_report_failures_succeeds_as_a_whole():
    assert failed_ids(Invocation({"batchItemFailures": [{"itemIdentifier": "a"}]}), RECORDS, reports=False) == set()
    assert failed_ids(Invocation(fault="KeyError"), RECORDS, reports=False) == {"a", "b"}


def test_what_a_function_asked_the_queue_for_is_heeded_and_the_rest_comes_back_soon(post):
    for body, group in (("1", "a"), ("2", "b")):
        post.send(body, group)
    post.failing = {"1", "2"}

    def kept(records):
        receipts = {record["body"]: record["receiptHandle"] for record in records}
        return replace(post.report(records), kept_back={receipts["1"]: 120} if "1" in receipts else {})

    post.answer = kept
    post.poller.poll()
    post.failing = {"1"}
    assert post.later(2) == 1 and post.bodies()[1:] == [["2"]]
    assert post.later(117) == 0
    assert post.later(1) == 1 and post.bodies()[2:] == [["1"]]


def test_a_functions_process_tells_what_it_asked_of_the_queue():
    with mock_aws():
        waits = _watched_waits()
        sqs = boto3.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="x")
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        FifoQueue(sqs, url).keep_back({message["ReceiptHandle"]: 77})
        assert waits == {message["ReceiptHandle"]: 77}
        assert json.loads(
            _invoke(lambda *_: FifoQueue(sqs, url).keep_back({message["ReceiptHandle"]: 78}), {}, None, waits)
        ) == {
            "payload": None,
            "kept_back": {message["ReceiptHandle"]: 78},
        }
    boto3.setup_default_session()
