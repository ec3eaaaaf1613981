"""Suggestions for people: ranked, different from each other, fit to be sent; stored as where they come from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest

from functions.autoreply.faq import read_faq
from functions.autoreply.outgoing import Outgoing
from functions.autoreply.phrase_index import jaccard
from functions.autoreply.suggestions import ALIKE, MOST, remade, suggestions
from functions.autoreply.templates import Template
from functions.common.ledger import entry, reserved
from functions.common.message import ReplyWindow
from infra.cli.bundle import read_sections
from tests.fakes.reply_desk import OPEN, POLICY, case, task

WITH_FAQ = replace(POLICY, faq=read_faq(read_sections()["faq"]))


def made(text: str, policy: Any = WITH_FAQ, **about: Any) -> Any:
    return suggestions(case(task(text=text, **about), policy=policy))


def test_the_rules_template_comes_first_then_answers_by_how_like_they_are() -> None:
    found = made("订单发货了吗,运费多少,能改收货地址吗", reply="parcel_how")
    assert found[0].source == "rule" and found[0].name == "parcel_how" and len(found) == MOST
    scores = [each.score for each in found[1:]]
    assert scores == sorted(scores, reverse=True) and all(each.source == "faq" for each in found[1:])


def test_what_rules_only_suggest_comes_behind_what_they_would_send() -> None:
    found = made("发票", reply="parcel_how", suggest=("invoice_how", "parcel_how", "gone"))
    assert [(each.source, each.name) for each in found[:2]] == [("rule", "parcel_how"), ("rule", "invoice_how")]
    assert made("发票", suggest=("invoice_how",))[0].name == "invoice_how"


def test_no_two_say_the_same() -> None:
    # The entry `returns` has the very text of the template that the rule names.
    found = made("怎么退货,退货运费谁出", reply="return_how")
    assert "returns" not in [each.name for each in found] and len(found) >= 2
    assert all(jaccard(one.text, other.text) < ALIKE for one, other in combinations(found, 2))


@pytest.mark.parametrize(
    "about",
    [
        {"needs_person": False},
        {"labels": {"spam": "ad"}},
        {"window": ReplyWindow(mode="none")},
        {"window": ReplyWindow(mode="window", expires_at=OPEN - timedelta(seconds=1))},
    ],
)
def test_there_is_none_for_what_nobody_is_to_answer_or_can(about: dict[str, Any]) -> None:
    assert made("怎么退货", reply="return_how", **about) == ()


def test_a_complaint_gets_the_receipt_and_english_gets_english() -> None:
    (receipt,) = [each for each in made("太过分了", labels={"business": "complaint"}) if each.source == "template"]
    assert receipt.name == POLICY.book.notices.receipt
    (first, *_) = made("how long does a refund take?", labels={"language": "en"})
    assert first.name == "refund_time" and first.text.startswith("Refunds")


def test_what_may_not_go_out_is_not_suggested() -> None:
    strict = replace(WITH_FAQ, outgoing=Outgoing(deny=("包装",)))
    assert "return_how" not in [each.name for each in made("怎么退货", strict, reply="return_how")]


def test_texts_are_made_again_as_of_now_and_what_is_gone_is_left_out() -> None:
    asked = case(task(text="怎么退货,退货运费谁出", reply="return_how"), policy=WITH_FAQ)
    marks = tuple(each.mark() for each in suggestions(asked))
    assert all(len(mark) < 40 for mark in marks) and marks[0] == "rule return_how 1.00"
    assert [each.mark() for each in remade(asked, marks)] == list(marks)
    assert remade(asked, ("faq no_such_entry 0.90", "template no_such_template 0.10")) == ()
    assert remade(replace(asked, policy=replace(WITH_FAQ, faq=None)), marks)[0].name == "return_how"


@pytest.mark.parametrize(("said", "fit"), [(3, True), (4, True), (5, False)])
def test_what_the_platform_no_longer_lets_people_send_is_not_suggested(said: int, fit: bool) -> None:
    asked = task(text="怎么开发票", reply="invoice_how", window=ReplyWindow(mode="window", max_replies=5))
    before = case(asked, policy=WITH_FAQ)
    drawn = entry("earlier", at=OPEN, notice=False, rule="r", text="x", asked="y", parts=said)
    heard = replace(before, conversation=reserved(before.conversation, drawn))  # type: ignore[arg-type]
    assert bool(suggestions(heard)) is fit
    assert bool(remade(heard, ("rule invoice_how 1.00",))) is fit, "nor shown, when somebody looks"


def test_what_the_platform_does_not_take_at_once_and_cannot_take_in_parts_is_not_suggested() -> None:
    long = Template(name="long", zh="请带上发票。" * 400, en="Please bring it. " * 200)
    book = replace(POLICY.book, templates={**POLICY.book.templates, "long": long})
    policy = replace(WITH_FAQ, book=book)
    for channel, fit in (("telegram", True), ("aliyun_sms", False)):
        asked = task(text="怎么开发票", channel=channel, reply="long")
        assert ("long" in [each.name for each in suggestions(case(asked, policy=policy))]) is fit, channel


def test_once_the_window_is_shut_nothing_is_shown() -> None:
    asked = task(text="怎么开发票", window=ReplyWindow(mode="window", expires_at=OPEN + timedelta(hours=1)))
    marks = tuple(each.mark() for each in suggestions(case(asked, policy=WITH_FAQ)))
    assert marks and remade(case(asked, policy=WITH_FAQ), marks)
    assert remade(case(asked, policy=WITH_FAQ, now=OPEN + timedelta(hours=1)), marks) == ()
