"""Linear heads: one a lane and kind, fitted by scikit-learn, and what they say of messages they have not seen.

Of each lane three logistic regressions: over the n-grams and over the concepts, each text as a vector of length one, and over the
company that its n-grams keep; their margins, brought to one scale, are added. Fitted apart, words that the concepts know do not hide
behind rare n-grams: together in one regression they did worse on authors left out. Every message counts the same: weighed evenly, what
is scarce outvoted its doubles thirty to one (a password told, passwords forgotten), and hardly a lane was better for it. While they are
fitted, n-grams count the more the rarer they are; the factor goes into the weights, so that reading a message knows nothing of it.

The company of an n-gram is the mean of the encoder's vectors of the messages that it stands in: what stands in like messages says like
things, though it was met twice only. A text's company is the sum of its n-grams', so that a regression over it comes down to one more
weight for every n-gram.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from training.corpus import Row
from training.labels import LANES, answers, asked

# Chosen on authors left out, once; nothing near them did differently.
STRENGTH = {"ngrams": 4.0, "concepts": 12.0, "company": 0.4}
KINDS = tuple(STRENGTH)
# Which features of a text a kind weighs.
FEATURES = {"ngrams": "ngrams", "concepts": "concepts", "company": "ngrams"}
# A regression that has not settled by then hardly moves any more.
_ROUNDS = 100
# What stands in fewer messages says little of others: two would be a few tenths of a point better, and twice the file and its memory.
LEAST = 3


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
        ngrams, concepts = (_Texts(rows, features) for features in ("ngrams", "concepts"))
        return {
            "ngrams": _block(ngrams),
            "concepts": _block(concepts),
            "company": _company(ngrams),
        }


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
    """Messages as a matrix of their features; `rarity` is what each feature counts for while heads are fitted."""

    def __init__(self, rows: Sequence[Row], features: str) -> None:
        self.rows, self.kind = rows, features
        self.keys = vocabulary(rows, features)
        texts = matrix(rows, features, self.keys)
        self.rarity = rarity_of(texts) if features == "ngrams" else np.ones(len(self.keys))
        self.weighed = texts @ sp.diags(self.rarity)


def _block(texts: _Texts) -> Block:
    def head() -> LogisticRegression:
        # In its dual form, and no further than it matters: the same margins to five digits, in half the time.
        settled = {"solver": "liblinear", "dual": True, "tol": 0.05, "max_iter": 1000}
        return LogisticRegression(C=STRENGTH[texts.kind], random_state=0, **settled)

    fitted, bias = _fitted(head, texts.rows, texts.weighed)
    return Block(texts.keys, fitted * texts.rarity[:, None], bias)


def _company(texts: _Texts) -> Block:
    """What n-grams are worth by the company they keep; nothing where no message has a vector."""
    company = company_of(texts.weighed, texts.rows)
    if not company.any():
        return Block(texts.keys, np.zeros((len(texts.keys), len(LANES))), np.zeros(len(LANES)))
    # The sizes that a regression's strength is meant for.
    kept = np.asarray(texts.weighed @ company, np.float32)
    scale = max(float(kept.std(axis=0).mean()), 1e-9)

    def head() -> LogisticRegression:
        return LogisticRegression(C=STRENGTH["company"], max_iter=_ROUNDS)

    fitted, bias = _fitted(head, texts.rows, kept / scale)
    return Block(texts.keys, (company @ fitted) * (texts.rarity[:, None] / scale), bias)


def company_of(texts: sp.csr_matrix, rows: Sequence[Row]) -> np.ndarray:
    """By n-gram, a column of `texts`, the mean vector of the messages that it stands in; nothing where no message has a vector."""
    seen = {place: row.vector for place, row in enumerate(rows) if row.vector is not None}
    if not seen:
        return np.zeros((texts.shape[1], 1), np.float32)
    stands = (texts[list(seen)] > 0).astype(np.float32)
    # One more than there are: what was met once is not taken at its word.
    company: np.ndarray = (stands.T @ np.stack(list(seen.values()))) / (1 + np.asarray(stands.sum(axis=0)).reshape(-1, 1))
    return company


def _fitted(head: Callable[[], LogisticRegression], rows: Sequence[Row], texts: Any) -> tuple[np.ndarray, np.ndarray]:
    """By column of `texts` and lane the weight, and by lane the bias; nothing for a lane on which the messages do not differ."""
    examples = [row.example for row in rows]
    fitted, bias = np.zeros((texts.shape[1], len(LANES))), np.zeros(len(LANES))
    for lane, name in enumerate(LANES):
        of_lane, says = asked(examples, name), answers(examples, name)
        if len(set(says[of_lane])) == 2:
            one = head().fit(texts[of_lane], says[of_lane])
            fitted[:, lane], bias[lane] = one.coef_[0], one.intercept_[0]
    return fitted, bias


def rarity_of(texts: sp.csr_matrix) -> np.ndarray:
    """By feature the logarithm of how many messages there are for each that has it: inverse document frequency."""
    holders = np.asarray((texts > 0).sum(axis=0)).ravel()
    result: np.ndarray = np.log((1 + texts.shape[0]) / (1 + holders))
    return result
