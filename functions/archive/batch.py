"""A batch: what is collected before it is written, so that memory stays flat however much is due."""

from __future__ import annotations

from collections.abc import Iterator

from functions.archive.due import Owed, Reading, Stray
from functions.archive.parts import Filed, Part, PartWriter
from functions.archive.retention import Retention

# A part in the making takes a quarter of a megabyte, whatever is in it: after days of outage many days meet in a batch.
_OPEN_PARTS = 64


class Batch:
    """Messages by day and channel, compressed as they come, and the conversations that were read to their end."""

    def __init__(self, retention: Retention) -> None:
        self.readings: list[Reading] = []
        self.strays: list[Stray] = []
        self.owed: list[Owed] = []
        self._retention = retention
        self._writers: dict[tuple[str, str], PartWriter] = {}
        self.items = 0
        self._messages = 0
        self._bytes = 0

    @property
    def full(self) -> bool:
        """Whether it should be written before more is collected."""
        policy = self._retention
        size = max(self._messages, len(self.readings), len(self.strays), len(self.owed))
        return size >= policy.batch_messages or self._bytes >= policy.batch_bytes or len(self._writers) >= _OPEN_PARTS

    @property
    def empty(self) -> bool:
        """Whether nothing was collected."""
        return not (self._messages or self.readings or self.strays or self.owed)

    def take(self, found: Filed | Owed | Stray | Reading) -> None:
        """Collect a message, or note the end of a conversation."""
        if isinstance(found, Stray):
            self.strays.append(found)
            return
        if isinstance(found, Owed):
            self.owed.append(found)
            return
        if isinstance(found, Reading):
            if self.readings and self.readings[-1].conversation is found.conversation:
                self.readings.pop()  # a note of how far it was read; this one says more
            self.readings.append(found)
            return
        message = found.judged.message
        place = self._retention.day(message.received_at), message.channel
        writer = self._writers.get(place) or self._writers.setdefault(place, PartWriter(*place))
        self._bytes += writer.add(found)
        self._messages += 1
        self.items += found.items

    def parts(self) -> Iterator[Part]:
        """The finished parts, oldest day first, one at a time."""
        for place in sorted(self._writers):
            yield self._writers.pop(place).close()
