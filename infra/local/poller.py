"""What Lambda's SQS event source does: receives batches, invokes the function, deletes what succeeded, gives back what did not.

On AWS a message that failed stays invisible for the queue's visibility timeout (180 s here). A laptop's user does not want to wait
that long: the poller makes it visible again after `retry_seconds`, or after as long as the function asked the queue for. Everything
else is as there: the batch size, the order within a group, partial failures, dead letters after so many receives.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic
from typing import Any

from infra.local.template import REGION
from infra.local.workers import Invocation

LOG = logging.getLogger(__name__)
RETRY_SECONDS = 2.0
BACK_OFF = 1.0
NAP = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A queue as the poller needs it. `dead_letters` is the URL of its dead-letter queue."""

    url: str
    arn: str
    batch_size: int
    reports_failures: bool
    dead_letters: str | None = None
    max_receives: int | None = None


class Poller:
    """One event source. `sqs` is a boto3 client, `invoke(event)` runs the function, `clock` tells seconds, monotonic."""

    def __init__(
        self,
        sqs: Any,
        source: Source,
        invoke: Callable[[dict[str, Any]], Invocation],
        *,
        retry_seconds: float = RETRY_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._sqs = sqs
        self._source = source
        self._invoke = invoke
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._returning: list[tuple[float, list[str]]] = []
        self._stopping = Event()
        self._thread = Thread(target=self._run, daemon=True, name=f"poller {source.arn}")

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Ask for the end; `join` waits for it."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        """Wait until the batch under way is done, but no longer than that."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def poll(self) -> int:
        """One turn: give back what is due, receive a batch, handle it; how many messages it had."""
        self._give_back(self._clock())
        messages = self._receive()
        records = [self._record(message) for message in messages if not self._is_dead(message)]
        if records:
            outcome = self._invoke({"Records": records})
            failed = failed_ids(outcome, records, reports=self._source.reports_failures)
            self._settle(records, failed, outcome.kept_back)
        return len(messages)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self.poll() and self._returning:
                    self._stopping.wait(NAP)
            except Exception as fault:  # an endpoint that is away may come back, and the poller must be there then
                if not self._stopping.is_set():
                    LOG.warning("polling %s: %s", self._source.arn, " ".join(str(fault).split()))
                    self._stopping.wait(BACK_OFF)

    def _receive(self) -> list[dict[str, Any]]:
        # While messages wait to be given back their groups are blocked, and moto spins if it is asked to wait for those.
        wait = 0 if self._returning else 1
        answer = self._sqs.receive_message(
            QueueUrl=self._source.url,
            MaxNumberOfMessages=min(self._source.batch_size, 10),
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
            WaitTimeSeconds=wait,
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _is_dead(self, message: dict[str, Any]) -> bool:
        """Move a message to the dead-letter queue where the endpoint has not done so itself."""
        source, attributes = self._source, message["Attributes"]
        if not source.dead_letters or not source.max_receives:
            return False
        if int(attributes["ApproximateReceiveCount"]) <= source.max_receives:
            return False
        fifo = {name: attributes[name] for name in ("MessageGroupId", "MessageDeduplicationId") if name in attributes}
        self._sqs.send_message(QueueUrl=source.dead_letters, MessageBody=message["Body"], **fifo)
        self._sqs.delete_message(QueueUrl=source.url, ReceiptHandle=message["ReceiptHandle"])
        return True

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": _message_attributes(message.get("MessageAttributes", {})),
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._source.arn,
            "awsRegion": REGION,
        }

    def _settle(self, records: Sequence[dict[str, Any]], failed: set[str], kept_back: Mapping[str, int]) -> None:
        done = [record["receiptHandle"] for record in records if record["messageId"] not in failed]
        if done:
            entries = [{"Id": str(place), "ReceiptHandle": handle} for place, handle in enumerate(done)]
            answer = self._sqs.delete_message_batch(QueueUrl=self._source.url, Entries=entries)
            for problem in answer.get("Failed", ()):
                LOG.warning("%s: a handled message was not deleted: %s", self._source.arn, problem.get("Code"))
        now, returned = self._clock(), [record["receiptHandle"] for record in records if record["messageId"] in failed]
        waits = {handle: kept_back.get(handle, self._retry_seconds) for handle in returned}
        for wait in dict.fromkeys(waits.values()):
            self._returning.append((now + wait, [handle for handle in returned if waits[handle] == wait]))

    def _give_back(self, now: float) -> None:
        due = [handles for when, handles in self._returning if when <= now]
        self._returning = [(when, handles) for when, handles in self._returning if when > now]
        for handles in due:
            # All of a batch, in its order: moto would let a later message of a group overtake one that is still invisible.
            entries = [{"Id": str(n), "ReceiptHandle": handle, "VisibilityTimeout": 0} for n, handle in enumerate(handles)]
            self._sqs.change_message_visibility_batch(QueueUrl=self._source.url, Entries=entries)


def failed_ids(outcome: Invocation, records: Sequence[dict[str, Any]], *, reports: bool) -> set[str]:
    """Ids of the messages that must come again.

    All of them when the function failed, or when its report names a message that was not in the batch or none at all: Lambda then
    takes the whole batch as failed.
    """
    every = {record["messageId"] for record in records}
    if outcome.fault is not None:
        return every
    if not reports or not outcome.payload:
        return set()
    try:
        named = {failure["itemIdentifier"] for failure in outcome.payload.get("batchItemFailures") or ()}
    except (AttributeError, KeyError, TypeError):
        return every
    return named if named <= every else every


def _message_attributes(attributes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: {key[0].lower() + key[1:]: value for key, value in attribute.items()} for name, attribute in attributes.items()
    }
