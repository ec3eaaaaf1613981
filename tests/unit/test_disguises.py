"""Words that hide from machines: found where they are disguised, at the place where people see them, and nowhere else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.classify import disguises
from functions.classify.disguises import bare
from functions.classify.judging import judge
from functions.common.folding import fold
from tests.unit.test_rules import book, reading


def seen(text: str) -> str:
    folded = fold(text).text
    found = bare(folded)
    return found.text if found else folded


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("rеfund", "refund"),
        ("ᴇᴀʀɴ ᴅᴀɪʟʏ", "earn daily"),
        ("𝐋𝐨𝐚𝐧 𝓯𝓻𝓮𝓮 ｌｏａｎ Ⓛoan", "loan free loan loan"),
        ("🅻🅾🅰🅽", "loan"),
        ("СТОР", "ctop"),
        ("ѕtор", "stop"),
        ("Ѵ信", "v信"),
        ("мой заказ не пришел", "мои заказ не пришел"),
        ("мой refund", "мои refund"),
        ("мой rеfund", "мои refund"),
        ("Καλημέρα", "καλημερα"),
        ("🆘", "🆘"),
        ("掱機 旳", "手机 的"),
    ],
)
def test_letters_that_look_like_latin_ones_are_latin_and_russian_stays_russian(text: str, plain: str) -> None:
    assert fold(text).text == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("转 账", "转账"),
        ("转. 账", "转账"),
        ("转_账·吧😂好", "转账吧好"),
        ("转      账", "转账"),
        ("app 打 开", "app 打开"),
        ("薇信 徽信 V❤信 薇❤信 微芯 薇芯", "微信微信 微信微信微信微信"),
        ("加v❤️abc", "加微信abc"),
        ("+vx123", "加微信123"),
        ("加微:138", "加微信:138"),
        ("+微abc", "加微信abc"),
        ("佳微 lulu", "加微信 lulu"),
        ("微芯", "微信"),
        ("微❤:lulu", "微信:lulu"),
        ("+微信123", "加微信123"),
        ("+ V abc", "加微信 abc"),
        ("家V abc", "加微信 abc"),
        ("weixin: abc", "微信: abc"),
        ("威xin abc", "微信 abc"),
        ("威⭐️信同号", "微信同号"),
        ("加威信", "加微信"),
        ("扣扣123", "qq123"),
        ("➕企鹅 0000", "加qq 0000"),
        ("企鹅号", "qq号"),
        ("q·q·群", "qq·群"),
        ("进裙领", "进群领"),
        ("君羊号", "群号"),
        ("加丁丁", "加钉钉"),
        ("亻弋 幵 发 木票", "代开发票"),
        ("贷^款 tao现 下kuan", "贷款 套现下款"),
        ("密.码+验.证.码", "密码验证码"),
        ("转帐 转胀", "转账转账"),
        ("需要发漂", "需要发票"),
        ("l-o-a-n-s for you", "loans for you"),
        ("S T O P", "stop"),
        ("re❤fund my mo😂ney", "refund my money"),
        ("sl0ts r00m v!agr@ repl!ca", "slots room viagra replica"),
    ],
)
def test_disguises_come_off(text: str, plain: str) -> None:
    assert seen(text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "裙子", "加裙撑多少钱", "这条裙子的裙摆太长", "进裙子店", "企鹅公仔有吗", "动物园企鹅馆几点", "丁丁是我儿子", "威信很高",
        "没有威信",        "回家", "大家好", "力气", "女子", "a4纸", "b2b", "iphone15", "plan b", "vip", "v领", "转,账",
        "转。账", "转a账", "转......账", "hello there", "love😀you", "🙂hi", "hi🙂 there",
        "扣500块", "秋天的球鞋", "wifi", "mp3", "5v适配器", "薇薇", "现代款式",
        "加微糖", "加微辣", "我家微波炉坏了", "加威士忌", "加微博", "加徽章", "加微信", "大家微信群在哪",
    ],
)  # fmt: skip
def test_ordinary_words_are_what_they_are(text: str) -> None:
    assert bare(text) is None


@given(st.text("转账薇v❤信 .,a😂+0qx家丁亻弋", max_size=30))
def test_every_character_of_the_bare_text_is_found_again(text: str) -> None:
    found = bare(text)
    if found is not None:
        reached = 0
        for place in range(len(found.text)):
            start, end = found.stretch(place, place + 1)
            assert reached <= end <= len(text) and start < end
            reached = start
        assert len(found.places) == len(found.text)


_AROUND = st.text("我你好吗今天，。 abc？!\u200b", max_size=12)
_HIDINGS = (
    "转账",
    "转 账",
    "转.账",
    "转😂账",
    "轉賬",
    "转帐",
    "转\u200b账",
    "转🔥🔥账",
    "zhuan账",
    "转zhang",
    "车专账",
    "转\u0336账\u0336",
)


@given(_AROUND, st.sampled_from(_HIDINGS), _AROUND)
def test_a_firings_span_covers_the_words_as_they_were_written(before: str, hidden: str, after: str) -> None:
    rules = book({"when": {"contains": "转账"}, "then": {"risk": "money"}})
    text = f"{before}，{hidden}，{after}"
    (firing,) = judge(rules, reading(text)).judgement.firings
    assert text[firing.spans[0].start : firing.spans[0].end].rstrip("\u0336") == hidden.rstrip("\u0336")


@given(st.text())
def test_spans_of_any_text_lie_in_it_and_hold_something(text: str) -> None:
    folded = fold(text)
    view = bare(folded.text)
    for stretch in (view.stretch(place, place + 1) for place in range(len(view.text))) if view else ():
        span = folded.span(*stretch)
        assert 0 <= span.start < span.end <= len(text)


@given(st.text("转账款ab1 _.,-。❤💰", max_size=16))
def test_what_is_passed_over_in_the_search_for_gaps_is_none(text: str) -> None:
    found = bare(text)
    with pytest.MonkeyPatch.context() as everything:
        everything.setattr(disguises, "_RUN", re.compile(r"[\W_]+"))
        assert bare(text) == found


def test_only_rules_about_what_people_hide_look_behind_a_disguise() -> None:
    rules = book(
        {"when": {"contains": "打款"}, "then": {"risk": "money"}},
        {"when": {"contains": "打款"}, "then": {"content": "price"}},
    )
    assert [firing.rule for firing in judge(rules, reading("打.款")).judgement.firings] == ["r0"]


def test_a_thousand_disguises_take_one_pass() -> None:
    text = "转.账v❤信l-o-a-n " * 1000
    assert len(seen(text)) <= len(text)
