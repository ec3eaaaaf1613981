"""The store in DynamoDB: one table, two sparse indexes on conversation items only (docs/data-model.md has the picture).

Writes per message: one for the message, one for the conversation, one more in an index when the conversation begins or ceases to
need a person or the archive. Read it together with `store.Store`, which says what each method means.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta

from functions.common import keys
from functions.common.clock import to_iso
from functions.common.dynamo_items import (
    REPLY_FIELDS,
    campaign_from,
    conversation_from,
    conversation_item,
    judged_from_item,
    message_item,
    reply_from,
    reply_item,
)
from functions.common.errors import Poison, Unavailable
from functions.common.judgement import Judged
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

_TRIES = 5
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

    def note_late(self, message_id: str, at: datetime) -> bool:
        key = keys.split(message_id)
        condition = "attribute_exists(pk) AND attribute_not_exists(#packed) AND attribute_not_exists(#archived)"
        pk, sk = keys.conversation_pk(key.conv), keys.message_sk(key)
        try:
            self.table.update(pk, sk, "SET #late_at = :at", values={":at": to_iso(at)}, condition=condition)
        except ConditionFailed:
            return False
        return True

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
        old = conversation_item(before, self.shards) if before.rev else {}
        new = conversation_item(replace(after, rev=before.rev + 1), self.shards)
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
        # The archive has it as it was, if it has it: it is to be archived again, and must not go before.
        item["exp"] = int((reply.at + RECORDS_KEPT).timestamp())
        gone = ["#archived", *(f"#{name}" for name in sorted(REPLY_FIELDS - item.keys()))]
        expression = f"SET {', '.join(f'#{name} = :{name}' for name in item)} REMOVE {', '.join(gone)}"
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
        return None if item is None else reply_from(item)

    def left_to(self, message_id: str, newest: int) -> list[Reply]:
        key = keys.split(message_id)
        limit = None if key.ts13 == keys.NO_TIME else newest
        values = {":pk": keys.conversation_pk(key.conv), ":r": "R#"}
        found = self.table.query("pk = :pk AND begins_with(sk, :r)", values, descending=True, limit=limit and 2 * limit)
        return [record for record in map(reply_from, found) if record.left_to == message_id]

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
            campaign_from(item)
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
        return reply_from(refused.item) if refused.item else self.reply(ours.message_id) or ours
