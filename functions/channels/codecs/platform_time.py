"""The platform's own time of a message, believed within reason.

A message's id and its reply window hang on this time. One from another year is a fault or an attempt: the message is kept without a time
(docs/adr/0005-messages-without-a-time.md), and its windows are counted from the receipt. The bounds are wide enough that a
retry, hours after the first try, is judged as the first try was.
"""

from __future__ import annotations

from datetime import datetime, timedelta

LATE = timedelta(days=30)
EARLY = timedelta(days=1)
# A system of one's own may hand over the correspondence of years; nothing makes next year's messages true.
OF_ONES_OWN = timedelta(days=3653)


def believable(sent: datetime | None, received_at: datetime, *, late: timedelta = LATE) -> datetime | None:
    """`sent`, or None when it is none or lies more than `late` before or a day after the receipt."""
    return sent if sent is not None and -EARLY <= received_at - sent <= late else None
