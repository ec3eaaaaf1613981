"""Labels corrected by people: read, learnt from, and a third of them kept to ask whether that helps."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.classify.model.opinion import Model
from functions.classify.model.weights import read_weights
from infra.judgement.figures import AXES, Labels, measured
from training.corpus import Library, Row
from training.evaluation import pairs_of
from training.lessons import ground_of, taught
from training.neighbours import pairs
from training.seed import Example

FEWEST = 20
_KEPT_BACK = 3


class CorrectionsInvalid(Exception):
    """A file of corrections cannot be used; the message names the line."""


@dataclass(frozen=True)
class Refit:
    """`document` is the file of weights; the figures are of the corrections that were kept back, before and after."""

    document: bytes
    before: dict[str, float]
    after: dict[str, float]
    kept_back: int

    @property
    def better(self) -> bool:
        """Whether something got better and the whole not worse."""
        return mean(self.after) > mean(self.before)


def read_corrections(path: Path) -> list[Example]:
    """Corrections out of a CSV with a header, or of one JSON object a line: `text` and the axes that were looked at.

    In CSV several values are parted by `;`, and an empty cell says nothing of its axis; `none` says that there is no value.
    """
    return list(_csv(path) if path.suffix == ".csv" else _lines(path))


def correction(text: Any, labels: Labels, where: str) -> Example:
    """One correction; `CorrectionsInvalid` names `where` it is from."""
    if not isinstance(text, str) or not text.strip() or not labels:
        raise CorrectionsInvalid(f"{where}: a correction has `text` and at least one label")
    fitting: Labels = {}
    for axis, label in labels.items():
        values = label if isinstance(label, list) else [label]
        known = (True, False) if axis in ("wants_human", "opt_out") else AXES[axis]
        wrong = next((value for value in values if value not in known), None)
        if wrong is not None:
            raise CorrectionsInvalid(f"{where}: {axis} cannot be {wrong!r}")
        fitting[axis] = tuple(values) if axis in ("content", "risk") else label
    return Example(text=text, axes=frozenset(fitting), industry="corrections", style=where, where=where, **fitting)


def enough(corrected: Sequence[Example]) -> None:
    """`CorrectionsInvalid` unless there are so many that weights may be changed for them."""
    if len(corrected) < FEWEST:
        raise CorrectionsInvalid(f"{len(corrected)} corrections; fewer than {FEWEST} are no ground to change weights on")


def refit(rows: Sequence[Row], corrected: Sequence[Row], library: Library, document: bytes) -> Refit:
    """What corrections add to the weights of `document`, made of `rows`, and whether it helps on those that it has not learnt from."""
    kept = _kept_back([row.example.text for row in corrected])
    back = [row for place, row in enumerate(corrected) if place in kept]
    learnt = [row for place, row in enumerate(corrected) if place not in kept]
    ground = ground_of(document, rows)
    before, trial = Model(ground.weights), Model(read_weights(taught(ground, learnt, library).document))
    return Refit(
        taught(ground, corrected, library).document, figures(back, library, before), figures(back, library, trial), len(back)
    )


def figures(rows: Sequence[Row], library: Library, model: Model | None) -> dict[str, float]:
    """Micro-F1 by axis, of the axes that the rows say something about."""
    told = [
        ({axis: right[axis] for axis in row.example.axes}, said)
        for row, (right, said) in zip(rows, pairs_of(rows, library, model), strict=True)
    ]
    measured_axes = measured(told)
    return {axis: measured_axes[axis]["micro_f1"] for axis in AXES if axis in measured_axes and _occurs(rows, axis)}


def mean(of_axes: dict[str, float]) -> float:
    """One figure for all axes."""
    return sum(of_axes.values()) / max(1, len(of_axes))


def _occurs(rows: Sequence[Row], axis: str) -> bool:
    return any(getattr(row.example, axis) for row in rows if axis in row.example.axes)


def _kept_back(texts: list[str]) -> set[int]:
    """Every third, but none that is nearly the same as one that is learnt from."""
    kept = set(range(0, len(texts), _KEPT_BACK))
    for earlier, later in pairs(texts):
        kept -= {earlier, later}
    return kept


def _csv(path: Path) -> Iterator[Example]:
    lines = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        for row in lines:
            labels = {axis: _cell(axis, row[axis]) for axis in AXES if row.get(axis)}
            yield correction(row.get("text"), labels, f"{path.name}:{lines.line_num}")
    except csv.Error as wrong:
        raise CorrectionsInvalid(f"{path.name}:{lines.line_num + 1}: {wrong}") from None


def _lines(path: Path) -> Iterator[Example]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            row = _object(line)
            if row is None:
                raise CorrectionsInvalid(f"{path.name}:{number}: no JSON object")
            labels = {axis: row[axis] for axis in AXES if axis in row}
            yield correction(row.get("text"), labels, f"{path.name}:{number}")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CorrectionsInvalid(f"{path.name}: not UTF-8") from None


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _cell(axis: str, cell: str) -> Any:
    if axis in ("content", "risk"):
        return [value.strip() for value in cell.split(";") if value.strip() not in ("", "none")]
    return cell.strip().lower() in ("true", "yes", "1") if axis in ("wants_human", "opt_out") else cell.strip()
