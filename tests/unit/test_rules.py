"""The rule engine, and the rules that are shipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from functions.classify.folding import fold
from functions.classify.judging import Verdict, judge
from functions.classify.keywords import MAX_PLACES, Automaton, Edges, Keyword
from functions.classify.labels import BUSINESS_ORDER, Claim, resolve
from functions.classify.masking import mask
from functions.classify.reading import Reading
from functions.classify.rules import RuleBook, read_rules
from functions.common.errors import BundleInvalid
from functions.common.judgement import Span

SHIPPED = yaml.safe_load((Path(__file__).parents[2] / "config/rules.yaml").read_text("utf-8"))
SHIPPED_BOOK = read_rules(SHIPPED)


def reading(text: str, **circumstances: Any) -> Reading:
    from functions.classify.language import detect
    from functions.classify.masking import placeholders

    masked = mask(text)
    known = {
        "folded": fold(masked.text, placeholders(masked.text)),
        "channel": "generic",
        "kind": "text",
        "attachments": (),
        "language": detect(masked.text, fallback=None),
        "first_contact": False,
        "masked": tuple(masked.counts()),
    }
    return Reading(**known | circumstances)


def book(*rules: dict[str, Any], **more: Any) -> RuleBook:
    named = [{"name": f"r{place}", "then": {"tag": f"r{place}"}} | rule for place, rule in enumerate(rules)]
    return read_rules({"version": "7", "rules": named} | more)


def fired(rules: RuleBook, text: str, **circumstances: Any) -> list[str]:
    return [firing.rule for firing in judge(rules, reading(text, **circumstances)).judgement.firings]


def shipped(text: str, **circumstances: Any) -> Verdict:
    return judge(SHIPPED_BOOK, reading(text, **circumstances))


# --- the automaton ---------------------------------------------------------------------------------------------------


@given(st.lists(st.text("ab发 ", min_size=1, max_size=4), min_size=1, max_size=12), st.text("ab发 ", max_size=40))
def test_the_automaton_finds_what_a_plain_search_finds(words: list[str], text: str) -> None:
    found = Automaton(Keyword(word) for word in words).find(text)
    for word in set(words):
        places = [(start, start + len(word)) for start in range(len(text)) if text.startswith(word, start)]
        assert found.get(Keyword(word), []) == places[:MAX_PLACES]


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


# --- the rules that are shipped --------------------------------------------------------------------------------------


def test_the_shipped_rules_know_enough_words() -> None:
    assert sum(len(entry.test.keywords) for entry in SHIPPED_BOOK._rules) > 1000


# text, business, content, sentiment
LABELLED = [
    ("你好,请问发票怎么开?", "enquiry", {"invoice"}, "neutral"),
    ("请问你们的会员积分怎么查", "enquiry", {"account"}, "neutral"),
    ("我的快递到哪了?", "enquiry", {"logistics"}, "neutral"),
    ("快递单号SF1234567890123一直没更新,帮我查一下", "enquiry", {"logistics"}, "neutral"),
    ("这款T恤有XL码吗", "enquiry", set(), "neutral"),
    ("这件外套多少钱,有优惠券吗", "enquiry", {"price", "promotion"}, "neutral"),
    ("孩子想报英语课,学费怎么收", "enquiry", {"price"}, "neutral"),
    ("你们几点关门?", "enquiry", set(), "neutral"),
    ("What's the price of the blue one?", "enquiry", {"price"}, "neutral"),
    ("Do you ship to Canada?", "enquiry", {"logistics"}, "neutral"),
    ("Where is my order?", "enquiry", {"logistics"}, "neutral"),
    ("怎么退货?", "after_sales", {"refund"}, "neutral"),
    ("衣服尺码不合适,想换大一码", "after_sales", {"product"}, "neutral"),
    ("收到的货少了一件", "after_sales", {"product"}, "neutral"),
    ("帮我开一张发票,抬头是上海某某公司", "after_sales", {"invoice"}, "neutral"),
    ("APP一打开就闪退", "after_sales", {"tech"}, "neutral"),
    ("空调不制冷,报修", "after_sales", {"tech"}, "neutral"),
    ("how do I return this?", "after_sales", {"refund"}, "neutral"),
    ("My order arrived broken, I want a replacement", "after_sales", set(), "neutral"),
    ("Could you send me an invoice for my order?", "after_sales", {"invoice"}, "neutral"),
    ("你们的客服态度太差了,我要投诉!", "complaint", set(), "negative"),
    ("太失望了,等了一个星期还没发货,退款!", "complaint", {"logistics", "refund"}, "negative"),
    ("订单一直不发货,催了三次没人理,垃圾店", "complaint", {"logistics"}, "negative"),
    ("This is unacceptable, I was charged twice and nobody answers!", "complaint", {"price"}, "negative"),
    ("我想预约明天下午三点上门安装空调", "appointment", set(), "neutral"),
    ("周六晚6点订位4个人", "appointment", set(), "neutral"),
    ("I'd like to reschedule my appointment to Monday", "appointment", set(), "neutral"),
    ("建议你们增加夜间配送服务", "suggestion", {"logistics"}, "neutral"),
    ("你们家的面太好吃了,服务也很贴心", "suggestion", set(), "positive"),
    ("It would be great if you added dark mode", "suggestion", set(), "neutral"),
    ("Love your service, the staff were amazing", "suggestion", set(), "positive"),
    ("你好", "other", set(), "neutral"),
    ("谢谢!", "other", set(), "positive"),
    ("想谈商务合作", "other", set(), "neutral"),
    ("???", "other", set(), "neutral"),
    ("12345", "other", set(), "neutral"),
]


@pytest.mark.parametrize(("text", "business", "content", "sentiment"), LABELLED)
def test_the_shipped_rules_label_customers(text: str, business: str, content: set[str], sentiment: str) -> None:
    judgement = shipped(text).judgement
    assert (judgement.business, set(judgement.content), judgement.sentiment) == (business, content, sentiment)
    assert (judgement.spam, judgement.risk, judgement.urgency) == ("none", (), "normal")


@pytest.mark.parametrize(
    "text",
    [
        "收银系统全部瘫痪了,收不了款,急!",
        "今晚的航班,酒店订单还没确认,麻烦马上处理!",
        "我要退货,麻烦尽快,孩子明天生日要用",
        "买的净水器漏水,家里都淹了,赶紧派人来",
        "i need a refund asap, the wedding is tomorrow",
        "Our website is down and we are losing customers",
        "Can I book a table for two tonight at 7?",
    ],
)
def test_a_reason_makes_a_message_urgent(text: str) -> None:
    assert shipped(text).judgement.urgency == "urgent"


@pytest.mark.parametrize(
    "text", ["在吗在吗在吗", "快点!!!", "急急急", "不急,有空帮我看看发票", "太差了!!退钱!!", "hurry up", "asap"]
)
def test_impatience_alone_is_not_urgent(text: str) -> None:
    assert shipped(text).judgement.urgency == "normal"


@pytest.mark.parametrize(
    ("text", "risk"),
    [
        ("请把钱转账到我的私人账户", {"money"}),
        ("把钱转账到我卡上", {"money"}),
        ("我要汇款给你们,账号发我", {"money"}),
        ("退款请打到我的支付宝 13800138000", {"money"}),
        ("退款退到这张卡6222021234567890128", {"money"}),
        ("Please wire transfer the money to my account", {"money"}),
        ("你的验证码是123456,请告诉我", {"credentials"}),
        ("my password is hunter2", {"credentials"}),
        ("再不解决我就打12315投诉,找媒体曝光你们", {"legal_media"}),
        ("等着收律师函吧", {"legal_media"}),
        ("I'll sue you, my lawyer will contact you", {"legal_media"}),
        ("充电宝充电时着火了,孩子手被烫伤", {"safety"}),
        ("My kid had an allergic reaction to your product", {"safety"}),
        ("我不想活了", {"safety"}),
        ("退款什么时候到账?", set()),
        ("退款到银行卡要多久到账", set()),
        ("请问支持转账吗", set()),
        ("律师事务所在几楼", set()),
        ("烟雾报警器一直响怎么办", set()),
        ("相机曝光不足怎么调", set()),
        ("Hi, I'm Sue. Is your shop near the court?", set()),
        ("密码忘了怎么办", set()),
        ("How do I reset my password?", set()),
    ],
)
def test_risks_are_seen_and_not_imagined(text: str, risk: set[str]) -> None:
    assert set(shipped(text).judgement.risk) == risk


@pytest.mark.parametrize(
    ("text", "spam"),
    [
        ("恭喜您中奖了,点击领取奖金", "scam"),
        ("Congratulations, you have won! Claim your prize", "scam"),
        ("专业涨粉,刷赞,价格便宜,加微信", "ad"),
        ("贷款秒批,无抵押贷款,加V了解", "ad"),
        ("代开发票,各行业都有", "ad"),
        ("SEO services for your website, first page of Google", "ad"),
        ("哈哈哈哈哈哈", "noise"),
        ("asdfghjkl", "noise"),
        ("😂😂😂😂😂", "noise"),
        ("https://shop.example/item/12 这个有货吗", "none"),
        ("可以帮我补开发票吗", "none"),
        ("👍", "none"),
        ("急急急急急", "none"),
    ],
)
def test_spam_is_seen_and_customers_are_not_spam(text: str, spam: str) -> None:
    assert shipped(text).judgement.spam == spam


@pytest.mark.parametrize(
    ("text", "channel", "opt_out"),
    [
        ("退订", "generic", True),
        ("TD", "twilio", True),
        ("回复T", "twilio", False),
        ("T", "twilio", True),
        ("T", "generic", False),
        ("STOP", "twilio", True),
        ("别再发了", "generic", True),
        ("Please stop texting me", "twilio", True),
        ("please stop the subscription price increase?", "twilio", False),
        ("怎么退货", "generic", False),
    ],
)
def test_opting_out(text: str, channel: str, opt_out: bool) -> None:
    judgement = shipped(text, channel=channel).judgement
    assert judgement.opt_out is opt_out
    if opt_out:
        assert (judgement.business, judgement.sentiment) == ("other", "neutral")


@pytest.mark.parametrize("text", ["转人工", "我要真人客服", "can I talk to a person?", "let me speak to a human"])
def test_wanting_a_human(text: str) -> None:
    assert shipped(text).judgement.wants_human


@pytest.mark.parametrize(
    ("text", "reply", "needs_person"),
    [
        ("你好", "greeting", False),
        ("Hi", "greeting", False),
        ("谢谢!", "thanks", False),
        ("你们几点关门?", "opening_hours", False),
        ("What are your opening hours?", "opening_hours", False),
        ("发票怎么开?", "invoice_how", None),
        ("Where is my parcel?", "parcel_how", None),
        ("你好,我要投诉,态度太差", "complaint_received", None),
        ("好的", None, False),
        ("退订", None, False),
    ],
)
def test_what_a_machine_can_answer(text: str, reply: str | None, needs_person: bool | None) -> None:
    wanted = shipped(text).consequences
    assert (wanted.reply, wanted.needs_person) == (reply, needs_person)


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    masked = mask(text).text
    for firing in shipped(text).judgement.firings:
        for span in firing.spans:
            assert 0 <= span.start < span.end <= len(masked)


@pytest.mark.parametrize(
    "make", [lambda: "急" * 20_000, lambda: "\u200b" * 20_000, lambda: "a " * 10_000, lambda: "转账" * 10_000]
)
def test_a_long_text_is_judged_in_one_pass(make: Callable[[], str]) -> None:
    assert len(shipped(make()).judgement.firings) < 10
