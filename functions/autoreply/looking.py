"""A fresh look at a message's conversation and at everything else that a decision rests on."""

from __future__ import annotations

from functions.autoreply.case import Case
from functions.autoreply.desk import Desk
from functions.common import keys
from functions.common.wire import ReplyTask

LATER = 10


def look(task: ReplyTask, desk: Desk) -> Case:
    """The case as it is now: one read, and a query where the contact has written more."""
    conversation = desk.store.conversation(keys.split(task.judged.message.message_id).conv)
    newer = conversation is not None and conversation.count > task.judged.seq
    return Case(
        task=task,
        conversation=conversation,
        policy=desk.policy(),
        now=desk.clock(),
        stops=desk.stops(),
        backlog=desk.backlog(task.judged.routing.team),
        later=tuple(desk.store.later_messages(task.judged, LATER)) if newer else (),
    )
