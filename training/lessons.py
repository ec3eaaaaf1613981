"""What a merchant's corrections teach: an addition to the model's logits, axis by axis, as strong as corrections kept back bear out.

Beside tens of thousands of authored messages a few hundred corrections would change nothing, and counted many times over they would
only be learnt by heart. So what the model says stands, and regressions of the corrections' own start from it, over the same n-grams and
concepts: a correction tells something of words that the lists hold to mean the same as its words.
How strong they are is chosen axis by axis on corrections left out; an axis on which they do not clearly help there stays as it was.
What is added has columns of its own in the file, behind those of the lanes: it is not for the network to weigh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from functions.classify.judging import judge
from functions.classify.model.opinion import SINGLE, Model
from functions.classify.model.weights import Weights, read_weights
from functions.common.judgement import Judgement
from infra.judgement.figures import AXES, values_of
from training.additions import Addition, Cases, learn, surprise
from training.calibration import lanes_of, truth
from training.corpus import Library, Row
from training.heads import LEAST, matrix, rarity_of
from training.labels import LANES
from training.neighbours import together
from training.shipping import dumped

# By kind how much of the likeness of two messages it makes up.
SHARES = {"ngrams": 3.0, "concepts": 1.0}
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
# An axis is changed if what is gained on corrections left out is more than so many standard errors, and if so many say something else
# than rules and model did.
CLEARLY, OTHERWISE = 1.0, 10
# What is missed costs more than a look: such a correction counts for so many when it is asked what is gained.
MISSED = {"risk": 4.0, "urgency": 2.0}
# In so many directions at most, those in which corrections differ most: time must not grow with the square of their number.
MOST = 500
_FOLDS = 5


@dataclass(frozen=True)
class Ground:
    """What additions build on: a file of weights, and of the messages that it was made of what they say of n-grams.

    The weights have learnt from no corrections yet. `keys` and `lanes` (`float[keys, lanes]`) by kind of features; `rarity` by n-gram.
    """

    weights: Weights
    keys: dict[str, list[int]]
    lanes: dict[str, np.ndarray]
    rarity: np.ndarray


@dataclass(frozen=True)
class Learnt:
    """`document`: the file of weights; `strengths`: of the axes that were changed."""

    document: bytes
    strengths: dict[str, float]


def ground_of(document: bytes, rows: Sequence[Row]) -> Ground:
    """The ground for a file of weights that was made of these messages; `ValueError` for one that has learnt from corrections."""
    weights = read_weights(document)
    if weights.added:
        raise ValueError("these weights have learnt from corrections: what they know by heart cannot be asked of them")
    table = np.frombuffer(weights.rows, np.int8).reshape(-1, len(LANES))
    seen = {key for row in rows for key in row.features.ngrams}
    keys = np.frombuffer(weights.keys, "<u4")
    own = np.array([int(key) in seen for key in keys], dtype=bool)
    places = {"ngrams": np.flatnonzero(own), "concepts": np.flatnonzero(~own)}
    scales = weights.header["scales"]
    known = {kind: [int(key) for key in keys[of]] for kind, of in places.items()}
    texts = matrix(rows, "ngrams", known["ngrams"])
    rarity = rarity_of(texts)
    return Ground(
        weights,
        known,
        {kind: table[of] * np.array(scales[kind]) for kind, of in places.items()},
        rarity,
    )


def taught(ground: Ground, corrected: Sequence[Row], library: Library) -> Learnt:
    """Weights that have learnt from corrections."""
    with threadpool_limits(1):
        space = _Space(ground, corrected)
        fold = _folds(corrected)
        strengths: dict[str, float] = {}
        for axis, cases, places in _axes(space, corrected, library):
            strength = _strength(space.directions[places], cases, fold[places], MISSED.get(axis, 1.0))
            if strength:
                strengths[axis] = strength
                space.add(axis, strength, learn(np.sqrt(strength) * space.directions[places], cases))
    return Learnt(space.document(len(corrected), strengths), strengths)


def _grown(ground: Ground, corrected: Sequence[Row]) -> Ground:
    """The ground with room for what only the corrections speak of."""
    keys, lanes = dict(ground.keys), dict(ground.lanes)
    taken = {key for of_kind in keys.values() for key in of_kind}
    for kind, known in ground.keys.items():
        holders = Counter(key for row in corrected for key in getattr(row.features, kind))
        new = sorted(key for key, count in holders.items() if count >= LEAST and key not in taken)
        taken.update(new)
        keys[kind] = [*known, *new]
        lanes[kind] = np.vstack([lanes[kind], np.zeros((len(new), len(LANES)))])
    more = len(keys["ngrams"]) - len(ground.rarity)
    # As rare as anything is among the authored messages.
    rarity = np.concatenate([ground.rarity, np.full(more, ground.rarity.max(initial=1.0))])
    return Ground(ground.weights, keys, lanes, rarity)


class _Space:
    """Corrections as points whose nearness is the likeness of what they say, and what is learnt there as weights of features."""

    def __init__(self, shipped: Ground, corrected: Sequence[Row]) -> None:
        self.ground = ground = _grown(shipped, corrected)
        self._shipped = {kind: len(keys) for kind, keys in shipped.keys.items()}
        ngrams, concepts = (matrix(corrected, kind, ground.keys[kind]) for kind in ("ngrams", "concepts"))
        margins = sum(points @ ground.lanes[kind] for kind, points in (("ngrams", ngrams), ("concepts", concepts)))
        self._bias = np.array(ground.weights.header["bias"])
        model = Model(ground.weights)
        self.logits = np.array([model.logits(line) for line in (margins + self._bias).tolist()])
        weighed = ngrams @ sp.diags(ground.rarity)
        self._kinds = {"ngrams": weighed, "concepts": concepts}
        squares = {
            kind: max(float(points.multiply(points).sum() / points.shape[0]), 1e-9) for kind, points in self._kinds.items()
        }
        self._shares = {kind: SHARES[kind] / square for kind, square in squares.items()}
        likeness = sum(self._shares[kind] * (points @ points.T).toarray() for kind, points in self._kinds.items())
        first = max(0, len(corrected) - MOST)
        spread, turned = eigh(likeness, subset_by_index=(first, len(corrected) - 1))
        kept = spread > 1e-6 * spread.max()
        self.directions = turned[:, kept] * np.sqrt(spread[kept])
        self._back = turned[:, kept] / np.sqrt(spread[kept])
        self._added = {kind: np.zeros_like(of_kind) for kind, of_kind in ground.lanes.items()}
        self._added_bias = np.zeros(len(LANES))
        self._changed: list[int] = []

    def add(self, axis: str, strength: float, made: Addition) -> None:
        """An addition to an axis' logits, as weights of its features."""
        lanes = lanes_of(axis)
        points = np.sqrt(strength) * (self._back @ made.weights)
        of = {kind: share * (self._kinds[kind].T @ points) for kind, share in self._shares.items()}
        self._added["ngrams"][:, lanes] += self.ground.rarity[:, None] * of["ngrams"]
        self._added["concepts"][:, lanes] += of["concepts"]
        self._added_bias[lanes] += made.bias
        self._changed += lanes

    def document(self, corrections: int, strengths: dict[str, float]) -> bytes:
        """The file of weights."""
        header, changed = self.ground.weights.header, sorted(self._changed)
        made_of: dict[str, Any] = header["made_of"] | {"corrections": corrections, "axes": strengths}
        columns = {kind: np.hstack([lanes, self._added[kind][:, changed]]) for kind, lanes in self.ground.lanes.items()}
        return dumped(
            header | {"made_of": made_of, "added": [LANES[lane] for lane in changed]},
            np.concatenate([self._bias, self._added_bias[changed]]),
            {kind: self._with_a_say(kind, weights) for kind, weights in columns.items()},
        )

    def _with_a_say(self, kind: str, columns: np.ndarray) -> tuple[list[int], np.ndarray]:
        """Without what only corrections speak of and says nothing: it would but make less of the features beside it."""
        kept = np.flatnonzero(columns.any(axis=1) | (np.arange(len(columns)) < self._shipped[kind]))
        return [self.ground.keys[kind][place] for place in kept], columns[kept]


def _axes(space: _Space, corrected: Sequence[Row], library: Library) -> Iterator[tuple[str, Cases, np.ndarray]]:
    """Of every axis of which enough was corrected: what corrections say of it, and which they are."""
    model = Model(space.ground.weights)
    told = [judge(library.book, row.reading, model).judgement for row in corrected]
    for axis in AXES:
        places = np.array([place for place, row in enumerate(corrected) if axis in row.example.axes], dtype=int)
        if not len(places):
            continue
        cases = _cases(axis, [corrected[place] for place in places], [told[place] for place in places], space.logits[places])
        if (cases.said != cases.right).any(axis=1).sum() >= OTHERWISE:
            yield axis, cases, places


def _cases(axis: str, rows: Sequence[Row], told: Sequence[Judgement], logits: np.ndarray) -> Cases:
    """What is right on an axis, beside what rules and model said and by which logits."""
    lanes = lanes_of(axis)
    values = [values_of(getattr(judgement, axis)) for judgement in told]
    said = np.array([[LANES[lane].partition(".")[2] in own for lane in lanes] for own in values], dtype=float)
    sure = np.array([axis not in judgement.uncertain for judgement in told])
    right = truth([row.example for row in rows], lanes).astype(float)
    return Cases(logits[:, lanes], right, said, sure, axis in SINGLE)


def _folds(corrected: Sequence[Row]) -> np.ndarray:
    """Folds at random, messages that are nearly the same in one."""
    drawn = list(np.random.default_rng(0).permutation(len(corrected)) % _FOLDS)
    return np.array(together(drawn, [row.example.text for row in corrected]))


def _strength(directions: np.ndarray, cases: Cases, folds: np.ndarray, missed: float) -> float:
    """The strength that most surely helps corrections left out; 0 where none surely does better than leaving the axis as it was."""
    counts = np.where(cases.right.any(axis=1), missed, 1.0)
    unchanged = _left_out(directions[:, :0], cases, folds)
    sure = {0.0: 0.0}
    for strength in STRENGTHS:
        gain = counts * (unchanged - _left_out(np.sqrt(strength) * directions, cases, folds))
        sure[strength] = float(gain.mean() - CLEARLY * gain.std() / np.sqrt(len(gain)))
    return max(sure, key=lambda strength: sure[strength])


def _left_out(directions: np.ndarray, cases: Cases, folds: np.ndarray) -> np.ndarray:
    """How unlikely each correction is by what the other folds teach."""
    found = np.zeros(len(folds))
    for fold in np.unique(folds):
        own = folds == fold
        found[own] = surprise(directions[own], cases.of(own), learn(directions[~own], cases.of(~own)))
    return found
