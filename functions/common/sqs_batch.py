"""Records of a FIFO queue as Lambda hands them over, and the partial-failure answer that spares the records which succeeded.

A record that fails takes the later records of its group with it: SQS hands them out again together, in order. Other groups go on.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from functions.common.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One message off a FIFO queue. `tries` is how often it was handed out, this time included; `receipt` is what the queue knows it by."""

    id: str
    group: str
    body: str
    tries: int = 1
    receipt: str = ""


class Failures:
    """Which records of a batch failed: by themselves, or because an earlier one of their group did."""

    def __init__(self, batch: list[Record]) -> None:
        self._batch = batch
        self._place = {record.id: place for place, record in enumerate(batch)}
        self._from: dict[str, int] = {}

    def fail(self, record: Record) -> None:
        """The record failed, and with it every later one of its group, whether it was seen to already or not."""
        place = self._place[record.id]
        self._from[record.group] = min(place, self._from.get(record.group, place))

    def includes(self, record: Record) -> bool:
        """Whether the record must come again."""
        return self._place[record.id] >= self._from.get(record.group, len(self._batch))

    def ids(self) -> list[str]:
        """The records that must come again, in the batch's order."""
        return [record.id for record in self._batch if self.includes(record)]


def records(event: dict[str, Any]) -> list[Record]:
    """The records of an SQS event, in order."""
    return [
        Record(
            id=raw["messageId"],
            group=raw["attributes"]["MessageGroupId"],
            body=raw["body"],
            tries=int(raw["attributes"].get("ApproximateReceiveCount", 1)),
            receipt=raw.get("receiptHandle", ""),
        )
        for raw in event["Records"]
    ]


def batch_answer(failed: Iterable[str]) -> dict[str, Any]:
    """What Lambda is told: the ids of the records to hand out again."""
    return {"batchItemFailures": [{"itemIdentifier": record_id} for record_id in failed]}


def run_fifo_batch(
    event: dict[str, Any],
    one: Callable[[Record], None],
    telemetry: Telemetry,
    *,
    has_time: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """Do `one` to each record in order. Whatever it raises fails the record and is logged by its type, never by its data.

    Once `has_time` says no, the records that are left are given back untouched: better late than killed half-way.
    """
    batch = records(event)
    failures = Failures(batch)
    for record in batch:
        if failures.includes(record):
            continue
        if not has_time():
            failures.fail(record)
            continue
        try:
            one(record)
        except Exception as fault:  # a bad record must not keep its siblings from their work
            failures.fail(record)
            telemetry.error("record_failed", fault, record=record.id, tries=record.tries)
    telemetry.count({"RecordsFailed": len(failures.ids())})
    return batch_answer(failures.ids())
