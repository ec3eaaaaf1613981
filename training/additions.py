"""Logistic regressions that begin at what a model says, and learn from labels that people gave because the model was wrong.

Of corrections alone one would learn that the model is always wrong: what it said is rarer among them than among messages. How much rarer,
where it was sure and where it was not, is fitted beside the rest and left out of what is learnt, as in a study of cases and controls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

# What is added without regard to the message is pulled to nothing so hard, and how much rarer what was said is.
_HOLD, _RARER_HOLD, _RAREST = 200.0, 0.1, 6.0
_ROUNDS = 100
_BEYOND = 50.0


@dataclass(frozen=True)
class Cases:
    """What people said of an axis of some messages, one line each, and one column a lane.

    `logits`: what the model says. `right`: 1 where the value holds. `said`: 1 where it was said, by rules and model. `sure`: whether the
    axis was not called uncertain. `one`: exactly one value holds.
    """

    logits: np.ndarray
    right: np.ndarray
    said: np.ndarray
    sure: np.ndarray
    one: bool

    def of(self, places: Sequence[int] | np.ndarray) -> Cases:
        """Some of them."""
        return Cases(self.logits[places], self.right[places], self.said[places], self.sure[places], self.one)


@dataclass(frozen=True)
class Addition:
    """`weights[direction, lane]` and `bias[lane]` add to the logits; `rarer` (sure, unsure) is only for asking about other corrections."""

    weights: np.ndarray
    bias: np.ndarray
    rarer: np.ndarray


def learn(directions: np.ndarray, cases: Cases) -> Addition:
    """The addition that makes these labels likely; with no directions, only how much rarer is what was said."""
    width, lanes = directions.shape[1], cases.logits.shape[1]
    inside = (width + 1) * lanes if width else 0

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        made = _addition(numbers, width, lanes)
        cost, slopes = _loss(directions, cases, made)
        hold = np.concatenate([np.ones(width * lanes), np.full(inside - width * lanes, _HOLD), np.full(2, _RARER_HOLD)])
        return cost + 0.5 * float((hold * numbers**2).sum()), slopes + hold * numbers

    bounds = [(None, None)] * inside + [(0.0, _RAREST)] * 2
    found = minimize(loss, np.zeros(inside + 2), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ROUNDS})
    return _addition(found.x, width, lanes)


def surprise(directions: np.ndarray, cases: Cases, made: Addition) -> np.ndarray:
    """How unlikely each message's labels are, as people came to give them: minus the logarithm."""
    return _surprise(_logits(directions, cases, made), cases)


def _addition(numbers: np.ndarray, width: int, lanes: int) -> Addition:
    split = width * lanes
    bias = numbers[split:-2] if width else np.zeros(lanes)
    return Addition(numbers[:split].reshape(width, lanes), bias, numbers[-2:])


def _logits(directions: np.ndarray, cases: Cases, made: Addition) -> np.ndarray:
    rarer = np.where(cases.sure, *made.rarer)[:, None]
    logits: np.ndarray = cases.logits + directions @ made.weights + made.bias - rarer * _spoken_for(cases)
    return logits


def _spoken_for(cases: Cases) -> np.ndarray:
    """Which way what was said points in each lane."""
    return cases.said if cases.one else 2 * cases.said - 1


def _surprise(logits: np.ndarray, cases: Cases) -> np.ndarray:
    if cases.one:
        top = logits.max(axis=1)
        total = np.log(np.exp(logits - top[:, None]).sum(axis=1))
        one: np.ndarray = top + total - (logits * cases.right).sum(axis=1)
        return one
    several: np.ndarray = (np.logaddexp(0, logits) - cases.right * logits).sum(axis=1)
    return several


def _loss(directions: np.ndarray, cases: Cases, made: Addition) -> tuple[float, np.ndarray]:
    logits = _logits(directions, cases, made)
    if cases.one:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        known = powers / powers.sum(axis=1, keepdims=True)
    else:
        known = 1 / (1 + np.exp(-np.clip(logits, -_BEYOND, _BEYOND)))
    wrong = known - cases.right
    toward = -(wrong * _spoken_for(cases)).sum(axis=1)
    slopes = [toward[cases.sure].sum(), toward[~cases.sure].sum()]
    if directions.shape[1]:
        slopes = [*(directions.T @ wrong).ravel(), *wrong.sum(axis=0), *slopes]
    return float(_surprise(logits, cases).sum()), np.array(slopes)
