"""Sending to FIFO queues in few calls, and giving back the right records of a batch."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from functions.common.queues import MAX_BYTES, MAX_ENTRIES, Entry, FifoQueue, NotSent, chunks
from functions.common.sqs_batch import Failures, Record, records, run_fifo_batch


class FakeSqs:
    """Takes entries, except those whose `dedup` is to be refused so many times; `down` calls fail whole."""

    def __init__(self, *, refuse: dict[str, int] | None = None, down: int = 0) -> None:
        self.refuse = refuse or {}
        self.down = down
        self.calls: list[list[str]] = []
        self.taken: list[str] = []

    def send_message_batch(self, **arguments: Any) -> dict[str, Any]:
        offered = arguments["Entries"]
        self.calls.append([entry["MessageDeduplicationId"] for entry in offered])
        if self.down:
            self.down -= 1
            raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "SendMessageBatch")
        failed = []
        for entry in offered:
            dedup = entry["MessageDeduplicationId"]
            if self.refuse.get(dedup, 0):
                self.refuse[dedup] -= 1
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                self.taken.append(dedup)
        return {"Failed": failed} if failed else {}


class QuietTelemetry:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, outcome: str, **keys: Any) -> None:
        self.lines.append((outcome, keys))

    warning = info

    def error(self, outcome: str, fault: BaseException, **keys: Any) -> None:
        self.lines.append((outcome, keys | {"fault": type(fault).__name__}))

    def count(self, counts: dict[str, int], **dimensions: str) -> None:
        for name, value in counts.items():
            self.counts[name] = self.counts.get(name, 0) + value


def entries(*names: str) -> list[Entry]:
    return [Entry(body="{}", group="g", dedup=name) for name in names]


def test_nothing_to_send_makes_no_call() -> None:
    sqs = FakeSqs()
    FifoQueue(sqs, "url").send([])
    assert sqs.calls == []


def test_entries_go_ten_to_a_call_in_order() -> None:
    sqs = FakeSqs()
    FifoQueue(sqs, "url").send(entries(*map(str, range(23))))
    assert [len(call) for call in sqs.calls] == [10, 10, 3]
    assert sqs.taken == [str(number) for number in range(23)]


@given(st.lists(st.integers(0, MAX_BYTES + 10), max_size=30))
def test_no_call_is_larger_than_the_queue_takes(sizes: list[int]) -> None:
    made = [Entry(body="x" * size, group="g", dedup=str(place)) for place, size in enumerate(sizes)]
    grouped = list(chunks(made))
    assert [entry for chunk in grouped for entry in chunk] == made
    for chunk in grouped:
        assert len(chunk) <= MAX_ENTRIES
        assert len(chunk) == 1 or sum(len(entry.body.encode()) for entry in chunk) <= MAX_BYTES


def test_what_was_refused_once_is_sent_again() -> None:
    sqs = FakeSqs(refuse={"b": 1})
    FifoQueue(sqs, "url").send(entries("a", "b", "c"))
    assert sqs.calls == [["a", "b", "c"], ["b"]]


def test_what_is_refused_twice_is_named_and_the_rest_is_sent() -> None:
    sqs = FakeSqs(refuse={"b": 2, "12": 2})
    with pytest.raises(NotSent) as refused:
        FifoQueue(sqs, "url").send(entries("a", "b", *map(str, range(20))))
    assert refused.value.failed == {"b": "InternalError", "12": "InternalError"}
    assert len(sqs.taken) == 20


def test_a_call_that_fails_whole_is_made_once_more() -> None:
    sqs = FakeSqs(down=1)
    FifoQueue(sqs, "url").send(entries("a"))
    assert sqs.taken == ["a"]
    with pytest.raises(NotSent, match="a: SendMessageBatch: ServiceUnavailable"):
        FifoQueue(FakeSqs(down=2), "url").send(entries("a"))


def test_a_real_fifo_queue_takes_them() -> None:
    with mock_aws():
        sqs = boto3.client("sqs", region_name="us-east-1")
        url = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        FifoQueue(sqs, url).send([Entry(body="一", group="g", dedup="1"), Entry(body="一", group="g", dedup="1")])
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert [(one["Body"], one["Attributes"]["MessageGroupId"]) for one in received] == [("一", "g")]


def event(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": name,
                "body": name,
                "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": "2"},
            }
            for name, group in pairs
        ]
    }


def test_records_are_read_in_order() -> None:
    assert records(event(("1", "a"), ("2", "b"))) == [
        Record(id="1", group="a", body="1", tries=2),
        Record(id="2", group="b", body="2", tries=2),
    ]


def test_a_failing_record_fails_the_later_ones_of_its_group_only() -> None:
    done: list[str] = []

    def one(record: Record) -> None:
        if record.id == "2":
            raise ValueError("secret text")
        done.append(record.id)

    telemetry = QuietTelemetry()
    answer = run_fifo_batch(event(("1", "a"), ("2", "a"), ("3", "b"), ("4", "a"), ("5", "b")), one, telemetry)  # type: ignore[arg-type]
    assert [item["itemIdentifier"] for item in answer["batchItemFailures"]] == ["2", "4"]
    assert done == ["1", "3", "5"]
    assert telemetry.counts == {"RecordsFailed": 2}
    assert telemetry.lines == [("record_failed", {"record": "2", "tries": 2, "fault": "ValueError"})]


def test_a_record_that_fails_late_takes_those_after_it_and_none_before() -> None:
    batch = records(event(("1", "a"), ("2", "a"), ("3", "a"), ("4", "b")))
    failures = Failures(batch)
    failures.fail(batch[2])
    failures.fail(batch[1])
    assert failures.ids() == ["2", "3"]
    assert not failures.includes(batch[0]) and not failures.includes(batch[3])


def test_records_for_which_no_time_is_left_are_given_back_untouched() -> None:
    from functions.common.sqs_batch import run_fifo_batch
    from functions.common.telemetry import Telemetry

    event = {
        "Records": [
            {"messageId": f"m{n}", "body": str(n), "attributes": {"MessageGroupId": f"g{n}", "ApproximateReceiveCount": "1"}}
            for n in range(4)
        ]
    }
    done: list[str] = []
    answer = run_fifo_batch(event, lambda record: done.append(record.body), Telemetry("test"), has_time=lambda: len(done) < 2)
    assert done == ["0", "1"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}, {"itemIdentifier": "m3"}]}
