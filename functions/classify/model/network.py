"""What the answers to all questions say of each other, in whole numbers: a network of one layer of units over one logit a lane.

A head sees words alone. That an advertisement has no topic, that who is angry about a parcel does not ask for a price, lies between the
lanes: each unit weighs all of them, and counts where its sum is over nothing (a rectified linear unit). A row of weights is one Python
integer with 64 bits a field, so that one multiplication weighs an input for every unit at once; fields hold whole numbers with a bias
that keeps them over nothing. A logit is read in steps so small that its probability is looked up. This costs a message some twenty
millionths of a second.
"""

from __future__ import annotations

from math import exp
from operator import mul
from struct import Struct
from typing import Any

from functions.classify.model.weights import WeightsInvalid

# Beyond this a logit says no more: three in ten thousand are left.
LARGEST = 8.0
# What an input of 1 is in whole numbers: a probability, and a logit over LARGEST.
UNITY = 65_536
# So many bits of a unit's sum are more than its weights are worth.
SPARE = 8
# The largest whole numbers that weights and a unit's bias are: with some hundreds of units and lanes no sum leaves its field.
WHOLE, WHOLE_BIAS = 32_767, 2**40
_MOST = 256
_BYTES = 8
# More than any sum, and with it still an integer of two of Python's digits.
_HALF = 1 << 58
# Steps of a logit of one, and as many of those as a logit goes either way.
_STEPS = 256
_EITHER_WAY = int(LARGEST) * _STEPS
_MIDDLE = _EITHER_WAY + 0.5


class Network:
    """A network ready for use. `header`: what `training/network.py` writes of it into a file of weights."""

    def __init__(self, header: dict[str, Any], lanes: int) -> None:
        inner, outer, biases = header["inner"], header["outer"], header["inner_bias"]
        units = len(biases)
        shapes = ((inner, 2 * lanes, units), (outer, units, lanes))
        whole = all(len(rows) == count and all(_fits(row, width, WHOLE) for row in rows) for rows, count, width in shapes)
        if not (whole and 0 < units <= _MOST and lanes <= _MOST and _fits(biases, units, WHOLE_BIAS)):
            raise WeightsInvalid(f"weights: the network is not one over {lanes} lanes in whole numbers of two bytes")
        if not len(header["scales"]) == len(header["bias"]) == lanes:
            raise WeightsInvalid(f"weights: the network has not a scale and a bias for each of {lanes} lanes")
        self._of_probabilities = [_packed(row) for row in inner[:lanes]]
        self._of_logits = [_packed(row) * (UNITY // _EITHER_WAY) for row in inner[lanes:]]
        self._probabilities = [round(UNITY / (1 + exp(-step / _STEPS))) for step in range(-_EITHER_WAY, _EITHER_WAY + 1)]
        self._outer = [_packed(row) for row in outer]
        # Steps are counted from the least: what those under nothing would take off is off already.
        self._inner_bias = _packed([_HALF + bias for bias in biases]) - _EITHER_WAY * sum(self._of_logits)
        self._outer_bias = _packed([_HALF] * lanes)
        self._scales: list[float] = header["scales"]
        self._bias: list[float] = header["bias"]
        self._wide, self._units = _BYTES * units, Struct(f"<{units}q").unpack
        self._narrow, self._lanes = _BYTES * lanes, Struct(f"<{lanes}q").unpack

    def logits(self, logits: list[float]) -> list[float]:
        """The lanes' logits, each in the light of the others."""
        steps = [
            0 if logit < -LARGEST else 2 * _EITHER_WAY if logit > LARGEST else int(logit * _STEPS + _MIDDLE) for logit in logits
        ]
        probabilities = map(self._probabilities.__getitem__, steps)
        total = sum(map(mul, probabilities, self._of_probabilities), self._inner_bias) + sum(map(mul, steps, self._of_logits))
        sums = self._units(total.to_bytes(self._wide, "little"))
        active = [(own - _HALF >> SPARE) * row for own, row in zip(sums, self._outer, strict=True) if own > _HALF]
        said = self._lanes(sum(active, self._outer_bias).to_bytes(self._narrow, "little"))
        return [(own - _HALF) * scale + bias for own, scale, bias in zip(said, self._scales, self._bias, strict=True)]


def _fits(row: list[int], width: int, most: int) -> bool:
    return len(row) == width and all(isinstance(field, int) and -most <= field <= most for field in row)


def _packed(fields: list[int]) -> int:
    return sum(field << 8 * _BYTES * place for place, field in enumerate(fields))
