"""Dying at every call of a reply's less straight ways: messages in a row, a busy platform, a person who answers elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.client import BaseClient

from functions.autoreply.outgoing import Outgoing
from functions.autoreply.templates import Template
from functions.channels import registry
from functions.common import aws
from functions.common.store import recall_mark
from infra.simulators.contract import ApiAnswer
from tests.fakes.deaths import When
from tests.fakes.house import House
from tests.faults.test_crash_anywhere import AT, deaths, hear, pump, same_as_undisturbed

both_sides = pytest.mark.parametrize("when", ["before", "after"])
BUSY = ApiAnswer(status=429, headers={"content-type": "application/json", "retry-after": "30"})


def text(words: str, native_id: str, **more: object):
    return hear("generic", lambda s: s.text("u1", words, native_id=native_id, at=AT, signed_at=AT, **more))


def in_one_batch(*texts: str):
    """Messages of one contact in one webhook, `m0` first."""

    def webhook(simulator):
        items = [simulator.item("u1", text=words, native_id=f"m{n}", at=AT) for n, words in enumerate(texts)]
        return simulator.batch(items, native_id="b1", at=AT)

    return hear("generic", webhook)


def be_busy(house: House) -> None:
    house.simulators["generic"].failures.clear()
    house.simulators["generic"].failures.append(BUSY)


def said_at_most_once(house: House, undisturbed: dict, where: str) -> None:
    same_as_undisturbed(house, undisturbed, where)
    assert len(house.said()) == 1, where


@pytest.mark.timeout(280)
@both_sides
def test_messages_in_a_row_get_one_answer(tmp_path: Path, when: When) -> None:
    deaths(tmp_path, when, [in_one_batch("在吗", "请问几点开门?"), pump], "generic", said_at_most_once, unwatched=1)


@pytest.mark.timeout(280)
@both_sides
def test_a_busy_platform_is_asked_again(tmp_path: Path, when: When) -> None:
    story = [text("请问几点开门?", "m1"), be_busy, pump]
    deaths(tmp_path, when, story, "generic", said_at_most_once, unwatched=2)


@pytest.mark.timeout(280)
@both_sides
def test_a_person_who_answers_elsewhere_keeps_machines_out(tmp_path: Path, when: When) -> None:
    story = [
        text("请问几点开门?", "m1"),
        pump,
        text("我来帮您", "e1", event="answered"),
        pump,
        text("请问怎么退货?", "m2"),
        pump,
    ]

    def kept_out(house: House, undisturbed: dict, where: str) -> None:
        said_at_most_once(house, undisturbed, where)
        assert [reply["reason"] for reply in house.of_kind("R#")].count("taken_over") == 1, where

    deaths(tmp_path, when, story, "generic", kept_out, unwatched=2)


def texts_of(house: House) -> list[str]:
    return [text for _, _, text in house.said()]


@pytest.mark.timeout(280)
@both_sides
def test_a_reply_in_parts_where_the_platform_takes_idempotency_keys(
    tmp_path: Path, when: When, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.adapter("generic"), "max_text", 40)

    def whole(house: House, undisturbed: dict, where: str) -> None:
        same_as_undisturbed(house, undisturbed, where)
        (reply,) = house.of_kind("R#")
        assert reply["sent_parts"] == reply["parts"] == len(texts_of(house)) > 1, where
        assert len(set(texts_of(house))) == reply["parts"], where

    deaths(tmp_path, when, [text("请问几点开门?", "m1"), pump], "generic", whole, unwatched=1)


@pytest.mark.timeout(280)
@both_sides
def test_a_reply_in_parts_where_it_takes_none(tmp_path: Path, when: When, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.adapter("twilio"), "max_text", 40)
    story = [hear("twilio", lambda s: s.text("+14155550100", "请问几点开门?", native_id="SM" + "1" * 32)), pump]

    def no_part_twice(house: House, undisturbed: dict, where: str) -> None:
        assert len(set(texts_of(house))) == len(texts_of(house)), where
        (reply,) = house.of_kind("R#")
        (conversation,) = house.of_kind("@")
        if reply["state"] == "unknown":
            assert conversation["problems"] == ["reply_unknown"], where
            assert reply.get("sent_parts", 0) <= len(texts_of(house)) <= reply.get("sent_parts", 0) + 1, where
        else:
            assert reply["state"] == "sent" and reply["sent_parts"] == reply["parts"] == len(texts_of(house)) > 1, where

    deaths(tmp_path, when, story, "twilio", no_part_twice, unwatched=1)


API_CALL = BaseClient._make_api_call  # not the watched one: what the world does meanwhile is no call of ours


def meanwhile(house: House, name: str, value: dict) -> None:
    """Somebody else's write to the one conversation there is."""
    (conversation,) = [each for each in _scanned(house.table) if each["sk"]["S"] == "@"]
    change = {"ExpressionAttributeValues": {":value": value, ":one": {"N": "1"}}}
    change["UpdateExpression"] = f"SET {name} = :value ADD rev :one"
    key = {name: conversation[name] for name in ("pk", "sk")}
    API_CALL(aws.client("dynamodb"), "UpdateItem", {"TableName": house.table, "Key": key, **change})


def opts_out_meanwhile(house: House) -> None:
    """As soon as a first part has arrived the contact opts out."""
    simulator = house.simulators["generic"]
    api = simulator.api

    def then_opted_out(request):
        answer = api(request)
        meanwhile(house, "opted_out", {"BOOL": True})
        return answer

    simulator.api = then_opted_out


def taken_back_meanwhile(house: House) -> None:
    """The platform is busy when the second message is answered, and the contact takes that one back."""
    simulator = house.simulators["generic"]
    api, answers = simulator.api, [BUSY]

    def busy_then_gone(request):
        if not answers:
            return api(request)
        meanwhile(house, "recalled", {"L": [{"S": recall_mark("m1")}]})
        return answers.pop()

    simulator.api = busy_then_gone


def _scanned(table: str) -> list[dict]:
    return API_CALL(aws.client("dynamodb"), "Scan", {"TableName": table})["Items"]


@pytest.mark.timeout(280)
@both_sides
def test_a_reply_that_is_cut_short_between_its_parts(tmp_path: Path, when: When, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.adapter("generic"), "max_text", 40)
    story = [text("请问几点开门?", "m1"), opts_out_meanwhile, pump]

    def one_part(house: House, undisturbed: dict, where: str) -> None:
        (reply,) = house.of_kind("R#")
        assert len(set(texts_of(house))) == len(texts_of(house)) <= 1, where
        if reply["state"] == "unknown":
            # It died with the request under way: nobody can say, and a person is told.
            assert house.of_kind("@")[0]["problems"] == ["reply_unknown"], where
        else:
            assert (reply["state"], reply["sent_parts"], reply["halted"]) == ("failed", 1, "opted_out"), where
            same_as_undisturbed(house, undisturbed, where)

    deaths(tmp_path, when, story, "generic", one_part, unwatched=2)


@pytest.mark.timeout(280)
@both_sides
def test_a_message_that_was_left_to_one_that_is_taken_back(tmp_path: Path, when: When) -> None:
    def answered_or_told(house: House, undisturbed: dict, where: str) -> None:
        first, second = house.of_kind("R#")
        if "answered_with_later" not in (first["reason"], second["reason"]):
            assert len(set(texts_of(house))) == 1, where
            assert sorted((first["reason"], second["reason"])) == ["keyword", "recalled"], where
        else:  # it died with the second one's request under way: a person is told
            assert len(house.said()) == 0 and house.of_kind("@")[0]["problems"] == ["reply_unknown"], where

    deaths(
        tmp_path,
        when,
        [in_one_batch("几点开门", "请问几点开门?"), taken_back_meanwhile, pump],
        "generic",
        answered_or_told,
        unwatched=2,
    )


PICTURE = "https://shop.example/map.png"


def with_more_than_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every template has two buttons and a picture."""
    monkeypatch.setattr(Template, "buttons", lambda *_: ("地图", "电话"))
    monkeypatch.setattr(Template, "image_url", property(lambda _: PICTURE, lambda *_: None))
    monkeypatch.setattr(Outgoing, "_strange", lambda *_: ())  # the shipped configuration allows links to nowhere


@pytest.mark.timeout(280)
@both_sides
def test_a_picture_that_the_platform_fetches_first_arrives_once(
    tmp_path: Path, when: When, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_more_than_words(monkeypatch)

    def once(house: House, undisturbed: dict, where: str) -> None:
        (reply,) = house.of_kind("R#")
        assert (reply["state"], reply["sent_parts"], reply["parts"]) == ("sent", 2, 2), where
        text, picture = house.platforms.outbox
        assert text.text.endswith("\n1. 地图\n2. 电话") and (picture.text, picture.image_url) == ("", PICTURE), where

    story = [hear("qq", lambda s: s.text(s.person(1), "请问几点开门?", native_id="ROBOT1.0_1!")), pump]
    deaths(tmp_path, when, story, "qq", once, unwatched=1)


def refuse_buttons(house: House) -> None:
    simulator = house.simulators["generic"]
    api = simulator.api
    simulator.api = lambda request: ApiAnswer(400) if b'"buttons"' in request.body else api(request)


@pytest.mark.timeout(280)
@both_sides
def test_what_is_refused_as_a_form_is_said_in_words_at_most_once(
    tmp_path: Path, when: When, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Template, "buttons", lambda *_: ("地图", "电话"))

    def once(house: House, undisturbed: dict, where: str) -> None:
        (reply,) = house.of_kind("R#")
        said = texts_of(house)
        assert len(said) <= 1 and all(words.endswith("\n1. 地图\n2. 电话") for words in said), where
        if reply["state"] == "unknown":  # it died with a request under way, and no second form is tried then
            assert house.of_kind("@")[0]["problems"] == ["reply_unknown"], where
        else:
            assert reply["state"] == "sent" and len(said) == 1, where

    deaths(tmp_path, when, [text("请问几点开门?", "m1"), refuse_buttons, pump], "generic", once, unwatched=2)
