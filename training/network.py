"""What the answers say of each other: a small network over the lanes' calibrated logits, by scikit-learn.

It learns from logits of heads that had not seen the message, as it will be asked of messages that none has seen.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from functions.classify.model.network import LARGEST, SPARE, UNITY, WHOLE, WHOLE_BIAS

# Chosen on authors left out, once: more units or rounds are a tenth of a point, fewer cost half a point. It is stopped, not settled.
UNITS, ROUNDS, AT_ONCE = 48, 20, 200
_MANNER = {"alpha": 0.01, "learning_rate_init": 1e-3, "random_state": 0}
# What varies less than this is not spread out: a lane on which all messages are one would outweigh every other in whole numbers.
_STEADY = 0.01


@dataclass(frozen=True)
class Network:
    """`inner[input, unit]`, `inner_bias[unit]`, `outer[unit, lane]` and `bias[lane]`; inputs as `inputs_of` has them."""

    inner: np.ndarray
    inner_bias: np.ndarray
    outer: np.ndarray
    bias: np.ndarray

    def logits(self, known: np.ndarray) -> np.ndarray:
        """Logits, one line each, in the light of each other."""
        result: np.ndarray = np.maximum(inputs_of(known) @ self.inner + self.inner_bias, 0) @ self.outer + self.bias
        return result

    def scaled(self, slopes: np.ndarray, offsets: np.ndarray) -> Network:
        """With a slope and an offset for each lane's logit."""
        return replace(self, outer=self.outer * slopes, bias=self.bias * slopes + offsets)

    def header(self) -> dict[str, Any]:
        """In whole numbers, each unit and each lane on its own scale, as `functions/classify/model/network.py` reads it."""
        largest = np.maximum(np.abs(self.inner).max(axis=0) / WHOLE, np.abs(self.inner_bias) * UNITY / WHOLE_BIAS)
        units = np.maximum(largest, 1e-12)
        outer = self.outer * units[:, None] * 2**SPARE / UNITY
        scales = np.maximum(np.abs(outer).max(axis=0), 1e-12) / WHOLE
        return {
            "inner": np.rint(self.inner / units).astype(int).tolist(),
            "inner_bias": np.rint(self.inner_bias * UNITY / units).astype(int).tolist(),
            "outer": np.rint(outer / scales).astype(int).tolist(),
            "scales": [float(f"{scale:.6g}") for scale in scales],
            "bias": [float(f"{bias:.6g}") for bias in self.bias],
        }


def inputs_of(known: np.ndarray) -> np.ndarray:
    """What a network is asked with: each lane's probability, and its logit as a share of the largest."""
    held = np.clip(known, -LARGEST, LARGEST)
    return np.concatenate([expit(held), held / LARGEST], axis=1)


def fit(known: np.ndarray, right: np.ndarray) -> Network:
    """A network for logits and the lanes' right answers, one line a message; the same for the same messages on the same processor."""
    inputs = inputs_of(known)
    mean, spread = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), _STEADY)
    learner = MLPClassifier((UNITS,), max_iter=ROUNDS, batch_size=min(AT_ONCE, len(right)), **_MANNER)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit((inputs - mean) / spread, right)
    (inner, outer), (inner_bias, bias) = learner.coefs_, learner.intercepts_
    inner = inner / spread[:, None]
    return Network(inner, inner_bias - mean @ inner, outer, bias)


def surprise(known: np.ndarray, right: np.ndarray) -> float:
    """How unlikely right answers are by these logits: minus the logarithm, all lanes of a message together, the mean."""
    return float((np.logaddexp(0, known) - right * known).sum(axis=1).mean())


def unseen(known: np.ndarray, right: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """What networks say of messages that they have not seen: each fold's from one that learnt from the others."""
    found = np.zeros_like(known)
    for fold in np.unique(folds):
        own = folds == fold
        # Where nothing is left to learn from, what is known stands.
        found[own] = known[own] if own.all() else fit(known[~own], right[~own]).logits(known[own])
    return found
