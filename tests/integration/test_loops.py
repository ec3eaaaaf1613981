"""Two machines that answer each other come to an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.autoreply.case import Case
from functions.autoreply.decision import decide
from functions.autoreply.pace import LONG, READ, is_quick, typing_time
from functions.autoreply.reasons import Reason
from functions.autoreply.replybook import Cap, ReplyPolicy
from functions.autoreply.reservation import entries
from functions.autoreply.said import counted
from functions.autoreply.templates import Template
from functions.common.ledger import ledger
from functions.common.message import ReplyWindow
from functions.common.origin import is_marked, marked
from tests.fakes.house import open_house
from tests.fakes.reply_desk import OPEN, POLICY, SHUT, case, conversation, having_said, said, task

MINUTES = st.integers(1, 600).map(lambda minutes: timedelta(minutes=minutes))
CAPS = st.builds(Cap, at_most=st.integers(0, 12), within=MINUTES)


ANYTHING = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), min_size=1, max_size=60)
# As long as replies are: of the shipped 104 all but three.
SENTENCES = st.builds(lambda some, often: some + "退换货请您稍等" * often, ANYTHING, st.integers(3, 9))


@st.composite
def policies(draw, texts: st.SearchStrategy[str] = ANYTHING) -> ReplyPolicy:
    """Any configuration: any texts, any limits."""
    some = cycle(draw(st.lists(texts, min_size=1, max_size=6)))
    templates = {name: Template(name=name, zh=next(some), en=next(some)) for name in POLICY.book.templates}
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

    def hear(self, text: str, now: datetime, window: ReplyWindow, after: timedelta = timedelta()) -> str | None:
        """What it says, so long after it heard a text, as it leaves."""
        self.heard += 1
        rule = self.rules[self.heard % len(self.rules)]
        asked = task(self.heard, now=now, text=text, first_contact=self.heard == 1, reply=rule, window=window)
        self.there = replace(self.there, count=self.heard)
        there = Case(task=asked, conversation=self.there, policy=self.policy, now=now + after)
        decision = decide(there)
        if decision.text is None:
            return None
        self.there = having_said(self.there, *entries(there, decision))
        return marked(decision.text)


def exchange(one: Instance, other: Instance, start: datetime, pause: timedelta, window: ReplyWindow, *, strip: bool) -> int:
    """How many messages they send each other after a first one, up to a hundred, each so long after the one it answers."""
    text: str | None = "你好"
    for count in range(100):
        instance = (one, other)[count % 2]
        text = instance.hear(text, start + count * pause, window, pause)
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


@given(
    configurations=st.tuples(policies(SENTENCES), policies(SENTENCES)),
    rules=st.tuples(RULES, RULES),
    start=st.sampled_from([OPEN, SHUT]),
    haste=st.floats(0, 0.999),
    window=WINDOWS,
)
def test_where_the_mark_is_lost_they_stop_within_four_messages_too_as_long_as_they_are_quicker_than_people(
    configurations, rules, start, haste, window
):
    """Two seconds in the queue and a moment for each send are less than it takes to read a reply and to type another."""
    one, other = (Instance(policy, its_rules) for policy, its_rules in zip(configurations, rules, strict=True))
    assert exchange(one, other, start, haste * (READ + LONG), window, strip=True) <= 4


@given(configurations=st.tuples(policies(), policies()), rules=st.tuples(RULES, RULES), pause=PAUSES, window=WINDOWS)
def test_where_the_mark_is_lost_and_they_are_as_slow_as_people_or_as_short_the_table_ends_it(
    configurations, rules, pause, window
):
    one, other = (Instance(policy, its_rules) for policy, its_rules in zip(configurations, rules, strict=True))
    sent = exchange(one, other, OPEN, pause, window, strip=True)

    def most(policy: ReplyPolicy) -> int:
        caps = policy.book.limits.machine_replies
        return min(cap.at_most if 200 * pause < cap.within else 100 for cap in caps)

    assert sent <= 2 * min(map(most, configurations)) + 1


@given(
    policies(),
    RULES,
    st.lists(
        st.sampled_from(["你好", "在吗", "1", "怎么退货", "几点开门", "我想换一件大一号的可以吗", "ok thanks"]), min_size=3
    ),
)
def test_people_however_fast_they_write_are_never_taken_for_a_machine_by_their_pace(policy, rules, texts):
    """Long texts as soon as a fast writer can have read and typed them (of several in a row: typed), short ones at once."""
    for several in (False, True):
        person, now = Instance(policy, rules), OPEN
        for text in texts:
            person.heard += several  # another message of theirs, to which nothing was said
            if typing_time(text) >= LONG:
                now += typing_time(text) + (timedelta() if several else READ)
            person.hear(text, now, ReplyWindow())
        assert not any(each.quick for each in ledger(person.there))


def test_one_pasted_text_is_not_taken_for_a_machine():
    asked, now = task(1, text="怎么退货?"), OPEN
    there = having_said(conversation(asked), *entries(case(asked), decide(case(asked))))
    long = task(2, text="昨天买的外套袖口开线了,请问可以换一件新的吗?订单在这里" * 3, now=now + timedelta(seconds=1))
    heard = replace(case(long, now=now + timedelta(seconds=1)), conversation=replace(there, count=2))
    assert is_quick(heard, counted(heard)) and decide(heard).reason != Reason.LOOP_GUARD


def test_who_says_our_own_words_is_a_machine_however_slowly_but_short_ones_are_anybodys():
    asked = task(1, text="怎么退货?", reply="return_how")
    decision = decide(case(asked))
    there = replace(having_said(conversation(asked), *entries(case(asked), decision)), count=2)
    echo = task(2, text=decision.text, reply="invoice_how", now=OPEN + timedelta(minutes=5))
    heard = decide(replace(case(echo, now=OPEN + timedelta(minutes=5)), conversation=there))
    assert (heard.reason, heard.detail) == (Reason.LOOP_GUARD, "our_words")
    short = having_said(conversation(asked), said(asked, at=OPEN, text="您好!"))
    greeting = task(2, text="您好!", reply="invoice_how", now=OPEN + timedelta(minutes=5))
    assert decide(replace(case(greeting, now=OPEN + timedelta(minutes=5)), conversation=short)).reason == Reason.KEYWORD


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
