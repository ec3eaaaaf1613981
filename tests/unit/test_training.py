"""How weights are made: the same bytes twice, and splits that keep apart what must be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")

import numpy as np

from functions.classify.model.opinion import Model
from functions.classify.model.scoring import Scorer
from functions.classify.model.weights import read_weights
from training import licensed
from training.calibration import Calibration
from training.corpus import library
from training.heads import KINDS, fit
from training.labels import LANES
from training.neighbours import pairs
from training.seed import read_folder
from training.shipping import added, packed, weights_of
from training.splits import by_industry, by_style, folds

EXAMPLES = read_folder()
LIBRARY = library()
# Enough to learn something from, however many messages there are.
FEW = LIBRARY.rows(EXAMPLES[:: len(EXAMPLES) // 330])


def test_the_same_messages_make_the_same_bytes() -> None:
    split = folds([row.example for row in FEW], by_style, 2)
    first, second = (weights_of(FEW, split, LIBRARY, made_of={"authored": len(FEW)}) for _ in range(2))
    assert first == second
    assert Model(read_weights(first)).scorer.lanes == list(LANES)


def test_little_is_lost_by_whole_numbers() -> None:
    rows = FEW[:150]
    heads, one = fit(rows), {kind: np.ones(len(LANES)) for kind in KINDS}
    calibration = Calibration(np.ones(len(LANES)), np.zeros(len(LANES)), {}, {"say.spam": 0.5})
    scorer = Scorer(read_weights(packed(heads, one, calibration, LIBRARY, {}, made_of={})))
    exact = added({kind: heads[kind].margins(rows, kind) for kind in KINDS}, one)
    whole = np.array([scorer.margins(row.features) for row in rows])
    assert np.abs(whole - exact).max() < 0.1 * np.abs(exact).max()
    business = [lane for lane, name in enumerate(LANES) if name.startswith("business.")]
    assert (whole[:, business].argmax(1) == exact[:, business].argmax(1)).mean() > 0.98


@pytest.mark.parametrize("group", [by_style, by_industry])
def test_a_group_is_in_one_fold_and_near_duplicates_are_with_the_first_of_them(group) -> None:
    examples = [*EXAMPLES[:600], replace(EXAMPLES[0], text=EXAMPLES[5].text + "!", style="another", industry="another")]
    split = folds(examples, group)
    moved = {later for _, later in pairs([example.text for example in examples])}
    assert len(examples) - 1 in moved
    assert split[-1] == split[5]
    for name in {group(example) for example in examples}:
        own = {split[place] for place, example in enumerate(examples) if group(example) == name and place not in moved}
        assert len(own) <= 1
    assert split == folds(examples, group)


def test_texts_with_other_words_are_no_near_duplicates() -> None:
    assert pairs(["请问周末营业吗", "请问周末营业吗?", "发票怎么开"]) == [(0, 1)]


def test_licensed_sets_say_something_of_some_axes_only(tmp_path: Path) -> None:
    assert licensed.examples(licensed.BITEXT, tmp_path) == []
    (tmp_path / "en_bitext27.train.jsonl").write_text(
        '{"text": "get my money", "label": "get_refund"}\n{"text": "pay", "label": "payment_issue"}\n', encoding="utf-8"
    )
    (found,) = licensed.examples(licensed.BITEXT, tmp_path)
    assert (found.business, found.content, found.axes) == ("after_sales", ("refund",), frozenset({"business", "content"}))
