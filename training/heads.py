"""Linear heads: one a lane and kind of feature, fitted by scikit-learn, and what they say of messages they have not seen.

Of each lane, one logistic regression over the n-grams and one over the concepts, each text as a vector of length one, classes weighed
evenly; their margins, brought to one scale, are added. Fitted apart, words that the concepts know do not hide behind rare n-grams:
together in one regression they did worse on authors left out. While they are fitted, n-grams count the more the rarer they are; the
factor goes into the weights, so that reading a message knows nothing of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from training.corpus import Row
from training.labels import LANES, answers, asked

# Chosen on authors left out, once; nothing near them did differently.
STRENGTH = {"ngrams": 1.0, "concepts": 3.0}
KINDS = tuple(STRENGTH)
# What stands in one message only says nothing of others.
LEAST = 2


@dataclass(frozen=True)
class Block:
    """One kind's heads: `weights[feature, lane]` for the features in `keys`, ascending."""

    keys: list[int]
    weights: np.ndarray
    bias: np.ndarray

    def margins(self, rows: Sequence[Row], kind: str) -> np.ndarray:
        """What the heads say of messages, one line each."""
        result: np.ndarray = matrix(rows, kind, self.keys) @ self.weights + self.bias
        return result


Heads = dict[str, Block]


def fit(rows: Sequence[Row], *, weights: np.ndarray | None = None) -> Heads:
    """Heads for these messages; `weights` counts some of them more than others."""
    # One thread: these are small sums, and on a busy machine threads that wait for each other take ten times as long.
    with threadpool_limits(1):
        return {kind: _block(rows, kind, weights) for kind in KINDS}


def out_of_fold(
    rows: Sequence[Row], folds: Sequence[int], weights: np.ndarray | None = None
) -> tuple[dict[str, np.ndarray], list[Heads]]:
    """By kind the margins of every message from heads that have not seen its fold; and those heads, by fold."""
    margins = {kind: np.zeros((len(rows), len(LANES))) for kind in KINDS}
    known: list[Heads] = []
    for fold in range(max(folds) + 1):
        inside = [place for place, own in enumerate(folds) if own == fold]
        outside = [place for place, own in enumerate(folds) if own != fold]
        known.append(fit([rows[place] for place in outside], weights=None if weights is None else weights[outside]))
        for kind, block in known[-1].items():
            margins[kind][inside] = block.margins([rows[place] for place in inside], kind)
    return margins, known


def vocabulary(rows: Sequence[Row], kind: str) -> list[int]:
    """The features that stand in enough messages, ascending."""
    seen = Counter(key for row in rows for key in getattr(row.features, kind))
    return sorted(key for key, count in seen.items() if count >= LEAST)


def matrix(rows: Sequence[Row], kind: str, keys: Sequence[int]) -> sp.csr_matrix:
    """One line a message, of length one: each known feature counts the same."""
    column = {key: place for place, key in enumerate(keys)}
    lines = [sorted(column[key] for key in getattr(row.features, kind) if key in column) for row in rows]
    values = [1 / np.sqrt(len(line)) for line in lines for _ in line]
    ends = np.cumsum([0, *map(len, lines)])
    return sp.csr_matrix((values, [place for line in lines for place in line], ends), shape=(len(rows), len(keys)))


def _block(rows: Sequence[Row], kind: str, weights: np.ndarray | None) -> Block:
    keys = vocabulary(rows, kind)
    texts, examples = matrix(rows, kind, keys), [row.example for row in rows]
    rarity = _rarity(texts) if kind == "ngrams" else np.ones(len(keys))
    texts = texts @ sp.diags(rarity)
    fitted, bias = np.zeros((len(keys), len(LANES))), np.zeros(len(LANES))
    for lane, name in enumerate(LANES):
        of_lane, says = asked(examples, name), answers(examples, name)
        if len(set(says[of_lane])) == 2:
            head = LogisticRegression(C=STRENGTH[kind], solver="liblinear", class_weight="balanced", random_state=0)
            head.fit(texts[of_lane], says[of_lane], sample_weight=None if weights is None else weights[of_lane])
            fitted[:, lane], bias[lane] = head.coef_[0] * rarity, head.intercept_[0]
    return Block(keys, fitted, bias)


def _rarity(texts: sp.csr_matrix) -> np.ndarray:
    """By feature the logarithm of how many messages there are for each that has it: inverse document frequency."""
    holders = np.asarray((texts > 0).sum(axis=0)).ravel()
    result: np.ndarray = np.log((1 + texts.shape[0]) / (1 + holders))
    return result
