"""The store in DynamoDB: one table, two sparse indexes on conversation items only (docs/data-model.md has the picture).

Writes per message: one for the message, one for the conversation, one more in an index when the conversation begins or ceases to
need a person or the archive. Read it together with `store.Store`, which says what each method means.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from datetime import date, datetime, timedelta

from functions.common import keys
from functions.common.clock import from_iso, to_iso
from functions.common.errors import Poison, Unavailable
from functions.common.judgement import Firing, Judged
from functions.common.message import Verification
from functions.common.store import (
    PERSON_MUST_ACT,
    AlreadyRecorded,
    AlreadyStored,
    Campaign,
    Conversation,
    ConversationChanged,
    Reply,
    ReplyState,
    Sending,
    Status,
    flagged,
)
from functions.common.table import Change, ConditionFailed, Item, Table
from functions.common.wire import judged_from, plain

_TIMES = {"first_at", "last_at", "due_at", "unarchived_since", "escalated_for", "person_at", "waiting_since"}
_TRIES = 5
# A conversation whose messages are all archived, which nobody must act on and which holds nothing that must last.
CONVERSATIONS_KEPT = timedelta(days=400)
# A reply's record that the archive files expires with its message. One that is written after its message was filed is not filed any more.
RECORDS_KEPT = timedelta(days=400)
# Hourly counters are figures drawn from messages; a year can be compared with the one before.
COUNTERS_KEPT = timedelta(days=400)
# Somebody looks at a flood while it runs, or the day after.
_CAMPAIGNS_KEPT = timedelta(days=3)


class UnknownConversation(Poison):
    """A step was asked for a conversation that has no item."""


class DynamoStore:
    """`shards`: over how many partitions each index spreads one team's, or the archive's, conversations."""

    def __init__(self, table: Table, *, shards: int) -> None:
        self.table = table
        self.shards = shards

    def conversation(self, conv: str) -> Conversation | None:
        item = self.table.get(keys.conversation_pk(conv), keys.CONVERSATION_SK)
        return None if item is None else conversation_from(item)

    def add_message(self, judged: Judged) -> None:
        try:
            self.table.put_new(message_item(judged))
        except ConditionFailed as refused:
            # An endpoint that does not return the item with the refusal costs one more read.
            stored = judged_from_item(refused.item) if refused.item else self.message(judged.message.message_id)
            raise AlreadyStored(stored or judged) from None

    def message(self, message_id: str) -> Judged | None:
        key = keys.split(message_id)
        item = self.table.get(keys.conversation_pk(key.conv), keys.message_sk(key))
        return None if item is None else judged_from_item(item)

    def messages(self, conv: str) -> list[Judged]:
        found = self.table.query("pk = :pk AND begins_with(sk, :m)", {":pk": keys.conversation_pk(conv), ":m": "M#"})
        return sorted(map(judged_from_item, found), key=lambda j: (j.message.sent_at or j.message.received_at, j.seq))

    def add_original(self, message_id: str, sealed: bytes, expires_at: datetime) -> None:
        key = keys.split(message_id)
        expires = int(expires_at.timestamp())
        item = {"pk": keys.conversation_pk(key.conv), "sk": keys.original_sk(key), "sealed": sealed, "exp": expires}
        with suppress(ConditionFailed):
            self.table.put_new(item)

    def original(self, message_id: str) -> bytes | None:
        key = keys.split(message_id)
        item = self.table.get(keys.conversation_pk(key.conv), keys.original_sk(key))
        return None if item is None else bytes(item["sealed"])

    def apply(self, before: Conversation, after: Conversation) -> None:
        change = self.change(before, after)
        try:
            self._update(after.conv, change.expression, change.values, change.condition)
        except ConditionFailed:
            raise ConversationChanged(after.conv) from None

    def change(self, before: Conversation, after: Conversation) -> Change:
        """The update that `apply` makes, for a transaction that holds more."""
        # A conversation that was never written has no attributes yet: every one of the new ones is a change.
        old = self._item(before) if before.rev else {}
        new = self._item(replace(after, rev=before.rev + 1))
        changed = {name: value for name, value in new.items() if old.get(name) != value}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
        removed = [f"#{name}" for name in old if name not in new]
        if removed:
            expression += " REMOVE " + ", ".join(removed)
        values = {f":{name}": value for name, value in changed.items()}
        condition = "attribute_not_exists(#rev)"
        if before.rev:
            condition, values[":was"] = "#rev = :was", before.rev
        pk = keys.conversation_pk(after.conv)
        return Change(pk=pk, sk=keys.CONVERSATION_SK, expression=expression, condition=condition, values=values)

    def flag(self, conv: str, problem: str, *, team: str, due_at: datetime) -> None:
        for _ in range(_TRIES):
            before = self._existing(conv)
            if problem in before.problems and before.status in PERSON_MUST_ACT:
                return None
            after = flagged(before, problem, team=team, due_at=due_at)
            try:
                return self.apply(before, after)
            except ConversationChanged:
                continue
        raise Unavailable(f"conversation {conv} kept changing")

    def add_reply(self, reply: Reply) -> None:
        key = keys.split(reply.message_id)
        try:
            self.table.put_new(reply_item(key, reply) | {"exp": int((reply.at + RECORDS_KEPT).timestamp())})
        except ConditionFailed as refused:
            raise AlreadyRecorded(self._reply_in_the_way(refused, reply)) from None

    def record_reply(self, reply: Reply, *, was: ReplyState, attempts: int) -> None:
        key = keys.split(reply.message_id)
        item = {name: value for name, value in reply_item(key, reply).items() if name not in ("pk", "sk")}
        # An update, not a put: what the archive noted on the record stays.
        gone = [f"#{name}" for name in sorted(_REPLY_FIELDS - item.keys())]
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in item)
        expression += f" REMOVE {', '.join(gone)}" if gone else ""
        values = {f":{name}": value for name, value in item.items()}
        try:
            self.table.update(
                keys.conversation_pk(key.conv),
                keys.reply_sk(key),
                expression,
                condition="#state = :was AND #attempts = :tried",
                values=values | {":was": was, ":tried": attempts},
            )
        except ConditionFailed as refused:
            raise AlreadyRecorded(self._reply_in_the_way(refused, reply)) from None

    def reply(self, message_id: str) -> Reply | None:
        key = keys.split(message_id)
        item = self.table.get(keys.conversation_pk(key.conv), keys.reply_sk(key))
        return None if item is None else _reply_from(item)

    def left_to(self, message_id: str, newest: int) -> list[Reply]:
        key = keys.split(message_id)
        limit = None if key.ts13 == keys.NO_TIME else newest
        values = {":pk": keys.conversation_pk(key.conv), ":r": "R#"}
        found = self.table.query("pk = :pk AND begins_with(sk, :r)", values, descending=True, limit=limit and 2 * limit)
        return [record for record in map(_reply_from, found) if record.left_to == message_id]

    def later_messages(self, judged: Judged, newest: int) -> list[Judged]:
        key = keys.split(judged.message.message_id)
        # Without times the keys' order is none: only all of them hold the newest.
        limit = None if key.ts13 == keys.NO_TIME else newest
        values = {":pk": keys.conversation_pk(key.conv), ":m": "M#"}
        found = self.table.query("pk = :pk AND begins_with(sk, :m)", values, descending=True, limit=limit)
        later = (each for each in map(judged_from_item, found) if each.seq > judged.seq)
        return sorted(later, key=lambda each: each.seq)

    def due(self, team: str, status: Status, since: datetime, before: datetime, limit: int) -> Iterator[Conversation]:
        # BETWEEN holds both ends, and the index knows milliseconds.
        last = to_iso(before - timedelta(milliseconds=1))
        for shard in range(self.shards):
            partition = {":pk": f"Q#{team}#{status}#{shard}", ":since": to_iso(since), ":last": last}
            within = "work_pk = :pk AND work_sk BETWEEN :since AND :last"
            for entry in self.table.query(within, partition, index="work", limit=limit):
                item = self.table.get(entry["pk"], entry["sk"])
                if item is not None and item.get("work_pk") == partition[":pk"]:
                    yield conversation_from(item)

    def note_escalation(self, conv: str, due_at: datetime) -> bool:
        values = {":due": to_iso(due_at), ":one": 1}
        condition = "#due_at = :due AND (attribute_not_exists(#escalated_for) OR #escalated_for <> :due)"
        try:
            self._update(conv, "SET #escalated_for = :due ADD #rev :one", values, condition)
        except ConditionFailed:
            return False
        return True

    def add_sender(self, sending: Sending) -> int:
        values = {
            ":sender": frozenset({sending.conv}),
            ":conv": sending.conv,
            ":most": Campaign.MOST,
            ":at": to_iso(sending.at),
            ":channel": sending.channel,
            ":sample": sending.sample,
            ":exp": int((sending.at + _CAMPAIGNS_KEPT).timestamp()),
        }
        first = ", ".join(f"#{name} = if_not_exists(#{name}, :{name})" for name in ("at", "channel", "sample", "exp"))
        try:
            item = self.table.update(
                keys.campaign_pk(sending.at, sending.fingerprint[0]),
                sending.fingerprint,
                f"SET {first} ADD #senders :sender",
                condition="attribute_not_exists(#senders) OR contains(#senders, :conv) OR size(#senders) < :most",
                values=values,
            )
        except ConditionFailed:
            return Campaign.MOST
        return len(item["senders"])

    def campaigns(self, day: date, senders: int) -> list[Campaign]:
        found = [
            _campaign_from(item)
            for shard in "0123456789abcdef"
            for item in self.table.query("pk = :pk", {":pk": keys.campaign_pk(day, shard)})
            if len(item["senders"]) >= senders
        ]
        return sorted(found, key=lambda campaign: (-len(campaign.senders), campaign.first_at))

    def draw(self, channel: str, account: str, moment: datetime, at_most: int) -> bool:
        hour, expires = f"{moment:%Y%m%d%H}", int(moment.timestamp()) + 2 * 24 * 60 * 60
        try:
            self.table.update(
                keys.account_hour_pk(channel, account),
                hour,
                "SET #exp = :exp ADD #drawn :one",
                condition="attribute_not_exists(#drawn) OR #drawn < :most",
                values={":one": 1, ":most": at_most, ":exp": expires},
            )
        except ConditionFailed:
            return False
        return True

    def count(self, hour: datetime, channel: str, deltas: dict[str, int], shard: int) -> None:
        names = sorted(name for name, delta in deltas.items() if delta)
        if names:
            adds = ", ".join(f"#{name} :{name}" for name in names)
            values = {f":{name}": deltas[name] for name in names} | {":exp": int((hour + COUNTERS_KEPT).timestamp())}
            pk, sk = f"S#{hour:%Y%m%d}", f"{hour:%H}#{channel}#{shard}"
            self.table.update(pk, sk, f"SET #exp = :exp ADD {adds}", values=values)

    def _update(self, conv: str, expression: str, values: Item, condition: str) -> Item:
        return self.table.update(
            keys.conversation_pk(conv), keys.CONVERSATION_SK, expression, values=values, condition=condition
        )

    def _existing(self, conv: str) -> Conversation:
        found = self.conversation(conv)
        if found is None:
            raise UnknownConversation(conv)
        return found

    def _reply_in_the_way(self, refused: ConditionFailed, ours: Reply) -> Reply:
        return _reply_from(refused.item) if refused.item else self.reply(ours.message_id) or ours

    def _item(self, conversation: Conversation) -> Item:
        item: Item = {key: value for key, value in plain(conversation).items() if key != "conv"}
        if conversation.status in PERSON_MUST_ACT and conversation.team and conversation.due_at:
            team, status = conversation.team, conversation.status
            item["work_pk"] = keys.work_pk(team, status, conversation.conv, self.shards)
            item["work_sk"] = to_iso(conversation.due_at)
        if conversation.unarchived_since:
            item["archive_pk"] = keys.archive_pk(conversation.conv, self.shards)
            item["archive_sk"] = to_iso(conversation.unarchived_since)
        elif conversation.last_at and conversation.may_go:
            item["exp"] = int((conversation.last_at + CONVERSATIONS_KEPT).timestamp())
        return item


def conversation_from(item: Item) -> Conversation:
    """A conversation out of its item."""
    known = {name: item[name] for name in _CONVERSATION_FIELDS if name in item}
    for name in _TIMES & known.keys():
        known[name] = from_iso(known[name])
    for name in ("hold", "problems", "applied", "vouched", "said", "replied", "recalled", "tags", "unarchived_few"):
        known[name] = tuple(known.get(name, ()))
    return Conversation(conv=item["pk"].removeprefix("C#"), **known)


def judged_from_item(item: Item) -> Judged:
    """A stored message out of its item."""
    known = {name: item[name] for name in _JUDGED_FIELDS if name in item}
    known["message"] = item["message"] | {"verification": _unpacked_verification(item["message"]["verification"])}
    firings = [_unpacked_firing(firing) for firing in item.get("judgement", {}).get("firings", ())]
    known["judgement"] = item.get("judgement", {}) | {"firings": firings}
    return judged_from(known)


def message_item(judged: Judged) -> Item:
    """The item, with what every message has in a form that lets most of them cost one write unit."""
    key = keys.split(judged.message.message_id)
    item: Item = {"pk": keys.conversation_pk(key.conv), "sk": keys.message_sk(key), **plain(judged)}
    item["message"]["verification"] = _packed_verification(judged.message.verification)
    if judged.judgement.firings:
        item["judgement"]["firings"] = [_packed_firing(firing) for firing in judged.judgement.firings]
    return item


def _packed_firing(firing: Firing) -> str:
    """`rule version start-end start-end`: a third of the bytes of a map."""
    return " ".join((firing.rule, firing.version, *(f"{span.start}-{span.end}" for span in firing.spans)))


def _unpacked_firing(packed: str) -> Item:
    rule, version, *spans = packed.split(" ")
    places = (span.split("-") for span in spans)
    return {"rule": rule, "version": version, "spans": [{"start": int(start), "end": int(end)} for start, end in places]}


def _packed_verification(verification: Verification) -> str:
    """`scheme`, then `body` and `time` where they are signed."""
    signed = ("body" * verification.body_signed, "time" * verification.timestamped)
    return " ".join(filter(None, (verification.scheme, *signed)))


def _unpacked_verification(packed: str) -> Item:
    scheme, *signed = packed.split(" ")
    return {"scheme": scheme, "body_signed": "body" in signed, "timestamped": "time" in signed}


def _campaign_from(item: Item) -> Campaign:
    return Campaign(
        fingerprint=item["sk"],
        senders=tuple(sorted(item["senders"])),
        channel=item["channel"],
        first_at=from_iso(item["at"]),
        sample=item["sample"],
    )


def reply_item(key: keys.MessageKey, reply: Reply) -> Item:
    """The item of a reply's record."""
    body = {name: value for name, value in plain(reply).items() if name != "message_id"}
    return {"pk": keys.conversation_pk(key.conv), "sk": keys.reply_sk(key), "attempts": reply.attempts, **body}


def _reply_from(item: Item) -> Reply:
    _, ts13, h = item["sk"].split("#")
    known = {name: item[name] for name in _REPLY_FIELDS if name in item}
    known["at"] = from_iso(known["at"])
    for name in ("suppressed", "suggestions", "buttons"):
        known[name] = tuple(known.get(name, ()))
    return Reply(message_id=f"{item['pk'].removeprefix('C#')}.{ts13}.{h}", **known)


_CONVERSATION_FIELDS = {field.name for field in fields(Conversation)} - {"conv"}
_JUDGED_FIELDS = {field.name for field in fields(Judged)}
_REPLY_FIELDS = {field.name for field in fields(Reply)} - {"message_id"}
