"""The rule engine: its automaton, conditions, order, and what it refuses."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.classify import keywords
from functions.classify.judging import judge
from functions.classify.keywords import MAX_PLACES, Automaton, Edges, Keyword
from functions.classify.labels import BUSINESS_ORDER, Claim, resolve
from functions.classify.reading import Reading
from functions.classify.rules import RuleBook, read_rules
from functions.common.errors import BundleInvalid
from functions.common.folding import fold
from functions.common.judgement import Span
from functions.common.masking import mask


def reading(text: str, **circumstances: Any) -> Reading:
    from functions.classify.language import detect
    from functions.common.masking import placeholders

    masked = mask(text)
    known = {
        "folded": fold(masked.text, placeholders(masked.text)),
        "channel": "generic",
        "kind": "text",
        "attachments": (),
        "language": detect(masked.text, fallback=None),
        "first_contact": False,
        "masked": tuple(masked.counts()),
        "names": (),
        "encloses": False,
    }
    return Reading(**known | circumstances)


def book(*rules: dict[str, Any], **more: Any) -> RuleBook:
    named = [{"name": f"r{place}", "then": {"tag": f"r{place}"}} | rule for place, rule in enumerate(rules)]
    return read_rules({"version": "7", "rules": named} | more)


def fired(rules: RuleBook, text: str, **circumstances: Any) -> list[str]:
    return [firing.rule for firing in judge(rules, reading(text, **circumstances)).judgement.firings]


def test_a_flag_that_is_denied_is_taken_back_where_it_stands_and_nowhere_else() -> None:
    rules = book(
        {"when": {"contains": "转人工"}, "then": {"wants_human": True}},
        {"when": {"near": {"first": "不要", "then": "转人工", "within": 2}}, "then": {"wants_human": False}},
        {"when": {"label": {"urgency": "urgent"}}, "then": {"wants_human": True}},
        {"when": {"contains": "急"}, "then": {"urgency": "urgent"}},
        {"when": {"all": [{"label": {"urgency": "urgent"}}, {"contains": "机器人"}]}, "then": {"wants_human": False}},
    )

    def wanted(text: str) -> bool:
        return judge(rules, reading(text)).judgement.wants_human

    assert wanted("转人工") and wanted("不要发呆快点转人工")
    assert not wanted("不要转人工") and not wanted("不要给转人工")
    assert wanted("不要转人工,算了,还是转人工")
    # A rule without words of its own stands on something else, and one of the second round may deny too.
    assert wanted("急,不要转人工")
    assert not judge(rules, reading("不要转人工 机器人")).judgement.wants_human


# --- the automaton ---------------------------------------------------------------------------------------------------


@given(st.lists(st.text("ab发 ", min_size=1, max_size=4), min_size=1, max_size=12), st.text("ab发 ", max_size=40))
def test_the_automaton_finds_what_a_plain_search_finds(words: list[str], text: str) -> None:
    found = Automaton(Keyword(word) for word in words).find(text)
    for word in set(words):
        places = [(start, start + len(word)) for start in range(len(text)) if text.startswith(word, start)]
        assert found.get(Keyword(word), []) == places[:MAX_PLACES]


class CountedSteps(frozenset[str]):
    """Beginnings of keywords that count how often they are asked for."""

    asked = 0

    def __contains__(self, beginning: object) -> bool:
        self.asked += 1
        return super().__contains__(beginning)


def test_the_cost_of_a_text_does_not_grow_with_the_number_of_keywords() -> None:
    letters = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多"
    chance = random.Random(7)
    words = {"".join(chance.choices(letters, k=chance.randint(2, 5))) for _ in range(140_000)}
    ordered = sorted(words, key=lambda word: (len(word), word), reverse=True)[:100_000]
    chance.shuffle(ordered)
    text = "".join(chance.choices(letters, k=2000))
    for count in (10, 1000, 100_000):
        automaton = Automaton(Keyword(word) for word in ordered[:count])
        automaton._beginnings = steps = CountedSteps(automaton._beginnings)
        found = automaton.find(text)
        asked = steps.asked
        assert asked <= 2 * len(text), count
        assert automaton.find(text) == found
        assert steps.asked == asked  # where this text leads is worked out once
    assert found


def test_ways_that_texts_took_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keywords, "_KEPT", 100)
    automaton = Automaton([Keyword("发票"), Keyword("票据")])
    text = "开发票据".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    assert automaton.find(text)[Keyword("发票")][:2] == [(2, 4), (7, 9)]
    assert sum(map(len, automaton._states.values())) <= 100


def test_keywords_that_share_all_their_letters_are_linked_in_few_steps() -> None:
    automaton = Automaton([Keyword("a" * 100), *(Keyword("a" * length + "b") for length in range(1, 100))])
    automaton._beginnings = steps = CountedSteps(automaton._beginnings)
    assert automaton.find("a" * 5000 + "b")[Keyword("a" * 99 + "b")] == [(4901, 5001)]
    assert steps.asked <= 2 * 5001


@pytest.mark.parametrize(
    ("word", "edges", "text", "there"),
    [
        ("app", "both", "我的app打不开", True),
        ("app", "both", "app,", True),
        ("app", "both", "happy", False),
        ("app", "both", "apple", False),
        ("app", "both", "app2", False),
        ("app", "start", "apple", True),
        ("app", "start", "snapp", False),
        ("can i", "both", "can i?", True),
        ("can i", "both", "can it", False),
        ("td", "whole", " td. ", True),
        ("td", "whole", "td please", False),
        ("12315", "both", "打12315投诉", True),
        ("12315", "both", "1231500", False),
        ("发票", "none", "开发票吗", True),
        ("заказ", "both", "мой заказ", True),
        ("заказ", "both", "заказы", False),
    ],
)
def test_word_boundaries(word: str, edges: Edges, text: str, there: bool) -> None:
    assert bool(Automaton([Keyword(word, edges)]).find(text)) is there


def test_a_rule_is_asked_only_when_one_of_its_keywords_is_there() -> None:
    many = [{"when": {"all": [{"contains": f"词{place}号"}, {"channel": "generic"}]}} for place in range(500)]
    examination = book(*many).examine(reading("没有任何一个"))
    assert examination._candidates == []
    assert len(book(*many).examine(reading("这是词77号。"))._candidates) == 1


# --- conditions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "text", "fires"),
    [
        ({"contains": ["发票"]}, "请开发票", True),
        ({"contains": "ＡＢＣ"}, "xabcx", True),
        ({"word": "refund*"}, "Refunds?", True),
        ({"word": ["refund"]}, "refunded", False),
        ({"all": [{"contains": "a"}, {"contains": "b"}]}, "ab", True),
        ({"all": [{"contains": "a"}, {"contains": "b"}]}, "a", False),
        ({"any": [{"contains": "a"}, {"contains": "b"}]}, "b", True),
        ({"all": [{"contains": "急"}, {"not": {"contains": "不急"}}]}, "不急", False),
        ({"contains": "急", "not": {"contains": "不急"}}, "很急", True),
        ({"not": {"contains": "a"}}, "b", True),
        ({"language": "en"}, "hello there", True),
        ({"language": ["zh"]}, "hello there", False),
        ({"masked": "mobile"}, "打13800138000", True),
        ({"contains": "手机号"}, "打13800138000", False),
        ({"exactly": ["t", "td"]}, "TD!", True),
        ({"exactly": ["t", "td"]}, "td me", False),
        ({"lexicon": "polite"}, "谢谢你", True),
        ({"lexicon": "polite"}, "thanksgiving", False),
        ({"lexicon": "polite"}, "Thanks。", True),
        ({"contains": "转账", "except": "支持转账"}, "支持转账吗", False),
        ({"contains": "转账", "except": "支持转账"}, "支持转账吗?转账给我", True),
        ({"contains": "转账", "except": "账单"}, "转账单", True),
        ({"word": "bank transfer", "except": ["by bank transfer"]}, "pay by bank transfer", False),
        ({"lexicon": "polite", "except": "不谢谢"}, "不谢谢", False),
        ({"near": {"first": "stop sending", "then": ["texts"]}}, "stop sending me texts", True),
        ({"near": {"first": "stop sending", "then": ["texts"], "within": 2}}, "stop sending me texts", False),
        ({"near": {"first": "stop sending", "then": ["texts"]}}, "texts stop sending", False),
        ({"near": {"first": "stop", "then": ["texts"]}}, "Stop. Texts ok", False),
        ({"near": {"first": "别发", "then": "短信"}}, "别发！短信呢", False),
        ({"near": {"first": "退到", "then": "我卡"}, "except": "没退到"}, "没退到我卡", False),
        ({"valued": "取件码"}, "取件码：Abc123", True),
        ({"valued": "取件码"}, "取件码是 12345678", True),
        ({"valued": "取件码"}, "取件码错误", False),
        ({"valued": "取件码"}, "取件码6位", False),
        ({"valued": "otp"}, "otp code", False),
        ({"only": "polite"}, "谢谢, thanks!🙏", True),
        ({"only": "polite"}, "谢谢谢谢", True),
        ({"only": "polite"}, "谢谢您", False),
        ({"only": "polite"}, "thanksgiving", False),
        ({"only": "polite"}, "谢谢13800138000", False),
        ({"only": "polite"}, "谢谢" * 200, False),
    ],
)
def test_conditions(when: dict[str, Any], text: str, fires: bool) -> None:
    assert (fired(book({"when": when}, lexicons={"polite": ["谢谢", "thanks"]}), text) == ["r0"]) is fires


@pytest.mark.parametrize(
    ("when", "circumstances"),
    [
        ({"channel": "twilio"}, {"channel": "twilio"}),
        ({"kind": ["sticker", "reaction"]}, {"kind": "sticker"}),
        ({"attachment": "image"}, {"attachments": ("voice", "image")}),
        ({"first_contact": True}, {"first_contact": True}),
    ],
)
def test_circumstances(when: dict[str, Any], circumstances: dict[str, Any]) -> None:
    rules = book({"when": when})
    assert fired(rules, "text", **circumstances) == ["r0"]
    assert fired(rules, "text") == []


def test_a_firing_names_rule_version_and_the_text_that_made_it_fire() -> None:
    rules = book(
        {"name": "invoice", "when": {"all": [{"contains": "发票"}, {"contains": "抬头"}]}, "then": {"content": "invoice"}}
    )
    text = "电话13800138000,开 发\u200b票,抬头是某某"
    masked = mask(text).text
    (firing,) = judge(rules, reading(text)).judgement.firings
    assert (firing.rule, firing.version) == ("invoice", "7")
    assert [masked[span.start : span.end] for span in firing.spans] == ["发\u200b票", "抬头"]


def test_overlapping_evidence_is_one_span() -> None:
    (firing,) = judge(book({"when": {"contains": ["转人工", "人工客服"]}}), reading("转人工客服")).judgement.firings
    assert firing.spans == (Span(start=0, end=5),)


def test_of_a_group_the_first_that_fires_counts() -> None:
    rules = book(
        {"when": {"contains": "a"}, "group": "g"},
        {"when": {"contains": "b"}, "group": "g", "priority": 5},
        {"when": {"contains": "c"}, "group": "g"},
        {"when": {"contains": "a"}},
    )
    assert fired(rules, "abc") == ["r1", "r3"]
    assert fired(rules, "ac") == ["r0", "r3"]


def test_after_stop_no_other_rule_is_tried() -> None:
    rules = book(
        {"when": {"contains": "a"}},
        {"when": {"contains": "a"}, "priority": 9, "stop": True, "then": {"business": "complaint"}},
        {"when": {"label": {"business": "complaint"}}},
    )
    assert fired(rules, "a") == ["r1"]


def test_rules_about_labels_come_last_and_do_not_see_each_other() -> None:
    rules = book(
        {
            "when": {"label": {"content": ["tech", "price"], "sentiment": "negative"}},
            "then": {"business": "complaint"},
            "priority": 9,
        },
        {"when": {"label": {"business": "complaint"}}},
        {"when": {"contains": "坏"}, "then": {"content": "tech", "sentiment": "negative"}},
    )
    assert fired(rules, "坏了") == ["r2", "r0"]


# --- what a bundle may not hold --------------------------------------------------------------------------------------


def changed(path: str, value: Any) -> dict[str, Any]:
    section: dict[str, Any] = {
        "version": "1",
        "lexicons": {"l": ["a"]},
        "rules": [{"name": "r", "when": {"contains": ["a"]}, "then": {"tag": "x"}}],
    }
    *way, last = path.split("/")
    part: Any = section
    for step in way:
        part = part[int(step) if step.isdigit() else step]
    part[last] = value
    return section


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("rules/0/when/contians", ["b"], "rules.rules.0.when.contians"),
        ("rules/0/when/contains", [], "rules.rules.0.when.contains"),
        ("rules/0/when/contains", None, "rules.rules.0.when"),
        ("rules/0/when/contains", [5], "rules.rules.0.when.contains.0"),
        ("rules/0/when/contains", [" \u200b"], "rules.rules.0.when.contains"),
        ("rules/0/when", {}, "rules.rules.0.when"),
        ("rules/0/when", {"all": []}, "rules.rules.0.when.all"),
        ("rules/0/when", {"any": [{"all": [{"lexicon": "missing"}]}]}, "rules.rules.0.when.any.0.all.0.lexicon"),
        ("rules/0/when", {"label": {}}, "rules.rules.0.when.label"),
        ("rules/0/when", {"only": ["missing"]}, "rules.rules.0.when.only"),
        ("rules/0/when", {"except": ["a"], "channel": "generic"}, "rules.rules.0.when"),
        ("rules/0/when", {"near": {"first": "a"}}, "rules.rules.0.when.near.then"),
        ("filler", ["missing"], "rules.filler"),
        ("rules/0/when", {"label": {"content": ["parcels"]}}, "rules.rules.0.when.label.content.0"),
        ("rules/0/then", {}, "rules.rules.0.then"),
        ("rules/0/then", {"score": 0.5}, "rules.rules.0.then"),
        ("rules/0/then", {"business": "angry"}, "rules.rules.0.then.business"),
        ("rules/0/then", {"urgency": "urgent", "score": 2}, "rules.rules.0.then.score"),
        ("rules/0/name", "Rule One", "rules.rules.0.name"),
        ("lexicons/l", ["*"], "rules.lexicons.l"),
        ("version", 1, "rules.version"),
        ("rulez", [], "rules.rulez"),
    ],
)
def test_a_wrong_field_is_named(path: str, value: Any, where: str) -> None:
    section = changed(path, value)
    if path.startswith("lexicons"):
        section["rules"][0]["when"] = {"lexicon": "l"}
    with pytest.raises(BundleInvalid) as refused:
        read_rules(section)
    assert str(refused.value).startswith(f"{where}:")


def test_two_rules_of_one_name_are_refused() -> None:
    rule = {"name": "r", "when": {"contains": "a"}, "then": {"tag": "x"}}
    with pytest.raises(BundleInvalid, match=r"rules\.rules\.1\.name"):
        read_rules({"version": "1", "rules": [rule, rule]})


def test_rules_nested_without_end_are_refused() -> None:
    when: dict[str, Any] = {"contains": "a"}
    for _ in range(5000):
        when = {"not": when}
    with pytest.raises(BundleInvalid):
        read_rules({"version": "1", "rules": [{"name": "r", "when": when, "then": {"tag": "x"}}]})


def test_templates_and_teams_that_rules_name_are_listed() -> None:
    rules = book({"name": "a", "when": {"contains": "a"}, "then": {"reply": "welcome", "team": "finance"}})
    assert rules.templates() == {"welcome": "rules.a.then.reply"}
    assert rules.teams() == {"finance": "rules.a.then.team"}


# --- labels that contradict each other -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claimed", "business", "also"),
    [
        (("after_sales", "complaint"), "complaint", ("after_sales",)),
        (("enquiry", "after_sales"), "after_sales", ("enquiry",)),
        (("enquiry", "appointment"), "appointment", ("enquiry",)),
        (("other", "enquiry"), "enquiry", ()),
        ((), "other", ()),
    ],
)
def test_tie_breakers(claimed: tuple[str, ...], business: str, also: tuple[str, ...]) -> None:
    judgement = resolve([Claim("business", value, 0.9) for value in claimed], language="zh")
    assert (judgement.business, judgement.also) == (business, also)


@given(st.lists(st.sampled_from(BUSINESS_ORDER)).flatmap(lambda claims: st.tuples(st.just(claims), st.permutations(claims))))
def test_the_order_of_claims_makes_no_difference(claims: tuple[list[str], list[str]]) -> None:
    one, other = ([Claim("business", value, 0.5) for value in order] for order in claims)
    assert resolve(one, language="zh") == resolve(other, language="zh")


def test_spam_is_nothing_else_but_keeps_its_risk() -> None:
    claims = [
        Claim("spam", "ad", 0.9), Claim("spam", "scam", 0.8), Claim("business", "complaint", 1.0), Claim("content", "price", 1.0),
        Claim("urgency", "urgent", 1.0), Claim("sentiment", "negative", 1.0), Claim("risk", "money", 0.7),
    ]  # fmt: skip
    judgement = resolve(claims, language="zh")
    assert (judgement.spam, judgement.business, judgement.content) == ("scam", "other", ())
    assert (judgement.urgency, judgement.sentiment, judgement.risk) == ("normal", "neutral", ("money",))
    assert judgement.scores == {"spam.scam": 0.8, "risk.money": 0.7}


@pytest.mark.parametrize("risk", ["legal_media", "safety"])
def test_threats_and_danger_are_always_urgent(risk: str) -> None:
    assert resolve([Claim("risk", risk, 0.9)], language="zh").urgency == "urgent"


def test_a_value_has_the_score_of_its_surest_claim() -> None:
    claims = [Claim("content", "tech", 0.4), Claim("content", "tech", 0.8), Claim("wants_human", "true", 0.9)]
    assert resolve(claims, language="zh").scores == {"content.tech": 0.8, "wants_human.true": 0.9}


# --- what a machine may settle, and what hides in gaps ----------------------------------------------------------------


def test_a_rule_settles_a_message_only_if_it_knows_of_all_that_is_said() -> None:
    rules = book(
        {"when": {"contains": "谢谢"}, "then": {"needs_person": False, "reply": "welcome"}},
        filler=["particles"],
        lexicons={"particles": ["啦", "the"]},
    )

    def wanted(text: str) -> tuple[bool | None, str | None]:
        consequences = judge(rules, reading(text)).consequences
        return consequences.needs_person, consequences.reply

    assert wanted("谢谢啦!") == (False, "welcome")
    assert wanted("谢谢啦,着火了") == wanted("谢谢 theatre") == wanted("谢谢13800138000") == (None, None)


def test_a_rule_settles_a_message_only_if_the_final_labels_are_still_its_own() -> None:
    rules = book(
        {"when": {"contains": "谢谢", "label": {"business": "other"}}, "then": {"needs_person": False, "reply": "welcome"}},
        {"when": {"contains": "谢谢", "label": {"urgency": "normal"}}, "then": {"business": "enquiry"}},
    )
    consequences = judge(rules, reading("谢谢")).consequences
    assert (consequences.needs_person, consequences.reply) == (None, None)


def test_rules_of_risk_and_spam_see_through_gaps_and_others_do_not() -> None:
    rules = book({"when": {"contains": "转账"}, "then": {"risk": "money"}}, {"when": {"contains": "发货"}})
    assert fired(rules, "转 账,发 货") == ["r0"]
    (firing,) = judge(rules, reading("请转 . 账吧")).judgement.firings
    assert firing.spans == (Span(start=1, end=6),)
    assert fired(rules, "转,账") == fired(rules, "转a账") == fired(rules, "转。账") == []
