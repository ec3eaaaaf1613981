"""The platform's own time of a message, believed within reason.

A message's id and its reply window hang on this time. One from another year is a fault or an attempt: the message is kept without a time
(docs/adr/0005-messages-without-a-time.md), and its windows are counted from the receipt. The bounds are wide enough that a
retry, hours after the first try, is judged as the first try was.
"""

from __future__ import annotations

from datetime import datetime, timedelta

LATE = timedelta(days=30)
EARLY = timedelta(days=1)


def believable(sent: datetime | None, received_at: datetime) -> datetime | None:
    """`sent`, or None when it is none or lies more than 30 days before or a day after the receipt."""
    return sent if sent is not None and -EARLY <= received_at - sent <= LATE else None
