"""How far each source has been read: item `K#channel#account` / source. Whoever moves a cursor names the one it began from."""

from __future__ import annotations

from datetime import datetime

from functions.common.clock import to_iso
from functions.common.errors import Retryable
from functions.common.table import ConditionFailed, Item, Table
from functions.common.wire import PullTask


class CursorMoved(Retryable):
    """Somebody else has read the same page meanwhile. Its messages are on the queue twice, which does no harm."""


class Cursors:
    """The cursors of every source, in the table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, task: PullTask) -> str | None:
        """Where the source's next page begins, read consistently; None when nothing was ever read of it."""
        item = self._table.get(*_key(task))
        return None if item is None else str(item["cursor"])

    def move(self, task: PullTask, *, was: str | None, to: str, now: datetime) -> None:
        """Note that everything up to `to` is on the inbound queue; `CursorMoved` when the cursor is no longer `was`."""
        values: Item = {":to": to, ":now": to_iso(now)}
        condition = "attribute_not_exists(#cursor)"
        if was is not None:
            condition, values[":was"] = "#cursor = :was", was
        try:
            self._table.update(*_key(task), "SET #cursor = :to, #moved_at = :now", values=values, condition=condition)
        except ConditionFailed:
            raise CursorMoved(task.source) from None


def _key(task: PullTask) -> tuple[str, str]:
    return f"K#{task.channel}#{task.account}", task.source
