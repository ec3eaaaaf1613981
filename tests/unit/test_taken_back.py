"""A message that was left to a later one is answered after all when that one is taken back before its turn."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.autoreply.desk import ReplyPostponed
from functions.autoreply.service import answer
from functions.channels.contract import HttpResult, Unreachable
from functions.common.errors import Retryable
from functions.common.store import recall_mark
from tests.fakes.reply_desk import OPEN, POLICY, Fixture, Killed, task

KEYWORD = {"reply": "return_how", "needs_person": False, "labels": {"business": "enquiry"}}
REFUSED = HttpResult(400, {}, b'{"code":21211}')


def asked(number: int, channel: str = "generic", **more: Any) -> Any:
    return task(number, now=OPEN + timedelta(seconds=number), channel=channel, **KEYWORD | more)


def in_a_row(*of: Any) -> Fixture:
    """Several messages are there when the first one's turn comes."""
    desk = Fixture(of[0], now=OPEN + timedelta(seconds=10))
    change(desk, count=len(of))
    desk.store.messages = [each.judged for each in of]
    return desk


def change(desk: Fixture, **changes: Any) -> None:
    desk.store.conversations = {c: replace(each, **changes, rev=each.rev + 1) for c, each in desk.store.conversations.items()}


def take_back(desk: Fixture, *of: Any) -> None:
    marks = tuple(recall_mark(each.judged.message.native_id) for each in of)
    change(desk, recalled=(*next(iter(desk.store.conversations.values())).recalled, *marks))


def told(desk: Fixture, *of: Any) -> list[tuple[str, str]]:
    return [(desk.record(each).state, desk.record(each).reason) for each in of]


def test_it_is_answered_with_the_task_of_the_one_that_was_taken_back() -> None:
    first, second = asked(1), asked(2)
    desk = in_a_row(first, second)
    answer(first, desk.desk)
    assert told(desk, first) == [("none", "answered_with_later")]
    take_back(desk, second)
    answer(second, desk.desk)
    assert told(desk, first, second) == [("sent", "keyword"), ("none", "recalled")]
    assert len(desk.platform.bodies) == 1 and desk.problems(first) == ()
    assert desk.entry(first) is not None and desk.entry(second) is None
    for again in (second, first, second):
        answer(again, desk.desk)
    assert len(desk.platform.bodies) == 1


def test_a_chain_of_messages_that_were_left_is_followed_to_its_end() -> None:
    first, second, third = asked(1), asked(2), asked(3)
    desk = in_a_row(first, second)
    answer(first, desk.desk)
    change(desk, count=3)
    desk.store.messages = [each.judged for each in (first, second, third)]
    answer(second, desk.desk)
    take_back(desk, second, third)
    answer(third, desk.desk)
    assert told(desk, first, second, third) == [("sent", "keyword"), ("none", "recalled"), ("none", "recalled")]
    assert len(desk.platform.bodies) == 1


def test_of_several_that_were_left_the_newest_is_answered_and_the_others_with_it() -> None:
    first, second, third = asked(1), asked(2), asked(3)
    desk = in_a_row(first, second, third)
    answer(first, desk.desk)
    answer(second, desk.desk)
    take_back(desk, third)
    answer(third, desk.desk)
    assert told(desk, first, second) == [("none", "answered_with_earlier"), ("sent", "keyword")]
    assert len(desk.platform.bodies) == 1


def test_what_was_left_to_a_message_that_stands_stays_with_it() -> None:
    first, second = asked(1), asked(2)
    desk = in_a_row(first, second)
    answer(first, desk.desk)
    answer(second, desk.desk)
    assert told(desk, first, second) == [("none", "answered_with_later"), ("sent", "keyword")]


def test_where_it_cannot_be_answered_either_a_person_is_told() -> None:
    first, second = asked(2), asked(3)
    desk = in_a_row(first, second)
    change(desk, count=3)
    answer(first, desk.desk)
    take_back(desk, second)
    gone = {name: each for name, each in POLICY.book.templates.items() if name != "return_how"}
    desk.desk = replace(desk.desk, policy=lambda: replace(POLICY, book=replace(POLICY.book, templates=gone)))
    answer(second, desk.desk)
    assert told(desk, first) == [("none", "template_invalid")]
    assert desk.problems(first) == ("reply_missing",)


def test_a_busy_platform_is_asked_again_with_the_same_task() -> None:
    first, second = asked(1), asked(2)
    desk = in_a_row(first, second)
    answer(first, desk.desk)
    take_back(desk, second)
    desk.platform.answers = [Unreachable()]
    with pytest.raises(ReplyPostponed):
        answer(second, desk.desk)
    assert told(desk, first) == [("reserved", "keyword")]
    answer(second, desk.desk)
    assert told(desk, first) == [("sent", "keyword")]
    assert (len(desk.platform.bodies), desk.record(first).attempts) == (2, 2)


def test_one_that_is_taken_back_between_two_tries_leaves_the_other_to_be_answered() -> None:
    first, second = asked(1), asked(2)
    desk = in_a_row(first, second)
    answer(first, desk.desk)
    desk.platform.answers = [Unreachable()]
    with pytest.raises(ReplyPostponed):
        answer(second, desk.desk)
    take_back(desk, second)
    answer(second, desk.desk)
    assert told(desk, first, second) == [("sent", "keyword"), ("none", "recalled")]


def test_a_message_that_is_taken_back_and_to_which_nothing_was_left_costs_one_query() -> None:
    only = asked(1)
    desk = in_a_row(only)
    take_back(desk, only)
    answer(only, desk.desk)
    assert desk.store.calls == ["conversation", "add_reply", "left_to"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(12))
@pytest.mark.parametrize("channel", ["generic", "twilio"])
@pytest.mark.parametrize("refused", [False, True])
def test_a_crash_at_any_call_neither_answers_twice_nor_forgets(channel: str, call: int, when: str, refused: bool) -> None:
    first, second = asked(1, channel), asked(2, channel)
    desk = in_a_row(first, second)
    answer(first, desk.desk)
    take_back(desk, second)
    desk.platform.answers = [REFUSED] * 9 if refused else []
    calls = iter(range(1000))

    def die(_: str) -> None:
        if next(calls) == call:
            raise Killed

    setattr(desk.store, when, die)
    for _ in range(10):
        try:
            answer(second, desk.desk)
            break
        except Killed:
            desk.store.before = desk.store.after = lambda _: None
        except Retryable:
            continue
    record = desk.record(first)
    assert desk.record(second).reason == "recalled"
    assert len(set(desk.platform.bodies)) <= 1
    if channel == "twilio":
        assert len(desk.platform.bodies) <= 1
    expected = {"sent": (), "failed": ("reply_failed",), "unknown": ("reply_unknown",)}
    assert desk.problems(first) == expected[record.state]
    assert record.state == "unknown" or (record.state == "sent") is (not refused)
