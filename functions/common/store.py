"""The store: what is kept of messages, conversations and replies, and the few steps by which it changes.

`dynamo_store.DynamoStore` keeps it in the table of docs/data-model.md; `tests/fakes/memory_store.py` keeps it in dictionaries. One contract
test (tests/contract/test_store.py) runs against both and against any endpoint.

Each step is one write that can be repeated: `add_message` and `add_reply` are conditional on absence, `apply` on the
conversation's revision. `apply` comes last in classify and notes the message in the conversation, which proves that every step of
that message was done (`Conversation.notes`); a message too old to be noted is proven by the reply record that autoreply writes for
every message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar, Literal, Protocol

from functions.common import keys
from functions.common.judgement import Judged

Status = Literal["idle", "waiting", "held", "escalated", "resolved"]
ReplyState = Literal["none", "reserved", "sent", "failed", "unknown"]
PERSON_MUST_ACT: tuple[Status, ...] = ("waiting", "held", "escalated")
APPLIED_KEPT = 8
FEW = 16
# What is stored later than this after its receipt says when. A month-end pack is made half an hour after its last message was received:
# what does not say so was there by then, with all that a queue tries over (five times, three minutes apart).
LATE = timedelta(minutes=10)


class AlreadyStored(Exception):
    """The message is in the store; `judged` is how it was stored the first time."""

    def __init__(self, judged: Judged) -> None:
        super().__init__(judged.message.message_id)
        self.judged = judged


class ConversationChanged(Exception):
    """Somebody else wrote the conversation since it was read: read it again and decide anew."""


class AlreadyRecorded(Exception):
    """A reply to this message was recorded, or decided against, before; `reply` is that record."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.message_id)
        self.reply = reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One contact of one account. `due_at` is when a person must have acted, while `status` says that one must.

    `unarchived_since` is the receipt time of the oldest message that no archive part holds yet, `unarchived_from` where in the order of
    keys such messages begin (None: anywhere), and `unarchived_few`, where they have no times and are at most sixteen, what their keys end
    with; `escalated_for` is the due time about
    which somebody was last told that it passed. `rev` goes up with every write: it is how two writers notice each other.
    `count` messages were applied; `applied` holds short marks of the last eight. `vouched` are the marks of the person's ids that a
    platform vouches for beyond this account, each noted under that id before it stands here (`identity`). `said` keeps what is needed to
    know the last few texts again, and `campaign` names the last one that many senders sent too.
    `replied` is the ledger of replies (`ledger`), `person_at` when a person last answered, `taken_by` who sees to it; a
    `blocked` contact gets no machine's replies;
    `recalled` marks messages that were taken back. `tags` are what people say of the contact (`vip`), `heard` when its last messages came
    (`classify.contacts`), `waiting_since` since when a person must act.
    """

    conv: str
    channel: str
    account: str
    contact: str
    name: str | None = None
    locale: str | None = None
    count: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    status: Status = "idle"
    team: str | None = None
    priority: int = 0
    due_at: datetime | None = None
    hold: tuple[str, ...] = ()
    opted_out: bool = False
    unarchived_since: datetime | None = None
    unarchived_from: str | None = None
    unarchived_few: tuple[str, ...] = ()
    escalated_for: datetime | None = None
    problems: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    vouched: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    campaign: str | None = None
    replied: tuple[str, ...] = ()
    person_at: datetime | None = None
    taken_by: str | None = None
    blocked: bool = False
    recalled: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    heard: str = ""
    waiting_since: datetime | None = None
    rev: int = 0

    def notes(self, judged: Judged) -> bool:
        """Whether the message's effect is in here, as far as it remembers: only the last few messages are noted by themselves."""
        return applied_mark(judged.message.message_id) in self.applied

    @property
    def may_go(self) -> bool:
        """Whether nothing would be lost with it once its messages are archived, and itself with them: nobody must act, and it holds no
        opt-out, no block, no tags, no takeover, and no ids by which links and erasures find it.
        """
        kept = (self.opted_out, self.blocked, self.tags, self.taken_by, self.vouched)
        return self.status not in PERSON_MUST_ACT and not any(kept)

    def may_have_forgotten(self, judged: Judged) -> bool:
        """Whether so many messages came after this one that it would no longer be noted. That is no proof that it ever was:
        a message that is dead-lettered after it was stored has the same `seq` as its successor.
        """
        return self.count - judged.seq >= APPLIED_KEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What autoreply decided and did about one message. `reason` says why there is, or is not, a reply, `detail` more where there is more.

    `variant`: which of its template's wordings was sent, where it has several; `after`: the template and variant that this message follows.
    `suppressed`: replies that were not sent, each as its reason, its template and why, with spaces between.
    `suggestions` for a person who answers: each as where it comes from, its name and how well it fits (`autoreply.suggestions`).
    `state` unknown: the platform may or may not have delivered it; a person has been told. A long reply goes out in several `parts`, of
    which the platform has certainly taken the first `sent_parts`: `failed` with some of them sent is half an answer, and `halted` names
    the reason (and the scope) that forbade the rest. `left_to` names the later message whose answer was to answer this one. `buttons` and
    `image_url` are what the template has beside its text. `draft` is the text of a suggestion that a language model made.
    """

    message_id: str
    state: ReplyState
    reason: str
    at: datetime
    text: str | None = None
    template: str | None = None
    variant: str | None = None
    after: str | None = None
    attempts: int = 0
    outcome: str | None = None
    provider_id: str | None = None
    bundle: str | None = None
    detail: str | None = None
    suppressed: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    buttons: tuple[str, ...] = ()
    image_url: str | None = None
    parts: int = 1
    sent_parts: int = 0
    halted: str | None = None
    left_to: str | None = None
    draft: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One conversation's sending of a text that others may send too. `sample` is its beginning, masked."""

    fingerprint: str
    conv: str
    channel: str
    at: datetime
    sample: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A text that several conversations sent on one day. `senders` has at most `MOST` of them."""

    MOST: ClassVar[int] = 50

    fingerprint: str
    senders: tuple[str, ...]
    channel: str
    first_at: datetime
    sample: str


def with_unarchived(before: Conversation, message_id: str, received_at: datetime) -> Conversation:
    """The conversation with something more that is to be archived: a message, or the record of its reply.

    Where that begins in the order of keys is not the order of receipt; None stays None: anywhere. Messages without a time lie anywhere
    among older ones: as long as they are few, each is named.
    """
    key, known = keys.split(message_id), before.unarchived_few
    first = before.unarchived_since is None
    few: tuple[str, ...] = ()
    if key.ts13 == keys.NO_TIME:
        few = (key.h,) if first else tuple(dict.fromkeys((*known, key.h))) if 0 < len(known) < FEW else ()
    return replace(
        before,
        unarchived_since=min(before.unarchived_since or received_at, received_at),
        unarchived_from=key.suffix if first else before.unarchived_from and min(before.unarchived_from, key.suffix),
        unarchived_few=few,
    )


def applied_mark(message_id: str) -> str:
    """What `Conversation.applied` keeps of a message's id."""
    return keys.short_hash(message_id, size=5)


def recall_mark(native_id: str) -> str:
    """What `Conversation.recalled` keeps of a message's id at the platform."""
    return keys.short_hash(native_id, size=5)


def unsettled(conversation: Conversation | None) -> bool:
    """Whether a person must still act on the conversation."""
    return conversation is not None and conversation.status in PERSON_MUST_ACT


def flagged(before: Conversation, problem: str, *, team: str, due_at: datetime) -> Conversation:
    """The conversation with a problem noted, waiting for a person by `due_at` if it was not waiting already."""
    problems = before.problems if problem in before.problems else (*before.problems, problem)[-5:]
    if unsettled(before):
        return replace(before, problems=problems)
    return replace(before, problems=problems, status="waiting", team=before.team or team, due_at=due_at)


class Store(Protocol):
    """What the functions need of a store. Every method may raise `Unavailable`."""

    def conversation(self, conv: str) -> Conversation | None:
        """The conversation as it is now, read consistently."""

    def add_message(self, judged: Judged) -> None:
        """Store a message once; `AlreadyStored` with the first version otherwise."""

    def note_late(self, message_id: str, at: datetime) -> bool:
        """Say of a stored message that it counts as stored only now; False where a month-end pack or an archive part has it already."""

    def message(self, message_id: str) -> Judged | None:
        """One stored message."""

    def messages(self, conv: str) -> list[Judged]:
        """The conversation's messages that are still in the table, oldest first."""

    def add_original(self, message_id: str, sealed: bytes, expires_at: datetime) -> None:
        """Keep the sealed original of a masked text. The first one stays: a message is stored as it first came, and so is this."""

    def original(self, message_id: str) -> bytes | None:
        """The sealed original, if one was kept and has not expired."""

    def apply(self, before: Conversation, after: Conversation) -> None:
        """Change a conversation from `before`, as it was read, to `after`; `ConversationChanged` when it is no longer `before`."""

    def flag(self, conv: str, problem: str, *, team: str, due_at: datetime) -> None:
        """Put a conversation before a person because of a problem (a reply that may not have arrived, a dead letter)."""

    def add_reply(self, reply: Reply) -> None:
        """Write the record of what was decided about a message; `AlreadyRecorded` when there is one."""

    def record_reply(self, reply: Reply, *, was: ReplyState, attempts: int) -> None:
        """Replace a reply's record that is in state `was` after `attempts` tries; `AlreadyRecorded` when it is in another."""

    def reply(self, message_id: str) -> Reply | None:
        """What was decided about one message."""

    def left_to(self, message_id: str, newest: int) -> list[Reply]:
        """Records of messages that were left to this one's answer, the newest first: among twice so many of the conversation's newest, or
        among all where they have no times.
        """

    def later_messages(self, judged: Judged, newest: int) -> list[Judged]:
        """Messages of the conversation that came after this one, in order: of the newest so many, or of all where they have no times."""

    def due(self, team: str, status: Status, since: datetime, before: datetime, limit: int) -> Iterator[Conversation]:
        """Conversations of a team that a person must act on, due from `since` and before `before`, most overdue first per shard."""

    def note_escalation(self, conv: str, due_at: datetime) -> bool:
        """Note that somebody is told that the conversation is overdue since `due_at`; False when that was noted before."""

    def add_sender(self, sending: Sending) -> int:
        """Note that a conversation sent a text, and how many did on that day so far, up to `Campaign.MOST`."""

    def campaigns(self, day: date, senders: int) -> list[Campaign]:
        """Texts that at least so many conversations sent on a day (UTC), those with most senders first."""

    def draw(self, channel: str, account: str, moment: datetime, at_most: int) -> bool:
        """Count one more machine reply of an account within the moment's hour; False when it has had `at_most`."""

    def count(self, hour: datetime, channel: str, deltas: dict[str, int], shard: int) -> None:
        """Add to the hourly counters."""
