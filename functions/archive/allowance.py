"""The time an invocation may take, and when to stop in order to end by itself."""

from __future__ import annotations

from collections.abc import Callable

# Enough to write and prove the parts of a full batch; marking can be left to the next run at any message.
_TO_WRITE_MS = 60_000
_TO_END_MS = 5_000


class OutOfTime(Exception):
    """The invocation is about to end; what is left is the next run's."""


class Allowance:
    """`remaining` gives the milliseconds left, as Lambda's context does."""

    def __init__(self, remaining: Callable[[], int]) -> None:
        self._remaining = remaining
        whole = remaining()
        self._to_write = min(_TO_WRITE_MS, whole // 2)
        self._to_end = min(_TO_END_MS, whole // 4)

    def has_time_to_collect(self) -> bool:
        """Whether more can be collected and still be written."""
        return self._remaining() > self._to_write

    def check(self) -> None:
        """`OutOfTime` when it is time to end."""
        if self._remaining() <= self._to_end:
            raise OutOfTime
