"""Messages from the archive's parts back into the table.

What is in the table stays as it is: a message, a reply or a conversation is written only where there is none. A part is believed only
when it is what its manifest says. What is brought back names its part, so it is not archived again, and expires by itself after `keep`.
A message whose expiry has come, but which DynamoDB has not removed yet, would vanish after all: its expiry is put off instead.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock

from functions.archive.crew import Crew
from functions.archive.manifests import Manifest
from functions.archive.parts import Filed, filed_from
from functions.common import keys
from functions.common.clock import to_iso
from functions.common.dynamo_store import conversation_from, message_item, reply_item
from functions.common.errors import MalformedEnvelope
from functions.common.message import Message
from functions.common.store import Conversation
from functions.common.table import ConditionFailed, Item, Table
from functions.common.wire import dumps, plain
from infra.records.catalogue import Catalogue
from infra.records.errors import PartUnsound
from infra.records.period import Period

KEEP = timedelta(days=30)
# At a time; boto3 keeps ten connections.
WRITERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages: all that every given part of it fits."""

    conversation: str | None = None
    contact: str | None = None
    channel: str | None = None
    account: str | None = None
    period: Period | None = None

    def may_hold(self, line: bytes) -> bool:
        """Whether a part's line can be wanted at all, without reading it: most are not."""
        if self.conversation is not None and f'"message_id":"{self.conversation}.'.encode() not in line:
            return False
        return self.contact is None or dumps(self.contact).encode() in line

    def holds(self, message: Message) -> bool:
        """Whether the message is wanted. A contact is meant by any of the ids that its platform gave."""
        known = {message.contact.primary, *(found.value for found in message.contact.ids)}
        return (
            (self.conversation is None or keys.split(message.message_id).conv == self.conversation)
            and (self.contact is None or self.contact in known)
            and (self.channel is None or message.channel == self.channel)
            and (self.account is None or message.account == self.account)
            and (self.period is None or self.period.holds(message.received_at))
        )


@dataclass(slots=True, kw_only=True)
class Restored:
    """What one restore did: `messages` brought back (`replies` with them), `kept` as they stood in the table, `prolonged` in time,
    and `erased` ones that stay away. `conversations` had to be made anew.
    """

    parts: int = 0
    messages: int = 0
    replies: int = 0
    kept: int = 0
    prolonged: int = 0
    erased: int = 0
    conversations: int = 0


class Restorer:
    """Brings messages back. `erased_at` says until when what came from a conversation was erased; with `dry_run` nothing is written."""

    def __init__(
        self,
        table: Table,
        catalogue: Catalogue,
        *,
        now: datetime,
        erased_at: Callable[[str], datetime | None],
        keep: timedelta = KEEP,
        dry_run: bool = False,
        writers: int = WRITERS,
    ) -> None:
        self._table = table
        self._catalogue = catalogue
        self._now = now
        self._expires = int((now + keep).timestamp())
        self._erased_at = erased_at
        self._dry_run = dry_run
        self._crew = Crew(writers)
        self._lock = Lock()
        self._there: set[str] = set()
        self._gone: dict[str, datetime | None] = {}
        self.done = Restored()

    def restore(self, wanted: Wanted, manifests: Iterable[Manifest]) -> Restored:
        """Bring back what is wanted of these parts; `PartUnsound` stops at the part that cannot be believed."""
        for manifest in manifests:
            self.done.parts += 1
            rebuilt: dict[str, Conversation] = {}
            bring_back = partial(self._bring_back, part=manifest.part, rebuilt=rebuilt)
            self._crew.each(bring_back, self._messages(manifest, wanted))
            self._crew.each(self._rebuild, rebuilt.values())
        return self.done

    def _messages(self, manifest: Manifest, wanted: Wanted) -> Iterator[Filed]:
        with tempfile.TemporaryDirectory(prefix="postroom-restore-") as directory:
            part = self._catalogue.fetch(manifest, Path(directory) / "part")
            with gzip.open(part) as lines:
                for line in lines:
                    if wanted.may_hold(line):
                        filed = _read(line, manifest)
                        if wanted.holds(filed.judged.message):
                            yield filed

    def _bring_back(self, filed: Filed, part: str, rebuilt: dict[str, Conversation]) -> None:
        key = keys.split(filed.judged.message.message_id)
        if self._is_erased(key.conv, filed.judged.message.received_at):
            with self._lock:
                self.done.erased += 1
            return
        # The reply first, as in the archive's marks: a message that is back has its reply.
        replied = filed.reply is not None and self._write(reply_item(key, filed.reply), part) == "new"
        outcome = self._write(message_item(filed.judged), part)
        with self._lock:
            self.done.replies += replied
            self.done.messages += outcome == "new"
            self.done.kept += outcome == "kept"
            self.done.prolonged += outcome == "prolonged"
        self._note(key.conv, filed, rebuilt)

    def _is_erased(self, conv: str, received_at: datetime) -> bool:
        if conv not in self._gone:
            self._gone[conv] = self._erased_at(conv)
        erased_at = self._gone[conv]
        return erased_at is not None and received_at <= erased_at

    def _write(self, item: Item, part: str) -> str:
        """Write an item where none is: `new`, `kept` or `prolonged`."""
        if self._dry_run:
            found = self._table.get(item["pk"], item["sk"])
            return "new" if found is None else "prolonged" if self._is_ending(found) else "kept"
        marks = {"archived": part, "exp": self._expires, "restored": to_iso(self._now)}
        try:
            self._table.put_new(item | marks)
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
            if found is not None and not _is_rebuilt(found):
                self._there.add(conv)
                return
        with self._lock:
            if conv not in rebuilt:
                self.done.conversations += found is None
            rebuilt[conv] = _with(rebuilt.get(conv) or (conversation_from(found) if found else None), filed)

    def _rebuild(self, conversation: Conversation) -> None:
        if self._dry_run:
            self._there.add(conversation.conv)
            return
        known = {name: value for name, value in plain(conversation).items() if name != "conv"}
        item = {
            "pk": keys.conversation_pk(conversation.conv),
            "sk": keys.CONVERSATION_SK,
            **known,
            "restored": to_iso(self._now),
        }
        try:
            condition = "attribute_not_exists(pk) OR (attribute_exists(#restored) AND #rev = :one)"
            self._table.put(item, condition=condition, values={":one": 1})
        except ConditionFailed:
            self._there.add(conversation.conv)  # a message came meanwhile: its conversation is the newer one


def _is_rebuilt(item: Item) -> bool:
    """Whether the conversation was made by a restore and has not been touched since."""
    return "restored" in item and item.get("rev") == 1


def _with(before: Conversation | None, filed: Filed) -> Conversation:
    """A conversation as far as its archived messages tell; nobody must act on it."""
    message, contact = filed.judged.message, filed.judged.message.contact
    known = (
        before
        or _as_filed(filed)
        or Conversation(
            conv=keys.split(message.message_id).conv,
            channel=message.channel,
            account=message.account,
            contact=contact.primary,
            rev=1,
        )
    )
    newest = known.last_at is None or message.received_at >= known.last_at
    return replace(
        known,
        name=(contact.name if newest else None) or known.name,
        locale=(contact.locale if newest else None) or known.locale,
        count=max(known.count, filed.judged.seq),
        first_at=min(known.first_at or message.received_at, message.received_at),
        last_at=max(known.last_at or message.received_at, message.received_at),
        opted_out=known.opted_out or filed.judged.judgement.opt_out,
    )


def _as_filed(filed: Filed) -> Conversation | None:
    """The conversation as the archive knew it, which stands with some of its messages; what was to be done then is not to be done now."""
    known = filed.conversation
    return known and replace(
        known,
        rev=1,
        status="idle",
        due_at=None,
        hold=(),
        unarchived_since=None,
        unarchived_from=None,
        unarchived_few=(),
        escalated_for=None,
    )


def _read(line: bytes, manifest: Manifest) -> Filed:
    try:
        return filed_from(line)
    except (ValueError, KeyError, MalformedEnvelope) as fault:
        raise PartUnsound(f"{manifest.key}: a line cannot be read ({type(fault).__name__})") from None
