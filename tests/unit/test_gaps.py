"""Questions that nobody here answers: what counts as one, and that those that are alike are counted together."""

from __future__ import annotations

from typing import Any

import pytest

from infra.inbox.gaps import gaps


def line(text: str, number: int = 1, reply: dict[str, Any] | None = None, **labels: Any) -> dict[str, Any]:
    said = {"business": "enquiry", "urgency": "normal", "sentiment": "neutral", "spam": "none", "risk": []} | labels
    return {"message": {"text": text, "message_id": f"m{number}"}, "judgement": said, "reply": reply}


@pytest.mark.parametrize(
    ("text", "labels", "asks"),
    [
        ("能代写留言卡", {}, True),
        ("衣服能改短", {"business": "after_sales"}, True),
        ("周六能约吗", {"business": "appointment"}, True),
        ("你们有联名款吗?", {"business": "other"}, True),
        ("Do you gift-wrap？", {"business": "suggestion"}, True),
        ("你好", {"business": "other"}, False),
        ("怎么还不退款?", {"business": "complaint"}, False),
        ("怎么回事?", {"sentiment": "negative"}, False),
        ("马上要用,能送到吗?", {"urgency": "urgent"}, False),
        ("验证码是多少?", {"risk": ["credentials"]}, False),
        ("加微信领红包?", {"spam": "ad"}, False),
        ("人工在吗?", {"wants_human": True}, False),
        ("", {}, False),
    ],
)
def test_a_question_is_what_might_have_been_answered_from_here(text: str, labels: dict[str, Any], asks: bool) -> None:
    assert bool(gaps([line(text, **labels)])) is asks


@pytest.mark.parametrize(
    ("reply", "open_"),
    [
        ({"state": "sent", "reason": "faq"}, False),
        ({"state": "sent", "reason": "keyword"}, False),
        ({"state": "failed", "reason": "faq"}, True),
        ({"state": "sent", "reason": "out_of_hours"}, True),
        ({"state": "none", "reason": "nothing_to_say"}, True),
        (None, True),
    ],
)
def test_a_courtesy_is_no_answer(reply: dict[str, Any] | None, open_: bool) -> None:
    assert bool(gaps([line("能代写留言卡吗", reply=reply)])) is open_


def test_those_that_are_alike_are_counted_together_the_most_frequent_first() -> None:
    asked = ["能代写留言卡吗", "联名杯子什么时候再出", "请问联名的杯子什么时候再出?", "联名杯子什么时候还会再出"]
    found = gaps([line(text, number) for number, text in enumerate(asked)])
    assert [(gap.count, gap.message_id) for gap in found] == [(3, "m1"), (1, "m0")]
    assert [gap.count for gap in gaps([line(text) for text in asked], least=2)] == [3]
