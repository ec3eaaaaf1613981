"""The same message sent again, by one sender or by many: known again, folded, counted, never dropped."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.classify.likeness import clauses, fingerprint, likeness, sketch
from functions.common.folding import fold
from tests.unit.test_classify_service import HANDBOOK, Room, inbound

COAT = "你好,我上周在你们店买的那件外套尺码不合适,想换一件L码的,订单号20261120334455,请问怎么操作呢谢谢"
PARTNER = "各位老板好,我们公司新开了一家工厂,专做礼品包装,欢迎来电洽谈"


def alike(one: str, other: str) -> float:
    return likeness(sketch(fold(one).text), sketch(fold(other).text))


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.mark.parametrize(
    "copy",
    [
        COAT.replace("20261120334455", "99"),
        COAT + "😊😊！！！",
        "想换一件L码的,你好,订单号1,请问怎么操作呢谢谢!!我上周在你们店买的那件外套尺码不合适",
        COAT.replace(",", "\n"),
        COAT.replace("你们", "妳們".replace("妳", "你")),
    ],
)
def test_what_people_change_to_send_a_thing_twice_makes_no_difference(copy: str) -> None:
    assert alike(COAT, copy) >= 0.75


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("我要退款", "我不要退款"),
        ("请帮我取消明天上午的预约谢谢", "请不要帮我取消明天上午的预约谢谢"),
        ("please cancel my booking for tomorrow", "please do not cancel my booking for tomorrow"),
        ("我要退款", "我要退货"),
        ("where is my order", "when does the shop open"),
        (COAT, PARTNER),
        ("", ""),
        ("123", "123"),
    ],
)
def test_another_message_is_another_message(one: str, other: str) -> None:
    assert alike(one, other) < 0.75


@given(
    st.lists(st.text("我你他要退换货买卖衣服鞋子快慢好坏今天明天", min_size=3, max_size=12), min_size=2, max_size=6),
    st.randoms(),
)
def test_clauses_in_any_order_have_one_sketch_and_one_fingerprint(parts: list[str], shuffled: random.Random) -> None:
    other = list(parts)
    shuffled.shuffle(other)
    one, two = ",".join(parts), " ! ".join(other) + " 42"
    assert clauses(one) == sorted(parts)
    assert sketch(one)[1:] == sketch(two.replace(" ", ""))[1:]
    assert fingerprint(one) == fingerprint(two)


@given(st.text())
def test_any_text_has_a_sketch_that_is_like_itself(text: str) -> None:
    made = sketch(text)
    assert made == "" or (len(made) == 25 and likeness(made, made) == 1.0)


def test_a_near_identical_message_is_stored_and_folds_into_the_first(room: Room) -> None:
    assert room(inbound(COAT, 1), inbound(COAT.replace("4455", "9") + "😊", 2)) == []
    first, second = room.store.judged.values()
    assert (first.same_as, second.same_as) == (None, first.message.message_id)
    assert second.routing.no_reply and second.routing.reply is None
    assert room.conversation().count == 2 and len(room.conversation().said) == 1
    assert len(room.tasks()) == 2 and room.telemetry.counts["Repeats"] == 1


def test_a_third_copy_folds_into_the_first_too(room: Room) -> None:
    for number in (1, 2, 3):
        room(inbound(COAT, number))
    first, *others = room.store.judged.values()
    assert {judged.same_as for judged in others} == {first.message.message_id}


def test_after_an_hour_it_is_a_message_of_its_own(room: Room) -> None:
    room(inbound(COAT, 1))
    room(inbound(COAT, 1 + HANDBOOK.rules.repeats.within_minutes + 1))
    assert [judged.same_as for judged in room.store.judged.values()] == [None, None]


def test_another_sender_is_not_folded(room: Room) -> None:
    room(inbound(COAT, 1), inbound(COAT, 2, contact="u2"))
    assert [judged.same_as for judged in room.store.judged.values()] == [None, None]


def test_a_question_that_is_asked_again_goes_to_a_person_and_a_slip_of_the_finger_does_not(room: Room) -> None:
    room(inbound("你们几点开门?", 1))
    (first,) = room.store.judged.values()
    assert not first.routing.needs_person and first.routing.reply
    room(inbound("你们几点开门??", 2))
    room(inbound("你们几点开门???", 9))
    _, slip, again = room.store.judged.values()
    assert slip.same_as == again.same_as == first.message.message_id
    assert (slip.routing.needs_person, again.routing.needs_person) == (False, True)
    assert room.conversation().status == "waiting"


def test_a_repeated_threat_is_held_and_escalated_like_the_first(room: Room) -> None:
    threat = "再不退钱我就去12315投诉你们,已经找好律师了"
    room(inbound(threat, 1), inbound(threat, 2))
    first, second = room.store.judged.values()
    assert second.same_as and second.routing.escalate == first.routing.escalate != ()


def test_a_redelivered_message_is_not_its_own_repeat(room: Room) -> None:
    room(inbound(COAT, 1))
    room(inbound(COAT, 1))
    (judged,) = room.store.judged.values()
    assert judged.same_as is None and room.telemetry.counts["Repeats"] == 0


def test_the_same_text_from_many_senders_is_one_campaign(room: Room) -> None:
    senders = HANDBOOK.rules.repeats.senders
    for number in range(1, senders + 2):
        room(inbound(f"{PARTNER} {number * 37}🎁", number, contact=f"u{number}"))
    tagged = [judged.campaign for judged in room.store.judged.values()]
    assert tagged[: senders - 1] == [None] * (senders - 1)
    (campaign,) = room.store.campaigns(inbound().received_at.date(), senders)
    assert tagged[senders - 1 :] == [campaign.fingerprint] * 2
    assert len(campaign.senders) == senders + 1 and campaign.sample.startswith("各位老板好")
    assert room.conversation(f"u{senders}").campaign == campaign.fingerprint
    assert room.telemetry.counts["CampaignCopies"] == 2


def test_many_copies_by_one_sender_or_of_few_words_are_no_campaign(room: Room) -> None:
    for number in range(1, 9):
        room(inbound("在吗", number, contact=f"u{number}"))
        room(inbound(PARTNER, number, contact="one"))
    assert all(judged.campaign is None for judged in room.store.judged.values())


def test_regular_customers_cost_no_write_for_campaigns(room: Room) -> None:
    room(*(inbound(f"{COAT}{'好' * number}", number) for number in range(1, 6)))
    assert room.store.calls.count("add_sender") <= HANDBOOK.rules.repeats.newcomers
