"""Which language a message is in, and the folded view in which rules read it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.classify.language import detect, of_locale
from functions.classify.noise import is_noise, is_number
from functions.common.folding import fold, fold_keyword
from functions.common.judgement import Span
from functions.common.traditional import SIMPLIFIED


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("请问发票怎么开?", "zh"),
        ("請問發票怎麼開?", "zh"),
        ("iPhone 15 Pro Max有货吗", "zh"),
        ("APP打不开了", "zh"),
        ("wifi连不上", "zh"),
        ("这款T恤有XL码吗", "zh"),
        ("单号SF1234567890", "zh"),
        ("网址是https://shop.example/item/abc 打不开", "zh"),
        ("where is my parcel", "en"),
        ("OK", "en"),
        ("Can you check my 订单 please, it has not arrived", "en"),
        ("帮我check一下order status", "mixed"),
        ("hello 我想问一下 shipping to canada 要多久", "mixed"),
        ("注文した商品が届きません", "ja"),
        ("안녕하세요", "ko"),
        ("Где моя посылка?", "ru"),
        ("สวัสดี", "th"),
        ("أين طلبي", "ar"),
        ("தமிழ்", "other"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert detect(text, fallback=None) == language


@pytest.mark.parametrize("text", ["", "12345", "👍", "???", "2026-11-20", "\ue000"])
def test_a_text_without_letters_takes_the_conversations_language(text: str) -> None:
    assert detect(text, fallback="en_US") == "en"
    assert detect(text, fallback=None) == detect(text, fallback="nonsense") == "zh"


def test_a_locale_names_its_language() -> None:
    assert [of_locale(locale) for locale in ("zh_CN", "en-GB", "EN", "mixed", "", None, "123")] == [
        "zh", "en", "en", "mixed", None, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ＡＢＣ１２３，？！", "abc123,?!"),
        ("Café ÀÉÎ", "cafe aei"),
        ("发\u200b票\ufeff", "发票"),
        ("❤️", "❤"),
        ("a\t\n  b", "a b"),
        ("don’t", "don't"),
        ("①②", "12"),
        ("ﬁn", "fin"),
        ("Z̷a̵l̶g̴o̷", "zalgo"),
        ("が", "が"),
        ("轉賬", "转账"),
        ("轉帳", "转账"),
        ("頭髮發後裏裡", "头发发后里里"),
        ("\ud800", "\ud800"),
    ],
)
def test_folding_makes_writings_equal(text: str, folded: str) -> None:
    assert fold(text).text == folded


@given(st.text())
def test_every_folded_character_comes_from_somewhere(text: str) -> None:
    folded = fold(text)
    for place in range(len(folded.text)):
        span = folded.span(place, place + 1)
        assert 0 <= span.start < span.end <= len(text)
    assert fold_keyword(folded.text) == folded.text.strip()


@pytest.mark.parametrize("block", [(0x0, 0x3000), (0xFB00, 0x10000), (0x1D400, 0x1D800), (0x1F100, 0x1F200)])
def test_folding_a_folded_letter_changes_nothing(block: tuple[int, int]) -> None:
    folded = {letter: fold(letter).text for letter in map(chr, range(*block))}
    assert {letter for letter, once in folded.items() if fold_keyword(once) != once.strip()} == set()


def test_a_span_covers_what_was_folded_away_inside_it() -> None:
    folded = fold("看 发\u200b\u200b票 吧")
    start = folded.text.index("发票")
    assert folded.span(start, start + 2) == Span(start=2, end=6)


@pytest.mark.parametrize(
    "text",
    ["啊啊啊啊", "aaaaa", "111111", "asdkjhasdkjh", "asdfghjkl", "sdfsdfsdf", "qwrtpsd", "😂😂😂😂", "。。。。。。", "......"],
)
def test_noise(text: str) -> None:
    assert is_noise(fold(text).text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "???",
        "?????",
        "急急急急",
        "在吗在吗在吗",
        "👍",
        "🙏🙏",
        "1",
        "123456",
        "hello",
        "strength",
        "rhythm",
        "ok",
        "hmm",
        "嗯嗯",
        "嗯嗯嗯嗯",
        "哈哈哈哈",
        "好好好好",
        "救救救救",
        "退退退退",
        "hahahaha",
        "hmmmmmm",
        "nightstand",
        "lengths",
        "worthwhile",
        "downstream",
        "backstroke",
        "catchphrase",
        "property",
        "checvk",
        "1Z999AA101",
        "\ue000",
    ],
)
def test_not_noise(text: str) -> None:
    assert not is_noise(fold(text).text)


@pytest.mark.parametrize(
    "text",
    ["8842913", "20260000113", "#10-44712", "5512-8830-19", " 7741 0923 ", "12345", "4471", "8842913.", "8842913,", "(8842913)",
     "+8842913", "8842913?", "20262026", "95588", "№ 301144"],
)  # fmt: skip
def test_a_number_alone(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "1212121212",
        "77777",
        "8000000",
        "12321232123212",
        "456456456456",
        "447",
        "qh20261124",
        "",
        "0123" * 11,
        "8842913 \ue001",
        "12😂34",
    ],
)
def test_no_number_alone(text: str) -> None:
    assert not is_number(text)


# --- what is closed up, and traditional characters -------------------------------------------------------------------


OPENCC = Path(__file__).parents[3] / "shared/data/opencc_TSCharacters.txt"


@pytest.fixture(scope="module")
def opencc() -> dict[str, list[str]]:
    if not OPENCC.is_file():
        pytest.skip(f"{OPENCC.name} is not here")
    lines = (line for line in OPENCC.read_text("utf-8").splitlines() if line and not line.startswith("#"))
    return {line.split("\t")[0]: line.split("\t")[1].split() for line in lines}


def test_every_traditional_form_of_a_keywords_character_is_known(opencc: dict[str, list[str]]) -> None:
    rules = (Path(__file__).parents[2] / "config/rules.yaml").read_text("utf-8")
    wanted = set(re.findall(r"[\u4e00-\u9fff]", rules))
    forms = {form for form, plain in opencc.items() if plain[0] in wanted and form != plain[0]}
    assert not forms - SIMPLIFIED.keys()


def test_the_table_says_what_others_say_but_for_words_of_ours(opencc: dict[str, list[str]]) -> None:
    ours = {form for form, plain in SIMPLIFIED.items() if plain not in opencc.get(form, [])}
    assert ours == set("帳帐妳著")


def test_a_simplified_character_is_not_itself_replaced() -> None:
    assert SIMPLIFIED.keys().isdisjoint(SIMPLIFIED.values())
    assert len(SIMPLIFIED) > 900
