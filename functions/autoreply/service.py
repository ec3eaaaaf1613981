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

A message that was left to a later one's answer is taken up again if that one is taken back before its turn: with the later one's task,
since its own is gone from the queue.
"""

from __future__ import annotations

from dataclasses import replace

from functions.autoreply.case import Case, Decision, Silence, Suppressed
from functions.autoreply.decision import decide, objections, veto
from functions.autoreply.desk import ConversationAwaited, Desk, ReplyPostponed
from functions.autoreply.interruption import cut
from functions.autoreply.looking import look
from functions.autoreply.reasons import Reason
from functions.autoreply.records import conv_of, is_gone, log, log_gone, owe, record_of, settle, tell_person
from functions.autoreply.reservation import entries
from functions.autoreply.sending import NOT_SENT, NOT_TRIED, Try, conclude, finish, prepared, send, withhold
from functions.channels.contract import SendResult
from functions.common.errors import Unavailable
from functions.common.ledger import Said, entry_of, may_have_forgotten, moved, reserved, without
from functions.common.store import AlreadyRecorded, ConversationChanged, Reply, ReplyState
from functions.common.wire import ReplyTask

_TRIES = 5
# Messages in a row that were left to one: a decision looks at no more.
LEFT = 10
BROKEN = (Reason.TEMPLATE_INVALID, Reason.TEMPLATE_EXPIRED)


def answer(task: ReplyTask, desk: Desk, *, last_try: bool = False) -> None:
    """Answer one message, or note why not. Safe to repeat at any time; raises `Postponed` when it must be.

    `last_try`: the queue will not bring the message back.
    """
    for _ in range(_TRIES):
        case = look(task, desk)
        if is_gone(case, desk):
            return log_gone(case, desk)
        earlier = entry_of(case.conversation, case.message.message_id)
        found = desk.store.reply(case.message.message_id) if earlier is not None or _may_be_recorded(case) else None
        try:
            known = found is not None or earlier is not None
            record = _resume(case, earlier, found, desk, last_try=last_try) if known else _answer(case, desk, last_try=last_try)
        except ConversationChanged:
            continue  # something happened since it was read: decide anew
        except ReplyPostponed:
            owe(case, desk)  # each try changes the record
            raise
        owe(case, desk)
        return _take_up(record, desk, last_try=last_try)
    raise Unavailable(f"conversation {conv_of(task)} kept changing")


def _take_up(record: Reply, desk: Desk, *, last_try: bool) -> None:
    """What was left to a message that was then taken back is answered after all, the newest first."""
    if (record.state, record.reason) != ("none", Reason.RECALLED):
        return
    for left in desk.store.left_to(record.message_id, LEFT):
        judged = desk.store.message(left.message_id)
        if judged is not None:
            _answer_after_all(ReplyTask(judged=judged, first_contact=judged.seq == 1), left, desk, last_try=last_try)


def _answer_after_all(task: ReplyTask, left: Reply, desk: Desk, *, last_try: bool) -> None:
    for _ in range(_TRIES):
        case = look(task, desk)
        try:
            if left.state == "none" and left.reason == Reason.ANSWERED_WITH_LATER:
                record = _answer(case, desk, last_try=last_try, over=left)
            else:
                earlier = entry_of(case.conversation, case.message.message_id)
                record = _resume(case, earlier, left, desk, last_try=last_try)
        except ConversationChanged:
            continue
        owe(case, desk)
        return _take_up(record, desk, last_try=last_try)
    raise Unavailable(f"conversation {conv_of(task)} kept changing")


def _may_be_recorded(case: Case) -> bool:
    return case.conversation is not None and may_have_forgotten(case.conversation, case.message.received_at)


def _answer(case: Case, desk: Desk, *, last_try: bool, over: Reply | None = None) -> Reply:
    """Decide, and do what was decided. `over`: the record that says that the message was left to another one, which this replaces."""
    decision = decide(case)
    if (draft := desk.drafter(case, decision)) is not None:
        case = replace(case, draft=draft)
        decision = decide(case)
    _warn(case, decision, desk)
    if decision.text is None:
        return _leave(case, decision, desk, over)
    if case.conversation is None:
        raise ConversationAwaited(conv_of(case.task))
    _await_circuit(case, desk, last_try=last_try)  # before the cap: a reply that waits draws nothing
    decision = _within_cap(case, decision, desk)
    if decision.text is None:
        return _leave(case, decision, desk, over)
    sending = replace(prepared(case, _record(case, decision, "reserved", over), desk), last=last_try)
    before = case.conversation if over is None else without(case.conversation, case.message.message_id)
    desk.store.apply(case.conversation, reserved(before, *entries(case, decision)))
    if over is not None:
        desk.store.record_reply(sending.reply, was="none", attempts=0)
        sending = replace(sending, recorded=True)
    return send(sending, desk)


def _record(case: Case, decision: Decision, state: ReplyState, over: Reply | None) -> Reply:
    record = record_of(case, decision, state)
    return record if over is None or record.left_to else replace(record, left_to=over.left_to)


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


def _leave(case: Case, decision: Decision, desk: Desk, over: Reply | None) -> Reply:
    reply = _record(case, decision, "none", over)
    try:
        if over is None:
            desk.store.add_reply(reply)
        else:
            desk.store.record_reply(reply, was="none", attempts=0)
    except AlreadyRecorded as found:
        return _resume(case, None, found.reply, desk)
    log(case, reply, desk, suppressed=list(reply.suppressed))
    tell_person(case, reply, desk)
    return reply


def _resume(case: Case, earlier: Said | None, found: Reply | None, desk: Desk, *, last_try: bool = False) -> Reply:
    """Go on where an earlier delivery of this message stopped."""
    if found is not None and found.state != "reserved":
        if earlier is None:
            tell_person(case, found, desk)
        else:
            settle(case, found, desk)
        return found
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
    same = decision.text is not None and replace(entries(case, decision)[0], at=earlier.at) == earlier
    known = record_of(replace(case, now=earlier.at), decision, "reserved")
    return known if same else replace(known, reason=decision.reason.value, text=None, template=None)


def _send_again(sending: Try, known: Reply, desk: Desk) -> Reply:
    """Note the try, look once more, send."""
    if sending.recorded:
        desk.store.record_reply(sending.reply, was="reserved", attempts=known.attempts)
    else:
        desk.store.add_reply(sending.reply)
    sending = replace(sending, recorded=True)
    try:
        forbidden = _last_look(sending, desk)
    except Unavailable:
        return conclude(sending, SendResult(outcome="transient", code=NOT_TRIED), desk)
    return send(sending, desk) if forbidden is None else withhold(sending, forbidden, desk)


def _last_look(sending: Try, desk: Desk) -> Silence | None:
    """What forbids a reply that is tried again; if nothing does, its entry moves to now, when it draws on the platform's quota."""
    for _ in range(_TRIES):
        now, reply = look(sending.case.task, desk), sending.reply
        forbidden = cut(now, reply) if reply.sent_parts else veto(now, reply, doubtful=sending.doubtful)
        if forbidden is not None or now.conversation is None:
            return forbidden
        after = moved(now.conversation, reply.message_id, at=now.now)
        try:
            if after != now.conversation:
                desk.store.apply(now.conversation, after)
        except ConversationChanged:
            continue
        return None
    raise Unavailable(f"conversation {conv_of(sending.case.task)} kept changing")


def _warn(case: Case, decision: Decision, desk: Desk) -> None:
    # Of this message's own candidates: a later one's are told of when its turn comes.
    about = {"message_id": case.message.message_id, "bundle": case.policy.bundle}
    broken = [each.template for each in decision.suppressed if each.because in BROKEN]
    if broken:
        desk.telemetry.warning("template_invalid", templates=broken, **about)
        desk.telemetry.count({"TemplatesRefused": len(broken)})
    refused = [each.template for each in decision.suppressed if each.because == Reason.TEXT_REFUSED]
    if refused:
        desk.telemetry.warning("text_refused", found=objections(case, refused), **about)
        desk.telemetry.count({"TextsRefused": len(refused)})
