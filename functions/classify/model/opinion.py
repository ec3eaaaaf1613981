"""What the model says of a message, in the words of the label sheet, each with a probability, and where it is not sure enough.

Margins become probabilities by what was measured on messages that the heads had not seen: a slope and an offset a lane, then what a
network makes of all lanes together, then what corrections add; the values of an axis of which there can be only one share one. `bars`
are chosen there too: how probable a value must be to be said, and how probable what is said of an axis must be for the axis not to be
`uncertain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp
from typing import Any

from functions.classify.model.network import Network
from functions.classify.model.scoring import Features, Scorer
from functions.classify.model.weights import Weights, WeightsInvalid
from functions.common.errors import BundleInvalid

# A lane's place, and the value of its axis that it stands for.
Lane = tuple[int, str]
# Of these axes exactly one value holds.
SINGLE = ("business", "sentiment")
SEVERAL = ("content", "risk")
FLAGS = ("wants_human", "opt_out")
MEANT_NOTHING = 0.6
# What is about as likely as not is said, however likely something else is.
LIKELY = 0.4
_LOWEST, _HIGHEST = 0.01, 0.99
# A risk less probable than this is ruled out: of the hints of rules on authors left out, every one that fell under it was wrong.
UNLIKELY = 0.01


@dataclass(frozen=True, slots=True)
class Opinion:
    """`values` by axis (for a flag `true`, or none), `scores` by `axis.value`, and the axes on which the model is not sure.

    `unlikely`: risks, as `axis.value`, that it is all but sure are not there.
    """

    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    uncertain: frozenset[str] = frozenset()
    unlikely: frozenset[str] = frozenset()


class Model:
    """Weights ready for use. `rules`: those it was trained with, each with the labels that it may claim over the model's head."""

    def __init__(self, weights: Weights, bars: Mapping[str, float] | None = None) -> None:
        self.hash = weights.hash
        self.scorer = Scorer(weights)
        header: dict[str, Any] = weights.header
        self.rules: dict[str, frozenset[str]] = {name: frozenset(labels) for name, labels in header["rules"].items()}
        self._slopes: list[float] = header["slopes"]
        self._offsets: list[float] = header["offsets"]
        lanes = len(weights.lanes)
        if not len(self._slopes) == len(self._offsets) == lanes or not set(weights.added) <= set(weights.lanes):
            raise WeightsInvalid(f"weights: no slope and offset for each of {lanes} lanes, or something added to what is none")
        self._network = Network(header["network"], lanes) if "network" in header else None
        self._added = [weights.lanes.index(lane) for lane in weights.added]
        self._favour: dict[str, dict[str, float]] = {axis: {} for axis in SINGLE}
        for label, favour in header["favour"].items():
            axis, _, value = label.partition(".")
            self._favour.setdefault(axis, {})[value] = favour
        self.bars: dict[str, float] = _bars(header["bars"], bars or {})
        self._axes: dict[str, list[Lane]] = {}
        for place, lane in enumerate(self.scorer.lanes):
            axis, _, value = lane.partition(".")
            self._axes.setdefault(axis, []).append((place, value))
        self._least_said = [self._bar(*lane.split(".")) for lane in self.scorer.lanes]
        self._least_sure = {axis: self.bars.get(f"sure.{axis}", 0.0) for axis in self._axes}

    def opinion(self, features: Features) -> Opinion:
        """What the features say."""
        return self.judged(self.scorer.margins(features))

    def judged(self, margins: list[float]) -> Opinion:
        """What a scorer's numbers say."""
        logits = self.logits(margins)
        values: dict[str, tuple[str, ...]] = {}
        scores: dict[str, float] = {}
        unsure: list[str] = []
        for axis, lanes in self._axes.items():
            said, sure = self._of_axis(axis, lanes, logits)
            values[axis] = tuple(said)
            for value, probability in said.items():
                scores[f"{axis}.{value}"] = _rounded(probability)
            if sure < self._least_sure[axis]:
                unsure.append(axis)
        return Opinion(values, scores, frozenset(unsure), self._unlikely(logits))

    def probabilities(self, margins: list[float]) -> dict[str, float]:
        """Every lane's probability, for whoever measures them."""
        logits = self.logits(margins)
        known: dict[str, float] = {}
        for axis, lanes in self._axes.items():
            of_axis = _shares(lanes, logits) if axis in SINGLE else {value: _sigmoid(logits[place]) for place, value in lanes}
            known |= {f"{axis}.{value}": probability for value, probability in of_axis.items()}
        return known

    def logits(self, margins: list[float]) -> list[float]:
        """One logit a lane for a scorer's numbers, one a column."""
        own = zip(self._slopes, margins[: len(self._slopes)], self._offsets, strict=True)
        logits = [slope * margin + offset for slope, margin, offset in own]
        if self._network is not None:
            logits = self._network.logits(logits)
        for lane, more in zip(self._added, margins[len(logits) :], strict=True):
            logits[lane] += more
        return logits

    def _of_axis(self, axis: str, lanes: list[Lane], logits: list[float]) -> tuple[dict[str, float], float]:
        """The values said with their probabilities, and how sure the least sure of these decisions is."""
        if axis in SINGLE:
            shares, favour = _shares(lanes, logits), self._favour[axis]
            best = max(shares, key=lambda value: shares[value] * favour[value])
            return {best: shares[best]}, shares[best]
        if axis == "spam":
            return self._of_spam(lanes, logits)
        known = [(place, value, _sigmoid(logits[place])) for place, value in lanes]
        sure = min([max(probability, 1 - probability) for _, _, probability in known])
        said = {value: probability for place, value, probability in known if probability >= self._least_said[place]}
        if axis == "content" and len(said) > 1:
            least = min(LIKELY, max(said.values()) * self.bars["beside.content"])
            said = {value: probability for value, probability in said.items() if probability >= least}
        if axis == "urgency":
            said = said or {"normal": 1 - known[-1][2]}
            sure = next(iter(said.values()))
        return said, sure

    def _unlikely(self, logits: list[float]) -> frozenset[str]:
        return frozenset(f"risk.{value}" for place, value in self._axes.get("risk", ()) if _sigmoid(logits[place]) < UNLIKELY)

    def _of_spam(self, lanes: list[Lane], logits: list[float]) -> tuple[dict[str, float], float]:
        """Whether it is spam is one question, which kind of it another."""
        genuine = _sigmoid(logits[lanes[0][0]])
        if 1 - genuine < self.bars["say.spam"]:
            return {"none": genuine}, genuine
        kinds = _shares(lanes[1:], logits)
        kind = max(kinds, key=kinds.__getitem__)
        if kind == "noise" and (1 - genuine) * kinds[kind] < MEANT_NOTHING:
            # An order number by itself looks like noise, and somebody waits for an answer to it.
            return {"none": genuine}, genuine
        return {kind: (1 - genuine) * kinds[kind]}, 1 - genuine

    def _bar(self, axis: str, value: str) -> float:
        return self.bars.get(f"say.{axis}.{value}", self.bars.get(f"say.{axis}", 0.5))


def _bars(measured: dict[str, float], wanted: Mapping[str, float]) -> dict[str, float]:
    for name in wanted:
        if name not in measured:
            raise BundleInvalid(f"model.bars.{name}: the weights have no such bar; they have {', '.join(sorted(measured))}")
    return {**measured, **wanted}


def _shares(lanes: list[Lane], logits: list[float]) -> dict[str, float]:
    own = [logits[place] for place, _ in lanes]
    most = max(own)
    powers = [exp(max(-60.0, logit - most)) for logit in own]
    total = sum(powers)
    return {value: power / total for (_, value), power in zip(lanes, powers, strict=True)}


def _sigmoid(logit: float) -> float:
    return 1 / (1 + exp(-logit if logit > -60.0 else 60.0))


def _rounded(probability: float) -> float:
    """Nothing is known for certain, and a stored item has no room for more digits."""
    return round(min(_HIGHEST, max(_LOWEST, probability)), 2)
