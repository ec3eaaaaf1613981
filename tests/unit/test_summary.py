"""A long message in a line: its numbers, what it asks, by when; each a stretch of the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.common.summary import SHORTEST, summarise

COAT = (
    "您好,我是上周六在你们官网下单的老顾客了,订单号 20261114556677,买的是一件灰色羊毛大衣,穿了一次袖口就开线了,"
    "质量真的很一般。能不能给我换一件新的?我下周三要出差穿,希望周二之前能收到,谢谢"
)
HOTEL = (
    "Hello, I booked two nights at your hotel under booking no. HB-29471 for next weekend. Sadly my daughter fell ill. "
    "Could you move our stay to December? I need an answer by Friday 5 pm because of the flights. Thank you, Jane"
)
COMPLAINT = (
    "预售四十五天我等了,改成六十天我也等了,"
    "收到的是浅杏色不是米白色,我问你们你们说是灯光,我拿去阳台拍你们说是屏幕,反正都不是你们的问题"
)


@pytest.mark.parametrize(
    ("text", "numbers", "asks", "by"),
    [
        (COAT, ("20261114556677",), "能不能给我换一件新的?", "周二之前"),
        (HOTEL, ("HB-29471",), "Could you move our stay to December?", "by Friday"),
        (COMPLAINT, (), None, None),
        (
            "工单 GD20987 报上去三天了一直没有人联系我,家里的热水器还在漏水,楼下邻居也来找过我两回了。"
            "请两个小时内派师傅上门修,不然楼板要泡坏了",
            ("GD20987",),
            "请两个小时内派师傅上门修",
            "两个小时内",
        ),
    ],
)
def test_a_long_message_in_a_line(text: str, numbers: tuple[str, ...], asks: str | None, by: str | None) -> None:
    summary = summarise(text)
    assert summary is not None
    assert summary.numbers == numbers and (asks is None or summary.asks == asks)
    assert summary.by == by or (by and summary.by and summary.by.startswith(by))
    assert all(part in summary.line() for part in (*numbers, asks or ""))


def test_a_short_message_is_read_whole() -> None:
    assert summarise("请问发票怎么开?") is None and summarise(None) is None and summarise("a" * SHORTEST) is None


def test_years_and_dates_are_no_order_numbers() -> None:
    summary = summarise(
        "我从2019年开始就是你们的会员了,20260101那天还参加了活动,一直都觉得你们家挺好的,这次的事情真的让人失望透了,你们自己看着办吧,我是不想再说什么了"
    )
    assert summary is not None and summary.numbers == ()


@given(st.text(min_size=SHORTEST + 1, max_size=400))
def test_every_part_is_a_stretch_of_the_text(text: str) -> None:
    summary = summarise(text)
    assert summary is not None
    for part in (*summary.numbers, (summary.asks or "").removesuffix("…"), summary.by or ""):
        assert part in text


@pytest.mark.parametrize("piece", ["1", "下周", "by ", "我想", "？", "a.", "12:", "周一的"])
def test_a_very_long_text_is_read_to_a_bound(piece: str) -> None:
    assert summarise(piece * (500_000 // len(piece))) == summarise((piece * 4000)[:4000])
