"""From claims to labels: what several rules say of one message, resolved by the label sheet's tie-breakers into one value per axis."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, get_args

from functions.common.judgement import Business, Content, Firing, Judgement, Risk, Sentiment, Spam

# Where two fit, the earlier one is the label: dissatisfaction makes a complaint of anything, a time that is asked for makes an
# appointment of an enquiry or a repair, something to be done about an order makes it after-sales.
BUSINESS_ORDER: tuple[Business, ...] = ("complaint", "appointment", "after_sales", "suggestion", "enquiry", "other")
SENTIMENT_ORDER: tuple[Sentiment, ...] = ("negative", "positive", "neutral")
SPAM_ORDER: tuple[Spam, ...] = ("scam", "ad", "noise", "none")
ALWAYS_URGENT: frozenset[Risk] = frozenset({"legal_media", "safety"})
CONTENTS: tuple[Content, ...] = get_args(Content)
RISKS: tuple[Risk, ...] = get_args(Risk)
FLAGS = ("wants_human", "opt_out")


class Claim(NamedTuple):
    """That an axis has a value, and how sure that is: 0…1. For a flag the value is `true`."""

    axis: str
    value: str
    score: float


def resolve(
    claims: Iterable[Claim], *, language: str, firings: tuple[Firing, ...] = (), uncertain: Collection[str] = ()
) -> Judgement:
    """The label sheet filled in. Spam is nothing else: it has no content, business other, sentiment neutral, urgency normal.

    `uncertain` names axes whose labels a person should look at.
    """
    sure = _surest(claims)
    spam = _first(SPAM_ORDER, sure["spam"], "none")
    risk = _listed(RISKS, sure["risk"])
    axes: dict[str, Any] = {"spam": spam, "risk": risk} | {flag: "true" in sure[flag] for flag in FLAGS}
    if spam == "none":
        axes |= _of_a_customer(sure, risk)
    scores = {
        f"{axis}.{value}": score
        for axis, values in sure.items()
        for value, score in values.items()
        if axis in axes and value in _values(axes[axis])
    }
    doubtful = tuple(axis for axis in axes if axis in uncertain)
    return Judgement(**axes, language=language, scores=scores, uncertain=doubtful, firings=firings)


def _of_a_customer(sure: dict[str, dict[str, float]], risk: tuple[str, ...]) -> dict[str, Any]:
    fitting = _listed(BUSINESS_ORDER, sure["business"])
    business = fitting[0] if fitting else "other"
    urgent = "urgent" in sure["urgency"] or not ALWAYS_URGENT.isdisjoint(risk)
    return {
        "business": business,
        "also": tuple(value for value in fitting[1:] if value != "other"),
        "content": _listed(CONTENTS, sure["content"]),
        "urgency": "urgent" if urgent else "normal",
        "sentiment": _first(SENTIMENT_ORDER, sure["sentiment"], "neutral"),
    }


def _surest(claims: Iterable[Claim]) -> dict[str, dict[str, float]]:
    axes = ("business", "content", "urgency", "sentiment", "spam", "risk", *FLAGS)
    sure: dict[str, dict[str, float]] = {axis: {} for axis in axes}
    for axis, value, score in claims:
        if score > sure[axis].get(value, 0.0):
            sure[axis][value] = score
    return sure


def _first(order: tuple[str, ...], claimed: Mapping[str, float], neutral: str) -> str:
    return next((value for value in order if value in claimed), neutral)


def _listed(order: tuple[str, ...], claimed: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(value for value in order if value in claimed)


def _values(label: Any) -> tuple[str, ...]:
    if isinstance(label, bool):
        return ("true",) if label else ()
    return label if isinstance(label, tuple) else (label,)
