"""When a conversation's last messages came, to the minute, in a few dozen characters of its item: `so 1e3 0 5`.

The first is the minute since 1970 in base 36, each further one how many minutes later the next came.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import accumulate, pairwise

from functions.classify.config import CONTACTS_KEPT

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def heard(stored: str) -> tuple[int, ...]:
    """The minutes, oldest first."""
    return tuple(accumulate(int(gap, 36) for gap in stored.split()))


def with_heard(stored: str, at: datetime) -> str:
    """The minutes with one more, of which the newest are kept."""
    minutes = sorted((*heard(stored), _minute(at)))[-CONTACTS_KEPT:]
    return " ".join(map(_base36, (minutes[0], *(after - before for before, after in pairwise(minutes)))))


def count(minutes: Iterable[int], at: datetime, within: timedelta) -> int:
    """How many contacts there were in the time up to `at`, the one at that moment counted."""
    since = _minute(at - within)
    return 1 + sum(since < minute <= _minute(at) for minute in minutes)


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, last = divmod(number, 36)
        digits = _DIGITS[last] + digits
        if not number:
            return digits
