"""Messages from the archive's parts back into the table.

What is in the table stays as it is: a message, a reply or a conversation is written only where there is none. A part is believed only
when it is what its manifest says. What is brought back names its part, so it is not archived again, and expires by itself after `keep`.
A message whose expiry has come, but which DynamoDB has not removed yet, would vanish after all: its expiry is put off instead.

What was erased stays away, an erasure that begins while a restore is at work too: no write holds against a tombstone (`guarded`).
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from threading import Lock

from functions.archive.crew import Crew
from functions.archive.manifests import Manifest
from functions.archive.parts import Filed, filed_from
from functions.archive.tombstones import Erased, Tombstones
from functions.common import keys
from functions.common.clock import to_iso
from functions.common.dynamo_items import CONVERSATIONS_KEPT, conversation_from, message_item, reply_item
from functions.common.errors import MalformedEnvelope
from functions.common.message import Message
from functions.common.store import Conversation
from functions.common.table import ConditionFailed, Item, Table
from functions.common.wire import dumps, plain
from infra.records.catalogue import Catalogue
from infra.records.errors import PartUnsound
from infra.records.guarded import ErasedMeanwhile, Guarded
from infra.records.linked import Sightings, account_of, conversation_of
from infra.records.period import Period
from infra.records.rebuilt import is_rebuilt, with_message

KEEP = timedelta(days=30)
# At a time; boto3 keeps ten connections.
WRITERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages: all that every given part of it fits. `ids` are one contact's, however it may be written; `people` are keys of
    conversations.
    """

    conversation: str | None = None
    ids: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()
    channel: str | None = None
    account: str | None = None
    period: Period | None = None

    def may_hold(self, line: bytes) -> bool:
        """Whether a part's line can be wanted at all, without reading it: most are not."""
        if self.conversation is not None and f'"message_id":"{self.conversation}.'.encode() not in line:
            return False
        if self.people and conversation_of(line) not in self.people:
            return False
        return not self.ids or any(dumps(id_).encode() in line for id_ in self.ids)

    def names(self, message: Message) -> bool:
        """Whether it is of the contact that is meant: by any of the ids that its platform gave."""
        return not self.ids.isdisjoint((message.contact.primary, *(found.value for found in message.contact.ids)))

    def holds(self, message: Message) -> bool:
        """Whether the message is wanted."""
        conv = keys.split(message.message_id).conv
        return (
            (self.conversation is None or conv == self.conversation)
            and (not self.people or conv in self.people)
            and (not self.ids or self.names(message))
            and (self.channel is None or message.channel == self.channel)
            and (self.account is None or message.account == self.account)
            and (self.period is None or self.period.holds(message.received_at))
        )


@dataclass(slots=True, kw_only=True)
class Restored:
    """What one restore did: `messages` brought back (`replies` with them), `kept` as they stood in the table, `prolonged` in time,
    and `erased` ones that stay away. `conversations` had to be made anew; `linked` ones are the same person's as those of the contact that
    was named.
    """

    parts: int = 0
    messages: int = 0
    replies: int = 0
    kept: int = 0
    prolonged: int = 0
    erased: int = 0
    conversations: int = 0
    linked: int = 0


class Restorer:
    """Brings messages back, but those that `tombstones` cover; with `dry_run` nothing is written."""

    def __init__(
        self,
        table: Table,
        catalogue: Catalogue,
        *,
        now: datetime,
        tombstones: Tombstones,
        keep: timedelta = KEEP,
        dry_run: bool = False,
        writers: int = WRITERS,
    ) -> None:
        self._table = table
        self._catalogue = catalogue
        self._now = now
        self._expires = int((now + keep).timestamp())
        self._dry_run = dry_run
        self._tombstones = tombstones
        self._guarded = Guarded(table=table, tombstone=tombstones.key_of)
        self._crew = Crew(writers)
        self._lock = Lock()
        self._there: set[str] = set()
        self._noted = Erased(hash_of=tombstones.hash_of, at={})
        self._parts: set[str] = set()
        self._own: set[str] = set()
        self._accounts: set[tuple[str, str]] = set()
        self.done = Restored()

    @property
    def seen(self) -> Sightings:
        """Where the contact that was named, and anybody at all, was met in the parts."""
        return Sightings(own=frozenset(self._own), accounts=frozenset(self._accounts))

    def restore(self, wanted: Wanted, manifests: Iterable[Manifest]) -> Restored:
        """Bring back what is wanted of these parts; `PartUnsound` stops at the part that cannot be believed."""
        self._heed_tombstones()
        for manifest in manifests:
            self._parts.add(manifest.key)
            self.done.parts = len(self._parts)
            rebuilt: dict[str, Conversation] = {}
            bring_back = partial(self._bring_back, part=manifest.part, rebuilt=rebuilt)
            self._crew.each(bring_back, _by_conversation(self._messages(manifest, wanted)))
            self._crew.each(self._rebuild, rebuilt.values())
        return self.done

    def _heed_tombstones(self) -> None:
        """Those too that the table lost and the archive's bucket has."""
        if self._dry_run:
            self._noted = self._tombstones.all_of(self._tombstones.written_down())
        else:
            self._tombstones.bring_back()
            # An erasure that begins from here on must find the same salt.
            assert self._tombstones.salt

    def _messages(self, manifest: Manifest, wanted: Wanted) -> Iterator[Filed]:
        with tempfile.TemporaryDirectory(prefix="postroom-restore-") as directory:
            part = self._catalogue.fetch(manifest, Path(directory) / "part")
            with gzip.open(part) as lines:
                for line in lines:
                    if wanted.ids:
                        self._accounts.add((manifest.channel, account_of(line)))
                    if wanted.may_hold(line):
                        filed = _read(line, manifest)
                        if wanted.names(filed.judged.message):
                            self._own.add(keys.split(filed.judged.message.message_id).conv)
                        if wanted.holds(filed.judged.message):
                            yield filed

    def _bring_back(self, messages: list[Filed], part: str, rebuilt: dict[str, Conversation]) -> None:
        """Messages of one conversation, one after the other: each write looks at the same tombstone, and two at a time would clash."""
        for filed in messages:
            key = keys.split(filed.judged.message.message_id)
            try:
                self._write_message(key, filed, part)
            except ErasedMeanwhile:
                with self._lock:
                    self.done.erased += 1
            else:
                self._note(key.conv, filed, rebuilt)

    def _write_message(self, key: keys.MessageKey, filed: Filed, part: str) -> None:
        received_at = filed.judged.message.received_at
        if self._is_erased(key.conv, received_at):
            raise ErasedMeanwhile(key.conv)
        # The reply first, as in the archive's marks: a message that is back has its reply.
        replied = filed.reply is not None and self._write(key.conv, reply_item(key, filed.reply), part, received_at) == "new"
        outcome = self._write(key.conv, message_item(filed.judged), part, received_at)
        with self._lock:
            self.done.replies += replied
            self.done.messages += outcome == "new"
            self.done.kept += outcome == "kept"
            self.done.prolonged += outcome == "prolonged"

    def _is_erased(self, conv: str, received_at: datetime) -> bool:
        """Whether a dry run must leave it out: otherwise the write says so."""
        return self._dry_run and (self._noted.covers(conv, received_at) or self._tombstones.covers(conv, received_at))

    def _write(self, conv: str, item: Item, part: str, received_at: datetime) -> str:
        """Write an item where none is: `new`, `kept` or `prolonged`."""
        if self._dry_run:
            found = self._table.get(item["pk"], item["sk"])
            return "new" if found is None else "prolonged" if self._is_ending(found) else "kept"
        marks = {"archived": part, "exp": self._expires, "restored": to_iso(self._now)}
        try:
            self._guarded.put(conv, item | marks, received_at=received_at, condition="attribute_not_exists(pk)")
        except ConditionFailed as refused:
            if not self._is_ending(refused.item):
                return "kept"
            return self._prolong(item)
        return "new"

    def _is_ending(self, item: Item | None) -> bool:
        return item is not None and "archived" in item and item.get("exp", self._expires) < self._expires

    def _prolong(self, item: Item) -> str:
        condition = "attribute_exists(#archived) AND #exp < :exp"
        try:
            self._table.update(item["pk"], item["sk"], "SET #exp = :exp", values={":exp": self._expires}, condition=condition)
        except ConditionFailed:
            return "kept"
        return "prolonged"

    def _note(self, conv: str, filed: Filed, rebuilt: dict[str, Conversation]) -> None:
        """Conversations do not expire; one that is missing (a new table) is made anew from its messages."""
        found = None
        if conv not in rebuilt:
            if conv in self._there:
                return
            found = self._table.get(keys.conversation_pk(conv), keys.CONVERSATION_SK)
            if found is not None and not is_rebuilt(found):
                self._there.add(conv)
                return
        with self._lock:
            if conv not in rebuilt:
                self.done.conversations += found is None
            rebuilt[conv] = with_message(rebuilt.get(conv) or (conversation_from(found) if found else None), filed)

    def _rebuild(self, conversation: Conversation) -> None:
        if self._dry_run:
            self._there.add(conversation.conv)
            return
        assert conversation.last_at is not None, "it was made of messages"
        known = {name: value for name, value in plain(conversation).items() if name != "conv"}
        item = {
            "pk": keys.conversation_pk(conversation.conv),
            "sk": keys.CONVERSATION_SK,
            **known,
            "restored": to_iso(self._now),
        }
        if conversation.may_go:
            item["exp"] = max(self._expires, int((conversation.last_at + CONVERSATIONS_KEPT).timestamp()))
        named = {"#restored": "restored", "#rev": "rev"}
        try:
            self._guarded.put(
                conversation.conv,
                item,
                received_at=conversation.last_at,
                condition="attribute_not_exists(pk) OR (attribute_exists(#restored) AND #rev = :one)",
                ExpressionAttributeNames=named,
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
        except (ConditionFailed, ErasedMeanwhile):
            self._there.add(
                conversation.conv
            )  # a message came meanwhile: its conversation is the newer one; or nothing may be there


def _by_conversation(messages: Iterator[Filed]) -> Iterator[list[Filed]]:
    """Messages that follow each other and are of one conversation, as most do in a part."""
    for _, some in groupby(messages, key=lambda filed: keys.split(filed.judged.message.message_id).conv):
        yield list(some)


def _read(line: bytes, manifest: Manifest) -> Filed:
    try:
        return filed_from(line)
    except (ValueError, KeyError, MalformedEnvelope) as fault:
        raise PartUnsound(f"{manifest.key}: a line cannot be read ({type(fault).__name__})") from None
