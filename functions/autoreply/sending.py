"""One try to send a reserved reply, and what is written down of it.

A try without a record (`recorded` false) is the first: its reservation is the entry in the conversation's ledger, and the record is
written once its outcome is known. Later tries are noted in the record before they are made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from functions.autoreply.case import Case, Silence
from functions.autoreply.delivery import Answer, parcels
from functions.autoreply.desk import Desk, ReplyPostponed
from functions.autoreply.interruption import Watched, cut, stop_of
from functions.autoreply.looking import look
from functions.autoreply.patience import seconds_to_wait, too_late
from functions.autoreply.records import REFUSED, log, settle
from functions.channels import registry
from functions.channels.codecs import plain_form
from functions.channels.contract import Adapter, OutgoingReply, SendResult
from functions.common.errors import Unavailable
from functions.common.origin import MARK, UNMARKED
from functions.common.store import Reply

TAKEN = ("sent", "duplicate")
NOT_SENT = ("rate_limited", "auth_expired", "transient")
# The code of a try that ended before the platform was asked: it says nothing of the platform.
NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try. `doubtful`: an earlier one may have succeeded. `recorded`: the reply has a record already. `parcels` are all its parts.

    `last`: the queue will not bring the message back, so this try ends it.
    """

    case: Case
    reply: Reply
    adapter: Adapter
    credentials: Any
    parcels: tuple[OutgoingReply, ...]
    doubtful: bool = False
    recorded: bool = False
    last: bool = False


def prepared(case: Case, reply: Reply, desk: Desk) -> Try:
    """A try with everything it needs; whatever fails here leaves nothing behind."""
    message = case.message
    credentials = desk.credentials.current(message.channel, message.account)[0]
    adapter = registry.adapter(message.channel)
    parts = parcels(message, Answer(text=reply.text or "", buttons=reply.buttons, image_url=reply.image_url), adapter)
    return Try(case=case, reply=replace(reply, parts=len(parts)), adapter=adapter, credentials=credentials, parcels=parts)


def send(sending: Try, desk: Desk) -> Reply:
    """Send, and write down what became of it: the record."""
    sending, result = _deliver(sending, desk)
    if isinstance(result, Silence):
        return withhold(sending, result, desk)
    message = sending.case.message
    if result.code != NOT_TRIED:
        reached = result.outcome not in ("transient", "unknown")
        desk.breaker.note(message.channel, message.account, reached=reached, now=desk.clock())
    return conclude(sending, result, desk)


def _deliver(sending: Try, desk: Desk) -> tuple[Try, SendResult | Silence]:
    """Send what is left of the reply, part by part; the try as it stands then, and what the platform said last, or what cut it short."""
    if sending.credentials.receive_only:
        return sending, SendResult(outcome="window_closed", code="receive_only")
    result: SendResult | Silence = SendResult(outcome="sent")
    for place, parcel in enumerate(sending.parcels[sending.reply.sent_parts :]):
        result = (_between(sending, desk) if place else None) or _post(parcel, sending, desk)
        if isinstance(result, Silence) or result.outcome not in TAKEN:
            break
        sending = _taken(sending, parcel, desk)
    return sending, result


def _between(sending: Try, desk: Desk) -> SendResult | Silence | None:
    """The look between two parts: what cuts the reply short, and a try that failed where nobody knows."""
    try:
        return cut(look(sending.case.task, desk), sending.reply)
    except Unavailable:
        return SendResult(outcome="transient", code=NOT_TRIED)


def _taken(sending: Try, parcel: OutgoingReply, desk: Desk) -> Try:
    """The try with one more part out. What an earlier try may have done is done for certain now; it did not get to the next part."""
    reply = replace(sending.reply, sent_parts=parcel.part + 1) if sending.reply.parts > 1 else sending.reply
    if parcel is sending.parcels[-1]:
        return replace(sending, reply=reply, doubtful=False)
    _write(sending, reply, desk)
    return replace(sending, reply=reply, doubtful=False, recorded=True)


def _post(parcel: OutgoingReply, sending: Try, desk: Desk) -> SendResult | Silence:
    case, reply, message = sending.case, sending.reply, sending.case.message
    way_out = desk.outbound(message.channel, message.message_id)
    outbound = Watched(way_out, lambda: stop_of(case, desk.stops(), reply))
    mark = "" if message.channel in UNMARKED else MARK
    result = plain_form.send(sending.adapter, parcel, sending.credentials, outbound, doubtful=sending.doubtful, mark=mark)
    if result.outcome in NOT_SENT and outbound.blind:
        return SendResult(outcome="transient", code=NOT_TRIED)
    return outbound.stopped if outbound.stopped and result.outcome in NOT_SENT else result


def withhold(sending: Try, silence: Silence, desk: Desk) -> Reply:
    """End a reply that is forbidden by now: whole, if nothing of it left; what did leave stays on record with what stopped the rest."""
    reply, scope = sending.reply, f" {silence.detail}" if silence.detail else ""
    halted = f"{silence.reason}{scope}"
    if sending.doubtful:
        return finish(sending, replace(reply, state="unknown", halted=halted), desk)
    if reply.sent_parts:
        return finish(sending, replace(reply, state="failed", halted=halted), desk)
    reason = silence.reason.value
    return finish(sending, replace(reply, state="none", reason=reason, detail=silence.detail, template=None, text=None), desk)


def conclude(sending: Try, result: SendResult, desk: Desk) -> Reply:
    """Write down what became of a try, and ask for another where that is safe and may help."""
    case, reply = sending.case, sending.reply
    tried = replace(reply, outcome=result.outcome, provider_id=result.provider_id)
    if result.outcome in TAKEN:
        return finish(sending, replace(tried, state="sent"), desk, result.code)
    doubtful = sending.doubtful or result.outcome == "unknown"
    spent = sending.last or reply.attempts >= case.policy.book.limits.attempts
    wait = seconds_to_wait(reply.attempts, result.retry_after)
    hopeless = spent or result.outcome in REFUSED or too_late(case, wait, result.retry_after)
    if hopeless or (doubtful and not sending.adapter.idempotent_send):
        return finish(sending, replace(tried, state="unknown" if doubtful else "failed"), desk, result.code)
    postponed = replace(tried, outcome="unknown" if doubtful else result.outcome)
    _write(sending, postponed, desk)
    log(case, postponed, desk, code=result.code, retry_after=result.retry_after)
    raise ReplyPostponed(f"{result.outcome} {result.code}", wait)


def finish(sending: Try, final: Reply, desk: Desk, code: str | None = None) -> Reply:
    """The last word on a reply: its record."""
    _write(sending, final, desk)
    log(sending.case, final, desk, code=code)
    settle(sending.case, final, desk)
    return final


def _write(sending: Try, reply: Reply, desk: Desk) -> None:
    if sending.recorded:
        desk.store.record_reply(reply, was="reserved", attempts=sending.reply.attempts)
    else:
        desk.store.add_reply(reply)
