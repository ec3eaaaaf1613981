"""Rules and model put together: what a merchant's rule says stands, and the model says the rest.

Rules that the model was trained with are evidence in it, for it has seen what their word is worth; those that were nearly always
right there may still claim their labels over its head. A rule that the model has never met is the merchant's own word, and always wins.
On risk rules and model add up: what one of them sees is not taken back by the other. Only a hint, a risk that the rule's own author is
not sure of, falls where the model is all but sure that there is none: 打官司 and "in hospital" stand in threats and in stories.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from functions.classify.labels import Claim
from functions.classify.model.opinion import Opinion

# On these every rule that is sure is heard, whatever the model thinks of it: a danger imagined costs a look, one missed costs more.
ADDED_UP = ("risk",)
# A risk claimed with a lower score is a hint.
SURE = 0.7
# What holds when nobody says anything takes no room in a stored message.
_NOTHING = ("normal", "neutral", "none")
_ONE_VALUE = ("business", "urgency", "sentiment", "spam")


def standing(rule: str, claims: Iterable[Claim], known: Mapping[str, frozenset[str]]) -> list[Claim]:
    """Of what a rule claims, that which stands beside a model that knows these rules."""
    if rule not in known:
        return list(claims)
    return [claim for claim in claims if claim.axis in ADDED_UP or label_of(claim) in known[rule]]


def label_of(claim: Claim) -> str:
    """A claim's `axis.value`."""
    return f"{claim.axis}.{claim.value}"


def is_hint(rule: str, claim: Claim, known: Mapping[str, frozenset[str]]) -> bool:
    """Whether the model may doubt a risk that a rule claims: never one of a rule that it does not know."""
    return claim.axis in ADDED_UP and claim.score < SURE and label_of(claim) not in known.get(rule, (label_of(claim),))


def believed(hints: Iterable[Claim], opinion: Opinion) -> list[Claim]:
    """The hints that the model does not rule out."""
    return [hint for hint in hints if label_of(hint) not in opinion.unlikely]


def weighed(claims: list[Claim], opinion: Opinion) -> list[Claim]:
    """The rules' standing claims and the model's own, none of which contradicts them."""
    taken = {claim.axis for claim in claims if claim.axis in _ONE_VALUE}
    own = [
        Claim(axis, value, opinion.scores[f"{axis}.{value}"])
        for axis, values in opinion.values.items()
        if axis not in taken
        for value in values
        if value not in _NOTHING
    ]
    return [*claims, *own]


def unsure(claims: list[Claim], opinion: Opinion) -> frozenset[str]:
    """The axes on which nobody is sure: the model is not, and no rule has claimed them."""
    return opinion.uncertain - {claim.axis for claim in claims}
