"""What is due for the archive: conversations by way of the sparse `archive` index, and of each the messages that no part holds yet.

A conversation's messages are read from where unarchived ones begin in the order of keys, which the conversation knows
(`unarchived_from`). Archived ones may lie behind that: keys sort by the platform's time, the index by receipt, and a platform may deliver
days late, or lie. Messages without a time (all their keys begin with zeros) lie anywhere; as long as they are few the conversation names
each (`unarchived_few`). What lies behind and is archived is read and passed over here; a filter in DynamoDB would
read, and charge for, just as much, and hide from `items_read` what it cost. Replies are read from the first message that needs one, side
by side with the messages, so nothing is held but one of each; of a short conversation of which no part holds anything one query reads both,
for each query is a read unit at least. In a long conversation a note is made from time to time of how far it was
read, so that a run which is cut short need not be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock

from functions.archive.manifests import lost_parts
from functions.archive.parts import Filed, reply_from
from functions.archive.retention import Retention
from functions.archive.tombstones import Erased
from functions.common import keys
from functions.common.clock import EPOCH, from_iso, to_iso
from functions.common.dynamo_items import conversation_from, judged_from_item
from functions.common.errors import MalformedEnvelope
from functions.common.store import FEW, Conversation, Reply, unsettled
from functions.common.table import Item, Table
from functions.common.telemetry import Telemetry

# So many messages of one conversation are filed before a note is made.
NOTE_EVERY = 2_000
# So many messages are held at a time, each with its reply.
SHORT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A stored message that this code cannot read. It stays where it is, and so does its conversation's entry in the index."""

    received_at: datetime
    suffix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A conversation in which there is something up to the moment, `until`, at which its person was erased: a message that was on its way
    then, if the table was found `clear` before. All that goes, and is not filed.
    """

    conv: str
    until: datetime
    clear: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """The record of a reply that was written, or changed, after its message was archived: no part has it as it is."""

    channel: str
    reply: Reply
    received_at: datetime
    suffix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """What no part holds of a conversation: since which receipt, from where in the order of keys, and which, where they are few and have
    no times. Nothing: none of these.
    """

    since: datetime | None = None
    start: str | None = None
    few: tuple[str, ...] = ()

    def with_message(self, received_at: datetime, suffix: str) -> Remainder:
        """With one message more, which comes later in the order of keys."""
        ts13, _, h = suffix.partition("#")
        few = (*self.few, h) if ts13 == keys.NO_TIME and (self.few or self.since is None) else ()
        return Remainder(
            since=min(received_at, self.since or received_at), start=self.start or suffix, few=few if len(few) <= FEW else ()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How far a conversation was read, as it was before: to its end (`whole`), or to where `remaining` begins."""

    conversation: Conversation
    remaining: Remainder
    whole: bool = True


class DueReader:
    """Reads what is due. `items_read` counts every item of the table that was read: conversations, messages, replies. `entries_read` counts
    those of the index, which are keys only: DynamoDB bills by the size of what is read, and some fifty of them are half a read unit.
    """

    def __init__(self, table: Table, shards: int, telemetry: Telemetry) -> None:
        self.table = table
        self.shards = shards
        self.telemetry = telemetry
        self.items_read = 0
        self.entries_read = 0
        self._lock = Lock()
        self._lost: frozenset[str] | None = None

    @property
    def lost(self) -> frozenset[str]:
        """Parts that were lost after items were marked with their names: those items are in no part. Read once, and by each `read`."""
        if self._lost is None:
            self._lost = lost_parts(self.table)
        return self._lost

    def read(self, retention: Retention, now: datetime, erased: Erased) -> Iterator[Filed | Owed | Stray | Reading]:
        """Every settled message, conversation by conversation, each closed by its `Reading`; `Stray` before those of `erased` people."""
        self._lost = None
        for conversation in self._conversations(retention, now):
            stray = _stray(conversation, erased)
            if stray is not None:
                yield stray  # whomever its conversation waits for
            if _is_due(conversation, retention, now):
                before = now - (retention.at_latest if unsettled(conversation) else retention.quiet)
                yield from self._settled(conversation, before, stray)

    def remaining(self, conversation: Conversation) -> Remainder:
        """What no part holds of the conversation."""
        left = Remainder()
        for filed in self.unarchived(conversation):
            left = left.with_message(*_place(filed))
        return left

    def _settled(
        self, conversation: Conversation, before: datetime, stray: Stray | None
    ) -> Iterator[Filed | Owed | Stray | Reading]:
        """The messages received before `before`. The first is filed with the conversation, so that the archive knows that too."""
        left, count = Remainder(), 0
        for filed in self.unarchived(conversation):
            received, suffix = _place(filed)
            if stray is not None and received <= stray.until:
                continue
            if isinstance(filed, Unreadable) or received >= before:
                left = left.with_message(received, suffix)
                continue
            if isinstance(filed, Owed):
                yield filed
                continue
            yield replace(filed, conversation=None if count or stray is not None else conversation)
            count += 1
            if count % NOTE_EVERY == 0:
                so_far = Remainder(since=conversation.unarchived_since, start=left.start or suffix)
                yield Reading(conversation=conversation, remaining=so_far, whole=False)
        yield Reading(conversation=conversation, remaining=left)

    def unarchived(self, conversation: Conversation) -> Iterator[Filed | Owed | Unreadable]:
        """The conversation's messages that no part holds, each with its reply, in the order of their keys; among them records of replies
        that the parts lack.
        """
        if conversation.unarchived_few:
            yield from self._few(conversation)
            return
        if _is_short_and_new(conversation):
            yield from self._at_once(conversation)
            return
        pk, replies = keys.conversation_pk(conversation.conv), None
        for item in self._items(pk, f"M#{conversation.unarchived_from or ''}", "M$"):
            suffix = item["sk"].removeprefix("M#")
            replies = replies or _Replies(self._items(pk, f"R#{suffix}", "R$"))
            yield from self._unfiled(item, replies.to(suffix))

    def _at_once(self, conversation: Conversation) -> Iterator[Filed | Owed | Unreadable]:
        """All messages and replies by one query: they lie side by side in the order of keys."""
        found = list(self._items(keys.conversation_pk(conversation.conv), "M#", "R$"))
        replies = {item["sk"]: item for item in found if item["sk"].startswith("R#")}
        for item in found[: len(found) - len(replies)]:
            yield from self._unfiled(item, replies.get(f"R#{item['sk'].removeprefix('M#')}"))

    def _few(self, conversation: Conversation) -> Iterator[Filed | Owed | Unreadable]:
        """The messages that the conversation names, each with its reply."""
        pk = keys.conversation_pk(conversation.conv)
        for h in sorted(conversation.unarchived_few):
            item, reply = (self.table.get(pk, f"{kind}#{keys.NO_TIME}#{h}") for kind in "MR")
            with self._lock:
                self.items_read += 2
            if item is not None:
                yield from self._unfiled(item, reply)

    def _unfiled(self, item: Item, reply: Item | None) -> Iterator[Filed | Owed | Unreadable]:
        """What no part holds of a message and its reply."""
        if not self._is_filed(item):
            yield self._read(item, reply)
        elif reply is not None and not self._is_filed(reply):
            found = self._read(item, reply)
            if isinstance(found, Filed) and found.reply is not None:
                received, suffix = _place(found)
                yield Owed(channel=found.judged.message.channel, reply=found.reply, received_at=received, suffix=suffix)

    def _is_filed(self, item: Item) -> bool:
        return "archived" in item and item["archived"] not in self.lost

    def _read(self, item: Item, reply: Item | None) -> Filed | Unreadable:
        try:
            judged = judged_from_item(item)
            message_id = judged.message.message_id
            return Filed(
                judged=judged,
                reply=None if reply is None else reply_from({**reply, "message_id": message_id}),
                claimed="packed" in item,
                lost=item.get("archived"),
            )
        except MalformedEnvelope as fault:
            self.telemetry.error("message_unreadable", fault, pk=item["pk"], sk=item["sk"])
            return Unreadable(received_at=_stated_receipt(item), suffix=item["sk"].removeprefix("M#"))

    def _conversations(self, retention: Retention, now: datetime) -> Iterator[Conversation]:
        before = to_iso(now - retention.quiet)
        for shard in range(self.shards):
            entries = self.table.query(
                "archive_pk = :pk AND archive_sk < :before", {":pk": f"A#{shard}", ":before": before}, index="archive"
            )
            for entry in entries:
                self.entries_read += 1
                item = self.table.get(entry["pk"], entry["sk"])
                self.items_read += 1
                if item is not None:
                    yield conversation_from(item)

    def _items(self, pk: str, first: str, end: str) -> Iterator[Item]:
        # "$" is the character after "#": the range holds every key that begins with the letter and "#".
        values = {":pk": pk, ":first": first, ":end": end}
        return self._counted(self.table.query("pk = :pk AND sk BETWEEN :first AND :end", values))

    def _counted(self, items: Iterator[Item]) -> Iterator[Item]:
        for item in items:
            with self._lock:
                self.items_read += 1
            yield item


class _Replies:
    """Replies in the order of their keys, beside messages in the order of theirs."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._next: Item | None = next(items, None)

    def to(self, suffix: str) -> Item | None:
        """The reply to the message whose key ends so; messages must be asked for in order."""
        while self._next is not None and self._next["sk"] < f"R#{suffix}":
            self._next = next(self._items, None)
        found = self._next
        return found if found is not None and found["sk"] == f"R#{suffix}" else None


def _is_short_and_new(conversation: Conversation) -> bool:
    """Whether few messages were ever in it and the oldest is in no part: hardly more is read than is wanted."""
    return conversation.count <= SHORT and conversation.unarchived_since == conversation.first_at


def _is_due(conversation: Conversation, retention: Retention, now: datetime) -> bool:
    # The index is eventually consistent, the item is not. A conversation that needs a person is not even read before its time.
    since = conversation.unarchived_since
    wait = retention.at_latest if unsettled(conversation) else retention.quiet
    return since is not None and since < now - wait


def _stray(conversation: Conversation, erased: Erased) -> Stray | None:
    """That there is something in the conversation of the time before its person was erased, if there is."""
    until = erased.until(conversation.conv)
    if until is None or (conversation.first_at or EPOCH) > until:
        return None
    return Stray(conv=conversation.conv, until=until, clear=erased.is_clear(conversation.conv))


def _place(filed: Filed | Owed | Unreadable) -> tuple[datetime, str]:
    """Receipt and place in the order of keys."""
    if isinstance(filed, Unreadable | Owed):
        return filed.received_at, filed.suffix
    message = filed.judged.message
    return message.received_at, keys.split(message.message_id).suffix


def _stated_receipt(item: Item) -> datetime:
    try:
        return from_iso(item["message"]["received_at"])
    except (KeyError, TypeError, ValueError):
        return EPOCH  # due at every run, until somebody has seen to it
