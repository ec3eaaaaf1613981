from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.autoreply import decision as decisions
from functions.autoreply.case import Case, Decision
from functions.autoreply.decision import veto
from functions.autoreply.reasons import Reason
from functions.autoreply.replybook import Answered, Cap, QuietHours
from functions.autoreply.stops import Stops
from functions.autoreply.templates import Texts
from functions.common.calendar import read_calendar
from functions.common.judgement import Firing
from functions.common.ledger import Said
from functions.common.message import ReplyWindow
from functions.common.store import Reply, recall_mark
from tests.fakes.reply_desk import OPEN, POLICY, SHUT, case, conversation, having_said, said, task

MINUTE = timedelta(minutes=1)
QUESTION = {"reply": "return_how", "labels": {"business": "enquiry"}}


def decide(asked: Case, before: list[Said]) -> Decision:
    """The decision, after what was said before, oldest first."""
    if not before:
        return decisions.decide(asked)
    there = having_said(asked.conversation, *sorted(before, key=lambda said: said.at))
    return decisions.decide(replace(asked, conversation=there))


def _said(number: int, *, ago: timedelta, now: datetime = OPEN, **changes) -> Said:
    return said(task(number, text=f"question {chr(96 + number)}"), at=now - ago, **{"text": f"text {number}"} | changes)


def _reply(**changes) -> Reply:
    record = Reply(
        message_id=task(1).judged.message.message_id,
        state="sent",
        reason="keyword",
        at=OPEN - MINUTE,
        text="a text",
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
    noticed = _said(2, ago=60 * MINUTE, now=SHUT, kind="n")
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
        ({}, {"blocked": True}, Reason.BLOCKED),
        ({}, {"person_at": OPEN - timedelta(minutes=119)}, Reason.TAKEN_OVER),
        ({}, {"recalled": (recall_mark("native-1"),)}, Reason.RECALLED),
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
    assert veto(asked, _reply()).reason == reason


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
    asked = task(9, now=OPEN - 5 * MINUTE, window=ReplyWindow(mode="window", max_replies=allowed), **QUESTION)
    since = [_said(number, ago=number * MINUTE, rule="invoice_how") for number in range(1, drawn + 1)]
    before = [_said(8, ago=6 * MINUTE)]  # drew on an earlier message's quota
    assert decide(case(asked), since + before).reason == reason


def test_a_conversation_in_which_machines_have_said_enough_goes_quiet_for_a_while():
    before = [_said(number, ago=number * MINUTE) for number in range(2, 6)]
    decision = decide(case(task(reply="return_how")), before)
    assert decision.reason == Reason.LOOP_GUARD
    assert [(each.reason, each.because) for each in decision.suppressed] == [(Reason.KEYWORD, Reason.LOOP_GUARD)]
    assert decide(case(task(now=OPEN + 6 * MINUTE, reply="return_how"), now=OPEN + 6 * MINUTE), before).reason == Reason.KEYWORD


def test_the_longer_cap_holds_when_the_shorter_does_not():
    before = [_said(number, ago=(5 * number) * MINUTE) for number in range(2, 11)]
    assert decide(case(task(reply="return_how")), before).reason == Reason.LOOP_GUARD


@pytest.mark.parametrize(("kind", "reason"), [("r", "loop_guard"), ("n", "loop_guard"), ("-", "keyword")])
def test_only_replies_that_may_have_arrived_count(kind, reason):
    before = [_said(number, ago=MINUTE, kind=kind) for number in range(2, 6)]
    assert decide(case(task(reply="return_how")), before).reason == reason


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
    assert veto(case(shut), _reply(reason="out_of_hours")).reason == Reason.STALE
    assert veto(case(shut), _reply(reason="keyword")) is None


def test_somebody_who_is_not_new_and_awaits_nobody_who_is_away_hears_nothing():
    decision = decide(case(task()), [])
    assert (decision.reason, decision.suppressed) == (Reason.NOTHING_TO_SAY, ())


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
    there, times = conversation(task()), []
    for number in range(1, rounds + 1):
        now = start + timedelta(seconds=step * number)
        template = ("return_how", "invoice_how")[number % 2]
        asked = task(number, now=now, text="什么" * number, first_contact=first and number == 1, reply=template)
        decision = decisions.decide(Case(task=asked, conversation=there, policy=policy, now=now))
        if decision.text is not None:
            there = having_said(there, said(asked, at=now, text=decision.text, rule=decision.template))
            times.append(now)
    for at in times:
        assert sum(at <= each < at + cap.within for each in times) <= at_most


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
    assert veto(asked, _reply()).detail == scope


def test_a_stopped_rule_leaves_room_for_the_next_reply():
    asked = replace(case(task(first_contact=True, reply="return_how")), stops=Stops(frozenset({"rule:return_how"})))
    decision = decide(asked, [])
    assert (decision.reason, decision.suppressed[0].because) == (Reason.WELCOME, Reason.STOPPED)
    assert veto(asked, _reply(template="return_how")).reason == Reason.STOPPED
    assert veto(asked, _reply(template="welcome", reason="welcome")) is None


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


def test_a_person_who_answered_long_ago_does_not_keep_machines_out():
    asked = case(task(reply="return_how"), person_at=OPEN - timedelta(minutes=120))
    assert decide(asked, []).reason == Reason.KEYWORD


def test_a_message_that_its_platform_kept_for_days_is_not_greeted():
    late = task(first_contact=True)
    for hours, reason in ((26, Reason.WELCOME), (27.1, Reason.STALE)):
        message = replace(late.judged.message, sent_at=OPEN - timedelta(hours=hours))
        asked = replace(late, judged=replace(late.judged, message=message))
        assert decide(case(asked), []).reason == reason


def test_the_same_answer_to_messages_that_differ_in_their_numbers_is_given_so_often_and_no_more():
    before = [
        said(task(n, text=f"Ticket {n}00: where is my parcel?"), at=OPEN - n * 15 * MINUTE, text=f"{n}", rule="parcel_how")
        for n in (2, 3, 4)
    ]
    asked = task(9, text="ticket 900 — where is my parcel", reply="parcel_how")
    assert decide(case(asked), before).reason == Reason.LOOP_GUARD
    assert decide(case(asked), before[1:]).reason == Reason.KEYWORD
    assert decide(case(task(9, text="Where is my invoice?", reply="parcel_how")), before).reason == Reason.KEYWORD


def _burst(*following, **first):
    """A message with those that the contact sent right after it."""
    asks = {"labels": {"business": "enquiry"}}
    later = tuple(task(number, **asks | of).judged for number, of in enumerate(following, 2))
    return replace(case(task(**asks | first)), later=later)


def test_of_several_messages_in_a_row_the_newest_that_can_be_answered_is():
    hello = _burst({"text": "请问"}, {"reply": "return_how"}, first_contact=True)
    decision = decide(hello, [])
    assert (decision.reason, decision.detail) == (Reason.ANSWERED_WITH_LATER, hello.later[1].message.message_id)
    assert [(each.reason, each.because) for each in decision.suppressed] == [(Reason.WELCOME, Reason.ANSWERED_WITH_LATER)]


@pytest.mark.parametrize(
    "newest",
    [
        {"text": "?"},
        {"text": "谢谢", "reply": "thanks", "labels": {}},
        {"labels": {"spam": "noise"}},
        {"no_reply": True},
        {"reply": "gone"},
        {"is_bot": True},
    ],
)
def test_an_answer_is_not_lost_to_a_later_message_that_has_none(newest):
    assert decide(_burst(newest, reply="return_how"), []).reason == Reason.KEYWORD


def test_an_answer_is_not_given_up_for_a_courtesy():
    night = replace(_burst({}, reply="return_how", now=SHUT), now=SHUT)
    assert decide(night, []).reason == Reason.KEYWORD


def test_somebody_who_asks_for_a_person_in_the_next_breath_gets_no_machine():
    assert decide(_burst({"labels": {"wants_human": True}}, reply="return_how"), []).reason == Reason.HUMAN_WANTED


def test_a_courtesy_is_not_sent_after_a_reply_to_the_message_before_it():
    night = case(task(2, now=SHUT), now=SHUT + MINUTE)
    answered = said(task(1), at=SHUT + MINUTE / 2)
    assert decide(night, [answered]).reason == Reason.ANSWERED_WITH_EARLIER


def test_a_reply_that_waited_leaves_the_word_to_a_later_one_unless_it_may_be_out():
    waited = _burst({"reply": "return_how"}, reply="return_how")
    assert veto(waited, _reply()).reason == Reason.ANSWERED_WITH_LATER
    assert veto(waited, _reply(), doubtful=True) is None
    assert veto(_burst({"reply": "invoice_how"}, reply="return_how"), _reply()) is None, "another question"


def test_several_questions_in_a_row_are_answered_together_and_each_once():
    asked = _burst(
        {"text": "在吗"},
        {"reply": "invoice_how"},
        {"reply": "invoice_how"},
        {"text": "谢谢", "reply": "thanks", "labels": {}},
        reply="return_how",
    )
    decision = decide(asked, [])
    answers = [POLICY.book.render(name, "zh", {}) for name in ("return_how", "invoice_how")]
    assert (decision.reason, decision.text, decision.beside) == (Reason.KEYWORD, "\n\n".join(answers), ("invoice_how",))
    beside = said(task(1), at=OPEN, rule="invoice_how", kind="+")
    second = case(task(2, reply="invoice_how", labels={"business": "enquiry"}), now=OPEN + MINUTE)
    assert decide(second, [said(task(1), at=OPEN), beside]).reason == Reason.ANSWERED_WITH_EARLIER


def test_two_commands_in_a_row_are_two_questions():
    asked = _burst({"text": "查询 B2"}, text="查询 A1")
    decision = decide(asked, [])
    assert decision.reason == Reason.COMMAND and "A1" in decision.text and "B2" in decision.text


def test_answers_that_are_too_long_together_go_out_one_by_one():
    policy = _with_template("invoice_how", zh="长" * 600)
    asked = replace(_burst({"reply": "invoice_how"}, reply="return_how"), policy=policy)
    assert decide(asked, []).text == POLICY.book.render("return_how", "zh", {})


def test_another_answer_in_a_text_counts_towards_no_limit_of_replies():
    before = [said(task(2), at=OPEN - MINUTE)] + [said(task(2), at=OPEN - MINUTE, rule=f"r{n}", kind="+") for n in range(5)]
    assert decide(case(task(9, **QUESTION)), before).reason == Reason.KEYWORD


def test_thanks_that_crossed_our_answer_get_none_of_their_own():
    asked = case(task(2, text="好的,谢谢", reply="thanks", needs_person=False), now=OPEN + MINUTE)
    assert decide(asked, [said(task(1), at=OPEN + MINUTE / 2)]).reason == Reason.ANSWERED_WITH_EARLIER
    assert decide(asked, [said(task(1), at=OPEN - MINUTE / 2)]).reason == Reason.KEYWORD


def _with_book(**changes):
    return replace(POLICY, book=replace(POLICY.book, **changes))


def _with_template(name: str, **changes):
    template = replace(POLICY.book.templates[name], **changes)
    return _with_book(templates={**POLICY.book.templates, name: template})


def test_a_command_is_answered_before_anything_else_and_with_its_arguments():
    asked = task(text="ＣＸ：ab-1234。", first_contact=True, reply="return_how")
    decision = decide(case(asked), [])
    assert (decision.reason, decision.template, decision.detail) == (Reason.COMMAND, "lookup_received", "number=ab-1234")
    assert "ab-1234" in decision.text


def test_a_template_that_nobody_has_read_for_too_long_is_not_sent():
    policy = _with_template("return_how", review=OPEN.date())
    assert decide(case(task(**QUESTION), policy=policy), []).reason == Reason.KEYWORD
    tomorrow = OPEN + timedelta(hours=14)  # midnight in Shanghai
    late = decide(case(task(now=tomorrow, **QUESTION), now=tomorrow, policy=policy), [])
    assert (late.reason, late.suppressed[0].because) == (Reason.OUT_OF_HOURS, Reason.TEMPLATE_EXPIRED)


def test_a_channel_has_its_own_wording():
    policy = _with_template(
        "return_how", channels={"twilio": Texts(zh="短", en="short")}, variants={"b": Texts(zh="b", en="b")}
    )
    assert decide(case(task(channel="twilio", **QUESTION), policy=policy), []).text == "短"
    assert decide(case(task(**QUESTION), policy=policy), []).variant in ("a", "b")


def test_a_contact_always_gets_the_same_variant_and_contacts_are_shared_out():
    variants = {"b": Texts(zh="b", en="b"), "c": Texts(zh="c", en="c")}
    template = replace(POLICY.book.templates["return_how"], variants=variants)
    chosen = [template.texts("generic", f"conversation {n}") for n in range(300)]
    assert chosen == [template.texts("generic", f"conversation {n}") for n in range(300)]
    shares = [sum(variant == name for variant, _ in chosen) for name in "abc"]
    assert min(shares) > 60, shares
    assert {variant: texts.zh for variant, texts in chosen if variant != "a"} == {"b": "b", "c": "c"}


@pytest.mark.parametrize(
    ("labels", "routing", "reason"),
    [
        ({"business": "complaint"}, {}, Reason.RECEIPT),
        ({"urgency": "urgent"}, {}, Reason.RECEIPT),
        ({"business": "enquiry"}, {}, Reason.NOTHING_TO_SAY),
        ({"urgency": "urgent"}, {"needs_person": False}, Reason.NOTHING_TO_SAY),
        ({"business": "complaint"}, {"reply": "complaint_received"}, Reason.KEYWORD),
    ],
)
def test_a_complaint_and_an_urgent_matter_get_a_receipt_if_nothing_else(labels, routing, reason):
    decision = decide(case(task(labels=labels, due_at=OPEN + timedelta(hours=1), **routing)), [])
    assert decision.reason == reason


def test_who_opts_in_again_is_answered_before_the_conversation_says_so():
    again = task(reply="opted_in", opt_in=True, needs_person=False)
    assert decide(case(again, opted_out=True), []).reason == Reason.KEYWORD
    and_out = replace(case(again, opted_out=True), later=(task(2, labels={"opt_out": True}).judged,))
    assert decide(and_out, []).reason == Reason.OPTED_OUT


@pytest.mark.parametrize(
    ("begin", "end", "channels", "reason"),
    [
        (time(9), time(11), (), "quiet_hours"),
        (time(22), time(10, 1), ("generic",), "quiet_hours"),
        (time(22), time(10), (), "keyword"),
        (time(9), time(11), ("twilio",), "keyword"),
        (time(10, 1), time(9), (), "keyword"),
    ],
)
def test_in_quiet_hours_nothing_goes_out_on_their_channels(begin, end, channels, reason):
    policy = _with_book(quiet_hours=(QuietHours(channels=channels, begin=begin, end=end),))
    assert decide(case(task(**QUESTION), policy=policy), []).reason == reason


def test_one_template_goes_to_one_contact_so_often_and_no_more():
    limits = replace(POLICY.book.limits, same_template=Cap(at_most=2, within=60 * MINUTE))
    asked = case(task(9, **QUESTION), policy=_with_book(limits=limits))
    before = [_said(number, ago=number * 20 * MINUTE) for number in (1, 2)]
    assert decide(asked, before).reason == Reason.CAPPED
    assert decide(asked, [before[0], _said(3, ago=60 * MINUTE)]).reason == Reason.KEYWORD
    assert decide(asked, [before[0], _said(3, ago=MINUTE, rule="invoice_how")]).reason == Reason.KEYWORD


def test_the_notice_says_by_when_an_answer_will_come_with_those_who_wait_already():
    alone = case(task(now=SHUT, first_contact=True), now=SHUT)
    busy = replace(alone, backlog=61)
    # Saturday from 9:00, twelve an hour, lunch from 12:00 to 13:00.
    assert "明天（周六）上午9:15前" in decide(alone, []).text
    assert "明天（周六）下午3:15前" in decide(busy, []).text
    assert "明天（周六）上午9:00" in decide(busy, []).text
    english = case(task(now=SHUT, first_contact=True, text="Do you have it?", labels={"language": "en"}), now=SHUT)
    assert "by tomorrow (Saturday) at 9:15 am (UTC+8)" in decide(english, []).text


FIRED = {"business": "enquiry", "firings": (Firing(rule="ask_return", version="1"),)}


@pytest.mark.parametrize(
    ("of", "scope", "stops"),
    [
        ({"reply": "return_how", "labels": FIRED}, "rule:return_how", True),
        ({"reply": "return_how", "labels": FIRED}, "rule:ask_return", True),
        ({"reply": "return_how", "labels": FIRED}, "rule:lookup", False),
        ({"text": "查询 SF1234567"}, "rule:lookup", True),
        ({"text": "查询 SF1234567"}, "rule:lookup_received", True),
        ({"first_contact": True, "labels": FIRED}, "rule:ask_return", False),
        ({"first_contact": True, "labels": FIRED}, "rule:welcome", True),
    ],
)
def test_a_rules_stop_names_a_rule_a_template_or_a_command(of, scope, stops):
    heard = replace(case(task(**of)), stops=Stops(frozenset({scope})))
    assert any(each.because == Reason.STOPPED for each in decisions.decide(heard).suppressed) is stops
    made = decisions.decide(case(task(**of)))
    reply = Reply(message_id="m", state="reserved", reason=made.reason, at=OPEN, template=made.template)
    assert (veto(heard, reply) is not None) is stops
