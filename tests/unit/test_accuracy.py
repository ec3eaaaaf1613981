"""The figures in docs/accuracy.md are those of what is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")

from functions.classify.model.shelf import Shelf
from training.corpus import library
from training.evaluation import HELD_OUT, headline, pairs_of
from training.seed import read_folder

PAGE = Path(__file__).parents[2] / "docs" / "accuracy.md"
# Rules may change a little without everything being measured again; more than so much, and the page is wrong.
NEAR = 0.02


def test_held_out_figures_on_the_page_are_those_of_the_shipped_weights_and_rules() -> None:
    known = library()
    figures = headline(pairs_of(known.rows(read_folder(HELD_OUT)), known, Shelf().model({"model": {}})))
    lines = PAGE.read_text(encoding="utf-8").split("## Held-out messages\n")[1].splitlines()[3 : 4 + len(figures)]
    told = {
        cells[1].strip(): float(cells[2].split()[0]) for cells in (line.split("|") for line in lines if line.count("|") > 4)
    }
    told = {name: value for name, value in told.items() if name in figures}
    assert set(told) == set(figures)
    assert {name: value for name, value in figures.items() if abs(value - told[name]) > NEAR} == {}


def test_the_shipped_model_is_far_better_than_rules_alone_on_messages_that_nobody_tuned_to() -> None:
    known = library()
    rows = known.rows(read_folder(HELD_OUT))
    alone, together = (headline(pairs_of(rows, known, model)) for model in (None, Shelf().model({"model": {}})))
    assert together["business macro-F1"] >= alone["business macro-F1"] + 0.2
    assert together["enquiries flagged"] <= 0.02
    assert together["risk recall"] >= alone["risk recall"]
