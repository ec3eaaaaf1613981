"""How long to wait before a reply is tried again, and when there is no use in trying. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil, isfinite

from functions.autoreply.case import Case

FIRST, FACTOR, LONGEST = 15, 4, 900
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
INVISIBLE_AT_MOST = 12 * 60 * 60


def seconds_to_wait(attempts: int, retry_after: float | None) -> int:
    """After so many attempts: what the platform asked for, if that is a time at all, else four times as long as before."""
    if retry_after is not None and isfinite(retry_after) and retry_after > 0:
        return min(max(ceil(retry_after), 1), INVISIBLE_AT_MOST)
    return int(min(FIRST * FACTOR ** max(attempts - 1, 0), LONGEST))


def too_late(case: Case, seconds: int, retry_after: float | None) -> bool:
    """Whether a reply that goes out so much later than `case.now` is of no more use: its message is stale then, or its window shut.

    A wait that the platform asked for and that no queue can keep is too long as well.
    """
    then = case.now + timedelta(seconds=seconds)
    beyond = retry_after is not None and isfinite(retry_after) and retry_after > INVISIBLE_AT_MOST
    return beyond or then > useful_until(case)


def useful_until(case: Case) -> datetime:
    """Until when a reply to the message may go out."""
    limits, message = case.policy.book.limits, case.message
    stale = message.received_at + limits.too_old
    closes = message.reply.expires_at
    return stale if closes is None else min(stale, closes - limits.window_margin)
