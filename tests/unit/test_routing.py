"""Who handles a message, how soon, and what becomes of its conversation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from functions.classify.conversations import advanced, new_conversation
from functions.classify.desk import read_handbook
from functions.classify.judging import Consequences, Verdict
from functions.classify.routing import read_teams, route
from functions.common import keys
from functions.common.bundle import Bundle
from functions.common.calendar import WEEKDAYS, read_calendars
from functions.common.errors import BundleInvalid
from functions.common.judgement import Judged, Judgement, Routing
from functions.common.message import Contact
from functions.common.store import APPLIED_KEPT, FEW, Conversation
from tests.contract.test_store import judged

CONFIG = Path(__file__).parents[2] / "config"
HOURS = {"zone": "Asia/Shanghai", "week": {day: [["09:00", "12:00"], ["13:00", "18:00"]] for day in WEEKDAYS[:5]}}
CALENDARS = read_calendars({**HOURS, "teams": {"night": {"zone": "Asia/Shanghai", "week": {}}}})
TEAMS = read_teams(yaml.safe_load((CONFIG / "teams.yaml").read_text("utf-8")), CALENDARS)
NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def routed(
    labels: dict[str, Any] | None = None, *, from_bot: bool = False, first_contact: bool = False, **wanted: Any
) -> Routing:
    verdict = Verdict(Judgement(**labels or {}), Consequences(**wanted))
    return route(verdict, TEAMS, received_at=NOW, first_contact=first_contact, from_bot=from_bot)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"business": "enquiry", "content": ("invoice",)}, "财务组"),
        ({"business": "after_sales", "content": ("refund", "product")}, "财务组"),
        ({"business": "enquiry", "content": ("logistics",)}, "仓储组"),
        ({"business": "after_sales", "content": ("tech",)}, "客服A组"),
        ({"business": "enquiry", "content": ("account",)}, "客服A组"),
        ({"business": "appointment"}, "预约组"),
        ({"business": "complaint", "content": ("logistics",)}, "投诉组"),
        ({"risk": ("safety",)}, "投诉组"),
        ({"risk": ("money",)}, "财务组"),
        ({"business": "enquiry"}, "前台组"),
        ({}, "前台组"),
    ],
)
def test_teams(labels: dict[str, Any], name: str) -> None:
    assert TEAMS.names()[routed(labels).team] == name


def test_a_rule_may_name_the_team() -> None:
    assert routed({"business": "complaint"}, team="service_a").team == "service_a"


def test_urgent_is_due_in_two_hours_and_everything_else_in_a_day() -> None:
    assert routed({"urgency": "urgent"}).due_at == NOW + timedelta(hours=2)
    assert routed().due_at == NOW + timedelta(hours=24)


def test_hours_of_work_follow_the_teams_calendar_and_hours_of_the_clock_do_not() -> None:
    section = {
        "teams": {
            "day": {"name": "D"},
            "fast": {"name": "F", "hours": {"urgent": 1, "normal": 4, "working": ["urgent", "normal"]}},
            "night": {"name": "N"},
        },
        "default": "day",
        "hours": {"urgent": 2, "normal": 8, "working": "normal"},
    }
    teams = read_teams(section, CALENDARS)
    friday_evening = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # 17:00 in Shanghai
    assert teams.due_at("day", "normal", friday_evening) == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    assert teams.due_at("day", "urgent", friday_evening) == friday_evening + timedelta(hours=2)
    assert teams.due_at("fast", "normal", friday_evening) == datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
    assert teams.due_at("fast", "urgent", friday_evening + timedelta(hours=3)) == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert teams.due_at("night", "normal", friday_evening) == friday_evening + timedelta(hours=8), "it never works"


@pytest.mark.parametrize("risk", ["money", "credentials"])
def test_money_and_credentials_are_held(risk: str) -> None:
    routing = routed({"risk": (risk,)}, reply="greeting", needs_person=False)
    assert routing.hold == (risk,) and routing.needs_person and routing.reply is None and not routing.escalate


@pytest.mark.parametrize("risk", ["legal_media", "safety"])
def test_threats_and_danger_are_escalated(risk: str) -> None:
    routing = routed({"risk": (risk,), "urgency": "urgent"})
    assert routing.escalate == (risk,) and routing.needs_person and not routing.hold


def test_a_false_legal_notice_is_not_escalated_but_its_demand_for_money_is_held() -> None:
    routing = routed({"spam": "scam", "risk": ("money", "legal_media")})
    assert (routing.hold, routing.escalate, routing.no_reply, routing.needs_person) == (("money",), (), True, True)


def test_points_add_up_and_say_where_they_come_from() -> None:
    routing = routed(
        {"urgency": "urgent", "business": "complaint", "sentiment": "negative", "wants_human": True},
        first_contact=True,
        points={"vip": 7},
    )
    assert routing.points == {
        "urgency.urgent": 40, "business.complaint": 20, "sentiment.negative": 10, "wants_human": 15, "first_contact": 5, "vip": 7,
    }  # fmt: skip
    assert routing.priority == 97
    assert routed({"spam": "ad"}).priority == 0


@pytest.mark.parametrize(
    "labels",
    [
        {"business": "complaint"}, {"business": "appointment"}, {"business": "after_sales"}, {"urgency": "urgent"},
        {"wants_human": True}, {"sentiment": "negative"},
    ],
)  # fmt: skip
def test_what_a_machine_cannot_settle_goes_to_a_person_whatever_a_rule_says(labels: dict[str, Any]) -> None:
    routing = routed(labels, needs_person=False, reply="greeting")
    assert routing.needs_person and routing.reply is None


def test_a_machines_answer_settles_what_a_rule_says_it_does() -> None:
    routing = routed({"business": "enquiry"}, needs_person=False, reply="opening_hours")
    assert not routing.needs_person and routing.reply == "opening_hours" and not routing.no_reply
    assert routed({"business": "enquiry"}, reply="invoice_how").needs_person


def test_spam_bots_and_opt_outs_are_not_answered() -> None:
    assert routed({"spam": "ad"}).no_reply and not routed({"spam": "ad"}).needs_person
    assert routed(from_bot=True, reply="greeting").no_reply
    assert routed({"opt_out": True}, reply="thanks").reply is None


@pytest.mark.parametrize(
    ("section", "where"),
    [
        ({"teams": {}, "default": "a"}, "teams.teams"),
        ({"teams": {"a": {"name": "A"}}, "default": "b"}, "teams.default"),
        (
            {"teams": {"a": {"name": "A"}}, "default": "a", "routes": [{"when": {"content": "tech"}, "team": "b"}]},
            "teams.routes.0.team",
        ),
        ({"teams": {"a": {"name": "A"}}, "default": "a", "routes": [{"when": {}, "team": "a"}]}, "teams.routes.0.when"),
        ({"teams": {"a": {"name": "A"}}, "default": "a", "hours": {"urgent": 0}}, "teams.hours.urgent"),
        ({"teams": {"a": {"name": "A"}}, "default": "a", "points": {"urgency": {"soon": 1}}}, "teams.points.urgency.soon"),
        ({"teams": {"a": {"name": "A", "phone": "1"}}, "default": "a"}, "teams.teams.a.phone"),
    ],
)
def test_a_wrong_field_of_teams_is_named(section: dict[str, Any], where: str) -> None:
    with pytest.raises(BundleInvalid) as refused:
        read_teams(section, CALENDARS)
    assert str(refused.value).startswith(where)


def test_a_bundle_whose_rules_name_an_unknown_team_is_refused() -> None:
    rule = {"name": "r", "when": {"contains": "a"}, "then": {"team": "nobody"}}
    teams = {"teams": {"a": {"name": "A"}}, "default": "a"}
    with pytest.raises(BundleInvalid, match=r"rules\.r\.then\.team: no team nobody"):
        read_handbook(Bundle("h", {"rules": {"version": "1", "rules": [rule]}, "teams": teams, "calendar": HOURS}))
    with pytest.raises(BundleInvalid, match="rules: missing"):
        read_handbook(Bundle("h", {"teams": teams, "calendar": HOURS}))
    with pytest.raises(BundleInvalid, match="calendar: missing"):
        read_handbook(Bundle("h", {"rules": {"version": "1", "rules": []}, "teams": teams}))


# --- conversations ---------------------------------------------------------------------------------------------------


def heard(number: int = 1, *, labels: dict[str, Any] | None = None, hours: float = 24, **routing: Any) -> Judged:
    one = judged(number)
    wanted = {"team": "frontdesk", "priority": 5, "due_at": NOW + timedelta(hours=hours)} | routing
    return replace(one, judgement=Judgement(**labels or {}), routing=Routing(**wanted))


def after(*messages: Judged, start: Conversation | None = None) -> Conversation:
    conversation = start or new_conversation(messages[0].message)
    for message in messages:
        conversation = advanced(conversation, message, default_team="frontdesk")
    return conversation


def test_a_first_message_begins_a_conversation() -> None:
    message = heard(team="finance", priority=12)
    conversation = after(message)
    assert (conversation.count, conversation.status, conversation.team, conversation.priority) == (1, "waiting", "finance", 12)
    assert conversation.first_at == conversation.last_at == conversation.unarchived_since == message.message.received_at
    assert conversation.due_at == message.routing.due_at
    assert conversation.notes(message) and conversation.locale == "zh"


def test_a_message_that_a_machine_settles_leaves_the_conversation_idle() -> None:
    conversation = after(heard(needs_person=False))
    assert (conversation.status, conversation.team, conversation.due_at) == ("idle", None, None)


def test_severity_and_due_time_only_ever_sharpen() -> None:
    held = heard(1, team="finance", hold=("money",), hours=24, priority=30)
    mild = heard(2, team="warehouse", hours=30, priority=5)
    urgent = heard(3, team="complaints", hours=2, escalate=("safety",), priority=20)
    conversation = after(held, mild, urgent)
    assert (conversation.status, conversation.team, conversation.hold) == ("held", "finance", ("money",))
    assert (conversation.priority, conversation.due_at, conversation.count) == (30, NOW + timedelta(hours=2), 3)
    conversation = after(mild, urgent, held)
    assert (conversation.status, conversation.team) == ("held", "finance")


def test_a_conversation_leaves_the_default_team_for_the_one_it_belongs_to() -> None:
    assert after(heard(1, team="frontdesk"), heard(2, team="warehouse")).team == "warehouse"
    assert after(heard(1, team="warehouse"), heard(2, team="finance")).team == "warehouse"
    assert after(heard(1, team="warehouse"), heard(2, team="frontdesk")).team == "warehouse"


def test_a_resolved_conversation_opens_again_only_when_a_person_is_needed() -> None:
    resolved = replace(after(heard(1, hold=("money",))), status="resolved", due_at=None)
    assert after(heard(2, needs_person=False), start=resolved).status == "resolved"
    opened = after(heard(2, team="warehouse", priority=1), start=resolved)
    assert (opened.status, opened.team, opened.hold, opened.priority) == ("waiting", "warehouse", (), 1)


def test_opting_out_stays() -> None:
    assert after(heard(1, labels={"opt_out": True}, needs_person=False), heard(2)).opted_out


def test_the_oldest_unarchived_message_stays_the_oldest() -> None:
    old = replace(after(heard(5)), unarchived_since=NOW - timedelta(days=1))
    assert after(heard(6), start=old).unarchived_since == NOW - timedelta(days=1)
    assert after(heard(6), start=replace(old, unarchived_since=None)).unarchived_since == heard(6).message.received_at


def test_unarchived_messages_begin_at_the_first_key_whatever_the_order_of_receipt() -> None:
    later, earlier = heard(7), heard(6)
    suffixes = sorted(keys.split(m.message.message_id).suffix for m in (later, earlier))
    assert after(later, earlier).unarchived_from == after(earlier, later).unarchived_from == suffixes[0]
    settled = replace(after(earlier), unarchived_since=None, unarchived_from=None)
    assert after(later, start=settled).unarchived_from == keys.split(later.message.message_id).suffix


def test_messages_without_a_time_are_named_while_they_are_few() -> None:
    def timeless(number: int) -> Judged:
        message = heard(number)
        message_id = f"{keys.split(message.message.message_id).conv}.{keys.NO_TIME}.{f'{number:010d}'.translate(LETTERS)}"
        return replace(message, message=replace(message.message, message_id=message_id, sent_at=None))

    few = [timeless(number) for number in range(1, FEW + 1)]
    assert after(*few).unarchived_few == tuple(keys.split(m.message.message_id).h for m in few)
    assert after(*few, timeless(FEW + 1)).unarchived_few == ()
    assert after(*few, timeless(FEW + 1), timeless(FEW + 2)).unarchived_few == ()
    assert after(few[0], heard(99)).unarchived_few == ()


LETTERS = str.maketrans("0189", "abcd")


def test_a_conversation_that_does_not_know_where_unarchived_messages_begin_still_does_not() -> None:
    unknown = replace(after(heard(5)), unarchived_from=None)
    assert after(heard(6), start=unknown).unarchived_from is None


def test_a_conversation_keeps_the_marks_of_its_last_messages() -> None:
    messages = [heard(number) for number in range(1, APPLIED_KEPT + 3)]
    conversation = after(*messages)
    assert len(conversation.applied) == APPLIED_KEPT
    forgotten, noted = messages[:-APPLIED_KEPT], messages[-APPLIED_KEPT:]
    assert all(conversation.notes(message) for message in noted)
    assert not any(conversation.notes(message) for message in forgotten)


def test_a_conversations_locale_is_the_platforms_or_the_language_last_written_in() -> None:
    english = heard(1, labels={"language": "en"})
    assert after(english).locale == "en"
    assert after(english, heard(2, labels={"language": "mixed"})).locale == "en"
    named = replace(english, message=replace(english.message, contact=Contact(primary="u1", locale="zh_CN")))
    assert after(named).locale == "zh_CN"
