"""What a platform counts is counted: what people say on the platform itself, and every reply at the time at which it leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from functions.autoreply.decision import decide
from functions.autoreply.desk import ReplyPostponed
from functions.autoreply.reasons import Reason
from functions.autoreply.service import answer
from functions.channels.contract import Unreachable
from functions.classify.sightings import note, noticed
from functions.common.ledger import ledger
from functions.common.message import ReplyWindow
from functions.common.origin import sign
from functions.common.wire import Sighting
from tests.fakes.reply_desk import OPEN, POLICY, Fixture, Heard, case, conversation, having_said, said, task

FIVE = ReplyWindow(mode="window", max_replies=5)
LATE = OPEN + timedelta(minutes=50)
SHORT_TAKEOVER = replace(POLICY, book=replace(POLICY.book, limits=replace(POLICY.book.limits, takeover=timedelta(minutes=10))))


def echo(number: int) -> Sighting:
    return Sighting(
        kind="answered",
        channel="generic",
        account="demo",
        contact="u1",
        native_id=f"e{number}",
        at=OPEN + timedelta(minutes=number),
        text=sign(f"what somebody said, {number}"),
    )


@pytest.mark.parametrize(("said", "reason"), [(0, Reason.KEYWORD), (3, Reason.KEYWORD), (4, Reason.QUOTA_EXHAUSTED)])
def test_what_people_say_on_the_platform_itself_draws_on_its_quota(said, reason):
    asked = task(reply="return_how", window=FIVE, labels={"business": "after_sales"})
    there = replace(conversation(asked), last_at=OPEN)
    for number in range(1, said + 1):
        there = noticed(there, echo(number))
    heard = replace(case(asked, now=LATE, policy=SHORT_TAKEOVER), conversation=there)
    assert decide(heard).reason is reason
    assert len(ledger(there)) == min(said, 1), "what was said in a row takes one entry"


def test_what_people_said_before_the_message_came_draws_on_nothing_of_its():
    asked = task(reply="return_how", window=FIVE, now=LATE)
    there = conversation(asked)
    for number in range(1, 6):
        there = noticed(there, echo(number))
    assert decide(replace(case(asked, now=LATE, policy=SHORT_TAKEOVER), conversation=there)).reason is Reason.KEYWORD


def test_an_echo_that_comes_twice_is_charged_once():
    asked = task(window=FIVE)
    there = noticed(conversation(asked), echo(1))
    assert noticed(there, echo(1)) == there


def test_two_people_who_say_the_same_words_are_both_charged():
    asked = task(window=FIVE)
    there = noticed(conversation(asked), echo(1))
    again = noticed(there, replace(echo(2), text=echo(1).text))
    assert (sum(said.parts for said in ledger(again)), again.person_at) == (2, OPEN + timedelta(minutes=2))


def test_a_reply_that_is_tried_again_counts_when_it_leaves_and_against_the_message_that_came_meanwhile():
    first = task(1, reply="return_how", window=FIVE)
    desk = Fixture(first)
    desk.platform.answers = [Unreachable()]
    with pytest.raises(ReplyPostponed):
        answer(first, desk.desk)
    desk.times.now += timedelta(minutes=2)
    answer(first, desk.desk)
    assert desk.record(first).state == "sent" and desk.entry(first).at == OPEN + timedelta(minutes=2)
    second = task(
        2, now=OPEN + timedelta(minutes=1), text="怎么开发票?", reply="invoice_how", window=replace(FIVE, max_replies=2)
    )
    (there,) = desk.store.conversations.values()
    heard = replace(case(second, now=OPEN + timedelta(minutes=3)), conversation=there)
    assert decide(heard).reason is Reason.QUOTA_EXHAUSTED


def test_a_reply_that_is_sent_at_once_costs_no_further_write():
    asked = task(reply="return_how", window=FIVE)
    desk = Fixture(asked)
    answer(asked, desk.desk)
    assert desk.store.calls == ["conversation", "apply", "add_reply"]


def test_a_conversation_that_keeps_changing_leaves_the_reply_for_later():
    asked = task(reply="return_how")
    desk = Fixture(asked)
    desk.platform.answers = [Unreachable()]
    with pytest.raises(ReplyPostponed):
        answer(asked, desk.desk)
    desk.times.now += timedelta(minutes=1)

    def restless(call: str) -> None:
        if call == "apply":
            desk.store.conversations = {c: replace(each, rev=each.rev + 1) for c, each in desk.store.conversations.items()}

    desk.store.before = restless
    with pytest.raises(ReplyPostponed, match="not_tried"):
        answer(asked, desk.desk)
    assert (len(desk.platform.bodies), desk.record(asked).state) == (1, "reserved")


@pytest.mark.parametrize(
    ("allowed", "seconds", "reason"),
    [
        (1, 60, Reason.KEYWORD),  # LINE's reply token
        (1, 48 * 3600, Reason.QUOTA_EXHAUSTED),  # a public mention: a person's
        (2, 60, Reason.KEYWORD),
    ],
)
def test_the_only_reply_is_not_kept_for_people_who_could_not_give_it_in_time(allowed, seconds, reason):
    window = ReplyWindow(mode="token", expires_at=OPEN + timedelta(seconds=seconds), max_replies=allowed)
    asked = task(reply="return_how", window=window)
    assert decide(case(asked)).reason is reason


def test_one_message_of_a_short_window_is_kept_where_there_are_more():
    window = ReplyWindow(mode="token", expires_at=OPEN + timedelta(seconds=60), max_replies=3)
    first, asked = task(1), task(2, reply="return_how", window=window)
    spent = replace(said(first, at=OPEN, rule="invoice_how"), parts=2)
    heard = replace(case(asked), conversation=having_said(conversation(asked), spent))
    assert decide(heard).reason is Reason.QUOTA_EXHAUSTED


def test_nobody_answered_in_the_future():
    asked, store = task(reply="return_how"), Fixture(task()).store
    desk = SimpleNamespace(store=store, clock=lambda: OPEN, telemetry=Heard())
    seen = replace(echo(8 * 60), contact="u1")
    note(seen, desk)  # type: ignore[arg-type]
    (there,) = store.conversations.values()
    assert (there.person_at, ledger(there)[0].at) == (OPEN, OPEN)
    later = OPEN + timedelta(minutes=121)
    heard = replace(case(asked), now=later, task=task(2, reply="return_how", now=later), conversation=there)
    assert decide(heard).reason is Reason.KEYWORD
