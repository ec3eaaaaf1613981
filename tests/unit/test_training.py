"""How weights are made: the same bytes twice, and splits that keep apart what must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")

import numpy as np
import scipy.sparse as sp

from functions.classify.model.opinion import Model
from functions.classify.model.scoring import Scorer
from functions.classify.model.weights import read_weights
from training import evaluation, heads, licensed, shipping
from training.calibration import Calibration, calibrate, logits
from training.corpus import Row, library
from training.evaluation import left_out
from training.heads import KINDS, fit, ratios
from training.labels import LANES
from training.misspelt import misspelt, with_misspelt
from training.mixing import mixed, shares_of
from training.neighbours import pairs
from training.network import Network
from training.seed import Example, read_folder
from training.shipping import packed, weights_of
from training.splits import by_industry, by_itself, by_style, folds

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
    exact = mixed({kind: heads[kind].margins(rows, kind) for kind in KINDS}, one)
    whole = np.array([scorer.margins(row.features) for row in rows])
    assert np.abs(whole - exact).max() < 0.1 * np.abs(exact).max()
    business = [lane for lane, name in enumerate(LANES) if name.startswith("business.")]
    assert (whole[:, business].argmax(1) == exact[:, business].argmax(1)).mean() > 0.98


def test_what_is_shipped_says_what_was_settled_with_its_network_too() -> None:
    rows, lanes, chance = FEW[:80], len(LANES), np.random.default_rng(3)
    heads, one = fit(rows), {kind: np.ones(len(LANES)) for kind in KINDS}
    shapes = ((2 * lanes, 6), (6,), (6, lanes), (lanes,))
    network = Network(*(chance.normal(0, 0.3, shape) for shape in shapes))
    slopes, offsets = chance.uniform(0.5, 2, lanes), chance.normal(0, 1, lanes)
    made = Calibration(slopes, offsets, {}, {"say.spam": 0.5, "beside.content": 0.0}, network)
    model = Model(read_weights(packed(heads, one, made, LIBRARY, {}, made_of={})))
    margins = np.array([model.scorer.margins(row.features) for row in rows])
    told = np.array([model.logits(line) for line in margins.tolist()])
    assert np.abs(told - logits(made, margins)).max() < 0.01
    assert np.abs(told - logits(replace(made, network=None), margins)).max() > 0.5


def test_what_was_left_out_together_is_left_out_together_again(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[tuple[list[str], list[int]]] = []

    def noted(margins: np.ndarray, examples: list[Example], own: list[int]) -> Calibration:
        handed.append(([example.where for example in examples], list(own)))
        return calibrate(margins, examples)

    monkeypatch.setattr(shipping, "settled", noted)
    monkeypatch.setattr(evaluation, "settled", noted)
    rows = FEW[:120]
    split = folds([row.example for row in rows], by_style, 3)
    where = {row.example.where: fold for row, fold in zip(rows, split, strict=True)}
    weights_of(rows, split, LIBRARY, made_of={})
    monkeypatch.setattr(evaluation, "folds", lambda examples, group: split)
    left_out(rows, LIBRARY, by_style)
    assert len(handed) == 4
    assert all([where[name] for name in names] == own for names, own in handed)
    assert [{*own} for _, own in handed[1:]] == [{1, 2}, {0, 2}, {0, 1}]


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


def test_what_stands_where_the_answer_is_yes_weighs_for_it() -> None:
    texts = sp.csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [0, 1, 1]], float))
    found = ratios(texts, np.array([True, True, False, False]))
    assert found[0] == -found[2] > 0 == found[1]


def test_a_kind_of_head_has_the_say_that_bears_out_lane_by_lane() -> None:
    chance = np.random.default_rng(1)
    says = np.arange(400) % 2 == 0
    examples = [Example(text="x", business="complaint" if yes else "enquiry") for yes in says]
    lanes = [LANES.index(name) for name in ("business.complaint", "business.enquiry")]
    margins = {kind: chance.normal(0, 5, (400, len(LANES))) for kind in KINDS}
    knowing = dict(zip(lanes, ("ngrams", "concepts"), strict=True))
    for lane, kind in knowing.items():
        yes = says if LANES[lane].endswith("complaint") else ~says
        margins[kind][:, lane] = np.where(yes, 2, -2) + chance.normal(0, 2, 400)
    margins["ratios"][:, lanes[0]] = 0.25
    shares = shares_of(margins, examples)
    for lane, knows in knowing.items():
        had = {kind: float(shares[kind][lane] * margins[kind][:, lane].std()) for kind in KINDS}
        assert all(abs(said) < 0.2 * had[knows] for kind, said in had.items() if kind != knows), had
    assert shares["ratios"][lanes[0]] == 0, "it says the same of every message"
    # No example speaks of refunds: nothing bears out anything.
    refund = LANES.index("content.refund")
    assert len({round(float(shares[kind][refund] * margins[kind][:, refund].std()), 9) for kind in KINDS}) == 1


def test_every_third_message_is_learnt_with_wrong_characters_too_beside_itself() -> None:
    learnt = list(with_misspelt(EXAMPLES))
    again = [example for example in learnt if example.misspelt]
    assert [example for example in learnt if not example.misspelt] == EXAMPLES
    assert learnt == list(with_misspelt(EXAMPLES))
    chinese = sum(example.language == "zh" for example in EXAMPLES)
    assert 0.1 < len(again) / chinese < 0.34
    before = {example.where: example for example in EXAMPLES}
    for example in again:
        own = before[example.where]
        assert replace(example, text=own.text, misspelt=False) == own
        assert len(example.text) == len(own.text) and example.text != own.text
    assert misspelt("nothing sounds like this 嗯") == "nothing sounds like this 嗯"


@pytest.mark.parametrize("group", [by_style, by_industry, by_itself])
def test_what_is_misspelt_is_in_the_fold_of_what_it_was_made_of(group: Callable[[Example], str]) -> None:
    learnt = list(with_misspelt(EXAMPLES[-3000:]))
    split = folds(learnt, group)
    own = {example.where: fold for example, fold in zip(learnt, split, strict=True) if not example.misspelt}
    assert any(example.misspelt for example in learnt)
    assert all(own[example.where] == fold for example, fold in zip(learnt, split, strict=True))
    assert [own[example.where] for example in EXAMPLES[-3000:]] == folds(EXAMPLES[-3000:], group)


def test_what_nobody_wrote_is_learnt_from_and_not_measured_by(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[int] = []
    fitted = heads.fit

    def fit_noted(rows: list[Row]) -> heads.Heads:
        learnt.append(sum(row.example.misspelt for row in rows))
        return fitted(rows)

    monkeypatch.setattr(heads, "fit", fit_noted)
    rows = LIBRARY.rows(with_misspelt(row.example for row in FEW))
    found = left_out(rows, LIBRARY, by_style)
    assert len(found) == len(FEW) < len(rows)
    assert all(learnt)
