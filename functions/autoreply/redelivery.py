"""When a postponed message comes again: after the wait that was asked for, not after the queue's own.

A FIFO queue hands out nothing of a group while one of its messages is in flight: all that failed of a conversation get the same wait.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from functions.autoreply.desk import Postponed
from functions.common.errors import Unavailable
from functions.common.queues import FifoQueue
from functions.common.sqs_batch import Record, records
from functions.common.telemetry import Telemetry


class Redelivery:
    """The waits of one batch, by conversation."""

    def __init__(self) -> None:
        self._seconds: dict[str, int] = {}

    @contextmanager
    def noting(self, record: Record) -> Iterator[None]:
        """Note how long the record asks to be kept, if it asks."""
        try:
            yield
        except Postponed as postponed:
            self._seconds[record.group] = postponed.seconds
            raise

    def arrange(self, event: dict[str, Any], outcome: dict[str, Any], queue: FifoQueue, telemetry: Telemetry) -> None:
        """Tell the queue. If it does not listen, its own visibility time holds, which is longer and as safe."""
        failed = {item["itemIdentifier"] for item in outcome["batchItemFailures"]}
        waits = {
            record.receipt: self._seconds[record.group]
            for record in records(event)
            if record.id in failed and record.group in self._seconds
        }
        try:
            queue.keep_back(waits)
        except Unavailable as fault:
            telemetry.error("not_kept_back", fault)
