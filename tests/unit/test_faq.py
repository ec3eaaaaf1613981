"""Answers to frequent questions: what is found, what is left to people, and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from functions.autoreply import phrase_index
from functions.autoreply.decision import decide
from functions.autoreply.faq import FaqBook, FaqSection, read_faq
from functions.autoreply.phrase_index import PhraseIndex, features, jaccard
from functions.common.errors import BundleInvalid
from infra.cli.app import app
from infra.cli.bundle import read_sections
from tests.fakes.reply_desk import POLICY, case, task

SHIPPED = read_faq(read_sections()["faq"])
runner = CliRunner()


@pytest.mark.parametrize(
    ("question", "entry"),
    [
        ("请问你们周日上班吗？", "opening_hours"),
        ("你們周末營業嗎", "opening_hours"),  # traditional characters
        ("可以開發票嗎", "invoice"),
        ("会员积分怎么查?", "points"),
        ("忘记密码了怎么办啊", "forgot_password"),
        ("ＷＨＡＴ are your opening hours?", "opening_hours"),
        ("do you ship to Singapore?", "ship_abroad"),
        ("How can I cancel my order", "cancel_order"),
        ("can I book a table for tonight", "table_booking"),
    ],
)
def test_a_question_in_other_words_finds_its_entry(question: str, entry: str) -> None:
    found = SHIPPED.answer(question, "en" if question[-3:].isascii() else "zh")
    assert found is not None and found.name == entry
    wordings = SHIPPED._section.entries[entry]
    assert wordings.zh and wordings.en and found.matched in wordings.zh.questions + wordings.en.questions


@pytest.mark.parametrize(
    "question",
    [
        "",
        "？？？",
        "😀" * 100,
        "\ud800\udfff",
        "昨天收到的咖啡机漏水，客厅地板都泡坏了，你们打算怎么赔",
        "我想谈谈代理合作",
        "老师今天说的那本书叫什么名字来着",
        "who won the match last night",
        "tell me a joke about databases",
        "怎么",
        "a" * 10_000,
    ],
)
def test_what_no_entry_is_about_is_left_to_people(question: str) -> None:
    assert SHIPPED.answer(question, "zh") is None and SHIPPED.answer(question, "en") is None


def test_a_question_between_two_entries_is_nobodys() -> None:
    wording = {"answer": "…"}
    both = {
        "a": {"zh": {"questions": ["会员卡怎么办理"], **wording}},
        "b": {"zh": {"questions": ["会员卡怎么注销"], **wording}},
    }
    book = read_faq({"entries": both})
    assert book.answer("会员卡怎么办理", "zh") is not None
    assert book.answer("会员卡怎么", "zh") is None and len(book.like("会员卡怎么", "zh")) == 2


def test_an_entry_without_a_language_is_not_found_in_it() -> None:
    book = read_faq({"entries": {"a": {"zh": {"questions": ["营业时间"], "answer": "九点"}}}})
    assert book.answer("营业时间", "zh") is not None
    assert book.answer("营业时间", "en") is None and book.text("a", "en") is None
    assert read_faq({}).answer("营业时间", "zh") is None


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"entries": {"a": {}}}, "faq.entries.a"),
        ({"entries": {"a": {"zh": {"questions": [], "answer": "x"}}}}, "faq.entries.a.zh.questions"),
        ({"entries": {"a": {"zh": {"questions": ["x"], "answer": " "}}}}, "faq.entries.a.zh.answer"),
        ({"entries": {"a": {"zh": {"questions": ["x"], "answer": "您好{name}"}}}}, "no variables: {name}"),
        ({"entries": {"A b": {"zh": {"questions": ["x"], "answer": "y"}}}}, "faq.entries"),
        ({"treshold": 0.5}, "faq.treshold"),
        ({"threshold": 1.5}, "faq.threshold"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_by_field(section: Any, named: str) -> None:
    with pytest.raises(BundleInvalid, match=named):
        read_faq(section)


WORDS = ("发票", "退货", "几点", "开门", "快递", "怎么", "会员", "积分", "return", "parcel", "open", "price", "how", "size")
PHRASE = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)


@given(st.lists(st.lists(PHRASE, min_size=1, max_size=4), min_size=1, max_size=12), PHRASE)
def test_the_index_finds_what_looking_at_every_entry_finds(entries: list[list[str]], question: str) -> None:
    named = {f"e{place}": phrases for place, phrases in enumerate(entries)}
    index = PhraseIndex(named)
    every = index.like(question, floor=1e-9, most=len(named))
    quick = index.like(question, floor=0.5, most=len(named))
    assert [each.name for each in quick] == [each.name for each in every if each.score >= 0.5]
    assert all(0 <= each.score <= 1 + 1e-6 for each in every)
    assert [each.score for each in every] == sorted((each.score for each in every), reverse=True)


def test_a_phrasing_itself_is_as_like_as_can_be_where_it_is_the_only_one() -> None:
    index = PhraseIndex({"a": ["几点开门"], "b": ["how do I return a parcel"]})
    for name, phrase in (("a", "几点开门！"), ("b", "How do I return a PARCEL")):
        (best,) = index.like(phrase, floor=0.9)
        assert best.name == name and best.score == pytest.approx(1)


def test_the_work_for_a_question_does_not_grow_with_entries_that_have_nothing_to_do_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    walked: list[int] = []

    class Counted(list):  # type: ignore[type-arg]
        def __getitem__(self, place: int) -> Any:
            found = super().__getitem__(place)
            walked.append(len(found[0]))
            return found

    def visits(count: int) -> int:
        strange = {f"s{n}": [f"{chr(0x4E00 + n % 5000)}{chr(0x6000 + n % 4999)}乙{n}"] for n in range(count)}
        index = PhraseIndex({"mine": ["发票怎么开具"], **strange})
        index._postings = Counted(index._postings)
        walked.clear()
        assert index.like("发票怎么开具", floor=0.44)[0].name == "mine"
        return sum(walked)

    assert visits(3000) <= visits(300) + 10
    assert phrase_index.VISITED == 5000


def test_a_long_text_is_read_to_a_bound() -> None:
    assert features("退货" * 10_000) == features("退货" * 150)


def test_texts_that_say_the_same_in_the_same_words_are_alike() -> None:
    assert jaccard("好的", "好的！") == 1 and jaccard("好的", "退货") == 0 and jaccard("", "") == 1


def _decided(text: str, **changes: Any) -> Any:
    return decide_with(case(task(text=text, first_contact=True, **changes)))


def decide_with(of: Any) -> Any:
    from dataclasses import replace

    wanted = replace(of, policy=replace(POLICY, faq=SHIPPED))
    try:
        return decide(wanted, [])
    except TypeError:
        return decide(wanted)


def test_an_answer_goes_before_the_welcome_and_says_what_it_matched() -> None:
    decision = _decided("可以开专票吗")
    assert (decision.reason, decision.template, decision.text) == ("faq", "invoice", SHIPPED.text("invoice", "zh"))
    score, matched = decision.detail.split(" ", 1)
    assert 0.45 <= float(score) <= 1 and matched == "能开专票吗"


@pytest.mark.parametrize(
    "labels",
    [
        {"business": "complaint"},
        {"sentiment": "negative"},
        {"urgency": "urgent"},
        {"risk": ("legal_media",)},
        {"wants_human": True},
    ],
)
def test_who_is_in_trouble_gets_no_ready_answer(labels: dict[str, Any]) -> None:
    assert _decided("可以开专票吗", labels=labels).reason != "faq"


def test_every_shipped_phrasing_is_answered_by_its_own_entry_or_left_to_people() -> None:
    left = 0
    for name, entry in SHIPPED._section.entries.items():
        for language in ("zh", "en"):
            for phrase in getattr(entry, language).questions:
                found = SHIPPED.answer(phrase, language)  # type: ignore[arg-type]
                assert found is None or found.name == name, phrase
                left += found is None
    assert left <= 4


def test_the_shipped_answers_are_in_both_languages_and_agree_with_the_templates() -> None:
    replies = read_sections()["replies"]["templates"]
    for entry, template in (("opening_hours", "opening_hours"), ("invoice", "invoice_how"), ("returns", "return_how")):
        for language in ("zh", "en"):
            assert SHIPPED.text(entry, language) == replies[template][language]  # type: ignore[arg-type]
    assert all(SHIPPED.text(name, language) for name in SHIPPED.names for language in ("zh", "en"))  # type: ignore[arg-type]
    assert len(SHIPPED.texts) == 2 * len(SHIPPED.names)


def test_the_command_says_how_a_question_would_be_answered() -> None:
    told = runner.invoke(app, ["faq", "test", "会员积分怎么查?"])
    assert told.exit_code == 0 and "points" in told.output and "answered: 积分余额" in told.output
    told = runner.invoke(app, ["faq", "test", "我想谈谈代理合作", "--json"])
    assert told.exit_code == 0 and '"answer": null' in told.output and '"language": "zh"' in told.output


def test_the_index_is_built_when_it_is_first_asked() -> None:
    book = FaqBook(FaqSection.model_validate({"entries": {"a": {"zh": {"questions": ["x"], "answer": "y"}}}}))
    assert "_indexes" not in vars(book)
    book.answer("x", "zh")
    assert "_indexes" in vars(book)
