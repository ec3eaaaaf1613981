"""One run of escalate: dead letters first, then overdue conversations and unattended holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from functions.common import keys
from functions.common.clock import to_iso
from functions.common.store import PERSON_MUST_ACT, Conversation, Store
from functions.common.telemetry import Telemetry
from functions.escalate.dead_letters import DeadLetter, DeadLetterQueue, LetterBook
from functions.escalate.events import Event, EventBus, EventsRefused, in_tens
from functions.escalate.policy import Policy

# Per team, status and shard. Those told of before stay in the index until somebody acts: a run looks back only so far that an
# outage of a weekend leaves nobody untold, or its cost would grow with what nobody has seen to.
_CONVERSATIONS = 10_000
_TOLD_WITHIN = timedelta(days=4)
_LETTERS = 100
_TO_END_MS = 5_000
# A message that nothing could be done with is somebody's question: as urgent as one that says it is.
_PERSON_WITHIN = timedelta(hours=2)
DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What escalating works with; `policy` gives what is in force."""

    store: Store
    bus: EventBus
    dead_letters: tuple[DeadLetterQueue, ...]
    book: LetterBook
    policy: Callable[[], Policy]
    telemetry: Telemetry


@dataclass(slots=True)
class Tally:
    """What one run told, and whether it ended before everything was looked at."""

    told: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    more: bool = False


def escalate(watch: Watch, *, now: datetime, remaining: Callable[[], int]) -> dict[str, Any]:
    """One run, ended before `remaining` (milliseconds) is used up; `EventsRefused` when the bus did not take everything."""
    policy, tally = watch.policy(), Tally()
    to_end = min(_TO_END_MS, remaining() // 4)

    def in_time(found: Iterator[Any]) -> Iterator[Any]:
        for one in found:
            if remaining() <= to_end:
                tally.more = True
                return
            yield one

    # Dead letters first: they are few, and nothing else speaks for them.
    for letters in in_tens(in_time(_untold(watch))):
        _tell_letters(watch, policy, letters, now, tally)
    overdue = in_time(_overdue(watch.store, policy.teams, now))
    for conversations in in_tens(c for c in overdue if c.escalated_for != c.due_at):
        _tell_overdue(watch, policy, conversations, now, tally)
    return _account(watch, tally)


def _overdue(store: Store, teams: tuple[str, ...], now: datetime) -> Iterator[Conversation]:
    for team in teams:
        for status in PERSON_MUST_ACT:
            yield from store.due(team, status, now - _TOLD_WITHIN, now, _CONVERSATIONS)


def _tell_overdue(watch: Watch, policy: Policy, conversations: list[Conversation], now: datetime, tally: Tally) -> None:
    events = [_overdue_event(conversation, policy, now) for conversation in conversations]
    for conversation, taken in zip(conversations, _tell(watch, events, tally), strict=True):
        if taken and conversation.due_at:
            watch.store.note_escalation(conversation.conv, conversation.due_at)


def _overdue_event(conversation: Conversation, policy: Policy, now: datetime) -> Event:
    assert conversation.due_at and conversation.team, "the index holds no other"
    due, team = conversation.due_at, conversation.team
    detail = {
        "id": f"{conversation.conv}@{to_iso(due)}",
        "conversation": conversation.conv,
        "channel": conversation.channel,
        "account": conversation.account,
        "team": team,
        "status": conversation.status,
        "priority": conversation.priority,
        "hold": list(conversation.hold),
        "due_at": to_iso(due),
        "minutes_overdue": int((now - due).total_seconds() // 60),
        "on_duty": list(policy.roster.on_duty(team, now)),
    }
    return Event("HoldUnattended" if conversation.status == "held" else "ConversationOverdue", detail)


def _untold(watch: Watch) -> Iterator[DeadLetter]:
    for queue in watch.dead_letters:
        yield from (letter for letter in queue.look(_LETTERS) if not watch.book.has(letter))


def _tell_letters(watch: Watch, policy: Policy, letters: list[DeadLetter], now: datetime, tally: Tally) -> None:
    events = [_letter_event(watch, policy, letter, now) for letter in letters]
    for letter, taken in zip(letters, _tell(watch, events, tally), strict=True):
        if taken:
            watch.book.note(letter, now)


def _letter_event(watch: Watch, policy: Policy, letter: DeadLetter, now: datetime) -> Event:
    """Says what became of a message, once its conversation, if there is one, waits for a person."""
    message_id = letter.message_id()
    conversation = None if message_id is None else watch.store.conversation(keys.split(message_id).conv)
    if conversation is not None:
        due_at = now + _PERSON_WITHIN
        watch.store.flag(conversation.conv, DEAD_LETTER, team=policy.default_team, due_at=due_at)
    team = (conversation and conversation.team) or policy.default_team
    detail = {
        "id": f"{letter.queue}/{letter.id}",
        "queue": letter.queue,
        "message_id": message_id,
        "conversation": conversation and conversation.conv,
        "team": team,
        "on_duty": list(policy.roster.on_duty(team, now)),
    }
    return Event("DeadLetter", detail)


def _tell(watch: Watch, events: list[Event], tally: Tally) -> list[bool]:
    taken = watch.bus.put(events)
    for event, was_taken in zip(events, taken, strict=True):
        if was_taken:
            tally.told[event.kind] = tally.told.get(event.kind, 0) + 1
            watch.telemetry.info("escalated", event=event.kind, id=event.detail["id"], team=event.detail["team"])
        else:
            tally.refused += 1
    return taken


def _account(watch: Watch, tally: Tally) -> dict[str, Any]:
    letters = tally.told.get("DeadLetter", 0)
    every = sum(tally.told.values())
    watch.telemetry.count({"Escalated": every, "Overdue": every - letters, "DeadLetters": letters})
    watch.telemetry.info("escalation_run", told=tally.told, refused=tally.refused, more=tally.more)
    if tally.refused:
        raise EventsRefused(f"{tally.refused} events were not taken")
    return {"told": tally.told, "more": tally.more}
