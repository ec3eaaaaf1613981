"""Long texts in parts: where they are cut, where they are not, and that nothing is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.channels.codecs.text_parts import size, split
from functions.channels.contract import TextUnit

FAMILY, FLAG, THUMB = "👨\u200d👩\u200d👧\u200d👦", "🇨🇳", "👍🏽"


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_a_text_that_fits_is_left_alone() -> None:
    assert split("您好。 ", 4, "characters") == ("您好。 ",)


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("我们九点开门。十点以后人少。欢迎再来!", 10, ("我们九点开门。", "十点以后人少。", "欢迎再来!")),
        ("We open at nine. It is quiet after ten. Welcome!", 24, ("We open at nine.", "It is quiet after ten.", "Welcome!")),
        ("他说:“好的。”然后走了,没有回来。", 12, ("他说:“好的。”", "然后走了,没有回来。")),
        ("首段。\n第二段很短。\n末", 11, ("首段。\n第二段很短。", "末")),
        ("一二三四五,六七八九十", 8, ("一二三四五,", "六七八九十")),
        ("等一等……好了", 5, ("等一等……", "好了")),
        ("alpha beta gamma delta", 12, ("alpha beta", "gamma delta")),
        ("一二三四五六七八", 3, ("一二三", "四五六", "七八")),
    ],
)
def test_it_is_cut_at_the_best_mark_that_is_near(text: str, limit: int, parts: tuple[str, ...]) -> None:
    assert split(text, limit, "characters") == parts


def test_a_part_is_not_a_few_words_for_the_sake_of_a_full_stop() -> None:
    first, *_ = split("好。" + "一" * 30 + ",二二二二", 20, "characters")
    assert len(first) == 20


@pytest.mark.parametrize(
    "whole", ["https://example.com/a?b=1.2&c=d", "400-800-1234", "3.1415926", "2026-11-22", "¥1,299.00", "example"]
)
def test_links_numbers_and_words_stay_whole(whole: str) -> None:
    for lead in range(1, 40):
        parts = split("请看" + "字" * lead + whole + "字" * 9, 36, "characters")
        digits = whole.lstrip("¥")
        assert sum(digits in part for part in parts) == 1, parts


def test_a_name_with_dots_is_not_a_sentence() -> None:
    assert split("See files a.b.c now or never again", 14, "characters")[0] == "See files"


@pytest.mark.parametrize("one", [FAMILY, FLAG, THUMB, "e\u0301", "☎\ufe0f"])
def test_what_people_see_as_one_character_stays_whole(one: str) -> None:
    text = "字" + one * 30
    for limit in range(len(one), 3 * len(one) + 4):
        parts = split(text, limit, "characters")
        assert all(part.replace(one, "") in ("", "字") for part in parts), (limit, parts)


def test_sizes_are_the_vendors() -> None:
    assert (size("字😀", "characters"), size("字😀", "utf16"), size("字😀", "bytes")) == (2, 3, 7)
    assert size("\ud800", "bytes") == 1, "a lone surrogate goes out as a question mark"
    assert split("😀😀😀", 4, "utf16") == ("😀😀", "😀")
    assert split("字字字", 6, "bytes") == ("字字", "字")


WRITTEN = st.lists(
    st.sampled_from([*"字词。,!? \n.ab1290-", FAMILY, FLAG, THUMB, "https://e.cn/x ", "\ud800"]), max_size=80
).map("".join)


@given(st.lists(WRITTEN, max_size=4).map("".join), st.integers(60, 120), st.sampled_from(["characters", "utf16", "bytes"]))
def test_nothing_is_lost_and_every_part_fits(text: str, limit: int, unit: TextUnit) -> None:
    parts = split(text, limit, unit)
    assert squeezed("".join(parts)) == squeezed(text)
    assert all(size(part, unit) <= limit for part in parts)
    assert all(part.strip() for part in parts) or parts == (text,)


def test_a_short_sentence_before_a_link_that_fills_a_part_goes_alone() -> None:
    link = "https://shop.example/" + "a" * 279
    assert split(f"请看这里。{link}", 300, "characters") == ("请看这里。", link)
    assert split("?A¹", 3, "bytes") == ("?", "A¹")


@given(st.text(min_size=1, max_size=30), st.integers(1, 5), st.sampled_from(["characters", "utf16", "bytes"]))
def test_a_limit_below_a_single_character_still_ends(text: str, limit: int, unit: TextUnit) -> None:
    assert squeezed("".join(split(text, limit, unit))) == squeezed(text)
