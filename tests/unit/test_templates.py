from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.autoreply.config import VARIABLES, read_policy, read_replies
from functions.autoreply.templates import Template, TemplateInvalid, language_of, spoken_time, variables_of
from functions.common.bundle import Bundle
from functions.common.errors import BundleInvalid
from tests.fakes.reply_desk import CALENDAR, REPLIES

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)  # Friday 21:00 in Shanghai


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def test_a_template_is_filled_in_the_language_asked_for():
    template = Template(name="t", zh="{expected}回复您", en="We answer {expected}")
    assert template.render("zh", {"expected": "明天", "other": "x"}) == "明天回复您"
    assert template.render("en", {"expected": "tomorrow"}) == "We answer tomorrow"


def test_a_variable_without_a_value_is_no_text_at_all():
    with pytest.raises(TemplateInvalid, match="t: no value for due, expected"):
        Template(name="t", zh="{expected}{due}", en="x").render("zh", {})


def test_braces_can_be_written():
    assert Template(name="t", zh="{{订单号}}", en="x").render("zh", {}) == "{订单号}"


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>10}", "{ a }", "{a.__class__}", "{{{a"]
)
def test_nothing_but_plain_names_may_stand_in_braces(text):
    with pytest.raises(TemplateInvalid):
        variables_of(text)


@given(st.text(alphabet="{}a0.:![] 您", max_size=12))
def test_whatever_passes_the_check_can_be_rendered(text):
    try:
        names = variables_of(text)
    except TemplateInvalid:
        return
    said = Template(name="t", zh=text, en=text).render("zh", dict.fromkeys(names, "您"))
    assert said.count("您") == text.count("您") + text.replace("{{", "").replace("}}", "").count("{")


@pytest.mark.parametrize(
    ("judged", "text", "language"),
    [
        ("zh", "Hello", "zh"),
        ("en", "你好", "en"),
        ("mixed", "我的 order 呢", "zh"),
        ("mixed", "my order", "en"),
        ("fr", "Où est mon colis?", "en"),
        ("de", None, "en"),
    ],
)
def test_the_judged_language_decides_and_han_characters_where_it_does_not(judged, text, language):
    assert language_of(judged, text) == language


@pytest.mark.parametrize(
    ("moment", "zh", "en"),
    [
        ("2026-11-20 22:30", "今天晚上10:30", "today at 10:30 pm (UTC+8)"),
        ("2026-11-21 09:00", "明天（周六）上午9:00", "tomorrow (Saturday) at 9:00 am (UTC+8)"),
        ("2026-11-23 13:00", "11月23日（周一）下午1:00", "Monday 23 November at 1:00 pm (UTC+8)"),
        ("2026-11-21 12:00", "明天（周六）中午12:00", "tomorrow (Saturday) at 12:00 pm (UTC+8)"),
        ("2026-11-21 00:05", "明天（周六）凌晨0:05", "tomorrow (Saturday) at 12:05 am (UTC+8)"),
    ],
)
def test_times_are_said_as_people_say_them(moment, zh, en):
    said = {language: spoken_time(_local(moment), now=NOW, zone=SHANGHAI, language=language) for language in ("zh", "en")}
    assert said == {"zh": zh, "en": en}


@pytest.mark.parametrize(
    ("zone", "offset"),
    [("UTC", "UTC"), ("Asia/Kolkata", "UTC+5:30"), ("America/St_Johns", "UTC-3:30"), ("America/New_York", "UTC-5")],
)
def test_the_offset_is_the_zones_own(zone, offset):
    said = spoken_time(NOW, now=NOW, zone=ZoneInfo(zone), language="en")
    assert said.endswith(f"({offset})")


def test_every_shipped_text_can_be_sent_in_both_languages():
    book = read_replies(REPLIES)
    values = dict.fromkeys((*VARIABLES, "number"), "明天（周六）上午9:00")
    for name in book.names:
        for language in ("zh", "en"):
            text = book.render(name, language, values)
            assert "{" not in text
            assert len(text.encode()) <= 2048  # what WeChat takes
    assert {book.notices.welcome, book.notices.out_of_hours} <= set(book.names)


def _changed(path: str, value: Any) -> dict[str, Any]:
    section = copy.deepcopy(REPLIES)
    *way, last = path.split(".")
    place = section
    for step in way:
        place = place[int(step) if step.isdecimal() else step]
    place[last] = value
    return section


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("greetings", {}, "replies.greetings"),
        ("templates.welcome", {"zh": "您好"}, "replies.templates.welcome.en"),
        ("templates.welcome.zh", "", "replies.templates.welcome.zh"),
        ("templates.welcome.zh", "您好 {name}", "unknown variable: name"),
        ("templates.welcome.zh", "您好 {due.year}", "not a variable"),
        ("templates.welcome.zh", "您好 {", "not a template"),
        ("templates.welcome.zh", "明天{expected}见", "templates.welcome: {expected}"),
        ("templates.welcome.fr", "Bonjour", "replies.templates.welcome.fr"),
        ("templates.Bad Name", {"zh": "好", "en": "ok"}, "replies.templates.Bad Name"),
        ("templates.welcome.review", "2026-13-01", "replies.templates.welcome.review"),
        ("templates.welcome.review", 20261301, "replies.templates.welcome.review"),
        ("templates.welcome.owner", "", "replies.templates.welcome.owner"),
        ("templates.welcome.channels", {"twilio": {"zh": "您好"}}, "replies.templates.welcome.channels.twilio.en"),
        ("templates.welcome.channels", {"twilio": {"zh": "{name}", "en": "x"}}, "templates.welcome: unknown variable: name"),
        ("templates.welcome.variants", {"a": {"zh": "您好", "en": "hi"}}, "replies.templates.welcome.variants.a"),
        ("templates.welcome.variants", {"b": {"zh": "{number}", "en": "x"}}, "templates.welcome: unknown variable: number"),
        ("templates.lookup_received.zh", "{number} {code}", "templates.lookup_received: unknown variable: code"),
        ("commands.0.reply", "nowhere", "commands.lookup: no template nowhere"),
        ("commands.0.formats", ["CX {number}", "CX"], "templates.lookup_received: unknown variable: number"),
        ("commands.0.formats", ["{number}"], "a format begins with a word"),
        ("commands.0.formats", ["CX {number} {number}"], "arguments need different names"),
        ("commands.0.formats", ["CX {Number}"], "braces hold a name"),
        ("commands.0.formats", [], "replies.commands.0.formats"),
        ("quiet_hours", [{"from": "22:00", "to": "22:00"}], "quiet hours that end when they begin"),
        ("quiet_hours", [{"from": "22:00", "to": "24:00"}], "replies.quiet_hours.0.to"),
        ("limits.attempts", 6, "replies.limits.attempts"),
        ("limits.machine_replies", [{"at_most": 13, "within_minutes": 60}], "replies.limits.machine_replies.0.at_most"),
        ("notices.welcome", "nowhere", "notices.welcome: no template nowhere"),
        ("limits.attempts", 0, "replies.limits.attempts"),
        ("limits.attempts", "4", "replies.limits.attempts"),
        ("limits.machine_replies", [], "replies.limits.machine_replies"),
        ("limits.machine_replies", [{"at_most": 1}], "replies.limits.machine_replies.0.within_minutes"),
    ],
)
def test_a_mistake_in_the_replies_is_named_by_its_field(path, value, named):
    with pytest.raises(BundleInvalid) as refused:
        read_replies(_changed(path, value))
    assert named in str(refused.value)


@pytest.mark.parametrize("section", [None, [], "text", {}])
def test_what_is_no_section_at_all_is_refused(section):
    with pytest.raises(BundleInvalid):
        read_replies(section)


def test_a_bundle_must_hold_replies_and_calendar():
    policy = read_policy(Bundle("0123456789ab", {"replies": REPLIES, "calendar": CALENDAR, "other": {}}))
    assert policy.bundle == "0123456789ab"
    with pytest.raises(BundleInvalid, match="calendar"):
        read_policy(Bundle("0123456789ab", {"replies": REPLIES}))
