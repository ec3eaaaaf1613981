"""What archiving leaves on the table's items: on messages and replies the part that holds them and when they may expire, on
conversations the oldest message that is still to be archived.

Every step may be repeated, by two runs at once too: a mark is conditional on there being none, a conversation's on its revision.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from functions.archive.due import DueReader, Reading, Remainder
from functions.archive.parts import Filed
from functions.common import keys
from functions.common.clock import to_iso
from functions.common.store import Conversation, ConversationChanged, Reply, Store
from functions.common.table import ConditionFailed, Item, Table
from functions.common.telemetry import Telemetry

_TRIES = 5


class Marks:
    """`table` for messages and replies, `store` for conversations."""

    def __init__(self, table: Table, store: Store, reader: DueReader, telemetry: Telemetry) -> None:
        self.table = table
        self.store = store
        self.reader = reader
        self.telemetry = telemetry
        self._noted: dict[str, tuple[Conversation, Conversation]] = {}

    def mark(self, filed: Filed, part: str, expires: int) -> None:
        """Name the part on a message and its reply and let both expire at `expires`, epoch seconds."""
        key = keys.split(filed.judged.message.message_id)
        if filed.reply is not None:
            self.mark_reply(filed.reply, part, expires)
        self._mark(key.conv, keys.message_sk(key), part, expires)

    def count_from(self, filed: Filed, at: datetime) -> Filed:
        """Let a message count as stored at a time; as it was when it is gone, or no longer as it was read."""
        key, as_read = keys.split(filed.judged.message.message_id), {":other": filed.lost} if filed.lost else {}
        condition = "attribute_exists(pk) AND attribute_not_exists(#packed) AND " + (
            "#archived = :other" if filed.lost else "attribute_not_exists(#archived)"
        )
        values = {":at": to_iso(at), **as_read}
        try:
            self.table.update(
                keys.conversation_pk(key.conv), keys.message_sk(key), "SET #late_at = :at", values=values, condition=condition
            )
        except ConditionFailed:
            return filed
        return replace(filed, judged=replace(filed.judged, late_at=at))

    def mark_reply(self, reply: Reply, part: str, expires: int) -> None:
        """Name the part on a reply's record, if it is still as it was filed."""
        key = keys.split(reply.message_id)
        as_filed = {":state": reply.state, ":attempts": reply.attempts}
        self._mark(key.conv, keys.reply_sk(key), part, expires, as_filed)

    def settle(self, reading: Reading) -> None:
        """Let the index know what is left of a conversation whose settled messages are all marked."""
        before, remaining = self._last_seen(reading), reading.remaining
        for _ in range(_TRIES):
            if before is None or _left(before) == remaining:
                return None
            if after := self._applied(before, remaining):
                return self._note(reading, after)
            # A message came meanwhile. The conversation is read before its messages: whoever stores one later changes it again.
            before = self.store.conversation(reading.conversation.conv)
            remaining = self.reader.remaining(before) if before else remaining
        # It stays in the index as it was, and the next run sees to it.
        self.telemetry.warning("conversation_kept_changing", conversation=reading.conversation.conv)
        return None

    def _last_seen(self, reading: Reading) -> Conversation | None:
        """The conversation as it was read, or as an earlier note about this reading left it."""
        read, noted = self._noted.pop(reading.conversation.conv, (None, None))
        return noted if read is reading.conversation else reading.conversation

    def _note(self, reading: Reading, after: Conversation) -> None:
        if not reading.whole:
            self._noted[after.conv] = reading.conversation, after

    def _applied(self, before: Conversation, remaining: Remainder) -> Conversation | None:
        after = replace(before, unarchived_since=remaining.since, unarchived_from=remaining.start, unarchived_few=remaining.few)
        try:
            self.store.apply(before, after)
        except ConversationChanged:
            return None
        return replace(after, rev=before.rev + 1)

    def _mark(self, conv: str, sk: str, part: str, expires: int, as_filed: Item | None = None) -> None:
        pk, values = keys.conversation_pk(conv), {":part": part, ":expires": expires, **(as_filed or {})}
        condition = "attribute_exists(pk) AND attribute_not_exists(#archived)"
        if as_filed:
            condition += " AND #state = :state AND #attempts = :attempts"
        try:
            self.table.update(pk, sk, "SET #archived = :part, #exp = :expires", values=values, condition=condition)
        except ConditionFailed as refused:
            # Marked before a crash, or gone (expired, erased) since it was filed. In another part it must not be.
            # A record that changed meanwhile names none: the next run files it.
            other = (refused.item or {}).get("archived", part)
            if other != part:
                self._mark_anew(pk, sk, {":part": part, ":expires": expires}, other)

    def _mark_anew(self, pk: str, sk: str, values: Item, other: str) -> None:
        """Mark what is marked with another part's name, if that part was lost."""
        if other not in self.reader.lost:
            self.telemetry.warning("filed_twice", pk=pk, sk=sk, part=values[":part"], other=other)
            return
        with suppress(ConditionFailed):  # by another run, with a part of its own
            values = values | {":other": other}
            self.table.update(pk, sk, "SET #archived = :part, #exp = :expires", values=values, condition="#archived = :other")


def _left(conversation: Conversation) -> Remainder:
    return Remainder(since=conversation.unarchived_since, start=conversation.unarchived_from, few=conversation.unarchived_few)
