"""From the features of a text to one number a lane, and one more for each to which corrections add, in whole numbers.

A feature's row is one Python integer with sixteen bits a column, so that one addition counts it for every lane at once. Weights are
signed bytes, stored plus 128: a sum of up to 257 of them fits its column, and what was added is taken off again at the end. A row is
made when its feature is first met: most are never met, and a cold start does not pay for them.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
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
# Rows made are kept, and what has none; when there are so many, all are forgotten.
_KEPT = 80_000
# So many bits of a feature are searched for; those before them are looked up.
_REST = 20
# A signed byte plus 128 is the same byte with its highest bit turned over.
_PLUS_OFFSET = bytes(byte ^ 0x80 for byte in range(256))


@dataclass(frozen=True, slots=True)
class Features:
    """A text's features by kind: each kind is weighed by itself, for there are many n-grams and few concepts."""

    ngrams: set[int]
    concepts: set[int]


def view(reading: Reading) -> str:
    """The text that the model reads: without its disguises, and not too long."""
    return clipped(reading.folded.text if reading.bare is None else reading.bare.text)


class Scorer:
    """Weights ready to be added up."""

    def __init__(self, weights: Weights) -> None:
        self.lanes = weights.lanes
        # Of each column the lane that it belongs to.
        self._columns = [*weights.lanes, *weights.added]
        header = weights.header
        # What corrections add is a logit already.
        self._slopes: list[float] = [*header["slopes"], *(1.0 for _ in weights.added)]
        self._bias: list[float] = header["bias"]
        self._scales: tuple[list[float], list[float]] = (header["scales"]["ngrams"], header["scales"]["concepts"])
        self._concepts = Concepts(header["concepts"])
        self._rows = _Rows(weights)
        self._format = f"<{len(self._columns)}H2x"
        self._width = 2 * len(self._columns) + 2

    def features(self, text: str, rules: Iterable[str]) -> Features:
        """What is in a viewed text, and which rules fired on the message."""
        return Features(ngrams(text), self._concepts.features(text, rules))

    def margins(self, features: Features) -> list[float]:
        """One number a column: the greater, the surer the answer to its lane is yes."""
        margins = self._bias
        for kind, scales in zip((features.ngrams, features.concepts), self._scales, strict=True):
            known = list(filter(None, map(self._rows.__getitem__, kind)))
            if known:
                by, less = 1 / sqrt(len(known)), OFFSET * len(known)
                sums = zip(margins, self._sums(known), scales, strict=True)
                margins = [margin + (total - less) * scale * by for margin, total, scale in sums]
        return margins

    def worth(self, kind: str, feature: int, lane: str) -> float:
        """How much one of `ngrams` or `concepts` adds to a lane's logit before the network, beside others of its kind; 0 for one that is
        not known."""
        row, scales = self._rows[feature], self._scales[kind == "concepts"]
        columns = [column for column, own in enumerate(self._columns) if own == lane] if row else []
        return sum(((row >> (16 * column) & 0xFFFF) - OFFSET) * scales[column] * self._slopes[column] for column in columns)

    def concepts(self) -> Concepts:
        """The lists of words."""
        return self._concepts

    def _sums(self, rows: list[int]) -> list[int]:
        if len(rows) <= _AT_ONCE:
            return list(unpack(self._format, sum(rows).to_bytes(self._width, "little")))
        totals = [0] * len(self._columns)
        remaining = iter(rows)
        while part := list(islice(remaining, _AT_ONCE)):
            sums = unpack(self._format, sum(part).to_bytes(self._width, "little"))
            totals = [total + more for total, more in zip(totals, sums, strict=True)]
        return totals


class _Rows(dict[int, int]):
    """The row of each feature, made when it is first met; 0 for one that has no weight, which no row is: each has a 1 behind its columns.

    Features are found where they stand in the file, in order: a table of places, or a set, would take more memory than all weights.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self._features = array("I")
        self._features.frombytes(weights.keys)
        if sys.byteorder == "big":
            self._features.byteswap()
        # Where features that begin alike begin: hashes are spread evenly, so little is left to search.
        self._begin = [bisect_left(self._features, part << _REST) for part in range((1 << 32 - _REST) + 1)]
        self._bytes, self._columns = weights.rows, len(weights.lanes) + len(weights.added)

    def __missing__(self, feature: int) -> int:
        if len(self) > _KEPT:
            self.clear()
        part, features, columns = feature >> _REST, self._features, self._columns
        end = self._begin[part + 1]
        place = bisect_left(features, feature, self._begin[part], end)
        row = 0
        if place < end and features[place] == feature:
            # Its bytes spread over columns of two bytes.
            spread = bytearray(2 * columns + 1)
            spread[-1] = 1
            spread[:-1:2] = bytes(self._bytes[place * columns : (place + 1) * columns]).translate(_PLUS_OFFSET)
            row = int.from_bytes(spread, "little")
        self[feature] = row
        return row
