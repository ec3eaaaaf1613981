"""Linear heads: one a lane and kind, fitted by scikit-learn, and what they say of messages they have not seen.

Of each lane three: a support vector machine over the n-grams; a logistic regression over the n-grams, each counted by how much oftener
it stands where the lane says yes (log-count ratios: Wang and Manning, Baselines and Bigrams, 2012); and a logistic regression over the
concepts. Each sees a text as a vector of length one. Their margins are added, each as far as it bears out on authors left out
(`mixing.py`). Fitted apart, words that the concepts know do not hide behind rare n-grams: together in one regression they did worse on
authors left out. Every message counts the same: weighed evenly, what is scarce outvoted its doubles thirty to one (a password told,
passwords forgotten), and hardly a lane was better for it. For the support vector machine n-grams count the more the rarer they are. These
factors go into the weights, so that reading a message knows nothing of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from training.corpus import Row
from training.labels import LANES, answers, asked

# Chosen on authors left out, once; nothing near them did differently.
STRENGTH = {"ngrams": 0.1, "ratios": 4.0, "concepts": 12.0}
KINDS = tuple(STRENGTH)
# Which features of a text a kind weighs.
FEATURES = {"ngrams": "ngrams", "ratios": "ngrams", "concepts": "concepts"}
# In their dual form, and no further than it matters: the same margins to three digits, in half the time.
_SETTLED = {"dual": True, "tol": 0.05, "max_iter": 1000, "random_state": 0}
# What stands in fewer messages says little of others: three would be no better on ordinary messages, and half as large again.
LEAST = 4


@dataclass(frozen=True)
class Block:
    """One kind's heads: `weights[feature, lane]` for the features in `keys`, ascending."""

    keys: list[int]
    weights: np.ndarray
    bias: np.ndarray

    def margins(self, rows: Sequence[Row], kind: str) -> np.ndarray:
        """What the heads say of messages, one line each."""
        result: np.ndarray = matrix(rows, FEATURES[kind], self.keys) @ self.weights + self.bias
        return result


Heads = dict[str, Block]


def fit(rows: Sequence[Row]) -> Heads:
    """Heads for these messages."""
    # One thread: these are small sums, and on a busy machine threads that wait for each other take ten times as long.
    with threadpool_limits(1):
        texts = {features: _Texts(rows, features) for features in dict.fromkeys(FEATURES.values())}
        return {kind: _block(texts[FEATURES[kind]], kind) for kind in KINDS}


def out_of_fold(rows: Sequence[Row], folds: Sequence[int]) -> tuple[dict[str, np.ndarray], list[Heads]]:
    """By kind the margins of every message from heads that have not seen its fold; and those heads, by fold."""
    margins = {kind: np.zeros((len(rows), len(LANES))) for kind in KINDS}
    known: list[Heads] = []
    for fold in range(max(folds) + 1):
        inside = [place for place, own in enumerate(folds) if own == fold]
        outside = [place for place, own in enumerate(folds) if own != fold]
        known.append(fit([rows[place] for place in outside]))
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


class _Texts:
    """Messages as a matrix of their features; `rarity` is what each feature counts for in a support vector machine."""

    def __init__(self, rows: Sequence[Row], features: str) -> None:
        self.examples = [row.example for row in rows]
        self.keys = vocabulary(rows, features)
        self.plain = matrix(rows, features, self.keys)
        self.rarity = rarity_of(self.plain)


def _block(texts: _Texts, kind: str) -> Block:
    """Every lane's head of a kind; nothing for a lane on which the messages do not differ."""
    block = Block(texts.keys, np.zeros((len(texts.keys), len(LANES))), np.zeros(len(LANES)))
    for lane, name in enumerate(LANES):
        of_lane, says = asked(texts.examples, name), answers(texts.examples, name)
        if len(set(says[of_lane])) == 2:
            known, right = texts.plain[of_lane], says[of_lane]
            counts = {"ngrams": texts.rarity, "ratios": ratios(known, right), "concepts": np.ones(len(texts.keys))}[kind]
            head = _head(kind).fit(known @ sp.diags(counts), right)
            block.weights[:, lane], block.bias[lane] = head.coef_[0] * counts, head.intercept_[0]
    return block


def _head(kind: str) -> LinearSVC | LogisticRegression:
    if kind == "ngrams":
        return LinearSVC(C=STRENGTH[kind], **_SETTLED)
    return LogisticRegression(C=STRENGTH[kind], solver="liblinear", **_SETTLED)


def ratios(texts: sp.csr_matrix, says: np.ndarray, before: float = 1.0) -> np.ndarray:
    """By feature the logarithm of how much oftener it stands in texts that are said yes to than in the others.

    Each counts as if it had stood in `before` texts of either already.
    """
    held = texts > 0
    oftener = [np.asarray(held[which].sum(axis=0)).ravel() + before for which in (says, ~says)]
    result: np.ndarray = np.log(oftener[0] / oftener[0].sum()) - np.log(oftener[1] / oftener[1].sum())
    return result


def rarity_of(texts: sp.csr_matrix) -> np.ndarray:
    """By feature the logarithm of how many messages there are for each that has it: inverse document frequency."""
    holders = np.asarray((texts > 0).sum(axis=0)).ravel()
    result: np.ndarray = np.log((1 + texts.shape[0]) / (1 + holders))
    return result
