"""Texts of newcomers (`F#`), in which a conversation stands among the senders: what an export shows of them, and an erasure removes.

There is no way from a conversation to them but to look through the days that there are: sixteen queries a day, for few days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from functions.common import keys
from functions.common.table import Item, Table

# They expire after three days, and DynamoDB removes what has expired within some more.
_DAYS = 7
# A filter has at most four kilobytes.
_AT_ONCE = 80


def sent_by(table: Table, conversations: Collection[str], now: datetime) -> Iterator[Item]:
    """The items that name one of these conversations. May raise `Unavailable`."""
    convs = sorted(conversations)
    for begin in range(0, len(convs), _AT_ONCE):
        named = {f":conv{number}": conv for number, conv in enumerate(convs[begin : begin + _AT_ONCE])}
        holds = " OR ".join(f"contains(#senders, {name})" for name in named)
        for days in range(_DAYS):
            for shard in "0123456789abcdef":
                pk = keys.campaign_pk((now - timedelta(days=days)).date(), shard)
                yield from table.query("pk = :pk", {":pk": pk, **named}, filter=holds)


def forget(table: Table, conversations: Collection[str], now: datetime) -> None:
    """Remove those items whole, for the sample may be the person's words: whoever sends the text from now on is counted anew."""
    for item in sent_by(table, conversations, now):
        table.delete(item["pk"], item["sk"])
