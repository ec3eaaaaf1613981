"""The store in dictionaries: what tests use where DynamoDB itself is not the point. tests/contract/test_store.py holds it to its word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime

from functions.common import keys
from functions.common.clock import from_iso, to_iso
from functions.common.dynamo_store import UnknownConversation
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
from functions.common.wire import judged_from, plain

TIMES = ("first_at", "last_at", "due_at", "unarchived_since", "escalated_for", "person_at")


class MemoryStore:
    """`calls` names every step in order. Times are kept to the millisecond, as the table keeps them."""

    def __init__(self) -> None:
        self.conversations: dict[str, Conversation] = {}
        self.judged: dict[str, Judged] = {}
        self.originals: dict[str, bytes] = {}
        self.reserved: dict[str, Reply] = {}
        self.sendings: dict[tuple[date, str], list[Sending]] = {}
        self.counters: dict[tuple[str, str, int], dict[str, int]] = {}
        self.drawn: dict[tuple[str, str, str], int] = {}
        self.calls: list[str] = []

    def conversation(self, conv: str) -> Conversation | None:
        self.calls.append("conversation")
        return self.conversations.get(conv)

    def add_message(self, judged: Judged) -> None:
        self.calls.append("add_message")
        message_id = judged.message.message_id
        keys.split(message_id)
        if message_id in self.judged:
            raise AlreadyStored(self.judged[message_id])
        self.judged[message_id] = judged_from(plain(judged))

    def note_late(self, message_id: str, at: datetime) -> bool:
        if message_id in self.judged:
            self.judged[message_id] = replace(self.judged[message_id], late_at=from_iso(to_iso(at)))
        return message_id in self.judged

    def message(self, message_id: str) -> Judged | None:
        return self.judged.get(message_id)

    def messages(self, conv: str) -> list[Judged]:
        found = [judged for message_id, judged in self.judged.items() if keys.split(message_id).conv == conv]
        return sorted(found, key=lambda judged: (judged.message.sent_at or judged.message.received_at, judged.seq))

    def add_original(self, message_id: str, sealed: bytes, expires_at: datetime) -> None:
        self.calls.append("add_original")
        self.originals.setdefault(message_id, sealed)

    def original(self, message_id: str) -> bytes | None:
        return self.originals.get(message_id)

    def apply(self, before: Conversation, after: Conversation) -> None:
        self.calls.append("apply")
        stored = self.conversations.get(after.conv)
        if (stored.rev if stored else 0) != before.rev:
            raise ConversationChanged(after.conv)
        self.conversations[after.conv] = _to_the_millisecond(replace(after, rev=before.rev + 1))

    def flag(self, conv: str, problem: str, *, team: str, due_at: datetime) -> None:
        before = self.conversations.get(conv)
        if before is None:
            raise UnknownConversation(conv)
        if problem not in before.problems or before.status not in PERSON_MUST_ACT:
            self.apply(before, flagged(before, problem, team=team, due_at=due_at))

    def add_reply(self, reply: Reply) -> None:
        if reply.message_id in self.reserved:
            raise AlreadyRecorded(self.reserved[reply.message_id])
        self.reserved[reply.message_id] = replace(reply, at=_millisecond(reply.at))

    def record_reply(self, reply: Reply, *, was: ReplyState, attempts: int) -> None:
        stored = self.reserved.get(reply.message_id)
        if stored is None or (stored.state, stored.attempts) != (was, attempts):
            raise AlreadyRecorded(stored or reply)
        self.reserved[reply.message_id] = replace(reply, at=_millisecond(reply.at))

    def reply(self, message_id: str) -> Reply | None:
        return self.reserved.get(message_id)

    def left_to(self, message_id: str, newest: int) -> list[Reply]:
        key = keys.split(message_id)
        found = sorted(
            (each for name, each in self.reserved.items() if keys.split(name).conv == key.conv), key=_suffix, reverse=True
        )
        bounded = found if key.ts13 == keys.NO_TIME else found[: 2 * newest]
        return [each for each in bounded if each.left_to == message_id]

    def later_messages(self, judged: Judged, newest: int) -> list[Judged]:
        key = keys.split(judged.message.message_id)
        found = [each for message_id, each in self.judged.items() if keys.split(message_id).conv == key.conv]
        newest_first = sorted(found, key=lambda each: each.message.message_id, reverse=True)
        bounded = newest_first if key.ts13 == keys.NO_TIME else newest_first[:newest]
        return sorted((each for each in bounded if each.seq > judged.seq), key=lambda each: each.seq)

    def due(self, team: str, status: Status, since: datetime, before: datetime, limit: int) -> Iterator[Conversation]:
        if status not in PERSON_MUST_ACT:
            return
        overdue = [
            (conversation.due_at, conversation)
            for conversation in self.conversations.values()
            if (conversation.team, conversation.status) == (team, status)
            and conversation.due_at
            and since <= conversation.due_at < _millisecond(before)
        ]
        yield from (conversation for _, conversation in sorted(overdue, key=lambda pair: pair[0])[:limit])

    def add_sender(self, sending: Sending) -> int:
        self.calls.append("add_sender")
        day = self.sendings.setdefault((sending.at.date(), sending.fingerprint), [])
        if all(each.conv != sending.conv for each in day) and len(day) < Campaign.MOST:
            day.append(sending)
        return len(day)

    def campaigns(self, day: date, senders: int) -> list[Campaign]:
        found = [
            Campaign(
                fingerprint=sendings[0].fingerprint,
                senders=tuple(sorted(sending.conv for sending in sendings)),
                channel=sendings[0].channel,
                first_at=_millisecond(sendings[0].at),
                sample=sendings[0].sample,
            )
            for (on, _), sendings in self.sendings.items()
            if on == day and len(sendings) >= senders
        ]
        return sorted(found, key=lambda campaign: (-len(campaign.senders), campaign.first_at))

    def note_escalation(self, conv: str, due_at: datetime) -> bool:
        stored = self.conversations.get(conv)
        due_at = _millisecond(due_at)
        if stored is None or stored.due_at != due_at or stored.escalated_for == due_at:
            return False
        self.conversations[conv] = replace(stored, escalated_for=due_at, rev=stored.rev + 1)
        return True

    def draw(self, channel: str, account: str, moment: datetime, at_most: int) -> bool:
        hour = (channel, account, f"{moment:%Y%m%d%H}")
        drawn = self.drawn.get(hour, 0)
        if drawn < at_most:
            self.drawn[hour] = drawn + 1
        return drawn < at_most

    def count(self, hour: datetime, channel: str, deltas: dict[str, int], shard: int) -> None:
        self.calls.append("count")
        counter = self.counters.setdefault((f"{hour:%Y%m%d%H}", channel, shard), {})
        for name, delta in deltas.items():
            if delta:
                counter[name] = counter.get(name, 0) + delta


def _suffix(reply: Reply) -> str:
    return keys.split(reply.message_id).suffix


def _to_the_millisecond(conversation: Conversation) -> Conversation:
    times = {name: getattr(conversation, name) for name in TIMES}
    return replace(conversation, **{name: _millisecond(value) for name, value in times.items() if value})


def _millisecond(moment: datetime) -> datetime:
    return from_iso(to_iso(moment))
