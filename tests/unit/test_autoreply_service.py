from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from functions.autoreply.breaker import THRESHOLD
from functions.autoreply.desk import ConversationAwaited, ReplyPostponed
from functions.autoreply.service import answer
from functions.autoreply.stops import Stops
from functions.autoreply.templates import Texts
from functions.channels.contract import HttpResult, NoAnswer, Unreachable
from functions.common import keys
from functions.common.errors import AccountUnknown, Retryable, Unavailable
from functions.common.ledger import KEPT
from functions.common.message import ReplyWindow
from functions.common.origin import marked
from functions.common.store import Reply, recall_mark
from functions.common.telemetry import Telemetry
from tests.fakes.reply_desk import OPEN, POLICY, SHUT, Fixture, Killed, conversation, having_said, said, task

KEYWORD = {"reply": "return_how", "needs_person": False}
TEXT = POLICY.book.render("return_how", "zh", {})


def _answered(status: int, body: object = None, **headers: str) -> HttpResult:
    return HttpResult(status, headers, json.dumps(body or {}).encode())


def _reserved(of, **changes) -> Reply:
    record = Reply(
        message_id=of.judged.message.message_id,
        state="reserved",
        reason="keyword",
        at=OPEN,
        text=TEXT,
        template="return_how",
        attempts=1,
        bundle=POLICY.bundle,
    )
    return replace(record, **changes)


def _redeliver(desk: Fixture, of, times: int = 10) -> None:
    """What the queue does: again, until nothing is raised any more."""
    for _ in range(times):
        try:
            return answer(of, desk.desk)
        except Retryable:
            continue
    raise AssertionError("never came to an end")


def test_a_reply_is_reserved_then_sent_then_recorded():
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    at_the_send = []
    desk.platform.hook = lambda: at_the_send.append((desk.entry(asked).kind, dict(desk.store.records)))
    answer(asked, desk.desk)
    assert at_the_send == [("r", {})]
    assert desk.record(asked) == _reserved(asked, state="sent", outcome="sent")
    assert json.loads(desk.platform.bodies[0])["text"] == marked(TEXT)
    assert desk.problems(asked) == ()
    assert desk.telemetry.counts == {"Replied": 1}
    assert desk.store.calls == ["conversation", "apply", "add_reply"]


def test_the_platforms_id_of_the_reply_is_kept():
    asked = task(channel="twilio", **KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [_answered(201, {"sid": "SM123", "status": "queued"})]
    answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.record(asked).provider_id) == ("sent", "SM123")


@pytest.mark.parametrize(
    ("of", "reason"),
    [({"is_bot": True}, "bot"), ({"labels": {"spam": "scam"}}, "spam"), ({"hold": ("money",)}, "held"), ({}, "nothing_to_say")],
)
def test_no_reply_is_one_write_with_its_reason(of, reason):
    asked = task(**of)
    desk = Fixture(asked)
    answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.record(asked).reason, desk.record(asked).attempts) == ("none", reason, 0)
    assert desk.store.calls == ["conversation", "add_reply"]
    assert desk.platform.bodies == []
    assert desk.telemetry.counts == {"NotReplied": 1}


@pytest.mark.parametrize(("hours", "owed"), [(0.9, False), (1, True), (30, True)])
def test_a_record_that_comes_after_its_message_may_have_been_archived_is_owed_to_the_archive(hours, owed):
    asked = task(labels={"spam": "scam"})
    desk = Fixture(asked, now=OPEN + timedelta(hours=hours))
    for _ in range(2):  # a crash after the record, and the message comes again
        answer(asked, desk.desk)
        (conversation,) = desk.store.conversations.values()
        message = asked.judged.message
        known = (conversation.unarchived_since, conversation.unarchived_from)
        assert known == ((message.received_at, keys.split(message.message_id).suffix) if owed else (None, None))


def test_what_was_not_said_is_stored_with_why():
    asked = task(first_contact=True, reply="gone")
    desk = Fixture(asked)
    desk.desk = replace(desk.desk, stops=lambda: Stops(frozenset({"channel:generic"})))
    answer(asked, desk.desk)
    record = desk.record(asked)
    assert (record.reason, record.detail) == ("stopped", "channel:generic")
    assert record.suppressed == ("keyword gone stopped", "welcome welcome stopped")


def test_an_account_that_has_said_enough_within_the_hour_says_no_more():
    first, second = task(1, **KEYWORD), task(2, text="怎么开发票?", reply="invoice_how", labels={"business": "enquiry"})
    desk = Fixture(first)
    limits = replace(POLICY.book.limits, account_per_hour=1)
    desk.desk = replace(desk.desk, policy=lambda: replace(POLICY, book=replace(POLICY.book, limits=limits)))
    answer(first, desk.desk)
    desk.times.now += timedelta(minutes=1)
    answer(second, desk.desk)
    assert (desk.record(first).state, desk.record(second).reason, desk.record(second).detail) == ("sent", "capped", "account")
    assert desk.record(second).suppressed == ("keyword invoice_how capped",)
    assert len(desk.platform.bodies) == 1


def test_a_reply_that_waits_for_its_platform_draws_on_no_cap():
    of = task(1, **KEYWORD)
    desk = Fixture(of)
    limits = replace(POLICY.book.limits, account_per_hour=1)
    desk.desk = replace(desk.desk, policy=lambda: replace(POLICY, book=replace(POLICY.book, limits=limits)))
    for _ in range(THRESHOLD):
        desk.desk.breaker.note("generic", "demo", reached=False, now=desk.times.now)
    for _ in range(3):
        with pytest.raises(ReplyPostponed):
            answer(of, desk.desk)
    assert desk.store.drawn == 0
    desk.times.now += timedelta(minutes=1)
    answer(of, desk.desk)
    assert (desk.record(of).state, desk.store.drawn) == ("sent", 1)


def test_a_variant_is_recorded_and_so_is_what_followed_it():
    template = replace(POLICY.book.templates["return_how"], variants={"b": Texts(zh="另一种说法", en="another")})
    book = replace(POLICY.book, templates={**POLICY.book.templates, "return_how": template})
    first, second = task(1, **KEYWORD), task(2, text="谢谢", labels={"sentiment": "positive"}, needs_person=False)
    desk = Fixture(first)
    desk.desk = replace(desk.desk, policy=lambda: replace(POLICY, book=book))
    answer(first, desk.desk)
    desk.times.now += timedelta(hours=1)
    answer(second, desk.desk)
    variant = desk.record(first).variant
    assert variant in ("a", "b") and desk.record(first).after is None
    assert (desk.record(second).reason, desk.record(second).after) == ("nothing_to_say", f"return_how {variant}")


def test_a_template_that_cannot_be_used_raises_an_alarm():
    asked = task(reply="gone")
    desk = Fixture(asked)
    answer(asked, desk.desk)
    assert desk.telemetry.counts == {"TemplatesRefused": 1, "NotReplied": 1}


def test_a_task_that_comes_twice_is_answered_once():
    for asked in (task(**KEYWORD), task()):
        desk = Fixture(asked)
        answer(asked, desk.desk)
        before = desk.record(asked)
        answer(asked, desk.desk)
        assert desk.record(asked) == before
        assert len(desk.platform.bodies) == (1 if before.state == "sent" else 0)


def test_a_stale_redelivery_of_an_answered_message_tells_nobody():
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    answer(asked, desk.desk)
    desk.times.now += timedelta(hours=5)
    answer(asked, desk.desk)
    assert desk.record(asked).state == "sent"
    assert desk.problems(asked) == ()


@pytest.mark.parametrize("channel", ["generic", "twilio"])
def test_a_platform_that_was_not_reached_is_tried_again(channel):
    asked = task(channel=channel, **KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [Unreachable()]
    with pytest.raises(ReplyPostponed):
        answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.record(asked).outcome, desk.record(asked).attempts) == ("reserved", "transient", 1)
    answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.record(asked).attempts) == ("sent", 2)
    assert desk.telemetry.counts == {"ReplyRetried": 1, "Replied": 1}


def test_a_platform_that_stays_away_is_given_up_and_a_person_told():
    asked = task(channel="twilio", **KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [Unreachable() for _ in range(20)]
    _redeliver(desk, asked)
    assert (desk.record(asked).state, desk.record(asked).attempts) == ("failed", POLICY.book.limits.attempts)
    assert len(desk.platform.bodies) == POLICY.book.limits.attempts
    assert desk.problems(asked) == ("reply_failed",)


def test_an_unknown_outcome_is_never_sent_again_without_an_idempotency_key():
    asked = task(channel="twilio", **KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [NoAnswer()]
    answer(asked, desk.desk)
    answer(asked, desk.desk)
    assert desk.record(asked).state == "unknown"
    assert desk.problems(asked) == ("reply_unknown",)
    assert len(desk.platform.bodies) == 1
    assert desk.telemetry.counts == {"ReplyUnknown": 1}


def test_an_unknown_outcome_is_sent_again_with_the_same_key_where_the_platform_takes_one():
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [NoAnswer(), _answered(503), _answered(409)]
    _redeliver(desk, asked)
    assert (desk.record(asked).state, desk.record(asked).outcome) == ("sent", "duplicate")
    assert {json.loads(body)["id"] for body in desk.platform.bodies} == {f"reply_{asked.judged.message.message_id}"}


@pytest.mark.parametrize("second", [Unreachable(), _answered(429), _answered(400), NoAnswer()])
def test_a_doubt_once_raised_is_not_forgotten(second):
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [NoAnswer(), *[second] * 20]
    _redeliver(desk, asked)
    assert desk.record(asked).state == "unknown"
    assert desk.problems(asked) == ("reply_unknown",)


def test_what_a_platform_refuses_for_good_goes_to_a_person_if_it_was_to_settle_the_matter():
    for needs_person, problems in ((False, ("reply_failed",)), (True, ())):
        asked = task(channel="twilio", reply="return_how", needs_person=needs_person)
        desk = Fixture(asked)
        desk.platform.answers = [_answered(400, {"code": 21211})]
        answer(asked, desk.desk)
        assert (desk.record(asked).state, desk.record(asked).outcome) == ("failed", "invalid")
        assert desk.problems(asked) == problems


@pytest.mark.parametrize(
    ("of", "problems"),
    [
        ({"window": ReplyWindow(mode="none")}, ("reply_missing",)),
        ({"reply": "gone"}, ("reply_missing",)),
        ({"is_bot": True}, ()),
        ({"labels": {"spam": "noise"}}, ()),
        ({"labels": {"opt_out": True}}, ()),
        ({"hold": ("money",)}, ()),
        ({"window": ReplyWindow(mode="none"), "labels": {"sentiment": "positive"}}, ()),
        ({"reply": None}, ()),
        ({"window": ReplyWindow(mode="none"), "needs_person": True}, ()),
    ],
)
def test_a_message_that_a_machine_was_to_settle_and_did_not_goes_to_a_person(of, problems):
    asked = task(**KEYWORD | of)
    desk = Fixture(asked)
    answer(asked, desk.desk)
    assert desk.record(asked).state == "none"
    assert desk.problems(asked) == problems
    if problems:
        (stands,) = desk.store.conversations.values()
        assert (stands.status, stands.team, stands.due_at) == ("waiting", "service", asked.judged.routing.due_at)


def test_a_welcome_in_place_of_the_answer_does_not_settle_the_matter():
    asked = task(first_contact=True, reply="gone", needs_person=False)
    desk = Fixture(asked)
    answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.record(asked).reason) == ("sent", "welcome")
    assert desk.problems(asked) == ("reply_missing",)
    assert [line for line, _ in desk.telemetry.lines] == ["template_invalid", "replied"]


def _meanwhile(desk: Fixture, call: str, **changes) -> None:
    """Let somebody else write the conversation, once, just before a call."""

    def change(name: str) -> None:
        if name == call:
            desk.store.before = lambda _: None
            desk.store.conversations = {
                conv: replace(each, **changes, rev=each.rev + 1) for conv, each in desk.store.conversations.items()
            }

    desk.store.before = change


SINCE = [
    ({"opted_out": True}, "opted_out"),
    ({"status": "held"}, "held"),
    ({"person_at": OPEN}, "taken_over"),
    ({"blocked": True}, "blocked"),
    ({"recalled": (recall_mark("native-1"),)}, "recalled"),
]


@pytest.mark.parametrize(("changes", "reason"), SINCE)
def test_what_happened_since_the_decision_is_heeded(changes, reason):
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    _meanwhile(desk, "apply", **changes)
    answer(asked, desk.desk)
    record = desk.record(asked)
    assert (record.state, record.reason, record.text, record.template) == ("none", reason, None, None)
    assert desk.platform.bodies == []


@pytest.mark.parametrize(("changes", "reason"), SINCE)
def test_what_happened_since_a_try_is_heeded_by_the_next_and_counts_for_nothing(changes, reason):
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [Unreachable()]
    with pytest.raises(ReplyPostponed):
        answer(asked, desk.desk)
    _meanwhile(desk, "record_reply", **changes)
    answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.record(asked).reason, len(desk.platform.bodies)) == ("none", reason, 1)
    assert desk.entry(asked).kind == "-"


def test_a_change_that_forbids_nothing_lets_the_reply_go_out_once():
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    _meanwhile(desk, "apply", name="李雷")
    answer(asked, desk.desk)
    assert (desk.record(asked).state, len(desk.platform.bodies)) == ("sent", 1)


def test_a_conversation_that_never_rests_is_left_for_later():
    asked = task(**KEYWORD)
    desk = Fixture(asked)

    def change(name: str) -> None:
        desk.store.conversations = {conv: replace(each, rev=each.rev + 1) for conv, each in desk.store.conversations.items()}

    desk.store.before = change
    with pytest.raises(Unavailable):
        answer(asked, desk.desk)
    assert (desk.platform.bodies, desk.store.records) == ([], {})


def test_a_newer_message_that_can_be_answered_takes_the_reply_with_it():
    asked, newer = task(1, **KEYWORD), task(2, reply="return_how", needs_person=False, labels={"business": "enquiry"})
    desk = Fixture(asked)
    _meanwhile(desk, "apply", count=2)
    desk.store.messages = [newer.judged]
    answer(asked, desk.desk)
    answer(newer, desk.desk)
    assert (desk.record(asked).reason, desk.record(asked).detail) == ("answered_with_later", newer.judged.message.message_id)
    assert desk.record(asked).suppressed == ("keyword return_how answered_with_later",)
    assert (desk.record(newer).state, len(desk.platform.bodies)) == ("sent", 1)
    assert desk.problems(asked) == ()


def test_two_questions_in_a_row_get_one_reply_that_answers_both():
    asked = task(1, **KEYWORD, labels={"business": "enquiry"})
    newer = task(2, text="怎么开发票?", reply="invoice_how", needs_person=False, labels={"business": "enquiry"})
    desk = Fixture(asked)
    (conv,) = desk.store.conversations
    desk.store.conversations[conv] = replace(desk.store.conversations[conv], count=2)
    desk.store.messages = [newer.judged]
    answer(asked, desk.desk)
    answer(newer, desk.desk)
    assert (desk.record(asked).state, desk.record(asked).detail) == ("sent", "with invoice_how")
    assert (desk.record(newer).reason, len(desk.platform.bodies)) == ("answered_with_earlier", 1)
    assert POLICY.book.render("invoice_how", "zh", {}) in json.loads(desk.platform.bodies[0])["text"]
    assert desk.problems(asked) == ()


@pytest.mark.parametrize("channel", ["generic", "twilio"])
def test_a_reply_to_two_questions_is_made_out_again_after_a_crash(channel):
    asked = task(1, channel=channel, **KEYWORD, labels={"business": "enquiry"})
    newer = task(2, text="怎么开发票?", channel=channel, reply="invoice_how", labels={"business": "enquiry"})
    desk = Fixture(asked)
    (conv,) = desk.store.conversations
    desk.store.conversations[conv] = replace(desk.store.conversations[conv], count=2)
    desk.store.messages = [newer.judged]

    desk.dies_while_it_sends(asked)
    answer(asked, desk.desk)
    assert (desk.record(asked).state, len(set(desk.platform.bodies))) == ("sent" if channel == "generic" else "unknown", 1)


def test_a_message_whose_entry_may_be_forgotten_is_looked_up_before_it_is_answered():
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    answer(asked, desk.desk)
    (conv,) = desk.store.conversations
    others = [said(task(n), at=OPEN + timedelta(minutes=n)) for n in range(2, 2 + KEPT)]
    desk.store.conversations[conv] = having_said(desk.store.conversations[conv], *others)
    desk.times.now += timedelta(minutes=40)
    answer(asked, desk.desk)
    assert (desk.entry(asked), len(desk.platform.bodies), desk.record(asked).state) == (None, 1, "sent")


def test_a_full_ledger_costs_a_message_that_came_after_it_no_look():
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    (conv,) = desk.store.conversations
    others = [said(task(n), at=OPEN - timedelta(hours=n)) for n in range(2 + KEPT, 2, -1)]
    desk.store.conversations[conv] = having_said(desk.store.conversations[conv], *others)
    answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.store.calls) == ("sent", ["conversation", "apply", "add_reply"])


def test_a_reply_that_can_no_longer_be_made_out_is_not_sent_again():
    asked = task(**KEYWORD)
    desk = Fixture(asked)

    desk.dies_while_it_sends(asked)
    other = replace(POLICY.book.templates["return_how"], zh="一段别的话")
    book = replace(POLICY.book, templates={**POLICY.book.templates, "return_how": other})
    desk.desk = replace(desk.desk, policy=lambda: replace(POLICY, book=book))
    answer(asked, desk.desk)
    assert (desk.record(asked).state, len(desk.platform.bodies)) == ("unknown", 1)
    assert desk.problems(asked) == ("reply_unknown",)


def test_a_reply_that_the_platform_refused_counts_towards_no_limit():
    asked = task(channel="twilio", **KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [_answered(400, {"code": 21211})]
    answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.entry(asked).kind) == ("failed", "-")


def test_a_retry_that_comes_too_late_is_not_sent():
    asked = task(now=SHUT, first_contact=True)
    desk = Fixture(asked, now=SHUT)
    desk.platform.answers = [Unreachable()]
    with pytest.raises(ReplyPostponed):
        answer(asked, desk.desk)
    desk.times.now += timedelta(hours=13)
    answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.record(asked).reason) == ("none", "stale")
    assert len(desk.platform.bodies) == 1


def test_a_late_retry_of_a_doubtful_reply_says_that_it_may_have_arrived():
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [NoAnswer()]
    with pytest.raises(ReplyPostponed):
        answer(asked, desk.desk)
    desk.times.now += timedelta(hours=2)
    answer(asked, desk.desk)
    assert desk.record(asked).state == "unknown"
    assert desk.problems(asked) == ("reply_unknown",)


def test_a_store_that_fails_before_the_send_leaves_no_doubt():
    asked = task(channel="twilio", **KEYWORD)
    desk = Fixture(asked)

    def fail(call: str) -> None:
        if call == "conversation" and "record_reply" in desk.store.calls:
            raise Unavailable("GetItem")

    desk.platform.answers = [Unreachable()]
    with pytest.raises(ReplyPostponed):
        answer(asked, desk.desk)
    desk.store.before = fail
    with pytest.raises(ReplyPostponed):
        answer(asked, desk.desk)
    desk.store.before = lambda call: None
    answer(asked, desk.desk)
    assert desk.record(asked).state == "sent"
    assert len(desk.platform.bodies) == 2


@pytest.mark.parametrize("fault", [AccountUnknown("generic/demo"), Unavailable("GetSecretValue")])
def test_credentials_that_cannot_be_had_leave_nothing_behind(fault):
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    desk.accounts.fault = fault
    with pytest.raises(type(fault)):
        answer(asked, desk.desk)
    assert desk.store.records == {}
    desk.accounts.fault = None
    answer(asked, desk.desk)
    assert desk.record(asked).state == "sent"


def test_a_token_that_was_refused_is_replaced_at_once(monkeypatch):
    from functions.channels import generic
    from functions.channels.contract import SendResult

    outcomes = ["auth_expired", "sent"]
    monkeypatch.setattr(generic.ADAPTER, "send", lambda *_: SendResult(outcome=outcomes.pop(0)), raising=False)
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.record(asked).attempts, outcomes) == ("sent", 1, [])


def test_a_token_that_is_refused_again_waits_for_the_queue(monkeypatch):
    from functions.channels import generic
    from functions.channels.contract import SendResult

    monkeypatch.setattr(generic.ADAPTER, "send", lambda *_: SendResult(outcome="auth_expired"), raising=False)
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    with pytest.raises(ReplyPostponed):
        answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.record(asked).outcome) == ("reserved", "auth_expired")


def test_a_person_is_told_once_classify_has_written_the_conversation():
    asked = task(channel="twilio", **KEYWORD)
    desk = Fixture()
    desk.store.messages = [asked.judged]
    desk.platform.answers = [NoAnswer()]
    with pytest.raises(ConversationAwaited):
        answer(asked, desk.desk)
    there = conversation(asked)
    desk.store.conversations[there.conv] = there
    answer(asked, desk.desk)
    assert desk.problems(asked) == ("reply_unknown",)
    assert len(desk.platform.bodies) == 1


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("answered", [KEYWORD, {"needs_person": True}])
def test_a_message_that_was_erased_while_its_task_waited_is_not_answered_and_leaves_no_record(again, answered):
    asked = task(**answered)
    desk = Fixture()
    if again:  # who was erased has written since
        anew = conversation(asked, first_at=OPEN + timedelta(minutes=5))
        desk.store.conversations[anew.conv] = anew
    answer(asked, desk.desk)
    assert (desk.store.records, desk.platform.bodies) == ({}, [])
    assert [outcome for outcome, _ in desk.telemetry.lines] == ["message_gone"]


def test_a_message_that_came_before_those_its_conversation_knows_of_is_answered_while_it_is_there():
    asked = task(**KEYWORD)
    desk = Fixture()
    there = conversation(asked, first_at=OPEN + timedelta(minutes=5))
    desk.store.conversations[there.conv], desk.store.messages = there, [asked.judged]
    answer(asked, desk.desk)
    assert desk.record(asked).state == "sent"


def test_a_record_that_changes_with_each_try_is_owed_to_the_archive_after_each():
    asked = task(**KEYWORD, now=OPEN - timedelta(hours=2))
    desk = Fixture(asked)
    desk.platform.answers = [Unreachable()]
    limits = replace(POLICY.book.limits, too_old=timedelta(days=1))
    patient = replace(POLICY, book=replace(POLICY.book, limits=limits))
    with pytest.raises(ReplyPostponed):
        answer(asked, replace(desk.desk, policy=lambda: patient))
    assert desk.record(asked).state == "reserved"
    owed = desk.store.conversations[keys.split(asked.judged.message.message_id).conv]
    assert owed.unarchived_since == OPEN - timedelta(hours=2)


CALLS = 9  # conversation, apply, (send), add_reply, conversation, apply, flag; or later: conversation, reply, add_reply, …


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(CALLS))
@pytest.mark.parametrize("channel", ["generic", "twilio"])
@pytest.mark.parametrize("outcome", ["sent", "not_sent", "refused", "none"])
def test_a_crash_at_any_call_never_answers_twice_and_always_comes_to_an_end(channel, when, call, outcome):
    asked = task(channel=channel, **KEYWORD, is_bot=outcome == "none")
    desk = Fixture(asked)
    arrived: list[str] = []
    refused = outcome == "refused"

    def arrive() -> None:
        if not refused:
            arrived.append(asked.judged.message.message_id)

    desk.platform.hook = arrive
    if refused:
        desk.platform.answers = [_answered(400, {"code": 21211})] * 5
    if outcome == "not_sent":
        desk.platform.hook = lambda: None if desk.platform.answers else arrive()
        desk.platform.answers = [Unreachable()]
    counter = iter(range(1000))

    def die(_: str) -> None:
        if next(counter) == call:
            raise Killed

    setattr(desk.store, when, die)
    try:
        _redeliver(desk, asked)
    except Killed:
        desk.store.before = desk.store.after = lambda _: None
        _redeliver(desk, asked)
    record = desk.record(asked)
    assert record.state != "reserved"
    if channel == "twilio":
        assert len(arrived) <= 1
    if outcome == "none":
        assert (record.state, arrived) == ("none", [])
    if record.state == "sent":
        assert arrived
    if record.state == "unknown":
        assert desk.problems(asked) == ("reply_unknown",)
    if record.state == "failed":
        assert (arrived, desk.problems(asked)) == ([], ("reply_failed",))
    if arrived:
        assert record.state in ("sent", "unknown")


def test_a_crash_during_the_send_is_repeated_only_where_the_platform_takes_a_key():
    for channel, state, sends in (("generic", "sent", 2), ("twilio", "unknown", 1)):
        asked = task(channel=channel, **KEYWORD)
        desk = Fixture(asked)

        desk.dies_while_it_sends(asked)
        _redeliver(desk, asked)
        assert (desk.record(asked).state, len(desk.platform.bodies)) == (state, sends)


def test_no_text_and_no_contact_is_logged():
    asked = task(**KEYWORD, text="我的电话是13800138000")
    desk = Fixture(asked)
    answer(asked, desk.desk)
    logged = json.dumps(desk.telemetry.lines, ensure_ascii=False)
    assert "13800138000" not in logged
    assert '"u1"' not in logged
    assert TEXT not in logged


def test_every_outcome_can_be_logged_for_real(caplog):
    caplog.set_level(logging.INFO, logger="autoreply")
    for of, answers in (({}, []), ({}, [Unreachable()] * 9), ({"reply": "gone"}, [])):
        asked = task(channel="twilio", **KEYWORD | of)
        desk = Fixture(asked)
        desk.desk = replace(desk.desk, telemetry=Telemetry("autoreply"))
        desk.platform.answers = answers
        _redeliver(desk, asked)
    said = ["replied", *["reply_postponed"] * 3, "reply_failed", "template_invalid", "not_replied"]
    assert [record.message for record in caplog.records] == said
    assert {record.message_id for record in caplog.records} == {task(channel="twilio").judged.message.message_id}
