"""Comparison of secrets. `hmac.compare_digest` raises on non-ASCII text; over bytes it does not."""

from __future__ import annotations

import hmac
import re
from datetime import datetime, timedelta

from functions.common.clock import from_ms

_DIGITS = re.compile(r"[0-9]{1,13}")


def same(ours: str, theirs: str) -> bool:
    """Whether two texts are equal, in time that does not tell where they differ."""
    return hmac.compare_digest(ours.encode("utf-8", "surrogatepass"), theirs.encode("utf-8", "surrogatepass"))


def unix_time(text: str | None, *, milliseconds: bool = False) -> datetime | None:
    """The time of a decimal timestamp, or None when the text is not one (`int` accepts far too much)."""
    if text is None or not _DIGITS.fullmatch(text):
        return None
    return from_ms(int(text) * (1 if milliseconds else 1000)) if milliseconds or int(text) < 10**11 else None


def fresh(sent: datetime | None, now: datetime, tolerance: timedelta) -> bool:
    """Whether a webhook's time is within `tolerance` of ours, either way."""
    return sent is not None and abs(now - sent) <= tolerance
