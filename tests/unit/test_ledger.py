from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.common.errors import MalformedEnvelope
from functions.common.ledger import KEPT, entry, entry_of, ledger, may_have_forgotten, released, reserved, skeleton
from functions.common.store import Conversation

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
EMPTY = Conversation(conv="c", channel="generic", account="demo", contact="u1")


def _said(number: int, at: datetime = NOW, **changes):
    about = {"notice": False, "rule": "return_how", "text": f"text {number}", "asked": "怎么退货?"} | changes
    return entry(f"message {number}", at=at, **about)


@given(
    at=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2060, 1, 1), timezones=st.just(UTC)),
    notice=st.booleans(),
    texts=st.tuples(st.text(max_size=50), st.text(max_size=50), st.none() | st.text(max_size=50)),
)
def test_an_entry_comes_back_as_it_was_reserved_in_33_characters(at, notice, texts):
    rule, text, asked = texts
    said = entry("message", at=at, notice=notice, rule=rule, text=text, asked=asked)
    after = reserved(EMPTY, said)
    assert ledger(after) == (said,)
    assert [len(packed) for packed in after.replied] == [33]
    assert said.kind == ("n" if notice else "r")


def test_the_newest_entries_stay():
    there = EMPTY
    for number in range(KEPT + 3):
        there = reserved(there, _said(number, NOW + timedelta(minutes=number)))
    assert len(there.replied) == KEPT
    assert entry_of(there, "message 2") is None
    assert entry_of(there, "message 3") == ledger(there)[0]


@pytest.mark.parametrize("beside", [1, 2, 10])
def test_other_answers_in_one_text_take_no_replys_place(beside):
    there = EMPTY
    for number in range(2 * KEPT):
        reply = _said(number, NOW + timedelta(minutes=number))
        there = reserved(there, reply, *[replace(reply, kind="+")] * beside)
    assert [said.kind for said in ledger(there)] == ["r"] * KEPT + ["+"] * beside
    assert entry_of(there, f"message {KEPT - 1}") is None
    assert entry_of(there, f"message {KEPT}") == ledger(there)[0]
    assert may_have_forgotten(there, NOW + timedelta(minutes=KEPT))


def test_only_a_full_ledger_may_have_forgotten_and_only_what_is_older_than_all_it_knows():
    there = EMPTY
    for number in range(KEPT):
        assert not may_have_forgotten(there, NOW - timedelta(days=9))
        there = reserved(there, _said(number, NOW + timedelta(minutes=number)))
    assert may_have_forgotten(there, NOW)
    assert may_have_forgotten(there, NOW + timedelta(seconds=60)), "clocks differ"
    assert not may_have_forgotten(there, NOW + timedelta(seconds=61))


def test_a_released_entry_stays_as_proof():
    there = reserved(reserved(EMPTY, _said(1)), _said(2, notice=True))
    after = released(there, "message 1")
    assert [said.kind for said in ledger(after)] == ["-", "n"]
    assert released(after, "message 1") == after
    assert released(there, "message 3") == there


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ticket 12: hello!", "ticket 9876 - HELLO"), ("订单１２３到哪了", "订单 456 到哪了？"), ("09:00", "09:00")],
)
def test_texts_that_differ_in_numbers_signs_and_case_have_one_skeleton(one, other):
    assert skeleton(one) == skeleton(other)


def test_texts_that_differ_in_words_have_not():
    assert skeleton("where is my parcel") != skeleton("where is my invoice")
    assert skeleton("123") != skeleton("456"), "of a number nothing would be left"
    assert skeleton(None) == skeleton("") == ""


@pytest.mark.parametrize("packed", ["", "abcdefgh", "x" * 33, "abcdefgh000000000?" + "a" * 15])
def test_what_is_no_entry_is_refused(packed):
    with pytest.raises(MalformedEnvelope):
        ledger(Conversation(conv="c", channel="generic", account="demo", contact="u1", replied=(packed,)))
