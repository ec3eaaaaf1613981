from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.common.errors import MalformedEnvelope
from functions.common.ledger import (
    KEPT,
    entry,
    entry_of,
    is_ours,
    ledger,
    may_have_forgotten,
    moved,
    overheard,
    released,
    reserved,
    skeleton,
)
from functions.common.origin import sign
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
    parts=st.integers(1, 40),
    seq=st.none() | st.integers(0, 10**9),
    quick=st.booleans(),
)
def test_an_entry_comes_back_as_it_was_reserved_in_35_characters(at, notice, texts, parts, seq, quick):
    rule, text, asked = texts
    said = entry("message", at=at, notice=notice, rule=rule, text=text, asked=asked, parts=parts, seq=seq, quick=quick)
    after = reserved(EMPTY, said)
    assert ledger(after) == (said,)
    assert [len(packed) for packed in after.replied] == [35]
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


def test_what_people_said_by_a_wrong_clock_hides_nothing_that_was_forgotten():
    there = overheard(reserved(EMPTY, _said(0)), "echo", at=NOW - timedelta(hours=8), text=sign("somebody"))
    for number in range(1, KEPT):
        there = reserved(there, _said(number, NOW + timedelta(minutes=number)))
    assert entry_of(there, "message 0") is None and ledger(there)[0].kind == "p"
    assert may_have_forgotten(there, NOW)
    assert not may_have_forgotten(there, NOW + timedelta(minutes=3))


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


@pytest.mark.parametrize(("cut", "parts"), [(1, 3), (2, 1)])
def test_entries_of_earlier_versions_are_read(cut, parts):
    (packed,) = reserved(EMPTY, _said(1, parts=3, seq=5, quick=True)).replied
    (said,) = ledger(replace(EMPTY, replied=(packed[:-cut],)))
    assert (said.parts, said.turn, said.quick) == (parts, None, False)
    assert reserved(replace(EMPTY, replied=(packed[:-cut],)), _said(2)).replied[0] == packed[:-cut], "and left as they are"


def test_a_reply_moves_to_when_it_is_sent():
    there = reserved(reserved(EMPTY, _said(1)), _said(2))
    after = moved(there, "message 1", at=NOW + timedelta(minutes=9))
    assert [said.at for said in ledger(after)] == [NOW + timedelta(minutes=9), NOW]
    assert moved(there, "message 3", at=NOW) == there


def test_what_people_say_on_the_platform_shares_an_entry_until_the_contact_writes():
    there = EMPTY
    for number in (1, 2, 2, 3):
        there = overheard(there, f"e{number}", at=NOW + timedelta(seconds=number), text=sign(f"text {number}"))
    assert [(said.kind, said.parts, said.at) for said in ledger(there)] == [("p", 3, NOW + timedelta(seconds=3))]
    heard = replace(there, last_at=NOW + timedelta(minutes=1))
    after = overheard(heard, "e4", at=NOW + timedelta(minutes=2), text=sign("text 4"))
    assert [said.parts for said in ledger(after)] == [3, 1]
    assert not is_ours(after, sign("text 4")), "it did not leave from here"


@pytest.mark.parametrize("packed", ["", "abcdefgh", "x" * 33, "abcdefgh000000000?" + "a" * 15])
def test_what_is_no_entry_is_refused(packed):
    with pytest.raises(MalformedEnvelope):
        ledger(Conversation(conv="c", channel="generic", account="demo", contact="u1", replied=(packed,)))
