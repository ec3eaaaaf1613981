"""What corrections are worth: merchants whom the model has never met, with and without 200 of theirs, over several draws.

Half of a merchant's messages are there to be corrected, the other half is asked about; what is nearly the same is in one half. People
correct what is wrong, and what the model has put before them because it was unsure: of those messages 200 are drawn, and all that is to
be said of them is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from functions.classify.model.opinion import Model
from functions.classify.model.weights import read_weights
from infra.judgement.figures import values_of
from training.corpus import Library, Row
from training.corrections import figures
from training.evaluation import headline, pairs_of
from training.lessons import Ground, ground_of, taught
from training.licensed import BANKING, BITEXT, FOLDER, examples
from training.licensed import rows as texts_of
from training.neighbours import together
from training.public import SETS
from training.seed import Example
from training.shipping import weights_of
from training.splits import by_style, folds

CORRECTED, DRAWS = 200, 5
TRADES = {
    "money": {"bank", "insurance", "payment"},
    "food": {"restaurant", "cafe"},
    "journeys": {"hotel", "travel", "airline"},
}
_MOST = 1500
Figures = dict[str, float]
Measure = Callable[[Sequence[Row], Model], Figures]


@dataclass(frozen=True)
class Worth:
    """Figures before and after, draw by draw, on about `asked` messages."""

    draws: list[tuple[Figures, Figures]]
    asked: int

    def mean(self, name: str) -> tuple[float, float]:
        """A figure before and after, over all draws."""
        before, after = (float(np.mean([draw[side][name] for draw in self.draws])) for side in (0, 1))
        return before, after

    def least_and_most(self, name: str) -> tuple[float, float]:
        """Between which changes of a figure the draws lie, in points."""
        changes = [100 * (after[name] - before[name]) for before, after in self.draws]
        return min(changes), max(changes)


def worth(ground: Ground, own: Sequence[Row], library: Library, measure: Measure) -> Worth:
    """What a merchant's corrections are worth to weights that know nothing of the merchant."""
    before = Model(ground.weights)
    to_correct = _to_correct(own, library, before)
    draws, asked = [], []
    for draw in range(DRAWS):
        learnt, rest = _halves(own, to_correct, draw)
        after = Model(read_weights(taught(ground, learnt, library).document))
        draws.append((measure(rest, before), measure(rest, after)))
        asked.append(len(rest))
    return Worth(draws, round(float(np.mean(asked))))


def of_trades(rows: Sequence[Row], library: Library) -> str:
    """Three trades, each left out of the authored messages."""
    found = {}
    for trade, industries in TRADES.items():
        own = [row for row in rows if row.example.industry in industries and not row.example.misspelt]
        others = [row for row in rows if row.example.industry not in industries]
        document = weights_of(others, folds([row.example for row in others], by_style), library, made_of={})
        found[trade] = worth(
            ground_of(document, others), own, library, lambda asked, model: headline(pairs_of(asked, library, model))
        )
    return table(found)


def of_others(rows: Sequence[Row], library: Library, document: bytes) -> str:
    """Merchants whose messages others collected, for the shipped weights."""
    ground = ground_of(document, rows)
    found = {
        name: worth(ground, own, library, lambda asked, model: figures(asked, library, model))
        for name, own in _merchants(library)
    }
    return (
        "\n\n".join(f"{name}:\n\n{table({name: one})}" for name, one in found.items())
        or f"not measured: no sets in {FOLDER.name}"
    )


def table(found: dict[str, Worth]) -> str:
    """Figures before and after, and between which changes the draws lie."""
    names = [f"{name}, {side}" for name in found for side in ("before", "after", "draws")]
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for figure in next(iter(found.values())).draws[0][0]:
        lines += [f"| {figure} | " + " | ".join(cell for one in found.values() for cell in _cells(one, figure)) + " |"]
    return "\n".join([*lines, "| messages asked | " + " | ".join(f"{one.asked} | | " for one in found.values()) + "|"])


def _cells(one: Worth, figure: str) -> Iterator[str]:
    yield from (f"{value:.3f}" for value in one.mean(figure))
    least, most = one.least_and_most(figure)
    yield f"{least:+.1f} … {most:+.1f}"


def _to_correct(own: Sequence[Row], library: Library, model: Model) -> np.ndarray:
    """Whether a person would correct a message: something said of it is wrong, or the model was unsure and asked."""
    found = []
    for row, (right, said) in zip(own, pairs_of(own, library, model), strict=True):
        axes = row.example.axes
        found.append(any(values_of(right[axis]) != values_of(said[axis]) or axis in said["uncertain"] for axis in axes))
    return np.array(found)


def _halves(own: Sequence[Row], to_correct: np.ndarray, draw: int) -> tuple[list[Row], list[Row]]:
    """What is corrected, and the other half."""
    chance = np.random.default_rng(draw)
    half = np.array(together(list(chance.integers(0, 2, len(own))), [row.example.text for row in own]))
    corrected = chance.permutation(np.flatnonzero((half == 0) & to_correct))[:CORRECTED]
    return [own[place] for place in corrected], [row for row, side in zip(own, half, strict=True) if side]


def _merchants(library: Library) -> Iterator[tuple[str, list[Row]]]:
    for name, source in {"a bank's customers (BANKING77)": BANKING, "a shop's customers (Bitext)": BITEXT}.items():
        yield from _merchant(name, examples(source, few=None), library)
    yield from _merchant(
        "guests and readers (ChnSentiCorp)", _reviews(FOLDER / f"{SETS['ChnSentiCorp'].file}.train.jsonl"), library
    )


def _merchant(name: str, messages: list[Example], library: Library) -> Iterator[tuple[str, list[Row]]]:
    if messages:
        drawn = np.random.default_rng(0).permutation(len(messages))[:_MOST]
        yield name, library.rows(messages[place] for place in drawn)


def _reviews(path: Path) -> list[Example]:
    if not path.is_file():
        return []
    moods = {"pos": "positive", "neg": "negative"}
    return [Example(text=row["text"], sentiment=moods[row["label"]], axes=frozenset({"sentiment"})) for row in texts_of(path)]
