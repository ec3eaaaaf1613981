"""Conditions on phrases and patterns, on who writes, when and how often, and on how sure labels are; points for the same."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.classify.config import CONTACTS_KEPT
from functions.classify.contacts import count, heard, with_heard
from functions.classify.conversations import advanced, new_conversation
from functions.classify.judging import Consequences, Verdict, judge
from functions.classify.originals import Cleared, clear
from functions.classify.patterns import MEMORY, READ
from functions.classify.routing import read_teams, route
from functions.classify.standing import Standing, standing_of
from functions.classify.understanding import judge_message
from functions.common.calendar import read_calendars
from functions.common.errors import BundleInvalid
from functions.common.judgement import Judgement
from functions.common.message import Contact, ContactId
from functions.common.store import Conversation
from tests.unit.test_classify_service import HANDBOOK, inbound
from tests.unit.test_rules import book, fired, reading

MONDAY_NOON = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
CALENDARS = read_calendars(
    {
        "zone": "Asia/Shanghai",
        "week": {"mon": [["09:00", "18:00"]]},
        "teams": {"night": {"zone": "Asia/Shanghai", "week": {"mon": [["20:00", "24:00"]]}}},
    }
)


@pytest.mark.parametrize(
    ("phrase", "text", "fires"),
    [
        ("cancel my order", "please cancel my order", True),
        ("cancel my order", "cancel, my - order", True),
        ("cancel my order", "cancel all my orders", False),
        ("cancel my order", "cancel. please my order", False),
        ("cancel … order", "cancel the whole order", True),
        ("cancel … order", "cancel it! Where is the order", False),
        ("cancel … order", "order to cancel", False),
        ("cancel … my order", "cancel right now my order", True),
        ("把…退给我", "把那个钱退给我", True),
        ("把…退给我", "把钱拿走。退给我", False),
        ("把…退给我", "把那一大堆我根本没有要过的东西的钱都退给我", False),
        ("取消...订单", "取消昨天订单", True),
        ("发票 抬头", "发票，抬头", True),
        ("发票 抬头", "发票的抬头", False),
        ("go … go … go", "go and go and go", True),
        ("go … go … go", "go and go", False),
    ],
)
def test_a_phrase_is_words_in_their_order(phrase: str, text: str, fires: bool) -> None:
    assert (fired(book({"when": {"phrase": phrase}}), text) == ["r0"]) is fires


def test_an_exception_to_a_phrase() -> None:
    rules = book({"when": {"phrase": "把…退给我", "except": "别把"}})
    assert fired(rules, "别把钱退给我") == []
    assert fired(rules, "别把钱退给我, 把货退给我") == ["r0"]


# --- patterns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "evidence"),
    [
        (r"\d{4,}元", "一共12000元整", "12000元"),
        ("轉賬.{0,4}卡", "转账到我卡", "转账到我卡"),
        ("REF-[A-Z]{2}", "my ref-AB please", "ref-AB"),
        (r"\border\b", "我的order没到", "order"),
        ("（.+）|x", "（a）", None),
        ("[一-龥]{2}院", "去医科院", "医科院"),
    ],
)
def test_a_pattern_is_looked_for_in_the_folded_text(pattern: str, text: str, evidence: str | None) -> None:
    firings = judge(book({"when": {"regex": pattern}}), reading(text)).judgement.firings
    assert [text[span.start : span.end] for firing in firings for span in firing.spans] == ([evidence] if evidence else [])


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "missing"),
        ("a*", "every text"),
        (r"(a)\1", "invalid"),
        ("(?=a)b", "invalid"),
        ("((a{99}){99}){99}", "repetition|large"),
        ("\ud800", "unicode"),
    ],
)
def test_a_pattern_that_cannot_be_run_is_refused_by_its_place(pattern: str, why: str) -> None:
    with pytest.raises(BundleInvalid, match=rf"rules\.rules\.0\.when\.regex\.0: .*(?i:{why})"):
        book({"when": {"regex": [pattern]}})


@pytest.mark.parametrize(
    ("bomb", "found"),
    [
        ("(a+)+$", False),
        ("(a|a)*b", True),
        ("(a*)*c", True),
        ("(.*a){12}", True),
        ("(x+x+)+y", False),
        ("^(a?){50}a{50}b", False),
    ],
)
def test_patterns_that_explode_elsewhere_are_asked_without_harm(bomb: str, found: bool) -> None:
    rules = book({"when": {"all": [{"contains": "a"}, {"regex": bomb}]}})
    assert fired(rules, "ab cd " * 10_000 + "!") == (["r0"] if found else [])


def test_no_more_of_a_text_is_read_than_the_limit() -> None:
    rules = book({"when": {"regex": "end"}})
    assert fired(rules, "好的" * (READ // 2 - 2) + "end") == ["r0"]
    assert fired(rules, "好 " * READ + "end") == []
    assert MEMORY <= 1 << 20


@given(st.text() | st.text("ab1_ 发"))
def test_any_text_is_asked(text: str) -> None:
    folded = reading(text + "\ud800").folded.text
    there = re.search(r"\w+\d|[^a]b", folded, re.ASCII)
    # "0000" is noise besides, by a rule of its own.
    assert ("r0" in fired(book({"when": {"regex": r"\w+\d|[^a]b"}}), text + "\ud800")) == bool(there)


def test_without_patterns_the_engine_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    assert fired(book({"when": {"contains": "a"}}), "a") == ["r0"]
    with pytest.raises(ImportError):
        book({"when": {"regex": "a"}})


# --- who, when, how often --------------------------------------------------------------------------------------------


ANNA = Contact(
    primary="u1", name="Anna", locale="en_US", ids=(ContactId(kind="phone", value="+1"), ContactId(kind="wa_id", value="1"))
)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({"contact": {"named": True}}, True),
        ({"contact": {"bot": True}}, False),
        ({"contact": {"ids": ["unionid", "phone"]}}, True),
        ({"contact": {"ids": "unionid"}}, False),
        ({"contact": {"locale": "en"}}, True),
        ({"contact": {"locale": ["en-US", "zh"]}}, True),
        ({"contact": {"locale": "en_GB"}}, False),
        ({"contact": {"tags": ["vip"]}}, True),
        ({"contact": {"tags": ["vip"], "bot": True}}, False),
        ({"account": ["shop"]}, True),
        ({"account": ["other"]}, False),
        ({"hours": "open"}, True),
        ({"hours": "closed"}, False),
        ({"hours": {"night": "closed"}}, True),
        ({"hours": {"night": "closed", "booking": "closed"}}, False),
    ],
)
def test_circumstances(when: dict[str, Any], holds: bool) -> None:
    known = {"contact": ANNA, "account": "shop", "tags": ("vip",), "received_at": MONDAY_NOON, "calendars": CALENDARS}
    assert (fired(book({"when": when}), "text", **known) == ["r0"]) is holds


def test_more_than_so_many_contacts_in_a_window() -> None:
    rules = book({"when": {"contacts": {"more_than": 3, "within_hours": 24}}})

    def at(*hours_ago: float) -> list[str]:
        stored = ""
        for ago in sorted(hours_ago, reverse=True):
            stored = with_heard(stored, MONDAY_NOON - timedelta(hours=ago))
        return fired(rules, "text", heard=heard(stored), received_at=MONDAY_NOON)

    assert at(1, 2, 3) == ["r0"], "the fourth in a day"
    assert at(1, 2) == []
    assert at(1, 2, 25) == []
    assert at(1, 2, 3, 30) == ["r0"]


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=60))
def test_the_newest_minutes_are_kept_in_a_few_dozen_characters(seconds: list[int]) -> None:
    stored = ""
    for second in seconds:
        stored = with_heard(stored, MONDAY_NOON + timedelta(seconds=second))
    first = int(MONDAY_NOON.timestamp())
    expected = sorted((first + second) // 60 for second in seconds)
    assert len(heard(stored)) == min(len(seconds), CONTACTS_KEPT)
    assert set(heard(stored)) <= set(expected)
    assert heard(stored)[-1] == expected[-1]


def test_minutes_of_a_busy_conversation_take_little_room() -> None:
    stored = ""
    for minute in range(500):
        stored = with_heard(stored, MONDAY_NOON + timedelta(minutes=7 * minute))
    assert len(stored) <= 50
    assert count(heard(stored), MONDAY_NOON + timedelta(minutes=7 * 499), timedelta(minutes=14)) == 3


# --- how sure --------------------------------------------------------------------------------------------------------


def test_a_rule_about_scores_fires_when_every_one_is_reached() -> None:
    rules = book(
        {"when": {"contains": "a"}, "then": {"spam": "ad", "score": 0.7}},
        {"when": {"contains": "b"}, "then": {"wants_human": True, "score": 0.5}},
        {"when": {"score": {"spam.ad": 0.7}}},
        {"when": {"score": {"spam.ad": 0.71}}},
        {"when": {"score": {"spam.ad": 0.6, "wants_human.true": 0.5}}},
    )
    assert fired(rules, "a") == ["r0", "r2"]
    assert fired(rules, "ab") == ["r0", "r1", "r2", "r4"]


@pytest.mark.parametrize(
    ("when", "where"),
    [
        ({"score": {"spam.bad": 0.5}}, "score.spam.bad"),
        ({"score": {"mood": 0.5}}, "score.mood"),
        ({"score": {"spam.ad": 2}}, "score.spam.ad"),
        ({"score": {}}, "score"),
        ({"kind": "txt"}, "kind"),
        ({"attachment": "picture"}, "attachment"),
        ({"language": "chinese"}, "language"),
        ({"contact": {}}, "contact"),
        ({"contact": {"locale": "English"}}, "contact.locale"),
        ({"contacts": {"more_than": 21}}, "contacts.more_than"),
        ({"contacts": {"within_hours": 3}}, "contacts.more_than"),
        ({"hours": "noon"}, "hours"),
    ],
)
def test_a_value_that_is_none_is_refused(when: dict[str, Any], where: str) -> None:
    with pytest.raises(BundleInvalid) as refused:
        book({"when": when})
    assert str(refused.value).startswith(f"rules.rules.0.when.{where}")


def test_teams_whose_hours_are_asked_about_are_listed() -> None:
    rules = book({"name": "a", "when": {"not": {"any": [{"hours": {"night": "open"}}]}}, "then": {"suggest": ["thanks"]}})
    assert rules.teams() == {"night": "rules.a.when.hours"}
    assert rules.templates() == {"thanks": "rules.a.then.suggest"}


def test_channels_that_rules_name_are_listed() -> None:
    assert book({"name": "a", "when": {"any": [{"channel": ["telegram"]}]}}).channels() == {"telegram": "rules.a.when.channel"}


# --- what follows ----------------------------------------------------------------------------------------------------


TEAMS = read_teams(
    {
        "teams": {"a": {"name": "A"}, "b": {"name": "B", "hours": {"urgent": 1, "normal": 6}}},
        "default": "a",
        "classes": {"gold": {"tags": ["gold", "vip"], "urgent": 0.5, "normal": 4}},
        "points": {
            "repeat_contact": {"points": 9, "more_than": 2, "within_hours": 24},
            "waiting": {"per_hour": 2, "at_most": 5},
            "tags": {"vip": 30, "slow": -5},
        },
    },
    CALENDARS,
)


def routed(standing: Standing, team: str | None = None) -> Any:
    verdict = Verdict(Judgement(), Consequences(team=team, suggest=("x",)))
    return route(verdict, TEAMS, received_at=MONDAY_NOON, first_contact=False, from_bot=False, standing=standing)


def test_tags_repeated_contact_and_waiting_give_points_that_say_so() -> None:
    minutes = heard(with_heard(with_heard("", MONDAY_NOON), MONDAY_NOON))
    standing = Standing(tags=("vip", "slow", "other"), heard=minutes, waiting_since=MONDAY_NOON - timedelta(minutes=150))
    routing = routed(standing)
    assert routing.points == {"repeat_contact": 9, "waiting": 4, "tags.vip": 30, "tags.slow": -5}
    assert routing.priority == 38 and routing.suggest == ("x",)
    assert routed(Standing(waiting_since=MONDAY_NOON - timedelta(days=3))).points == {"waiting": 5}
    assert routed(Standing(waiting_since=MONDAY_NOON + timedelta(hours=3))).points == {}


def test_the_service_class_of_a_tag_comes_before_the_teams_hours_and_those_before_the_houses() -> None:
    gold, team, house = routed(Standing(tags=("vip",)), "b"), routed(Standing(), "b"), routed(Standing(), "a")
    assert [(each.service, each.due_at - MONDAY_NOON) for each in (gold, team, house)] == [
        ("gold", timedelta(hours=4)), ("b", timedelta(hours=6)), (None, timedelta(hours=24)),
    ]  # fmt: skip


def cleared(text: str, number: int = 1) -> Cleared:
    return clear(inbound(text, number))


def test_a_conversation_remembers_contacts_and_since_when_it_waits_and_keeps_its_tags() -> None:
    letter = cleared("我要退款")
    before: Conversation = replace(new_conversation(letter.message), tags=("vip",))
    first = judge_message(letter, before, HANDBOOK)
    after = advanced(before, first, default_team="frontdesk")
    assert "tags.vip" in first.routing.points and first.routing.service == "vip"
    assert standing_of(after).waiting_since == letter.message.received_at and after.tags == ("vip",)
    again = advanced(after, judge_message(cleared("还没好吗", 2), after, HANDBOOK), default_team="frontdesk")
    assert again.waiting_since == letter.message.received_at and len(heard(again.heard)) == 2
    assert standing_of(replace(again, status="resolved")).waiting_since is None
