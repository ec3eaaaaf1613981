"""What waits for people, most urgent first, each with its newest message, its problems and what could be answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from functions.autoreply.case import Case, Draft
from functions.autoreply.replybook import ReplyPolicy
from functions.autoreply.suggestions import Suggestion, remade
from functions.common.judgement import Judged
from functions.common.store import PERSON_MUST_ACT, Conversation, Store
from functions.common.wire import ReplyTask

_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=400)
_GRAVITY = {"escalated": 0, "held": 1, "waiting": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A conversation in which a person must act, with the newest message that is still in the table."""

    conversation: Conversation
    newest: Judged | None
    suggestions: tuple[Suggestion, ...] = ()

    def overdue(self, now: datetime) -> bool:
        """Whether its due time has passed."""
        return self.conversation.due_at is not None and self.conversation.due_at <= now


def waiting(store: Store, teams: Iterable[str], *, now: datetime, limit: int) -> list[Conversation]:
    """The most urgent conversations of some teams: escalated before held before waiting, then by priority, then by due time."""
    found = [
        conversation
        for team in teams
        for status in PERSON_MUST_ACT
        for conversation in store.due(team, status, _FIRST, now + _AHEAD, limit)
    ]
    return sorted(found, key=_urgency)[:limit]


def shown(store: Store, policy: ReplyPolicy, conversations: Iterable[Conversation], *, now: datetime) -> Iterator[Waiting]:
    """The same with what a person needs to answer them."""
    for conversation in conversations:
        messages = store.messages(conversation.conv)
        newest = messages[-1] if messages else None
        made = suggested(store, policy, conversation, newest, now=now) if newest else ()
        yield Waiting(conversation=conversation, newest=newest, suggestions=made)


def suggested(
    store: Store, policy: ReplyPolicy, conversation: Conversation, judged: Judged, *, now: datetime
) -> tuple[Suggestion, ...]:
    """What was suggested for a message and not said already, with texts as of now."""
    record = store.reply(judged.message.message_id)
    if record is None:
        return ()
    task, draft = ReplyTask(judged=judged, first_contact=False), Draft(model="", text=record.draft)
    made = remade(Case(task=task, conversation=conversation, policy=policy, now=now, draft=draft), record.suggestions)
    return tuple(each for each in made if not (record.state == "sent" and record.template == each.name))


def _urgency(conversation: Conversation) -> tuple[int, int, datetime]:
    assert conversation.due_at is not None, "the index holds no other"
    return _GRAVITY[conversation.status], -conversation.priority, conversation.due_at
