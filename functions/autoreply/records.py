"""What is written down of a decision: the record, its log line, and the word to a person where the record demands one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from functions.autoreply.case import Case, Decision
from functions.autoreply.delivery import answer_of
from functions.autoreply.desk import ConversationAwaited, Desk
from functions.autoreply.reasons import Reason
from functions.autoreply.said import counted
from functions.autoreply.suggestions import suggestions
from functions.common import keys
from functions.common.errors import Unavailable
from functions.common.ledger import released
from functions.common.origin import sign
from functions.common.store import ConversationChanged, Reply, ReplyState, with_unarchived
from functions.common.wire import ReplyTask

REFUSED = ("window_closed", "invalid")
QUIET = (
    Reason.BOT, Reason.SPAM, Reason.HELD, Reason.BLOCKED, Reason.OPTED_OUT, Reason.TAKEN_OVER, Reason.RECALLED, Reason.NO_REPLY,
    Reason.ANSWERED_WITH_LATER, Reason.ANSWERED_WITH_EARLIER,
)  # fmt: skip
FOLLOWS = timedelta(hours=24)
# No message is archived sooner after its receipt (`quiet_hours` in retention.yaml is one at least).
ARCHIVED = timedelta(hours=1)
_TRIES = 5
_LOGGED = {
    "none": ("not_replied", "NotReplied"),
    "sent": ("replied", "Replied"),
    "failed": ("reply_failed", "ReplyFailed"),
    "unknown": ("reply_unknown", "ReplyUnknown"),
    "reserved": ("reply_postponed", "ReplyRetried"),
}


def is_gone(case: Case, desk: Desk) -> bool:
    """Whether the message was erased while its task was on its way. One read, and only where the conversation does not know of it: there
    is none, or it begins later.
    """
    conversation, message = case.conversation, case.message
    if conversation is not None and (conversation.first_at is None or conversation.first_at <= message.received_at):
        return False
    return desk.store.message(message.message_id) is None


def log_gone(case: Case, desk: Desk) -> None:
    """One line, and no record: nothing would ever take it away."""
    desk.telemetry.info("message_gone", message_id=case.message.message_id, channel=case.message.channel)
    desk.telemetry.count({"NotReplied": 1}, channel=case.message.channel)


def record_of(case: Case, decision: Decision, state: ReplyState) -> Reply:
    """The record of a decision, before anything came of it."""
    suggested = suggestions(case)
    beside = answer_of(case.policy.book, decision.template, decision.text or "", case.language)
    return Reply(
        message_id=case.message.message_id,
        state=state,
        reason=decision.reason.value,
        at=case.now,
        text=decision.text,
        template=decision.template,
        variant=decision.variant,
        after=_after(case),
        attempts=1 if state == "reserved" else 0,
        bundle=case.policy.bundle,
        detail=decision.detail or (f"with {' '.join(decision.beside)}" if decision.beside else None),
        suggestions=tuple(each.mark() for each in suggested),
        draft=next((each.text for each in suggested if each.source == "draft"), None),
        buttons=beside.buttons,
        image_url=beside.image_url,
        suppressed=tuple(f"{each.reason} {each.template} {each.because}" for each in decision.suppressed),
        left_to=decision.detail if decision.reason == Reason.ANSWERED_WITH_LATER else None,
    )


def _after(case: Case) -> str | None:
    """The template and variant that the contact last heard, if it was within a day and others heard other wordings."""
    heard = [said for said in counted(case) if case.now - said.at < FOLLOWS]
    by_sign = {sign(name): template for name, template in case.policy.book.templates.items() if template.variants}
    if not heard or heard[-1].rule not in by_sign:
        return None
    template = by_sign[heard[-1].rule]
    variant, _ = template.texts(case.message.channel, conv_of(case.task))
    return f"{template.name} {variant}" if variant else None


def conv_of(task: ReplyTask) -> str:
    """The key of the message's conversation."""
    return keys.split(task.judged.message.message_id).conv


def settle(case: Case, reply: Reply, desk: Desk) -> None:
    """What a finished record asks for: the reservation released if nothing left, and a person told. Safe to repeat."""
    if reply.state in ("failed", "none") and not reply.sent_parts:
        release(case, desk)
    tell_person(case, reply, desk)


def release(case: Case, desk: Desk) -> None:
    """Give a reservation back: what was never sent counts towards no limit."""
    conv, message_id = conv_of(case.task), case.message.message_id
    for _ in range(_TRIES):
        before = desk.store.conversation(conv)
        if before is None or (after := released(before, message_id)) == before:
            return None
        try:
            return desk.store.apply(before, after)
        except ConversationChanged:
            continue
    raise Unavailable(f"conversation {conv} kept changing")


def owe(case: Case, desk: Desk) -> None:
    """Let the archive find a record that was written when its message may have been archived without it. Safe to repeat."""
    message = case.message
    if case.now - message.received_at < ARCHIVED:
        return None
    for _ in range(_TRIES):
        before = desk.store.conversation(conv_of(case.task))
        if before is None or (after := with_unarchived(before, message.message_id, message.received_at)) == before:
            return None
        try:
            return desk.store.apply(before, after)
        except ConversationChanged:
            continue
    raise Unavailable(f"conversation {conv_of(case.task)} kept changing")


def tell_person(case: Case, reply: Reply, desk: Desk) -> None:
    """Put the conversation before a person where the record demands it; repeated when a finished message comes again."""
    problem, routing = _problem(case.task, reply), case.judged.routing
    if problem is None:
        return
    if case.conversation is None:
        raise ConversationAwaited(conv_of(case.task))
    desk.store.flag(conv_of(case.task), problem, team=routing.team, due_at=routing.due_at)


def _problem(task: ReplyTask, reply: Reply) -> str | None:
    """What a person must be told: a reply that may not have arrived, or that was to settle the matter and did not go out."""
    routing = task.judged.routing
    if reply.state == "unknown":
        return "reply_unknown"
    if reply.state == "failed" and reply.sent_parts:
        return None if (reply.halted or "").partition(" ")[0] in QUIET else "reply_incomplete"
    if reply.state == "failed":
        return None if routing.needs_person and reply.outcome in REFUSED else "reply_failed"
    meant = routing.reply is not None and not routing.needs_person
    said = reply.state == "sent" and reply.template == routing.reply
    return "reply_missing" if meant and not said and reply.reason not in QUIET and not _is_thanks(task) else None


def _is_thanks(task: ReplyTask) -> bool:
    said = task.judged.judgement
    return said.business in ("other", "suggestion") and said.sentiment == "positive" and not said.wants_human


def log(case: Case, reply: Reply, desk: Desk, **more: Any) -> None:
    """One line and one count for what became of a message."""
    line, metric = _LOGGED[reply.state]
    message = case.message
    said = {"message_id": message.message_id, "channel": message.channel, "account": message.account, "reason": reply.reason}
    tried = {"template": reply.template, "variant": reply.variant, "attempts": reply.attempts, "result": reply.outcome}
    if reply.halted:
        more |= {"halted": reply.halted, "sent_parts": reply.sent_parts, "parts": reply.parts}
    write = desk.telemetry.warning if reply.state in ("failed", "unknown") else desk.telemetry.info
    write(line, **said, **tried, **more)
    desk.telemetry.count({metric: 1}, channel=message.channel)
