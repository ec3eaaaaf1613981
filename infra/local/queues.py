"""How full the queues are, and whether everything is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infra.local.resources import STACK, Queue

LOOK_EVERY = 0.1
_COUNTS = {
    "visible": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCount:
    """How many messages a queue holds. `name` is without the stack's own and without `.fifo`."""

    name: str
    visible: int
    in_flight: int
    delayed: int
    is_dead_letters: bool

    @property
    def is_busy(self) -> bool:
        """Whether it holds work; a dead letter is none."""
        return not self.is_dead_letters and self.visible + self.in_flight + self.delayed > 0


class QueueWatch:
    """The template's queues, upstream ones first. `sqs` is a boto3 client, `url(logical id)` where a queue is.

    `also` says whether work is under way that is on no queue.
    """

    def __init__(
        self, sqs: Any, queues: Sequence[Queue], url: Callable[[str], str], *, also: Callable[[], bool] = lambda: False
    ) -> None:
        self._sqs = sqs
        self._also = also
        self._queues = queues
        self._url = url
        self._dead_letters = {queue.dead_letters for queue in queues}

    def counts(self) -> list[QueueCount]:
        """Every queue's counts. A message moves downstream before it leaves its queue, so none is missed in between."""
        return [self._count(queue) for queue in self._queues]

    def drain(
        self, seconds: float, *, clock: Callable[[], float] = time.monotonic, pause: Callable[[float], None] = time.sleep
    ) -> bool:
        """Wait until every queue is empty and nothing else under way, seen twice in a row; False when that takes longer than `seconds`."""
        ends, quiet = clock() + seconds, 0
        while True:
            quiet = 0 if self._also() or any(count.is_busy for count in self.counts()) else quiet + 1
            if quiet == 2:
                return True
            if clock() >= ends:
                return False
            pause(LOOK_EVERY)

    def _count(self, queue: Queue) -> QueueCount:
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url(queue.logical_id), AttributeNames=list(_COUNTS.values()))
        counts = {name: int(answer["Attributes"].get(attribute, 0)) for name, attribute in _COUNTS.items()}
        name = queue.name.removeprefix(f"{STACK}-").removesuffix(".fifo")
        return QueueCount(name=name, is_dead_letters=queue.logical_id in self._dead_letters, **counts)
