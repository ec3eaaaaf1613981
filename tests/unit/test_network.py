"""The network over the lanes: in whole numbers as in exact ones, learnt from what is not seen, and only where it bears out."""

from __future__ import annotations

import random
from math import exp, isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.classify.model.network import LARGEST, SPARE, UNITY, WHOLE, WHOLE_BIAS
from functions.classify.model.network import Network as Whole
from functions.classify.model.shelf import SHIPPED
from functions.classify.model.weights import read_weights

HEADER = read_weights(SHIPPED.read_bytes()).header
LANES = HEADER["lanes"]
ANY_LOGITS = st.lists(st.floats(-1e300, 1e300), min_size=len(LANES), max_size=len(LANES))


def test_the_shipped_weights_have_one() -> None:
    network = HEADER["network"]
    assert (len(network["inner"]), len(network["outer"])) == (2 * len(LANES), len(network["inner_bias"]))
    assert {len(row) for row in network["outer"]} == {len(LANES)}


@given(ANY_LOGITS)
def test_any_logits_come_out_as_numbers_and_beyond_the_largest_nothing_changes(logits: list[float]) -> None:
    network = Whole(HEADER["network"], len(LANES))
    said = network.logits(logits)
    assert all(isfinite(logit) for logit in said)
    assert said == network.logits([max(-LARGEST, min(LARGEST, logit)) for logit in logits])


def test_no_sum_leaves_its_field_however_large_weights_and_inputs_are() -> None:
    """Each unit and each lane by itself says what all say beside each other."""
    most, lanes, units = WHOLE, 28, 48
    chance = random.Random(3)
    logits = [LARGEST * chance.choice((-1, 1)) for _ in range(lanes)]
    inner = [[chance.choice((-most, most)) for _ in range(units)] for _ in range(2 * lanes)]
    outer = [[chance.choice((-most, most)) for _ in range(lanes)] for _ in range(units)]
    bias = [chance.choice((-WHOLE_BIAS, WHOLE_BIAS)) for _ in range(units)]
    said = Whole({"inner": inner, "inner_bias": bias, "outer": outer, "scales": [1.0] * lanes, "bias": [0.0] * lanes}, lanes)
    inputs = [round(UNITY / (1 + exp(-logit))) for logit in logits] + [UNITY if logit > 0 else -UNITY for logit in logits]
    sums = [bias[unit] + sum(own * inner[place][unit] for place, own in enumerate(inputs)) for unit in range(units)]
    active = [max(0, total) >> SPARE for total in sums]
    expected = [sum(own * outer[unit][lane] for unit, own in enumerate(active)) for lane in range(lanes)]
    assert said.logits(logits) == expected


def test_whole_numbers_lose_next_to_nothing() -> None:
    np = pytest.importorskip("numpy", reason="numpy is not installed (requirements/training.txt)")
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")
    from training.network import Network

    chance, lanes = np.random.default_rng(4), 6
    # One input that hardly varies weighs a hundred times as much as the others, as that of a rare risk does.
    inner = chance.normal(0, 1, (2 * lanes, 9)) * np.where(np.arange(2 * lanes) == 2, 100, 1)[:, None]
    exact = Network(inner, chance.normal(0, 2, 9), chance.normal(0, 2, (9, lanes)), chance.normal(0, 1, lanes))
    whole, known = Whole(exact.header(), lanes), chance.normal(-2, 3, (200, lanes))
    known[:, 2] = -7.5
    found, wanted = np.array([whole.logits(line) for line in known.tolist()]), exact.logits(known)
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()
    assert (
        max(abs(bias) for bias in Network(inner * 1e-9, *(exact.inner_bias, exact.outer, exact.bias)).header()["inner_bias"])
        <= WHOLE_BIAS
    )
    slopes, offsets = np.full(lanes, 2.0), np.arange(lanes)
    assert np.allclose(exact.scaled(slopes, offsets).logits(known), 2 * wanted + offsets)
