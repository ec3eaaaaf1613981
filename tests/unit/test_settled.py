"""What is made of margins: a network where it bears out on messages that it has not seen, and none where it does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")

import numpy as np

from functions.classify.model.network import Network
from training import calibration, network
from training.calibration import logits, settled, sigmoid
from training.labels import LANES, answers
from training.seed import Example

OF_PRICES = LANES.index("content.price")


def told(texts: int, *, together: bool) -> tuple[list[Example], np.ndarray]:
    """Messages of which the heads know everything, but if `together` not that prices are spoken of: in complaints about refunds only."""
    chance = np.random.default_rng(1)
    first, second = chance.random(texts) < 0.5, chance.random(texts) < 0.5
    prices = (first & second) if together else second
    examples = [
        Example(
            text=str(place),
            business="complaint" if first[place] else "enquiry",
            content=("refund",) * int(second[place]) + ("price",) * int(prices[place]),
        )
        for place in range(texts)
    ]
    margins = chance.normal(0, 0.3, (texts, len(LANES)))
    for lane, name in enumerate(LANES):
        if not (together and lane == OF_PRICES):
            margins[:, lane] += np.where(answers(examples, name), 2.0, -2.0)
    return examples, margins


def right_of_prices(margins: np.ndarray, examples: list[Example], made: calibration.Calibration) -> float:
    known = sigmoid(logits(made, margins))[:, OF_PRICES]
    return float(((known >= 0.5) == answers(examples, "content.price")).mean())


def test_what_lies_between_the_lanes_is_learnt() -> None:
    examples, margins = told(3000, together=True)
    made = settled(margins[:2000], examples[:2000], [place % 4 for place in range(2000)])
    assert made.network is not None
    assert right_of_prices(margins[2000:], examples[2000:], made) > 0.95
    alone = calibration.calibrate(margins[:2000], examples[:2000])
    assert right_of_prices(margins[2000:], examples[2000:], alone) < 0.8
    # Bars are chosen after it: what was never more likely than not without it is said now.
    assert 0.2 < made.bars["say.content"] < 0.8


def test_where_it_does_not_bear_out_there_is_none() -> None:
    examples, margins = told(60, together=False)
    made = settled(margins, examples, [place % 3 for place in range(60)])
    plain = calibration.calibrate(margins, examples)
    assert made.network is None
    assert np.array_equal(made.slopes, plain.slopes) and made.bars == plain.bars
    # Nothing is left to learn from where all were left out together.
    assert settled(margins, examples, [0] * 60).network is None


def test_a_network_is_asked_about_a_fold_that_it_has_not_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    known = np.arange(24, dtype=float).reshape(12, 2)
    folds = np.array([0, 1, 3] * 4)
    learnt: list[set[float]] = []
    asked: list[set[float]] = []

    class Noted:
        def logits(self, own: np.ndarray) -> np.ndarray:
            asked.append(set(own[:, 0]))
            return own + 100

    def fit(own: np.ndarray, right: np.ndarray) -> Noted:
        assert np.array_equal(own, right)
        learnt.append(set(own[:, 0]))
        return Noted()

    monkeypatch.setattr(network, "fit", fit)
    assert np.array_equal(network.unseen(known, known, folds), known + 100)
    everything = set(known[:, 0])
    assert len(learnt) == 3 and all(one == everything - other for one, other in zip(learnt, asked, strict=True))


def test_what_is_chosen_after_a_network_comes_of_what_networks_said_unseen_and_is_part_of_the_one_that_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples, margins = told(300, together=True)
    folds = [place % 3 for place in range(300)]
    asked: list[object] = []
    unseen = np.full((300, len(LANES)), -3.0) + 6.0 * np.stack([answers(examples, lane) for lane in LANES], axis=1)
    chosen = calibration.Calibration(
        np.full(len(LANES), 2.0), np.arange(len(LANES), dtype=float), {"business.other": 1.1}, {"x": 0.3}
    )
    fitted = network.Network(np.zeros((2 * len(LANES), 1)), np.ones(1), np.ones((1, len(LANES))), np.full(len(LANES), 5.0))

    def said(alone: np.ndarray, right: np.ndarray, own: np.ndarray) -> np.ndarray:
        assert own.tolist() == folds
        return unseen

    def noted(of: np.ndarray, own: Sequence[Example]) -> calibration.Calibration:
        asked.append(of)
        return chosen

    monkeypatch.setattr(network, "unseen", said)
    monkeypatch.setattr(network, "fit", lambda alone, right: fitted)
    monkeypatch.setattr(calibration, "calibrate", noted)
    made = settled(margins, examples, folds)
    assert len(asked) == 1 and asked[0] is unseen
    assert (made.bars, made.favour) == (chosen.bars, chosen.favour)
    first = calibration.platt(margins, examples)
    assert np.array_equal(made.slopes, first.slopes) and np.array_equal(made.offsets, first.offsets)
    assert made.network is not None
    assert np.array_equal(made.network.bias, 10.0 + np.arange(len(LANES)))
    assert np.array_equal(made.network.outer, np.full((1, len(LANES)), 2.0))


def test_a_lane_on_which_all_are_one_does_not_outweigh_the_others_in_whole_numbers() -> None:
    examples, margins = told(2000, together=True)
    margins[:, LANES.index("risk.safety")] = 0.0
    made = settled(margins, examples, [place % 4 for place in range(2000)])
    assert made.network is not None
    whole, alone = Network(made.network.header(), len(LANES)), margins * made.slopes + made.offsets
    found = np.array([whole.logits(line) for line in alone[:200].tolist()])
    exact = made.network.logits(alone[:200])
    assert np.abs(found - exact).max() < 0.02 * np.abs(exact).max()


def test_the_same_messages_make_the_same_network() -> None:
    examples, margins = told(300, together=True)
    right = np.stack([answers(examples, lane) for lane in LANES], axis=1)
    first, second = (network.fit(margins, right).header() for _ in range(2))
    assert first == second


def test_surprise_is_what_right_answers_cost() -> None:
    def cost(known: Sequence[float], right: Sequence[bool]) -> float:
        return network.surprise(np.array([known]), np.array([right]))

    assert cost([0.0, 0.0], [True, False]) == pytest.approx(2 * np.log(2))
    assert cost([9.0, -9.0], [True, False]) < 0.001 < 8 < cost([-9.0, -9.0], [True, False])


def test_how_probable_content_must_be_is_chosen_on_ordinary_messages() -> None:
    """Of the others every second one that hardly anybody would say so of speaks of prices; of the ordinary ones none."""
    chance = np.random.default_rng(6)
    prices = np.arange(900) % 3 == 0
    margins = np.full((900, len(LANES)), -6.0)
    margins[:, OF_PRICES] = np.where(prices, 3.0, np.where(np.arange(900) % 3 == 1, -1.0, -4.0)) + chance.normal(0, 0.2, 900)
    bars = {}
    for ordinary in (False, True):
        examples = [Example(text="x", content=("price",) if of else (), ordinary=ordinary) for of in prices]
        others = [Example(text="x", content=("price",)) for _ in range(300)]
        far = np.full((300, len(LANES)), -6.0)
        far[:, OF_PRICES] = -1.0 + chance.normal(0, 0.2, 300)
        made = calibration.calibrate(np.vstack([margins, far]), [*examples, *others])
        bars[ordinary] = made.bars["say.content"]
    assert bars[True] > bars[False]
