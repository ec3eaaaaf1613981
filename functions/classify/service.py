"""A batch of inbound messages: each stored once and judged, then for the whole batch handed on, applied and counted.

Every step can be repeated, and they come in this order: the sealed original, the message, the reply tasks, the escalations, the ids
that the platform vouches for, the conversation. The conversation proves the steps before it. A message that is stored but not proven
has its later steps done again, as it was judged the first time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from functions.classify.conversations import advanced, new_conversation
from functions.classify.counters import Tally
from functions.classify.desk import Desk, Handbook
from functions.classify.escalations import NotTold
from functions.classify.originals import Cleared, clear
from functions.classify.reading import words
from functions.classify.repeats import fingerprint
from functions.classify.sightings import note
from functions.classify.understanding import judge_message
from functions.common import keys
from functions.common.errors import Unavailable
from functions.common.identity import party_of, vouched_ids
from functions.common.judgement import Judged
from functions.common.message import Message
from functions.common.queues import Entry, NotSent
from functions.common.sqs_batch import Failures, Record
from functions.common.store import LATE, AlreadyStored, Conversation, ConversationChanged, Sending
from functions.common.wire import ReplyTask, dumps, holds_sighting, read_inbound, read_sighting

if TYPE_CHECKING:
    from functions.classify.advice.panel import Panel

ORIGINALS_KEPT = timedelta(days=30)
_TRIES = 5
# As much of a campaign's text as tells people which one it is.
_SAMPLE = 80


@dataclass(frozen=True, slots=True)
class Task:
    """A stored message whose later steps are to be done. `stored` false: it was stored by an earlier try."""

    record: Record
    judged: Judged
    stored: bool


@dataclass(slots=True)
class Batch:
    """One batch on the desk. `conversations` are as this batch will leave them, `read` as they were found."""

    desk: Desk
    handbook: Handbook
    failures: Failures
    tasks: list[Task] = field(default_factory=list)
    read: dict[str, Conversation] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    panel: Panel | None = None


def classify(records: list[Record], desk: Desk) -> list[str]:
    """Classify a batch of `inbound.fifo`; the ids of the records that must come again."""
    batch = Batch(desk, desk.handbook(), Failures(records), panel=desk.advice() if desk.advice else None)
    for record in records:
        if not batch.failures.includes(record) and not holds_sighting(record.body):
            _attempt(batch, record, _take)
    _escalate(batch)
    _hand_on(batch)
    _apply(batch)
    # Last: what was seen may be about a conversation that this batch begins.
    for record in records:
        if not batch.failures.includes(record) and holds_sighting(record.body):
            _attempt(batch, record, _notice)
    failed = batch.failures.ids()
    batch.tally.write(desk, failed=len(failed))
    return failed


def _notice(batch: Batch, record: Record) -> None:
    note(read_sighting(record.body), batch.desk)


def _attempt(batch: Batch, record: Record, step: Callable[[Batch, Record], None]) -> None:
    try:
        step(batch, record)
    except Exception as fault:  # a bad record must not keep its siblings from their work
        batch.failures.fail(record)
        batch.desk.telemetry.error("not_classified", fault, record=record.id, tries=record.tries)


def _take(batch: Batch, record: Record) -> None:
    """Store one message, or find that it was stored; note what is still to do about it."""
    message = read_inbound(record.body).message
    conversation = _conversation(batch, message)
    cleared = clear(message)
    judged = _with_campaign(batch, judge_message(cleared, conversation, batch.handbook, batch.panel), conversation)
    judged = replace(judged, late_at=_late(batch.desk, judged))
    stored = _store(batch.desk, cleared, judged)
    if stored is not judged and _was_done(batch, conversation, stored):
        batch.tally.duplicate(stored)
        batch.desk.telemetry.info("duplicate", message_id=stored.message.message_id, channel=message.channel)
        return
    if stored is not judged and judged.late_at is not None:
        # Nobody may have seen it yet: what finds messages finds them by the conversation's update.
        batch.desk.store.note_late(stored.message.message_id, judged.late_at)
    batch.tasks.append(Task(record, stored, stored=stored is judged))
    batch.conversations[conversation.conv] = advanced(conversation, stored, default_team=batch.handbook.teams.default)


def _late(desk: Desk, judged: Judged) -> datetime | None:
    """Now, if that is long after the receipt."""
    now = desk.clock()
    return now if now - judged.message.received_at > LATE else None


def _was_done(batch: Batch, conversation: Conversation, stored: Judged) -> bool:
    """Whether every later step of a stored message was done. One that the conversation may have forgotten has a reply record:
    autoreply writes one for every message that was handed on, and escalations are told before that.
    """
    if conversation.notes(stored):
        return True
    return conversation.may_have_forgotten(stored) and batch.desk.store.reply(stored.message.message_id) is not None


def _with_campaign(batch: Batch, judged: Judged, conversation: Conversation) -> Judged:
    """The message, with the campaign that its text belongs to. Its senders are noted once, however often the message comes."""
    policy, message = batch.handbook.rules.repeats, judged.message
    text_mark = fingerprint(judged, conversation, policy)
    if text_mark is None:
        return judged
    sample = words(message)[:_SAMPLE]
    sending = Sending(
        fingerprint=text_mark, conv=conversation.conv, channel=message.channel, at=message.received_at, sample=sample
    )
    senders = batch.desk.store.add_sender(sending)
    return replace(judged, campaign=text_mark) if senders >= policy.senders else judged


def _conversation(batch: Batch, message: Message) -> Conversation:
    """The message's conversation as this batch will leave it so far."""
    conv = keys.split(message.message_id).conv
    if conv not in batch.conversations:
        found = batch.desk.store.conversation(conv) or new_conversation(message)
        batch.read[conv] = batch.conversations[conv] = found
    return batch.conversations[conv]


def _store(desk: Desk, cleared: Cleared, judged: Judged) -> Judged:
    """Store the message, its original first so that none is ever lost; the first version when it was stored before."""
    message = judged.message
    if cleared.originals:
        sealed = desk.vault.seal(message.message_id, cleared.for_vault())
        desk.store.add_original(message.message_id, sealed, message.received_at + ORIGINALS_KEPT)
    try:
        desk.store.add_message(judged)
    except AlreadyStored as before:
        return before.judged
    return judged


def _hand_on(batch: Batch) -> None:
    """Put every message on the reply queue: whether it is answered is for autoreply to decide and to record."""
    try:
        batch.desk.replies.send([_entry(task.judged) for task in batch.tasks])
    except NotSent as fault:
        _give_back(batch, fault)


def _entry(judged: Judged) -> Entry:
    message_id = judged.message.message_id
    task = ReplyTask(judged=judged, first_contact=judged.seq == 1)
    return Entry(body=dumps(task), group=keys.split(message_id).conv, dedup=message_id)


def _escalate(batch: Batch) -> None:
    try:
        batch.desk.escalations.tell([task.judged for task in batch.tasks if task.judged.routing.escalate])
    except NotTold as fault:
        _give_back(batch, fault)


def _give_back(batch: Batch, fault: NotSent | NotTold) -> None:
    """Give back the records of some messages, and with each the later ones of its conversation."""
    for task in batch.tasks:
        if task.judged.message.message_id in fault.failed:
            batch.failures.fail(task.record)
    batch.tasks = [task for task in batch.tasks if not batch.failures.includes(task.record)]
    batch.desk.telemetry.error("not_handed_on", fault)


def _apply(batch: Batch) -> None:
    """Write each conversation once, with all that this batch did to it."""
    for conv in dict.fromkeys(map(_conv, batch.tasks)):
        tasks = [task for task in batch.tasks if _conv(task) == conv]
        try:
            _commit(batch, conv, tasks)
        except Exception as fault:  # the other conversations of the batch are not affected
            batch.failures.fail(tasks[0].record)
            batch.desk.telemetry.error("not_applied", fault, conversation=conv)


def _commit(batch: Batch, conv: str, tasks: list[Task]) -> None:
    store, before = batch.desk.store, batch.read[conv]
    for _ in range(_TRIES):
        after, applied = _with_tasks(before, tasks, batch.handbook.teams.default)
        if not applied:
            return  # another process had the same records, and was faster
        _vouch(batch.desk, before, after, [task.judged.message for task in applied])
        try:
            store.apply(before, after)
        except ConversationChanged:
            before = store.conversation(conv) or new_conversation(tasks[0].judged.message)
            continue
        for task in applied:
            _report(batch, task, after)
        return
    raise Unavailable(f"conversation {conv} kept changing")


def _vouch(desk: Desk, before: Conversation, after: Conversation, messages: list[Message]) -> None:
    """Note each id that a platform vouches for and the conversation does not know. The conversation's own update comes after: it proves
    this one, and an ordinary message costs nothing here.
    """
    new = set(after.vouched) - set(before.vouched)
    for message in messages if new else ():
        for each in vouched_ids(message):
            if each.mark in new:
                desk.links.vouch(each, party_of(after), message.received_at)
                new.remove(each.mark)


def _with_tasks(before: Conversation, tasks: list[Task], default_team: str) -> tuple[Conversation, list[Task]]:
    after, applied = before, []
    for task in tasks:
        if not after.notes(task.judged):
            after = advanced(after, task.judged, default_team=default_team)
            applied.append(task)
    return after, applied


def _report(batch: Batch, task: Task, conversation: Conversation) -> None:
    judged = task.judged
    batch.tally.done(judged)
    batch.desk.telemetry.info(
        "classified",
        message_id=judged.message.message_id,
        channel=judged.message.channel,
        again=not task.stored,
        repeats=judged.same_as,
        campaign=judged.campaign,
        business=judged.judgement.business,
        urgency=judged.judgement.urgency,
        spam=judged.judgement.spam,
        risk=judged.judgement.risk,
        team=judged.routing.team,
        status=conversation.status,
        rules=[firing.rule for firing in judged.judgement.firings],
    )


def _conv(task: Task) -> str:
    return keys.split(task.judged.message.message_id).conv
