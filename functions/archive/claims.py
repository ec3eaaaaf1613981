"""Which month's pack tells a message of the table, decided once for each message.

A message counts when it was received, or when it was stored where that was long after (`late_at`). By the time a pack is made all that
counts before its end is there to be found, but for one case: a message that was stored, and whose conversation's update, by which it is
found, failed until it was a dead letter. Brought back later it counts as stored only then (`Store.note_late`), unless a pack came across
it after all, beside others of its conversation. Of these two whoever writes first decides: a pack claims each message that its
conversation does not know for certain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from functions.archive.hot import HotReader
from functions.archive.parts import Filed
from functions.common import keys
from functions.common.clock import from_iso
from functions.common.judgement import Judged
from functions.common.store import Conversation
from functions.common.table import ConditionFailed, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """`hot` reads what is in no part. May raise `Unavailable`."""

    table: Table
    hot: HotReader

    def told(self, since: datetime, until: datetime) -> Iterator[Filed]:
        """The messages of the table that a pack from `since` until `until` tells."""
        for conversation, filed in self.hot.received_before(until):
            if since <= stored_at(filed.judged) < until:
                claimed = self._claimed(conversation, filed)
                if stored_at(claimed.judged) < until:
                    yield claimed

    def _claimed(self, conversation: Conversation, filed: Filed) -> Filed:
        if conversation.notes(filed.judged):
            return filed
        key = keys.split(filed.judged.message.message_id)
        pk, sk = keys.conversation_pk(key.conv), keys.message_sk(key)
        condition = "attribute_exists(pk) AND attribute_not_exists(#archived)"
        try:
            item = self.table.update(pk, sk, "SET #packed = :yes", values={":yes": True}, condition=condition)
        except ConditionFailed:
            return filed  # archived meanwhile, as it was read
        late_at = item.get("late_at")
        return replace(filed, judged=replace(filed.judged, late_at=from_iso(late_at) if late_at else None))


def stored_at(judged: Judged) -> datetime:
    """When a message counts."""
    return judged.late_at or judged.message.received_at
