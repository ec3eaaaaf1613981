"""The features on public sets, in their own labels: what the engine can do where there is data enough.

A linear SVM for each class over the shipped n-grams weighted by their log-count ratio (Wang and Manning 2012), each text's vector
brought to length one class by class; weights and what lengths are made of in whole numbers of one byte.

Reviews are another kind of text than questions. They are of several topics, and what is praise of one is none of another (a light
laptop, light reading): each topic, found without labels, has ratios and weights of its own beside the common ones. The shipped concepts
count too, and how long the text is; and what it begins with, and what stands behind a character that mostly denies, counts apart.

Trained on each set's train part and measured on its dev part. Strength, and what of questions counts, was chosen on dev parts; how
reviews are read, in folds of their train part.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from functions.classify.model.concepts import hashed
from functions.classify.model.ngrams import clipped, ngrams
from functions.common.folding import fold
from training.corpus import Library, library
from training.heads import rarity_of, ratios
from training.licensed import FOLDER, rows

OUTSIDE = "oos"
STRENGTH = 1.0
# The directions along which texts lie most, in which topics are looked for.
_DIRECTIONS = 10
# A text's length, as far as it is read, counts in steps of so many characters.
_STEP = 20
_CLAUSE = re.compile(r"[^,.!?;、。\s]+")
_DENIAL = re.compile("[不没无别未]")
# Of texts that belong to no class, so many are to be told.
TOLD = 0.7


@dataclass(frozen=True)
class Manner:
    """How texts of a kind are learnt.

    In how many `topics`, from features that stand in `least` texts, each taken to have stood in `before` texts of either answer already;
    `closely`: by concepts, length, opening and what is denied as well.
    """

    topics: int
    least: int
    before: float
    closely: bool


class Source(NamedTuple):
    """A set's files, `file.train.jsonl` and `file.dev.jsonl`, and what kind of texts they hold."""

    file: str
    manner: Manner


# Reviews are long, and those of ChnSentiCorp are of hotels, laptops and books. The questions of the others are short.
QUESTIONS, REVIEWS = Manner(topics=0, least=1, before=1.0, closely=False), Manner(topics=3, least=2, before=0.3, closely=True)
SETS = {
    "BANKING77": Source("en_banking77", QUESTIONS),
    "CLINC150": Source("en_clinc150_full", QUESTIONS),
    "ChnSentiCorp": Source("zh_chnsenticorp_official", REVIEWS),
}

Feature = tuple[str, int]
Groups = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Outcome:
    """`accuracy` of what belongs to a class; of texts that belong to none, the share that was told (None where a set has none)."""

    accuracy: float
    outside_recall: float | None
    texts: int


def measure(name: str, folder: Path = FOLDER) -> Outcome | None:
    """A set's figures; None where it is not there."""
    file, manner = SETS[name]
    path = folder / f"{file}.train.jsonl"
    if not path.is_file():
        return None
    texts, labels = _read(path)
    asked, right = _read(folder / f"{file}.dev.jsonl")
    inside = [place for place, label in enumerate(labels) if label != OUTSIDE]
    known = sorted({labels[place] for place in inside})
    with threadpool_limits(1):
        margins = _margins([texts[place] for place in inside], [labels[place] for place in inside], known, asked, manner)
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


def _margins(texts: list[str], labels: list[str], known: list[str], asked: list[str], manner: Manner) -> np.ndarray:
    shelf = library()
    seen, new = ([_features(text, shelf, manner) for text in some] for some in (texts, asked))
    often = Counter(key for found in seen for key in found)
    column = {key: place for place, key in enumerate(sorted(key for key, count in often.items() if count >= manner.least))}
    trained, tested, own = _counts(seen, column), _counts(new, column), np.array(labels)
    groups = [(np.ones(len(seen), bool), np.ones(len(new), bool)), *_topics(trained, tested, manner.topics)]
    return np.stack([_class_margins(trained, tested, own == label, groups, manner.before) for label in known], axis=1)


def _features(text: str, shelf: Library, manner: Manner) -> set[Feature]:
    read = clipped(fold(text).text)
    kinds = {"ngram": ngrams(read)}
    if manner.closely:
        clauses = _CLAUSE.findall(read) or [""]
        denied = [clause[found.end() :] for clause in clauses if (found := _DENIAL.search(clause))]
        runs = [rest[at : at + size] for rest in denied for size in (1, 2) for at in range(len(rest) + 1 - size)]
        kinds |= {
            "concept": shelf.found.features(read, ()),
            "length": {len(read) // _STEP},
            "opening": ngrams(clauses[0]),
            "denied": {hashed(run) for run in runs},
        }
    return {(kind, key) for kind, keys in kinds.items() for key in keys}


def _topics(trained: sp.csr_matrix, tested: sp.csr_matrix, topics: int) -> Groups:
    """Of each topic which texts are of it, of those trained on and of those asked about.

    scikit-learn's errors where the texts trained on are fewer than the topics, or fewer of them differ.
    """
    if not topics:
        return []
    rarity = sp.diags(rarity_of(trained))
    known, asked = normalize(trained @ rarity), normalize(tested @ rarity)
    directions = TruncatedSVD(_DIRECTIONS, random_state=0).fit(known)
    places = [normalize(directions.transform(texts)) for texts in (known, asked)]
    found = KMeans(topics, n_init=10, random_state=0).fit(places[0])
    return [(found.labels_ == topic, found.predict(places[1]) == topic) for topic in range(topics)]


def _class_margins(
    trained: sp.csr_matrix, tested: sp.csr_matrix, says: np.ndarray, groups: Groups, before: float
) -> np.ndarray:
    """One class's margin of each text asked about; within each group of texts features count by the group's own ratios."""
    own = [ratios(trained[of], says[of], before) for of, _ in groups]
    columns = [
        sp.diags(of.astype(float)) @ normalize(trained @ sp.diags(ratio)) for (of, _), ratio in zip(groups, own, strict=True)
    ]
    head = LinearSVC(C=STRENGTH, random_state=0).fit(sp.hstack(columns).tocsr(), says)
    margins: np.ndarray = np.full(tested.shape[0], head.intercept_[0])
    for (_, of), ratio, part in zip(groups, own, np.split(head.coef_[0], len(groups)), strict=True):
        weights, squares = _in_bytes(part * ratio, 127), _in_bytes(ratio**2, 255)
        # A text of features that hardly tell anything has a length all the same: what one byte can tell from nothing.
        margins += of * (tested @ weights) / np.sqrt(np.maximum(tested @ squares, max(max(ratio**2) / 255, 1e-9)))
    return margins


def _in_bytes(values: np.ndarray, largest: int) -> np.ndarray:
    scale = max(float(np.abs(values).max()), 1e-9) / largest
    rounded: np.ndarray = np.rint(values / scale) * scale
    return rounded


def _counts(found: list[set[Feature]], column: dict[Feature, int]) -> sp.csr_matrix:
    lines = [sorted(column[key] for key in keys if key in column) for keys in found]
    ends = np.cumsum([0, *map(len, lines)])
    places = [place for line in lines for place in line]
    return sp.csr_matrix((np.ones(len(places)), places, ends), shape=(len(found), len(column)))
