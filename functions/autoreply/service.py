"""decide → reserve → send → record. One reply record per message, and never a second reply to it.

A reply is reserved by an entry in the conversation's ledger, written on the condition that the conversation is still as it was read: so
the reservation is the last look before the send, too. The record follows the send. What a later delivery of the same message finds tells
what is known:

| entry | record | then |
|---|---|---|
| none | none | the message is decided about |
| any | `none`, `sent`, `failed`, `unknown` | it was seen to |
| one | none | a process died between the reservation and the record: the reply may be out |
| one | `reserved`, with an outcome of `NOT_SENT` | nothing left: it is tried again |
| one | `reserved`, with another outcome or none | it may be out |
"""

from __future__ import annotations

from dataclasses import replace

from functions.autoreply.case import Case, Decision, Suppressed
from functions.autoreply.decision import decide, objections, veto
from functions.autoreply.delivery import parts_of
from functions.autoreply.desk import ConversationAwaited, Desk, ReplyPostponed
from functions.autoreply.interruption import cut
from functions.autoreply.looking import look
from functions.autoreply.reasons import NOTICES, Reason
from functions.autoreply.records import conv_of, log, record_of, settle, tell_person
from functions.autoreply.sending import NOT_SENT, Try, conclude, finish, prepared, send, withhold
from functions.channels.contract import SendResult
from functions.common.errors import Unavailable
from functions.common.ledger import Said, entry, entry_of, may_have_forgotten, reserved, without
from functions.common.origin import sign
from functions.common.store import AlreadyRecorded, ConversationChanged, Reply
from functions.common.wire import ReplyTask

_TRIES = 5
BROKEN = (Reason.TEMPLATE_INVALID, Reason.TEMPLATE_EXPIRED)


def answer(task: ReplyTask, desk: Desk, *, last_try: bool = False) -> None:
    """Answer one message, or note why not. Safe to repeat at any time; raises `Postponed` when it must be.

    `last_try`: the queue will not bring the message back.
    """
    for _ in range(_TRIES):
        case = look(task, desk)
        earlier = entry_of(case.conversation, case.message.message_id)
        if earlier is not None or _may_be_recorded(case):
            found = desk.store.reply(case.message.message_id)
            if found is not None or earlier is not None:
                return _resume(case, earlier, found, desk, last_try=last_try)
        try:
            return _answer(case, desk, last_try=last_try)
        except ConversationChanged:
            continue  # something happened since it was read: decide anew
    raise Unavailable(f"conversation {conv_of(task)} kept changing")


def _may_be_recorded(case: Case) -> bool:
    return case.conversation is not None and may_have_forgotten(case.conversation, case.message.received_at)


def _answer(case: Case, desk: Desk, *, last_try: bool) -> None:
    decision = decide(case)
    _warn(case, decision, desk)
    if decision.text is None:
        return _leave(case, decision, desk)
    if case.conversation is None:
        raise ConversationAwaited(conv_of(case.task))
    decision = _within_cap(case, decision, desk)
    if decision.text is None:
        return _leave(case, decision, desk)
    _await_circuit(case, desk, last_try=last_try)
    sending = prepared(case, record_of(case, decision, "reserved"), desk)
    desk.store.apply(case.conversation, reserved(case.conversation, *_entries(case, decision)))
    return send(replace(sending, last=last_try), desk)


def _await_circuit(case: Case, desk: Desk, *, last_try: bool) -> None:
    """Leave an account alone while its platform does not answer, unless the queue will not bring the message back."""
    left = desk.breaker.seconds_left(case.message.channel, case.message.account, case.now)
    if left and not last_try:
        raise ReplyPostponed("circuit open", left)


def _within_cap(case: Case, decision: Decision, desk: Desk) -> Decision:
    """The decision, unless the account has said as much within this hour as it may."""
    at_most = case.policy.book.limits.account_per_hour
    if at_most is None or desk.store.draw(case.message.channel, case.message.account, case.now, at_most):
        return decision
    mine = Suppressed(reason=decision.reason, because=Reason.CAPPED, template=decision.template)
    return Decision(reason=Reason.CAPPED, detail="account", suppressed=(*decision.suppressed, mine))


def _entry(case: Case, decision: Decision) -> Said:
    return entry(
        case.message.message_id,
        at=case.now,
        notice=decision.reason in NOTICES,
        rule=decision.template or "",
        text=decision.text or "",
        asked=case.message.text,
        parts=parts_of(case, decision.template, decision.text or ""),
    )


def _entries(case: Case, decision: Decision) -> tuple[Said, ...]:
    """The reply's entry, and one for each other answer in it: the messages that asked for them will know that they are answered."""
    whole = _entry(case, decision)
    return (whole, *(replace(whole, kind="+", rule=sign(name), asked=sign(name)) for name in decision.beside))


def _leave(case: Case, decision: Decision, desk: Desk) -> None:
    reply = record_of(case, decision, "none")
    try:
        desk.store.add_reply(reply)
    except AlreadyRecorded as found:
        return _resume(case, None, found.reply, desk)
    log(case, reply, desk, suppressed=list(reply.suppressed))
    return tell_person(case, reply, desk)


def _resume(case: Case, earlier: Said | None, found: Reply | None, desk: Desk, *, last_try: bool = False) -> None:
    """Go on where an earlier delivery of this message stopped."""
    if found is not None and found.state != "reserved":
        return tell_person(case, found, desk) if earlier is None else settle(case, found, desk)
    known = found or _as_reserved(case, earlier)
    sending = prepared(case, replace(known, attempts=known.attempts + 1, outcome=None), desk)
    doubtful = found is None or found.outcome not in NOT_SENT
    sending = replace(sending, doubtful=doubtful, recorded=found is not None, last=last_try)
    spent = known.attempts >= case.policy.book.limits.attempts
    if spent or known.text is None or (doubtful and not sending.adapter.idempotent_send):
        final = replace(known, state="unknown" if doubtful else "failed")
        return finish(replace(sending, reply=known), final, desk)
    _await_circuit(case, desk, last_try=last_try)
    return _send_again(sending, known, desk)


def _as_reserved(case: Case, earlier: Said | None) -> Reply:
    """The record that the first try would have written: the decision made again as of then. Without a text if it is no longer the same."""
    assert earlier is not None and case.conversation is not None
    there = tuple(each for each in case.later if each.message.received_at <= earlier.at)
    before = without(case.conversation, case.message.message_id)
    decision = decide(replace(case, conversation=before, now=earlier.at, later=there))
    same = decision.text is not None and replace(_entry(case, decision), at=earlier.at) == earlier
    known = record_of(replace(case, now=earlier.at), decision, "reserved")
    return known if same else replace(known, reason=decision.reason.value, text=None, template=None)


def _send_again(sending: Try, known: Reply, desk: Desk) -> None:
    """Note the try, look once more, send."""
    if sending.recorded:
        desk.store.record_reply(sending.reply, was="reserved", attempts=known.attempts)
    else:
        desk.store.add_reply(sending.reply)
    sending = replace(sending, recorded=True)
    try:
        now = look(sending.case.task, desk)
    except Unavailable:
        return conclude(sending, SendResult(outcome="transient", code="not_tried"), desk)
    begun = bool(sending.reply.sent_parts)
    forbidden = cut(now, sending.reply) if begun else veto(now, sending.reply, doubtful=sending.doubtful)
    return send(sending, desk) if forbidden is None else withhold(sending, forbidden, desk)


def _warn(case: Case, decision: Decision, desk: Desk) -> None:
    about = {"message_id": case.message.message_id, "bundle": case.policy.bundle}
    broken = [each.template for each in decision.suppressed if each.because in BROKEN]
    if broken:
        desk.telemetry.warning("template_invalid", templates=broken, **about)
        desk.telemetry.count({"TemplatesRefused": len(broken)})
    refused = [each.template for each in decision.suppressed if each.because == Reason.TEXT_REFUSED]
    if refused:
        desk.telemetry.warning("text_refused", found=objections(case, refused), **about)
        desk.telemetry.count({"TextsRefused": len(refused)})
