"""Rising phrases: what is new comes first, what was always said does not come at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from infra.insight.report import topics
from infra.insight.topics import Period, phrases, rising

EVERY_DAY = [
    "请问发票怎么开?",
    "我的快递到哪了",
    "多少钱一件",
    "谢谢",
    "how do I return this?",
    "where is my parcel",
    "想换一个大一码的",
]
NEWS = [
    "付款页面一直转圈打不开",
    "你们付款页面打不开了吗",
    "payment page is blank",
    "付款页面又打不开了",
    "the payment page keeps spinning",
]


def period(*texts: str, times: int = 1) -> Period:
    made = Period()
    for text in texts * times:
        made.add(text)
    return made


def test_what_is_new_comes_first_and_each_topic_once() -> None:
    before, now = period(*EVERY_DAY, times=60), period(*EVERY_DAY * 10, *NEWS, times=6)
    found = rising(now, before)
    shown = [each.phrase for each in found]
    assert shown[0] == "付款页面" and (found[0].now, found[0].before) == (18, 0)
    assert "payment page" in shown
    assert len([phrase for phrase in shown if "付款" in phrase or "页面" in phrase]) == 1
    assert not {"发票", "快递", "parcel"} & set(shown)


def test_without_news_nothing_rises() -> None:
    assert rising(period(*EVERY_DAY, times=20), period(*EVERY_DAY, times=20)) == []


def test_more_messages_of_the_same_kind_are_no_news() -> None:
    assert rising(period(*EVERY_DAY, times=60), period(*EVERY_DAY, times=20)) == []


def test_a_phrase_counts_once_a_message_and_three_messages_are_the_least() -> None:
    assert rising(period("付款 付款 付款 付款 付款"), period(*EVERY_DAY, times=20)) == []


def test_masked_data_and_function_words_are_no_topics() -> None:
    assert phrases("我的手机是〔手机号〕") == {"手机"}
    assert phrases("where is the parcel") == {"parcel"}


def test_an_empty_period_before_is_no_error() -> None:
    assert [each.before for each in rising(period(*NEWS, *EVERY_DAY, times=30), Period())] in ([], [0] * 10)


def line(text: str, *, at: datetime, channel: str = "weibo", business: str = "complaint", **more: Any) -> dict[str, Any]:
    message = {"message_id": f"c.{at:%d%H%M}.h", "channel": channel, "text": text, "received_at": at.isoformat()}
    return {"message": message, "judgement": {"business": business}, "routing": {"team": "frontdesk"}, **more}


SINCE = datetime(2026, 11, 15, tzinfo=UTC)


def said(channel: str, *texts: str, days: int) -> list[dict[str, Any]]:
    return [line(text, at=SINCE + timedelta(days=days, minutes=number), channel=channel) for number, text in enumerate(texts)]


def test_each_channel_has_its_own_news() -> None:
    found = [
        *said("weibo", *NEWS * 6, *EVERY_DAY * 20, days=1),
        *said("wechat_oa", *EVERY_DAY * 30, days=1),
        *said("weibo", *EVERY_DAY * 40, days=-2),
        *said("wechat_oa", *EVERY_DAY * 40, days=-2),
    ]
    told = list(topics(found, SINCE, ("channel",), top=3))
    assert {topic.group for topic in told} == {"channel=weibo"}
    assert told[0].rising.phrase == "付款页面" and told[0].example == found[0]["message"]["message_id"]


def test_spam_and_repeats_raise_no_topic() -> None:
    flood = said("weibo", *["加微信领红包名额有限"] * 40, days=1)
    spam = [each | {"judgement": {"spam": "ad"}} for each in flood]
    repeats = [each | {"same_as": "c.1.h"} for each in flood]
    usual = [*said("weibo", *EVERY_DAY * 20, days=1), *said("weibo", *EVERY_DAY * 20, days=-1)]
    assert list(topics([*spam, *usual], SINCE, (), top=5)) == []
    assert list(topics([*repeats, *usual], SINCE, (), top=5)) == []
    assert [topic.group for topic in topics([*flood, *usual], SINCE, (), top=5)][:1] == ["all"]
