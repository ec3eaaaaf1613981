"""The features and the arithmetic on public sets, in their own labels: what the engine can do where there is data enough.

A linear SVM for each class over the shipped n-grams weighted by their log-count ratio (Wang and Manning 2012), each text's vector brought
to length one class by class, all in whole numbers of one byte. Trained on each set's train part and measured on its dev part.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from functions.classify.model.ngrams import clipped, ngrams
from functions.common.folding import fold
from training.licensed import FOLDER, rows

SETS = {"BANKING77": "en_banking77", "CLINC150": "en_clinc150_full", "ChnSentiCorp": "zh_chnsenticorp_official"}
OUTSIDE = "oos"
STRENGTH = 1.0
# Of texts that belong to no class, so many are to be told.
TOLD = 0.7


@dataclass(frozen=True)
class Outcome:
    """`accuracy` of what belongs to a class; of texts that belong to none, the share that was told (None where a set has none)."""

    accuracy: float
    outside_recall: float | None
    texts: int


def measure(name: str, folder: Path = FOLDER) -> Outcome | None:
    """A set's figures; None where it is not there."""
    path = folder / f"{SETS[name]}.train.jsonl"
    if not path.is_file():
        return None
    texts, labels = _read(path)
    asked, right = _read(folder / f"{SETS[name]}.dev.jsonl")
    inside = [place for place, label in enumerate(labels) if label != OUTSIDE]
    known = sorted({labels[place] for place in inside})
    with threadpool_limits(1):
        margins = _margins([texts[place] for place in inside], [labels[place] for place in inside], known, asked)
    return _outcome(margins, np.array(right), known)


def _outcome(margins: np.ndarray, right: np.ndarray, known: list[str]) -> Outcome:
    said, top = np.array(known)[margins.argmax(axis=1)], margins.max(axis=1)
    outside = right == OUTSIDE
    if not outside.any():
        return Outcome(float((said == right).mean()), None, len(right))
    # The bar is chosen on every second text, and everything measured on the others.
    chosen, rest = np.arange(len(right)) % 2 == 0, np.arange(len(right)) % 2 == 1
    bar = np.quantile(top[chosen & outside], TOLD)
    told = top >= bar
    return Outcome(
        float((told & (said == right))[rest & ~outside].mean()), float((~told)[rest & outside].mean()), int(rest.sum())
    )


def _read(path: Path) -> tuple[list[str], list[str]]:
    found = list(rows(path))
    return [row["text"] for row in found], [row["label"] for row in found]


def _margins(texts: list[str], labels: list[str], known: list[str], asked: list[str]) -> np.ndarray:
    seen, new = ([ngrams(clipped(fold(text).text)) for text in some] for some in (texts, asked))
    column = {key: place for place, key in enumerate(sorted(Counter(key for found in seen for key in found)))}
    trained, tested, own = _counts(seen, column), _counts(new, column), np.array(labels)
    return np.stack([_class_margins(trained, tested, own == label) for label in known], axis=1)


def _class_margins(trained: sp.csr_matrix, tested: sp.csr_matrix, says: np.ndarray) -> np.ndarray:
    yes, no = (1 + np.asarray(trained[of].sum(axis=0)).ravel() for of in (says, ~says))
    ratio = np.log((yes / yes.sum()) / (no / no.sum()))
    head = LinearSVC(C=STRENGTH, random_state=0).fit(normalize(trained.multiply(ratio).tocsr()), says)
    weights, squares = _in_bytes(head.coef_[0] * ratio, 127), _in_bytes(ratio**2, 255)
    length = np.sqrt(np.maximum(np.asarray(tested @ squares).ravel(), 1e-9))
    margins: np.ndarray = np.asarray(tested @ weights).ravel() / length + head.intercept_[0]
    return margins


def _in_bytes(values: np.ndarray, largest: int) -> np.ndarray:
    scale = max(float(np.abs(values).max()), 1e-9) / largest
    rounded: np.ndarray = np.rint(values / scale) * scale
    return rounded


def _counts(found: list[set[int]], column: dict[int, int]) -> sp.csr_matrix:
    lines = [sorted(column[key] for key in keys if key in column) for keys in found]
    ends = np.cumsum([0, *map(len, lines)])
    places = [place for line in lines for place in line]
    return sp.csr_matrix((np.ones(len(places)), places, ends), shape=(len(found), len(column)))
