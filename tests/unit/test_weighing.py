"""Rules and model together: whose word stands, and what nobody is sure of."""

from __future__ import annotations

from dataclasses import replace

from functions.classify.judging import Consequences, Verdict
from functions.classify.labels import Claim, resolve
from functions.classify.model.opinion import Opinion
from functions.classify.routing import _is_wanted
from functions.classify.weighing import believed, is_hint, standing, unsure, weighed

KNOWN = {
    "complaint-in-words": frozenset({"business.complaint"}),
    "question": frozenset[str](),
    "money-transfer": frozenset[str](),
}
OPINION = Opinion(
    {
        "business": ("enquiry",),
        "content": ("price",),
        "urgency": ("normal",),
        "sentiment": ("neutral",),
        "spam": ("none",),
        "risk": (),
    },
    {"business.enquiry": 0.6, "content.price": 0.7, "urgency.normal": 0.9, "sentiment.neutral": 0.8, "spam.none": 0.99},
    frozenset({"business", "content"}),
)


def labels(*claims: Claim, opinion: Opinion = OPINION):
    return resolve(weighed(list(claims), opinion), language="zh", uncertain=unsure(list(claims), opinion))


def test_a_rule_that_the_model_never_met_always_wins() -> None:
    own = standing("of-the-merchant", [Claim("business", "appointment", 0.9)], KNOWN)
    judgement = labels(*own)
    assert judgement.business == "appointment"
    assert judgement.scores["business.appointment"] == 0.9
    assert "business.enquiry" not in judgement.scores


def test_a_known_rule_is_heard_through_the_model_unless_it_is_nearly_always_right() -> None:
    assert standing("question", [Claim("business", "enquiry", 0.6)], KNOWN) == []
    trusted = Claim("business", "complaint", 0.9)
    assert standing("complaint-in-words", [trusted, Claim("sentiment", "negative", 0.9)], KNOWN) == [trusted]


def test_risk_of_any_rule_stands_and_the_models_is_added() -> None:
    own = standing("money-transfer", [Claim("risk", "money", 0.9)], KNOWN)
    opinion = Opinion(OPINION.values | {"risk": ("safety",)}, OPINION.scores | {"risk.safety": 0.5}, OPINION.uncertain)
    judgement = labels(*own, opinion=opinion)
    assert judgement.risk == ("money", "safety")
    assert judgement.urgency == "urgent", "safety always is"


def test_a_risk_that_a_known_rule_only_hints_at_falls_where_the_model_rules_it_out() -> None:
    hint = Claim("risk", "money", 0.6)
    assert is_hint("money-transfer", hint, KNOWN)
    assert not is_hint("money-transfer", hint._replace(score=0.8), KNOWN), "its author is sure"
    assert not is_hint("a-rule-of-their-own", hint, KNOWN), "a merchant's own word"
    assert not is_hint("money-transfer", hint, {"money-transfer": frozenset({"risk.money"})}), "nearly always right"
    assert believed([hint], OPINION) == [hint]
    assert believed([hint], replace(OPINION, unlikely=frozenset({"risk.money"}))) == []


def test_the_model_may_take_back_a_shipped_rules_flag_but_not_a_merchants() -> None:
    flag = Claim("opt_out", "true", 0.9)
    assert standing("money-transfer", [flag], KNOWN) == []
    assert standing("a-rule-of-their-own", [flag], KNOWN) == [flag]


def test_what_a_rule_said_of_an_axis_is_not_uncertain() -> None:
    assert labels().uncertain == ("business", "content")
    assert labels(Claim("business", "complaint", 0.9)).uncertain == ("content",)


def test_a_rule_that_says_spam_silences_the_model() -> None:
    judgement = labels(Claim("spam", "ad", 0.9))
    assert (judgement.spam, judgement.business, judgement.content, judgement.uncertain) == ("ad", "other", (), ())


def test_a_rule_may_say_that_it_is_no_spam() -> None:
    opinion = Opinion(OPINION.values | {"spam": ("ad",)}, OPINION.scores | {"spam.ad": 0.9}, frozenset())
    assert labels(opinion=opinion).spam == "ad"
    assert labels(Claim("spam", "none", 1.0), opinion=opinion).spam == "none"


def test_spam_that_nobody_is_sure_of_is_seen_by_a_person() -> None:
    opinion = Opinion(OPINION.values | {"spam": ("ad",)}, OPINION.scores | {"spam.ad": 0.5}, frozenset({"spam"}))
    sure = Opinion(opinion.values, opinion.scores, frozenset())
    assert _is_wanted(labels(opinion=opinion), Consequences())
    assert not _is_wanted(labels(opinion=sure), Consequences())
    assert Verdict(labels(opinion=sure), Consequences()).judgement.spam == "ad"
