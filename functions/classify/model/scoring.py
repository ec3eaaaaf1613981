"""From the features of a text to one number a lane, in whole numbers.

A feature's row is one Python integer with sixteen bits a lane, so that one addition counts it for every lane at once. Weights are
signed bytes, stored plus 128: a sum of up to 257 of them fits its lane, and what was added is taken off again at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from math import sqrt
from struct import unpack

from functions.classify.model.concepts import Concepts
from functions.classify.model.ngrams import clipped, ngrams
from functions.classify.model.weights import Weights
from functions.classify.reading import Reading

OFFSET = 128
_AT_ONCE = 257


@dataclass(frozen=True, slots=True)
class Features:
    """A text's features by kind: each kind is weighed by itself, for there are many n-grams and few concepts."""

    ngrams: set[int]
    concepts: set[int]


def view(reading: Reading) -> str:
    """The text that the model reads: without its disguises, and not too long."""
    return clipped(reading.folded.text if reading.bare is None else reading.bare.text)


class Scorer:
    """Rows ready to be added up."""

    def __init__(self, weights: Weights) -> None:
        self.lanes = weights.lanes
        header = weights.header
        self._bias: list[float] = header["bias"]
        self._scales: tuple[list[float], list[float]] = (header["scales"]["ngrams"], header["scales"]["concepts"])
        self._concepts = Concepts(header["concepts"])
        self._rows = _packed(weights)
        self._format = f"<{len(self.lanes)}H"
        self._width = 2 * len(self.lanes)

    def features(self, text: str, rules: Iterable[str]) -> Features:
        """What is in a viewed text, and which rules fired on the message."""
        return Features(ngrams(text), self._concepts.features(text, rules))

    def margins(self, features: Features) -> list[float]:
        """One number a lane: the greater, the surer its answer is yes."""
        margins = self._bias
        for kind, scales in zip((features.ngrams, features.concepts), self._scales, strict=True):
            known = [row for row in map(self._rows.get, kind) if row is not None]
            if known:
                by, less = 1 / sqrt(len(known)), OFFSET * len(known)
                sums = zip(margins, self._sums(known), scales, strict=True)
                margins = [margin + (total - less) * scale * by for margin, total, scale in sums]
        return margins

    def weight(self, feature: int, lane: int) -> int:
        """What a feature counts for in a lane, -128…127; 0 for one that is not known."""
        row = self._rows.get(feature)
        return 0 if row is None else (row >> (16 * lane) & 0xFFFF) - OFFSET

    def scale(self, kind: str, lane: int) -> float:
        """What a weight of 1 is worth in a lane, of `ngrams` or `concepts`."""
        return self._scales[kind == "concepts"][lane]

    def concepts(self) -> Concepts:
        """The lists of words."""
        return self._concepts

    def _sums(self, rows: list[int]) -> list[int]:
        if len(rows) <= _AT_ONCE:
            return list(unpack(self._format, sum(rows).to_bytes(self._width, "little")))
        totals = [0] * len(self.lanes)
        remaining = iter(rows)
        while part := list(islice(remaining, _AT_ONCE)):
            sums = unpack(self._format, sum(part).to_bytes(self._width, "little"))
            totals = [total + more for total, more in zip(totals, sums, strict=True)]
        return totals


def _packed(weights: Weights) -> dict[int, int]:
    """Each feature's row: its bytes spread over lanes of two bytes."""
    # A signed byte plus 128 is the same byte with its highest bit turned over.
    turned = weights.rows.translate(bytes(byte ^ 0x80 for byte in range(256)))
    spread = bytearray(2 * len(turned))
    spread[::2] = turned
    width = 2 * len(weights.lanes)
    keys = unpack(f"<{len(weights.keys) // 4}I", weights.keys)
    view_of = memoryview(bytes(spread))
    return {
        key: int.from_bytes(view_of[at : at + width], "little")
        for key, at in zip(keys, range(0, len(spread), width), strict=True)
    }
