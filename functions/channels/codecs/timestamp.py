"""A platform's timestamp of a message: seconds or milliseconds, as a number or as text (trap T15).

The magnitude tells the two apart: ten to the eleventh is the year 5138 in seconds and 1973 in milliseconds. What `platform_time` does not
believe is no time at all: used, it would keep a reply window open for years, or sort a message behind all that follow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from functions.channels.codecs.platform_time import believable
from functions.common.clock import from_ms

_DIGITS = re.compile(r"[0-9]{1,16}")
_MILLISECONDS_FROM = 10**11
_BEYOND = 10**14


@dataclass(frozen=True, slots=True)
class SentAt:
    """When a message was sent; `at` None and `precision` none when the platform says nothing that can be true."""

    at: datetime | None
    precision: Literal["ms", "s", "none"]


UNKNOWN = SentAt(None, "none")


def sent_at(value: Any, received_at: datetime) -> SentAt:
    """The time that a field holds, whatever is in it."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _BEYOND:
        return UNKNOWN
    seconds = value < _MILLISECONDS_FROM
    at = believable(from_ms(value * 1000 if seconds else value), received_at)
    return UNKNOWN if at is None else SentAt(at, "s" if seconds else "ms")


def closes_at(sent: SentAt, received_at: datetime, window: timedelta) -> datetime:
    """When a reply window closes that opened as the message was sent, or came in if that was earlier or nobody says."""
    return min(sent.at or received_at, received_at) + window
