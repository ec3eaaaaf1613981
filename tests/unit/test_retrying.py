from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from functions.autoreply.breaker import THRESHOLD, Breaker
from functions.autoreply.config import QUEUE_TRIES
from functions.autoreply.desk import Postponed, ReplyPostponed
from functions.autoreply.patience import INVISIBLE_AT_MOST, seconds_to_wait, too_late
from functions.autoreply.redelivery import Redelivery
from functions.autoreply.service import answer
from functions.channels.contract import HttpResult, Unreachable
from functions.common.errors import Unavailable
from functions.common.message import ReplyWindow
from functions.common.queues import FifoQueue, NotSent
from functions.common.sqs_batch import Record, batch_answer
from infra.local import template as templates
from tests.fakes.reply_desk import OPEN, Fixture, Heard, case, conversation, task

KEYWORD = {"reply": "return_how", "needs_person": False}


def test_without_word_from_the_platform_each_wait_is_four_times_the_last():
    assert [seconds_to_wait(attempt, None) for attempt in range(1, 6)] == [15, 60, 240, 900, 900]


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(0.2, 1), (7, 7), (7.1, 8), (1800, 1800), (1e12, INVISIBLE_AT_MOST)]
    + [(absurd, 15) for absurd in (0, -5, float("nan"), float("inf"), float("-inf"))],
)
def test_what_the_platform_asks_for_is_heeded_if_it_is_a_time(retry_after, seconds):
    assert seconds_to_wait(1, retry_after) == seconds


@pytest.mark.parametrize(
    ("closes", "seconds", "late"),
    [(None, 3600, False), (None, 3601, True), (600, 590, False), (600, 591, True)],
)
def test_a_wait_beyond_the_messages_use_is_too_long(closes, seconds, late):
    window = ReplyWindow(mode="window", expires_at=OPEN + timedelta(seconds=closes)) if closes else None
    assert too_late(case(task(window=window)), seconds, float(seconds)) is late


def test_a_wait_that_no_queue_can_keep_is_too_long_however_patient_operators_are():
    asked = case(task())
    limits = replace(asked.policy.book.limits, too_old=timedelta(days=7))
    patient = replace(asked, policy=replace(asked.policy, book=replace(asked.policy.book, limits=limits)))
    assert too_late(patient, INVISIBLE_AT_MOST, 1e12)
    assert not too_late(patient, INVISIBLE_AT_MOST, float(INVISIBLE_AT_MOST))


def _busy(retry_after: str) -> HttpResult:
    return HttpResult(429, {"retry-after": retry_after}, b"{}")


@pytest.mark.parametrize("channel", ["generic", "twilio"])
def test_a_platform_that_is_busy_is_left_alone_for_as_long_as_it_asks(channel):
    asked = task(channel=channel, **KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [_busy("120")]
    with pytest.raises(ReplyPostponed) as postponed:
        answer(asked, desk.desk)
    assert postponed.value.seconds == 120
    answer(asked, desk.desk)
    assert (desk.record(asked).state, len(desk.platform.bodies)) == ("sent", 2)


def test_a_platform_that_asks_for_more_than_the_message_can_wait_is_given_up_and_a_person_told():
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [_busy("86400")]
    answer(asked, desk.desk)
    assert (desk.record(asked).state, desk.record(asked).outcome) == ("failed", "rate_limited")
    assert (desk.problems(asked), desk.entry(asked).kind) == (("reply_failed",), "-")


def test_an_account_whose_platform_fails_time_after_time_is_left_alone_and_then_tried_once():
    breaker = Breaker()
    for number in range(THRESHOLD):
        assert breaker.seconds_left("generic", "demo", OPEN) == 0, number
        breaker.note("generic", "demo", reached=False, now=OPEN)
    assert breaker.seconds_left("generic", "demo", OPEN) == 31
    assert breaker.seconds_left("generic", "other", OPEN) == 0
    later = OPEN + timedelta(seconds=30)
    assert breaker.seconds_left("generic", "demo", later) == 0
    breaker.note("generic", "demo", reached=False, now=later)
    assert breaker.seconds_left("generic", "demo", later) == 61
    breaker.note("generic", "demo", reached=True, now=later)
    assert breaker.seconds_left("generic", "demo", later) == 0


def test_the_breaker_never_keeps_an_account_waiting_for_more_than_five_minutes():
    breaker = Breaker()
    for _ in range(100):
        breaker.note("generic", "demo", reached=False, now=OPEN)
    assert breaker.seconds_left("generic", "demo", OPEN) == 301


def test_while_a_circuit_is_open_nothing_is_reserved_or_sent_but_at_the_last_try():
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    for _ in range(THRESHOLD):
        desk.desk.breaker.note("generic", "demo", reached=False, now=OPEN)
    with pytest.raises(ReplyPostponed) as postponed:
        answer(asked, desk.desk)
    assert postponed.value.seconds == 31
    assert (desk.platform.bodies, desk.entry(asked)) == ([], None)
    answer(asked, desk.desk, last_try=True)
    assert desk.record(asked).state == "sent"


def test_a_reply_that_is_tried_again_leaves_the_account_alone_too():
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [Unreachable()]
    with pytest.raises(ReplyPostponed):
        answer(asked, desk.desk)
    for _ in range(THRESHOLD):
        desk.desk.breaker.note("generic", "demo", reached=False, now=OPEN)
    with pytest.raises(ReplyPostponed, match="circuit open"):
        answer(asked, desk.desk)
    assert (len(desk.platform.bodies), desk.record(asked).attempts) == (1, 1)
    answer(asked, desk.desk, last_try=True)
    assert (len(desk.platform.bodies), desk.record(asked).state) == (2, "sent")


@pytest.mark.parametrize("earlier", [False, True])
def test_the_last_try_ends_a_reply_whatever_the_platform_says(earlier):
    asked = task(**KEYWORD)
    desk = Fixture(asked)
    desk.platform.answers = [Unreachable(), Unreachable()]
    if earlier:
        with pytest.raises(ReplyPostponed):
            answer(asked, desk.desk)
    answer(asked, desk.desk, last_try=True)
    assert (desk.record(asked).state, desk.entry(asked).kind) == ("failed", "-")
    assert desk.problems(asked) == ("reply_failed",)


def test_failed_sends_open_the_circuit():
    tasks = [task(number, **KEYWORD, text=f"{'怎么退货' * number}?") for number in range(1, THRESHOLD + 2)]
    desk = Fixture()
    desk.platform.answers = [Unreachable() for _ in range(THRESHOLD)]
    for asked in tasks:
        there = conversation(asked)
        desk.store.conversations = {there.conv: there}
        with pytest.raises(ReplyPostponed):
            answer(asked, desk.desk)
    assert len(desk.platform.bodies) == THRESHOLD


def test_the_queue_tries_as_often_as_the_configuration_is_held_to():
    (queue,) = (queue for queue in templates.load().queues if queue.logical_id == "RepliesQueue")
    assert queue.max_receives == QUEUE_TRIES


class _Sqs:
    def __init__(self, **answer) -> None:
        self.answer, self.calls = answer, []

    def change_message_visibility_batch(self, **said):
        self.calls.append(said)
        return self.answer


def _event(*entries: tuple[str, str]) -> dict:
    return {
        "Records": [
            {"messageId": name, "attributes": {"MessageGroupId": group}, "body": "", "receiptHandle": f"receipt {name}"}
            for name, group in entries
        ]
    }


def _postpone(redelivery: Redelivery, group: str, seconds: int) -> None:
    with pytest.raises(Postponed), redelivery.noting(Record(id="x", group=group, body="")):
        raise ReplyPostponed("busy", seconds)


def test_all_that_failed_of_a_conversation_comes_back_after_the_same_wait_and_nothing_else_is_touched():
    redelivery, sqs = Redelivery(), _Sqs()
    _postpone(redelivery, "g1", 120)
    event = _event(("1", "g1"), ("2", "g2"), ("3", "g1"), ("4", "g3"))
    redelivery.arrange(event, batch_answer(["1", "3", "4"]), FifoQueue(sqs, "the queue"), Heard())
    (call,) = sqs.calls
    assert [(entry["ReceiptHandle"], entry["VisibilityTimeout"]) for entry in call["Entries"]] == [
        ("receipt 1", 120),
        ("receipt 3", 120),
    ]


def test_a_batch_in_which_nothing_was_postponed_costs_no_call():
    sqs = _Sqs()
    Redelivery().arrange(_event(("1", "g1")), batch_answer(["1"]), FifoQueue(sqs, "the queue"), Heard())
    assert sqs.calls == []


def test_a_queue_that_does_not_listen_is_noted_and_changes_nothing():
    redelivery, heard = Redelivery(), Heard()
    _postpone(redelivery, "g1", 120)
    refused = _Sqs(Failed=[{"Id": "0", "Code": "ReceiptHandleIsInvalid"}])
    redelivery.arrange(_event(("1", "g1")), batch_answer(["1"]), FifoQueue(refused, "the queue"), heard)

    def away(waits):
        raise Unavailable("ChangeMessageVisibilityBatch")

    redelivery.arrange(_event(("1", "g1")), batch_answer(["1"]), SimpleNamespace(keep_back=away), heard)
    assert [line for line, _ in heard.lines] == ["not_kept_back"] * 2
    with pytest.raises(NotSent):
        FifoQueue(refused, "the queue").keep_back({"receipt 1": 1})
