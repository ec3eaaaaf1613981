"""Texts that are nearly the same, which must stand on one side of every split: else a model is asked what it was told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from functions.common.folding import fold

ALIKE = 0.6
_RUN = 3
# A run that so many texts share tells none of them apart.
_COMMON = 60


def pairs(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Places of texts of which three fifths of the three-letter runs are shared, the earlier first."""
    holders: dict[str, list[int]] = defaultdict(list)
    known: list[set[str]] = []
    found = []
    for place, text in enumerate(texts):
        runs = _runs(text)
        shared: Counter[int] = Counter()
        for run in runs:
            if len(holders[run]) < _COMMON:
                shared.update(holders[run])
            holders[run].append(place)
        found += [(other, place) for other, both in sorted(shared.items()) if both >= ALIKE * len(runs | known[other])]
        known.append(runs)
    return found


def together(folds: list[int], texts: Sequence[str]) -> list[int]:
    """The folds with every text moved to that of the first text it is nearly the same as."""
    settled = list(folds)
    for earlier, later in pairs(texts):
        settled[later] = settled[earlier]
    return settled


def _runs(text: str) -> set[str]:
    letters = "".join(filter(str.isalnum, fold(text).text))
    return {letters[at : at + _RUN] for at in range(max(1, len(letters) - _RUN + 1))}
