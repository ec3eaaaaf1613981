"""Messages that no part holds yet, without a Scan: the sparse `archive` index lists the conversations that have any.

The index is eventually consistent: a message of the last second may not be found yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from functions.archive.due import DueReader
from functions.archive.parts import Filed
from functions.common import keys
from functions.common.clock import EPOCH, to_iso
from functions.common.dynamo_items import conversation_from
from functions.common.store import Conversation
from functions.common.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One of the index: a conversation's key, and since when it has messages that no part holds."""

    pk: str
    since: str


class HotReader:
    """Reads what is in the table only; `reader` says what cannot be read. Every method may raise `Unavailable`."""

    def __init__(self, table: Table, shards: int, reader: DueReader) -> None:
        self._table = table
        self._shards = shards
        self._reader = reader

    def read(
        self, since: datetime, until: datetime, *, wanted: Callable[[Conversation], bool] = lambda _: True
    ) -> Iterator[Filed]:
        """The messages received from `since` and before `until`, of conversations that are wanted."""
        for conversation in self._conversations(until):
            if wanted(conversation):
                yield from self._of(conversation, since, until)

    @property
    def shards(self) -> int:
        """Over how many partitions the index is spread."""
        return self._shards

    def entries(self, shard: int, until: datetime, begin: str = "") -> Iterator[Entry]:
        """The entries of conversations that have messages received before `until`, oldest first, from `begin` on."""
        partition = {":pk": f"A#{shard}", ":begin": begin or to_iso(EPOCH), ":until": to_iso(until)}
        within = "archive_pk = :pk AND archive_sk BETWEEN :begin AND :until"
        for entry in self._table.query(within, partition, index="archive"):
            yield Entry(pk=entry["pk"], since=entry["archive_sk"])

    def of(self, pk: str, until: datetime) -> Iterator[Filed]:
        """The messages of an entry's conversation that were received before `until`."""
        conversation = self._conversation(pk)
        if conversation is not None:
            yield from self._of(conversation, EPOCH, until)

    def read_one(self, conv: str, since: datetime, until: datetime) -> Iterator[Filed]:
        """The same of one conversation."""
        conversation = self._conversation(keys.conversation_pk(conv))
        if conversation is not None:
            yield from self._of(conversation, since, until)

    def _of(self, conversation: Conversation, since: datetime, until: datetime) -> Iterator[Filed]:
        oldest = conversation.unarchived_since
        if oldest is None or oldest >= until:
            return
        for filed in self._reader.unarchived(conversation):
            if isinstance(filed, Filed) and since <= filed.judged.message.received_at < until:
                yield filed

    def _conversations(self, until: datetime) -> Iterator[Conversation]:
        for shard in range(self._shards):
            for entry in self.entries(shard, until):
                conversation = self._conversation(entry.pk)
                if conversation is not None:
                    yield conversation

    def _conversation(self, pk: str) -> Conversation | None:
        item = self._table.get(pk, keys.CONVERSATION_SK)
        return None if item is None else conversation_from(item)
