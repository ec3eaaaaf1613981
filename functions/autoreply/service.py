"""decide → reserve → send → record. One reply record per message, and never a second reply to it.

A record's life: `none` (nothing is sent, and why), or `reserved` → `sent`, `failed`, `unknown`. A reserved record is written before each
try, without an outcome; when the platform says that it took nothing, that outcome is noted and the queue brings the message back. So
a record that is found reserved tells what is known: with an outcome in `NOT_SENT` nothing left; without one a process died between
the reservation and the record, and the reply may be out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from functions.autoreply.case import Case, Decision
from functions.autoreply.decision import decide, decide_at_once, veto
from functions.autoreply.reasons import Reason
from functions.autoreply.replybook import ReplyPolicy
from functions.autoreply.stops import NOTHING, Stops
from functions.channels import registry
from functions.channels.contract import Adapter, Outbound, OutgoingReply, SendResult
from functions.common import keys
from functions.common.clock import Clock
from functions.common.credentials import CredentialStore
from functions.common.errors import Retryable, Unavailable
from functions.common.store import AlreadyReserved, Reply, ReplyState, Store
from functions.common.telemetry import Telemetry
from functions.common.wire import ReplyTask

TAKEN = ("sent", "duplicate")
REFUSED = ("window_closed", "invalid")
NOT_SENT = ("rate_limited", "auth_expired", "transient")
# How many reply records the loop guard and the quotas look back on: more than any limit allows within an hour.
LEDGER = 50
QUIET = (Reason.BOT, Reason.SPAM, Reason.HELD, Reason.OPTED_OUT, Reason.NO_REPLY)

_LOGGED = {
    "none": ("not_replied", "NotReplied"),
    "sent": ("replied", "Replied"),
    "failed": ("reply_failed", "ReplyFailed"),
    "unknown": ("reply_unknown", "ReplyUnknown"),
    "reserved": ("reply_postponed", "ReplyRetried"),
}


class ReplyPostponed(Retryable):
    """The platform took nothing, or takes the same reply again without harm: the queue is to bring the message back."""


class ConversationAwaited(Retryable):
    """A person must be told, and classify has not written the conversation yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The reply desk: what autoreply needs. `outbound` makes the way out for (channel, account, message id).

    `stops()` says what an operator has stopped, `backlog(team)` how many conversations wait for a team (None: nobody knows).
    """

    store: Store
    credentials: CredentialStore
    policy: Callable[[], ReplyPolicy]
    outbound: Callable[[str, str, str], Outbound]
    clock: Clock
    telemetry: Telemetry
    stops: Callable[[], Stops] = lambda: NOTHING
    backlog: Callable[[str], int | None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    """One try to send. `doubtful`: an earlier one may have succeeded."""

    case: Case
    reply: Reply
    adapter: Adapter
    credentials: Any
    doubtful: bool = False


def answer(task: ReplyTask, desk: Desk) -> None:
    """Answer one message, or note why not. Safe to repeat at any time; raises `Retryable` when it must be."""
    case = _case(task, desk.policy(), desk)
    decision = decide_at_once(case) or decide(case, desk.store.replies(_conv(task), LEDGER))
    if any(each.because == Reason.TEMPLATE_INVALID for each in decision.suppressed):
        desk.telemetry.warning(
            "template_invalid", message_id=_id(task), bundle=case.policy.bundle, reply=task.judged.routing.reply
        )
    if decision.text is None:
        _leave(case, decision, desk)
    else:
        _speak(case, decision, desk)


def _case(task: ReplyTask, policy: ReplyPolicy, desk: Desk) -> Case:
    return Case(
        task=task,
        conversation=desk.store.conversation(_conv(task)),
        policy=policy,
        now=desk.clock(),
        stops=desk.stops(),
        backlog=desk.backlog(task.judged.routing.team),
    )


def _leave(case: Case, decision: Decision, desk: Desk) -> None:
    reply = _record_of(case, decision, "none")
    try:
        desk.store.reserve_reply(reply)
    except AlreadyReserved as found:
        return _resume(case, found.reply, desk)
    _log(case, reply, desk, suppressed=[each.reason.value for each in decision.suppressed])
    return _tell_person(case, reply, desk)


def _speak(case: Case, decision: Decision, desk: Desk) -> None:
    reply = _record_of(case, decision, "reserved")
    # Whatever fails up to the reservation leaves nothing behind.
    sending = _try(case, reply, desk)
    try:
        desk.store.reserve_reply(reply)
    except AlreadyReserved as found:
        return _resume(case, found.reply, desk)
    return _send(sending, desk)


def _resume(case: Case, found: Reply, desk: Desk) -> None:
    """Go on where an earlier delivery of this message stopped."""
    if found.state != "reserved":
        return _tell_person(case, found, desk)
    sending = _try(case, replace(found, attempts=found.attempts + 1, outcome=None), desk)
    sending = replace(sending, doubtful=found.outcome not in NOT_SENT)
    spent = found.attempts >= case.policy.book.limits.attempts
    if spent or (sending.doubtful and not sending.adapter.idempotent_send):
        return _finish(case, found, replace(found, state="unknown" if sending.doubtful else "failed"), desk)
    desk.store.record_reply(sending.reply, was="reserved", attempts=found.attempts)
    return _send(sending, desk)


def _try(case: Case, reply: Reply, desk: Desk) -> _Try:
    message = case.task.judged.message
    credentials = desk.credentials.current(message.channel, message.account)[0]
    return _Try(case=case, reply=reply, adapter=registry.adapter(message.channel), credentials=credentials)


def _send(sending: _Try, desk: Desk) -> None:
    case, reply = sending.case, sending.reply
    try:
        forbidden = veto(_case(case.task, case.policy, desk), reply)
    except Unavailable:
        return _conclude(sending, SendResult(outcome="transient", code="not_tried"), desk)
    if forbidden is None:
        return _conclude(sending, _deliver(sending, desk), desk)
    if sending.doubtful:
        return _finish(case, reply, replace(reply, state="unknown"), desk)
    return _finish(
        case,
        reply,
        replace(reply, state="none", reason=forbidden.reason, detail=forbidden.detail, template=None, text=None),
        desk,
    )


def _deliver(sending: _Try, desk: Desk) -> SendResult:
    message, text = sending.case.task.judged.message, sending.reply.text or ""
    outgoing = OutgoingReply(
        message_id=message.message_id,
        native_id=message.native_id,
        contact=message.contact.primary,
        text=text,
        not_after=message.reply.expires_at,
        token=message.reply.token,
    )
    outbound = desk.outbound(message.channel, message.account, message.message_id)
    result = sending.adapter.send(outgoing, sending.credentials, outbound)
    if result.outcome == "auth_expired":  # the adapter has dropped the token: the next one is new
        result = sending.adapter.send(outgoing, sending.credentials, outbound)
    return result


def _conclude(sending: _Try, result: SendResult, desk: Desk) -> None:
    """Write down what became of a try, and ask for another where that is safe and may help."""
    case, reply = sending.case, sending.reply
    tried = replace(reply, outcome=result.outcome, provider_id=result.provider_id)
    if result.outcome in TAKEN:
        return _finish(case, reply, replace(tried, state="sent"), desk, result.code)
    doubtful = sending.doubtful or result.outcome == "unknown"
    spent = reply.attempts >= case.policy.book.limits.attempts
    if spent or result.outcome in REFUSED or (doubtful and not sending.adapter.idempotent_send):
        return _finish(case, reply, replace(tried, state="unknown" if doubtful else "failed"), desk, result.code)
    postponed = replace(tried, outcome="unknown" if doubtful else result.outcome)
    desk.store.record_reply(postponed, was="reserved", attempts=reply.attempts)
    _log(case, postponed, desk, code=result.code, retry_after=result.retry_after)
    raise ReplyPostponed(f"{result.outcome} {result.code}")


def _finish(case: Case, reserved: Reply, final: Reply, desk: Desk, code: str | None = None) -> None:
    desk.store.record_reply(final, was="reserved", attempts=reserved.attempts)
    _log(case, final, desk, code=code)
    _tell_person(case, final, desk)


def _tell_person(case: Case, reply: Reply, desk: Desk) -> None:
    """Put the conversation before a person where the record demands it; repeated when a finished message comes again."""
    problem, routing = _problem(case.task, reply), case.task.judged.routing
    if problem is None:
        return
    if case.conversation is None:
        raise ConversationAwaited(_conv(case.task))
    desk.store.flag(_conv(case.task), problem, team=routing.team, due_at=routing.due_at)


def _problem(task: ReplyTask, reply: Reply) -> str | None:
    """What a person must be told: a reply that may not have arrived, or that was to settle the matter and did not go out."""
    routing = task.judged.routing
    if reply.state == "unknown":
        return "reply_unknown"
    if reply.state == "failed":
        return None if routing.needs_person and reply.outcome in REFUSED else "reply_failed"
    meant = routing.reply is not None and not routing.needs_person
    said = reply.state == "sent" and reply.template == routing.reply
    return "reply_missing" if meant and not said and reply.reason not in QUIET and not _is_thanks(task) else None


def _is_thanks(task: ReplyTask) -> bool:
    said = task.judged.judgement
    return said.business in ("other", "suggestion") and said.sentiment == "positive" and not said.wants_human


def _record_of(case: Case, decision: Decision, state: ReplyState) -> Reply:
    return Reply(
        message_id=_id(case.task),
        state=state,
        reason=decision.reason.value,
        at=case.now,
        text=decision.text,
        template=decision.template,
        attempts=1 if state == "reserved" else 0,
        bundle=case.policy.bundle,
        detail=decision.detail,
        suppressed=tuple(f"{each.reason} {each.template} {each.because}" for each in decision.suppressed),
    )


def _log(case: Case, reply: Reply, desk: Desk, **more: Any) -> None:
    line, metric = _LOGGED[reply.state]
    message = case.task.judged.message
    said = {"message_id": message.message_id, "channel": message.channel, "account": message.account, "reason": reply.reason}
    tried = {"template": reply.template, "attempts": reply.attempts, "result": reply.outcome}
    log = desk.telemetry.warning if reply.state in ("failed", "unknown") else desk.telemetry.info
    log(line, **said, **tried, **more)
    desk.telemetry.count({metric: 1}, channel=message.channel)


def _id(task: ReplyTask) -> str:
    return task.judged.message.message_id


def _conv(task: ReplyTask) -> str:
    return keys.split(_id(task)).conv
