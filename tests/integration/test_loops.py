"""Two machines that answer each other come to an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.autoreply.case import Case
from functions.autoreply.decision import decide
from functions.autoreply.reasons import Reason
from functions.autoreply.replybook import Cap, ReplyPolicy
from functions.autoreply.templates import Template
from functions.common.message import ReplyWindow
from functions.common.origin import is_marked, marked
from tests.fakes.house import open_house
from tests.fakes.reply_desk import OPEN, POLICY, SHUT, case, conversation, having_said, said, task

MINUTES = st.integers(1, 600).map(lambda minutes: timedelta(minutes=minutes))
CAPS = st.builds(Cap, at_most=st.integers(0, 12), within=MINUTES)


@st.composite
def policies(draw) -> ReplyPolicy:
    """Any configuration: any texts, any limits."""
    texts = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), min_size=1, max_size=60)
    templates = {name: Template(name=name, zh=draw(texts), en=draw(texts)) for name in POLICY.book.templates}
    limits = replace(
        POLICY.book.limits,
        machine_replies=tuple(draw(st.lists(CAPS, min_size=1, max_size=4))),
        same_exchanges=draw(CAPS),
        same_template=draw(CAPS),
        same_text=draw(MINUTES),
        too_old=draw(MINUTES),
        keep_for_people=draw(st.integers(0, 3)),
    )
    return replace(POLICY, book=replace(POLICY.book, templates=templates, limits=limits))


class Instance:
    """One of two post rooms that take each other for a customer."""

    def __init__(self, policy: ReplyPolicy, rules: list[str | None]) -> None:
        self.policy, self.rules, self.heard = policy, rules, 0
        self.there = conversation(task())

    def hear(self, text: str, now: datetime, window: ReplyWindow) -> str | None:
        """What it says to a text, as it leaves."""
        self.heard += 1
        rule = self.rules[self.heard % len(self.rules)]
        asked = task(self.heard, now=now, text=text, first_contact=self.heard == 1, reply=rule, window=window)
        self.there = replace(self.there, count=self.heard)
        decision = decide(Case(task=asked, conversation=self.there, policy=self.policy, now=now))
        if decision.text is None:
            return None
        self.there = having_said(self.there, said(asked, at=now, text=decision.text, rule=decision.template or ""))
        return marked(decision.text)


def exchange(one: Instance, other: Instance, start: datetime, pause: timedelta, window: ReplyWindow, *, strip: bool) -> int:
    """How many messages they send each other after a first one, up to a hundred."""
    text: str | None = "你好"
    for count in range(100):
        instance = (one, other)[count % 2]
        text = instance.hear(text, start + count * pause, window)
        if text is None:
            return count
        text = text.lstrip("\u2062\u2063") if strip else text
    return 100


RULES = st.lists(st.sampled_from([None, *POLICY.book.templates]), min_size=1, max_size=5)
PAUSES = st.integers(0, 7200).map(lambda seconds: timedelta(seconds=seconds))
WINDOWS = st.builds(ReplyWindow, mode=st.just("window"), max_replies=st.none() | st.integers(0, 5))


@given(
    configurations=st.tuples(policies(), policies()),
    rules=st.tuples(RULES, RULES),
    start=st.sampled_from([OPEN, SHUT]),
    pause=PAUSES,
    window=WINDOWS,
)
def test_two_instances_wired_to_each_other_stop_within_four_messages_however_they_are_configured(
    configurations, rules, start, pause, window
):
    one, other = (Instance(policy, its_rules) for policy, its_rules in zip(configurations, rules, strict=True))
    assert exchange(one, other, start, pause, window, strip=False) <= 4


@given(configurations=st.tuples(policies(), policies()), rules=st.tuples(RULES, RULES), pause=st.integers(0, 3), window=WINDOWS)
def test_where_the_mark_is_lost_the_table_ends_it(configurations, rules, pause, window):
    one, other = (Instance(policy, its_rules) for policy, its_rules in zip(configurations, rules, strict=True))
    sent = exchange(one, other, OPEN, timedelta(seconds=pause), window, strip=True)
    most = min(min(cap.at_most for cap in policy.book.limits.machine_replies) for policy in configurations)
    assert sent <= 2 * most + 1


@pytest.mark.parametrize("channel", ["generic", "wechat_oa"])
def test_a_message_with_our_mark_is_a_machines(channel):
    asked = case(task(text=marked("您好"), first_contact=True))
    decision = decide(asked)
    assert (decision.reason, decision.detail) == (Reason.BOT, "our_mark")
    assert is_marked(marked("x")) and not is_marked("x") and not is_marked(None)
    assert marked(marked("x")) == marked("x")


@pytest.mark.parametrize("greeting", ["你好", "Hello", "怎么退货?", "How do I return something?"])
def test_as_shipped_two_machines_stop_within_four_messages_even_where_the_mark_is_lost(tmp_path, greeting):
    with open_house(tmp_path, only=("generic",)) as house:
        generic, sent = house.simulators["generic"], 0
        house.receive("generic", generic.text("u0", greeting, native_id="m0"))
        house.pump()
        while len(house.said()) > sent and sent < 20:
            _, contact, text = house.said()[sent]
            sent += 1
            peer = "u1" if contact == "u0" else "u0"
            house.receive("generic", generic.text(peer, text.lstrip("\u2062\u2063"), native_id=f"m{sent}"))
            house.pump()
        assert sent <= 4
