from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.autoreply.case import Case
from functions.autoreply.decision import decide, decide_at_once, veto
from functions.autoreply.reasons import Reason
from functions.autoreply.replybook import Answered, Cap
from functions.autoreply.stops import Stops
from functions.common.calendar import read_calendar
from functions.common.message import ReplyWindow
from functions.common.store import Reply
from tests.fakes.reply_desk import OPEN, POLICY, SHUT, case, task

MINUTE = timedelta(minutes=1)


def _said(number: int, *, ago: timedelta, now: datetime = OPEN, **changes) -> Reply:
    record = Reply(
        message_id=task(number).judged.message.message_id,
        state="sent",
        reason="keyword",
        at=now - ago,
        text=f"text {number}",
        template="return_how",
    )
    return replace(record, **changes)


def test_first_contact_is_welcomed():
    decision = decide(case(task(first_contact=True)), [])
    assert (decision.reason, decision.template) == (Reason.WELCOME, "welcome")
    assert decision.text.startswith("您好")


def test_somebody_who_only_says_hello_is_promised_nobodys_answer():
    decision = decide(case(task(first_contact=True, text="你好", needs_person=False)), [])
    assert (decision.reason, decision.template) == (Reason.WELCOME, "greeting")


def test_a_rules_template_comes_before_the_welcome():
    decision = decide(case(task(first_contact=True, reply="return_how")), [])
    assert (decision.reason, decision.template) == (Reason.KEYWORD, "return_how")


def test_a_greeting_that_a_rule_asks_for_is_the_welcome_at_first_contact_and_an_answer_later():
    hello = {"text": "你好", "reply": "greeting", "needs_person": False}
    first, later = (decide(case(task(first_contact=new, **hello)), []) for new in (True, False))
    assert (first.reason, later.reason) == (Reason.WELCOME, Reason.KEYWORD)
    assert first.text == later.text


def test_english_is_answered_in_english():
    decision = decide(case(task(first_contact=True, text="hi", labels={"language": "en"})), [])
    assert decision.text.startswith("Hello")


def test_out_of_hours_the_welcome_and_the_notice_are_one_reply_that_names_the_time():
    decision = decide(case(task(first_contact=True, now=SHUT), now=SHUT), [])
    assert (decision.reason, decision.template) == (Reason.WELCOME_OUT_OF_HOURS, "welcome_out_of_hours")
    assert "明天（周六）上午9:00" in decision.text


def test_out_of_hours_a_later_message_is_given_notice():
    decision = decide(case(task(now=SHUT, labels={"language": "en"}), now=SHUT), [])
    assert decision.reason == Reason.OUT_OF_HOURS
    assert "tomorrow (Saturday) at 9:00 am (UTC+8)" in decision.text


def test_no_notice_to_somebody_whom_nobody_is_to_answer():
    assert decide(case(task(now=SHUT, needs_person=False), now=SHUT), []).reason == Reason.NOTHING_TO_SAY


def test_one_notice_until_people_are_back():
    noticed = _said(2, ago=60 * MINUTE, now=SHUT, reason="out_of_hours")
    decision = decide(case(task(now=SHUT), now=SHUT), [noticed])
    assert (decision.reason, decision.text) == (Reason.NOTICE_GIVEN, None)
    saturday_night = SHUT + timedelta(days=1)
    later = decide(case(task(now=saturday_night), now=saturday_night), [noticed])
    assert later.reason == Reason.OUT_OF_HOURS
    assert "11月23日（周一）上午9:00" in later.text


def test_in_hours_somebody_who_asks_for_a_person_gets_no_machine():
    wants = {"wants_human": True}
    assert decide(case(task(first_contact=True, labels=wants, reply="return_how")), []).reason == Reason.HUMAN_WANTED


def test_out_of_hours_somebody_who_asks_for_a_person_hears_when_one_is_there():
    asked = task(first_contact=True, now=SHUT, labels={"wants_human": True}, reply="return_how")
    decision = decide(case(asked, now=SHUT), [])
    assert (decision.reason, decision.suppressed) == (Reason.OUT_OF_HOURS, ())


@pytest.mark.parametrize(
    ("of", "conversation", "reason"),
    [
        ({"is_bot": True}, {}, Reason.BOT),
        ({"labels": {"spam": "ad"}}, {}, Reason.SPAM),
        ({"labels": {"spam": "noise"}}, {}, Reason.SPAM),
        ({"hold": ("money",)}, {}, Reason.HELD),
        ({}, {"status": "held"}, Reason.HELD),
        ({}, {"status": "escalated", "hold": ("money",)}, Reason.HELD),
        ({"labels": {"opt_out": True}}, {}, Reason.OPTED_OUT),
        ({}, {"opted_out": True}, Reason.OPTED_OUT),
        ({"no_reply": True}, {}, Reason.NO_REPLY),
        ({"window": ReplyWindow(mode="none")}, {}, Reason.RECEIVE_ONLY),
        ({"window": ReplyWindow(mode="window", expires_at=OPEN)}, {}, Reason.WINDOW_CLOSED),
        ({"window": ReplyWindow(mode="window", expires_at=OPEN + timedelta(seconds=10))}, {}, Reason.WINDOW_CLOSED),
        ({"now": OPEN - timedelta(minutes=61)}, {}, Reason.STALE),
    ],
)
def test_what_forbids_a_machine_to_answer(of, conversation, reason):
    asked = case(task(**{"first_contact": True, "reply": "return_how"} | of), **conversation)
    decision = decide(asked, [])
    assert (decision.reason, decision.text, decision.template) == (reason, None, None)
    assert decide_at_once(asked) == decision
    assert veto(asked, _said(1, ago=MINUTE)).reason == reason


def test_the_first_of_several_reasons_is_the_one_that_is_given():
    everything = task(
        is_bot=True, hold=("money",), no_reply=True, window=ReplyWindow(mode="none"), labels={"spam": "ad", "opt_out": True}
    )
    assert decide(case(everything, opted_out=True), []).reason == Reason.BOT


def test_a_window_that_is_still_open_is_used():
    window = ReplyWindow(mode="window", expires_at=OPEN + timedelta(seconds=11))
    assert decide(case(task(first_contact=True, window=window)), []).reason == Reason.WELCOME


@pytest.mark.parametrize(
    ("allowed", "drawn", "reason"), [(1, 0, Reason.QUOTA_EXHAUSTED), (3, 1, Reason.KEYWORD), (3, 2, Reason.QUOTA_EXHAUSTED)]
)
def test_the_last_reply_that_a_platform_allows_is_a_persons(allowed, drawn, reason):
    asked = task(9, now=OPEN - 5 * MINUTE, window=ReplyWindow(mode="window", max_replies=allowed), reply="return_how")
    since = [_said(number, ago=number * MINUTE) for number in range(1, drawn + 1)]
    before = [_said(8, ago=6 * MINUTE)]  # drew on an earlier message's quota
    assert decide(case(asked), since + before).reason == reason


def test_a_conversation_in_which_machines_have_said_enough_goes_quiet_for_a_while():
    said = [_said(number, ago=number * MINUTE) for number in range(2, 6)]
    decision = decide(case(task(reply="return_how")), said)
    assert decision.reason == Reason.LOOP_GUARD
    assert [(each.reason, each.because) for each in decision.suppressed] == [(Reason.KEYWORD, Reason.LOOP_GUARD)]
    assert decide(case(task(now=OPEN + 6 * MINUTE, reply="return_how"), now=OPEN + 6 * MINUTE), said).reason == Reason.KEYWORD


def test_the_longer_cap_holds_when_the_shorter_does_not():
    said = [_said(number, ago=(5 * number) * MINUTE) for number in range(2, 12)]
    assert decide(case(task(reply="return_how")), said).reason == Reason.LOOP_GUARD


@pytest.mark.parametrize(
    ("state", "reason"),
    [("sent", "loop_guard"), ("reserved", "loop_guard"), ("unknown", "loop_guard"), ("failed", "keyword"), ("none", "keyword")],
)
def test_only_replies_that_may_have_arrived_count(state, reason):
    said = [_said(number, ago=MINUTE, state=state) for number in range(2, 6)]
    assert decide(case(task(reply="return_how")), said).reason == reason


def test_a_message_is_not_held_against_itself():
    own = [_said(1, ago=MINUTE, text=POLICY.book.render("return_how", "zh", {}))]
    assert decide(case(task(1, reply="return_how")), own).reason == Reason.KEYWORD


def test_the_same_text_is_not_sent_twice_in_a_short_while():
    text = POLICY.book.render("return_how", "zh", {})
    asked = case(task(reply="return_how"))
    assert decide(asked, [_said(2, ago=9 * MINUTE, text=text)]).reason == Reason.REPEATED
    assert decide(asked, [_said(2, ago=10 * MINUTE, text=text)]).reason == Reason.KEYWORD


def test_a_candidate_that_is_ruled_out_leaves_room_for_the_next_and_is_named():
    text = POLICY.book.render("return_how", "zh", {})
    asked = case(task(reply="return_how", now=SHUT), now=SHUT)
    decision = decide(asked, [_said(2, ago=MINUTE, now=SHUT, text=text)])
    assert decision.reason == Reason.OUT_OF_HOURS
    assert [(each.reason, each.because) for each in decision.suppressed] == [(Reason.KEYWORD, Reason.REPEATED)]


def test_a_template_that_the_bundle_lacks_is_not_sent():
    decision = decide(case(task(reply="gone")), [])
    assert (decision.reason, decision.text) == (Reason.TEMPLATE_INVALID, None)


def test_a_time_that_has_passed_is_not_promised():
    overdue = task(reply="complaint_received", due_at=OPEN - MINUTE)
    assert decide(case(overdue), []).reason == Reason.TEMPLATE_INVALID
    ahead = decide(case(task(reply="complaint_received", due_at=OPEN + 120 * MINUTE)), [])
    assert "今天中午12:00前给您答复" in ahead.text


def test_a_calendar_without_hours_gives_no_notice_but_still_welcomes():
    never = replace(POLICY, calendar=read_calendar({"zone": "Asia/Shanghai", "week": {}}))
    decision = decide(case(task(first_contact=True), policy=never), [])
    assert (decision.reason, decision.template) == (Reason.WELCOME, "welcome")
    assert decide(case(task(), policy=never), []).reason == Reason.TEMPLATE_INVALID


def test_a_conversation_that_is_not_written_yet_does_not_stand_in_the_way():
    first = Case(task=task(first_contact=True), conversation=None, policy=POLICY, now=OPEN)
    assert decide(first, []).reason == Reason.WELCOME


def test_a_notice_is_not_sent_once_people_are_back():
    shut = task(now=OPEN - timedelta(minutes=59))
    assert veto(case(shut), _said(1, ago=MINUTE, reason="out_of_hours")).reason == Reason.STALE
    assert veto(case(shut), _said(1, ago=MINUTE, reason="keyword")) is None


def test_nothing_to_say_needs_no_ledger():
    assert decide_at_once(case(task())).reason == Reason.NOTHING_TO_SAY
    assert decide_at_once(case(task(first_contact=True))) is None


@given(
    at_most=st.integers(0, 3),
    minutes=st.integers(1, 60),
    rounds=st.integers(1, 40),
    step=st.integers(0, 30),
    first=st.booleans(),
    start=st.sampled_from([OPEN, SHUT]),
)
def test_whatever_the_timing_machines_never_say_more_than_the_cap_allows(at_most, minutes, rounds, step, first, start):
    cap = Cap(at_most=at_most, within=timedelta(minutes=minutes))
    policy = replace(POLICY, book=replace(POLICY.book, limits=replace(POLICY.book.limits, machine_replies=(cap,))))
    said: list[Reply] = []
    for number in range(rounds):
        now = start + timedelta(seconds=step * number)
        asked = task(number, now=now, first_contact=first and number == 0, reply="return_how" if number % 2 else "invoice_how")
        decision = decide(case(asked, now=now, policy=policy), said)
        if decision.text is None:
            continue
        said.append(
            _said(
                number,
                ago=timedelta(),
                now=now,
                text=decision.text,
                reason=decision.reason,
                message_id=asked.judged.message.message_id,
            )
        )
    for reply in said:
        assert sum(reply.at <= each.at < reply.at + cap.within for each in said) <= at_most


def test_a_promise_is_for_when_somebody_is_there_to_keep_it():
    at_night = OPEN.replace(hour=15)  # 23:00 in Shanghai
    told = task(reply="complaint_received", due_at=at_night + 120 * MINUTE, now=at_night)
    promised = decide(case(told, now=at_night), [])
    assert "上午9:00前给您答复" in promised.text


@pytest.mark.parametrize("scope", ["all", "channel:generic", "account:generic/demo"])
def test_what_an_operator_stopped_says_nothing_and_names_what_it_would_have_said(scope):
    asked = replace(case(task(first_contact=True, reply="return_how")), stops=Stops(frozenset({scope, "rule:return_how"})))
    decision = decide(asked, [])
    assert (decision.reason, decision.detail, decision.text) == (Reason.STOPPED, scope, None)
    assert [(each.reason, each.template, each.because) for each in decision.suppressed] == [
        (Reason.KEYWORD, "return_how", Reason.STOPPED),
        (Reason.WELCOME, "welcome", Reason.STOPPED),
    ]
    assert veto(asked, _said(1, ago=MINUTE)).detail == scope


def test_a_stopped_rule_leaves_room_for_the_next_reply():
    asked = replace(case(task(first_contact=True, reply="return_how")), stops=Stops(frozenset({"rule:return_how"})))
    decision = decide(asked, [])
    assert (decision.reason, decision.suppressed[0].because) == (Reason.WELCOME, Reason.STOPPED)
    assert veto(asked, _said(1, ago=MINUTE, template="return_how")).reason == Reason.STOPPED
    assert veto(asked, _said(1, ago=MINUTE, template="welcome")) is None


def test_other_accounts_and_channels_are_not_stopped():
    stops = Stops(frozenset({"channel:twilio", "account:generic/shop"}))
    assert decide(replace(case(task(first_contact=True)), stops=stops), []).reason == Reason.WELCOME


class _Known:
    def answer(self, question, language):
        return Answered(name="parking", text=f"{language}: behind the house", score=0.9) if "停车" in question else None


def test_an_answer_to_a_frequent_question_comes_after_a_rules_and_before_the_welcome():
    policy = replace(POLICY, faq=_Known())
    asked = {"text": "哪里停车?", "first_contact": True}
    found = decide(case(task(**asked), policy=policy), [])
    assert (found.reason, found.template, found.text) == (Reason.FAQ, "parking", "zh: behind the house")
    assert decide(case(task(**asked, reply="return_how"), policy=policy), []).reason == Reason.KEYWORD
    assert decide(case(task(text="你好", first_contact=True), policy=policy), []).reason == Reason.WELCOME
