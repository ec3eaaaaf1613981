"""Echoes and recalls: what happens on the platform itself reaches the conversation, and machines heed it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.classify.sightings import noticed
from functions.common.ledger import entry, reserved
from functions.common.origin import MARK, sign
from functions.common.store import Conversation, recall_mark
from functions.common.wire import Sighting
from tests.fakes.house import House, open_house

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
THERE = Conversation(conv="c", channel="generic", account="demo", contact="u1", rev=3)


def seen(**changes: Any) -> Sighting:
    about = {"kind": "answered", "channel": "generic", "account": "demo", "contact": "u1", "native_id": "e1", "at": NOW}
    return Sighting(**about | changes)


def test_a_persons_answer_is_noted_with_its_time_and_an_older_one_changes_nothing():
    after = noticed(THERE, seen(text=sign("我来处理")))
    assert after.person_at == NOW
    assert noticed(after, seen(at=NOW - timedelta(minutes=5))) == after


@pytest.mark.parametrize("heard", ["您好", "您好 ", MARK + "您好"])
def test_what_a_machine_of_ours_said_is_nobodys_answer(heard):
    there = reserved(THERE, entry("m1", at=NOW, notice=False, rule="welcome", text="您好", asked="hi"))
    assert noticed(there, seen(text=sign(heard))) == there
    assert noticed(there, seen(text=sign("您好吗"))).person_at == NOW
    assert noticed(there, seen(text=None)).person_at == NOW


def test_a_recall_is_noted_once_and_the_last_few_are_kept():
    there = THERE
    for number in (1, 2, 2, 3, 4, 5):
        there = noticed(there, seen(kind="recalled", native_id=f"m{number}"))
    assert there.recalled == tuple(recall_mark(f"m{number}") for number in (2, 3, 4, 5))


def conversation(house: House) -> dict[str, Any]:
    (found,) = house.of_kind("@")
    return found


def asked_after(house: House, channel: str, ask: Any) -> str:
    house.receive(channel, ask)
    house.pump()
    newest = max(house.of_kind("M#"), key=lambda item: item["seq"])
    (reply,) = (item for item in house.of_kind("R#") if item["sk"][2:] == newest["sk"][2:])
    return str(reply["reason"])


def test_machines_keep_out_once_somebody_answered_elsewhere(tmp_path):
    with open_house(tmp_path, only=("generic",)) as house:
        generic = house.simulators["generic"]
        assert asked_after(house, "generic", generic.text("u1", "请问几点开门?", native_id="m1")) == "keyword"
        assert "person_at" not in conversation(house)
        answer = house.receive("generic", generic.text("u1", "我是小李,我来帮您", native_id="e1", event="answered"))
        assert (answer["statusCode"], answer["body"]) == (202, '{"accepted": 0, "ignored": 1, "rejected": 0}')
        house.pump()
        assert conversation(house)["person_at"]
        assert asked_after(house, "generic", generic.text("u1", "请问怎么退货?", native_id="m2")) == "taken_over"
        assert len(house.of_kind("M#")) == 2 and len(house.said()) == 1


def test_an_echo_of_our_own_reply_changes_nothing(tmp_path):
    with open_house(tmp_path, only=("generic",)) as house:
        generic = house.simulators["generic"]
        house.receive("generic", generic.text("u1", "请问几点开门?", native_id="m1"))
        house.pump()
        (_, _, text) = house.said()[0]
        before = conversation(house)
        for number, echoed in enumerate((text, text.removeprefix(MARK))):
            house.receive("generic", generic.text("u1", echoed, native_id=f"e{number}", event="answered"))
            house.pump()
        assert conversation(house) == before
        assert text.startswith(MARK)


def test_a_message_that_is_taken_back_before_it_is_answered_gets_no_answer(tmp_path):
    with open_house(tmp_path, only=("generic",)) as house:
        generic = house.simulators["generic"]
        items = [generic.item("u1", text="请问几点开门?", native_id="m1"), generic.item("u1", native_id="m1", event="recalled")]
        house.receive("generic", generic.batch(items))
        house.pump()
        (reply,) = house.of_kind("R#")
        assert (reply["state"], reply["reason"], house.said()) == ("none", "recalled", [])


def test_a_sighting_in_a_conversation_that_nobody_knows_is_left_alone(tmp_path):
    with open_house(tmp_path, only=("generic",)) as house:
        house.receive("generic", house.simulators["generic"].text("u1", "你好", native_id="e1", event="answered"))
        house.pump()
        assert house.of_kind("") == [] and not any(house.depths().values())


@pytest.mark.parametrize("channel", ["messenger", "instagram", "whatsapp", "douyin"])
def test_platforms_that_echo_tell_of_a_persons_answer(tmp_path, channel):
    with open_house(tmp_path, only=(channel,)) as house:
        platform = house.simulators[channel]
        person = platform.person(1)
        house.receive(channel, platform.text(person, "请问几点开门?"))
        house.pump()
        more = {"by_api": False} if channel == "douyin" else {}
        house.receive(channel, platform.echo(person, "我来帮您", **more))
        house.pump()
        assert conversation(house)["person_at"]


def test_what_douyin_says_that_this_app_sent_is_nobodys_answer(tmp_path):
    with open_house(tmp_path, only=("douyin",)) as house:
        douyin = house.simulators["douyin"]
        house.receive("douyin", douyin.text(douyin.person(1), "请问几点开门?"))
        house.receive("douyin", douyin.echo(douyin.person(1), "另一段话", by_api=True))
        house.pump()
        assert "person_at" not in conversation(house)


def test_one_of_the_corps_people_in_wecom_kf_is_a_person(tmp_path):
    with open_house(tmp_path, only=("wecom_kf",)) as house:
        kf = house.simulators["wecom_kf"]
        house.receive("wecom_kf", kf.text(kf.person(1), "请问几点开门?"))
        house.pump()
        house.receive("wecom_kf", kf.batch([kf.servicer(kf.person(1), "我来帮您")]))
        house.pump()
        assert conversation(house)["person_at"]
