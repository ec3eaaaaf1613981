"""Dying at every call of a reply's less straight ways: messages in a row, a busy platform, a person who answers elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.simulators.contract import ApiAnswer
from tests.fakes.deaths import When
from tests.fakes.house import House
from tests.faults.test_crash_anywhere import AT, deaths, hear, pump, same_as_undisturbed

both_sides = pytest.mark.parametrize("when", ["before", "after"])
BUSY = ApiAnswer(status=429, headers={"content-type": "application/json", "retry-after": "30"})


def text(words: str, native_id: str, **more: object):
    return hear("generic", lambda s: s.text("u1", words, native_id=native_id, at=AT, signed_at=AT, **more))


def be_busy(house: House) -> None:
    house.simulators["generic"].failures.clear()
    house.simulators["generic"].failures.append(BUSY)


def said_at_most_once(house: House, undisturbed: dict, where: str) -> None:
    same_as_undisturbed(house, undisturbed, where)
    assert len(house.said()) == 1, where


@pytest.mark.timeout(280)
@both_sides
def test_messages_in_a_row_get_one_answer(tmp_path: Path, when: When) -> None:
    def both(simulator):
        items = [
            simulator.item("u1", text=words, native_id=f"m{n}", at=AT) for n, words in enumerate(("在吗", "请问几点开门?"))
        ]
        return simulator.batch(items, native_id="b1", at=AT)

    deaths(tmp_path, when, [hear("generic", both), pump], "generic", said_at_most_once, unwatched=1)


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
