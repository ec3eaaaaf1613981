"""What archiving leaves on the table's items: on messages and replies the part that holds them and when they may expire, on
conversations the oldest message that is still to be archived.

Every step may be repeated, by two runs at once too: a mark is conditional on there being none, a conversation's on its revision.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from functions.archive.due import DueReader, Reading
from functions.archive.parts import Filed
from functions.common import keys
from functions.common.store import Conversation, ConversationChanged, Store
from functions.common.table import ConditionFailed, Table
from functions.common.telemetry import Telemetry

_TRIES = 5


class Marks:
    """`table` for messages and replies, `store` for conversations."""

    def __init__(self, table: Table, store: Store, reader: DueReader, telemetry: Telemetry) -> None:
        self.table = table
        self.store = store
        self.reader = reader
        self.telemetry = telemetry

    def mark(self, filed: Filed, part: str, expires: int) -> None:
        """Name the part on a message and its reply and let both expire at `expires`, epoch seconds."""
        key = keys.split(filed.judged.message.message_id)
        if filed.reply is not None:
            self._mark(key.conv, keys.reply_sk(key), part, expires)
        self._mark(key.conv, keys.message_sk(key), part, expires)

    def settle(self, reading: Reading) -> None:
        """Let the index know what is left of a conversation whose settled messages are all marked."""
        before: Conversation | None = reading.conversation
        remaining = reading.remaining
        for _ in range(_TRIES):
            if before is None or before.unarchived_since == remaining or self._applied(before, remaining):
                return
            # A message came meanwhile. The conversation is read before its messages: whoever stores one later changes it again.
            before = self.store.conversation(reading.conversation.conv)
            remaining = self.reader.remaining(reading.conversation.conv)
        # It stays in the index as it was, and the next run sees to it.
        self.telemetry.warning("conversation_kept_changing", conversation=reading.conversation.conv)

    def _applied(self, before: Conversation, remaining: datetime | None) -> bool:
        try:
            self.store.apply(before, replace(before, unarchived_since=remaining))
        except ConversationChanged:
            return False
        return True

    def _mark(self, conv: str, sk: str, part: str, expires: int) -> None:
        pk, values = keys.conversation_pk(conv), {":part": part, ":expires": expires}
        condition = "attribute_exists(pk) AND attribute_not_exists(#archived)"
        try:
            self.table.update(pk, sk, "SET #archived = :part, #exp = :expires", values=values, condition=condition)
        except ConditionFailed as refused:
            # Marked before a crash, or gone (expired, erased) since it was filed. In another part it must not be.
            if refused.item and refused.item["archived"] != part:
                self.telemetry.warning("filed_twice", pk=pk, sk=sk, part=part, other=refused.item["archived"])
