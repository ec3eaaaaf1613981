"""Which entry a question is most like, out of ten thousand in about a millisecond: tf-idf over words and character n-grams. Pure.

A text is folded as rules fold it. Its features are single Han characters and pairs of them, words in other scripts and their trigrams. An
entry has several phrasings. How like it a question is, 0…1, is the mean of two cosines: with the entry's phrasings taken together, and with
the nearest of them. Features that no entry has lengthen the question's vector, so that a question about something else is like nothing.

An inverted index finds the entries. The question's rarest features are looked up first, and only until the rest could not bring any
further entry to `floor`; the entries that look best then are compared phrasing by phrasing.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import pairwise, repeat
from math import log, sqrt

from functions.common.folding import BLANK, fold

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f"
_WORD = re.compile(rf"[{_HAN}]+|(?:(?![{_HAN}])[^\W_])+")
_IS_HAN = re.compile(rf"[{_HAN}]")
# Entries whose phrasings are looked at one by one.
LOOKED_AT = 16
# Entries in the lists of features after which no further list is walked through: what is common to so many tells none apart.
VISITED = 5000
LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """An entry by its name, the phrasing that is nearest, and how like the question they are, 0…1."""

    name: str
    phrase: str
    score: float


class PhraseIndex:
    """An index over entries by name, each with its phrasings."""

    def __init__(self, entries: Mapping[str, Sequence[str]]) -> None:
        self._names = list(entries)
        self._phrases = [list(phrases) for phrases in entries.values()]
        self._terms: dict[str, int] = {}
        known = [[[self._number(feature) for feature in features(phrase)] for phrase in its] for its in self._phrases]
        # How often a feature comes over phrasings, and over entries.
        self._idf = _rarity((numbers for its in known for numbers in its), sum(map(len, known)), len(self._terms))
        self._entry_idf = _rarity((set().union(*its) for its in known), len(known), len(self._terms))
        self._unknown = log(1 + 2 * max(1, sum(map(len, known)))), log(1 + 2 * max(1, len(known)))
        self._vectors = [[array("I", numbers) for numbers in its] for its in known]
        self._lengths = [[_length(self._idf, numbers) for numbers in its] for its in known]
        self._postings = self._posted(known)

    def __len__(self) -> int:
        return len(self._names)

    def like(self, question: str, *, floor: float, most: int = 3) -> list[Likeness]:
        """The entries that are most like the question, best first: those of at least `floor`, at most so many."""
        query = _Query.of(features(question), self._terms, (self._idf, self._entry_idf), self._unknown)
        found = self._entries_like(query, floor)
        looked_at = (self._nearest(query, entry, score) for entry, score in nlargest(LOOKED_AT, found.items(), key=_by_score))
        return nlargest(most, (each for each in looked_at if each.score >= floor), key=lambda each: each.score)

    def _entries_like(self, query: _Query, floor: float) -> dict[int, float]:
        """Entries that share a rare feature with the question, with the cosine of the two."""
        found: dict[int, float] = {}
        rest, entry_rest, visited = query.length, query.entry_length, 0
        for place, (number, weight, entry_weight) in enumerate(query.known):
            if (sqrt(max(0, rest)) + sqrt(max(0, entry_rest))) / 2 < floor or visited > VISITED:
                return self._completed(found, query.known[place:])
            rest, entry_rest = rest - weight * weight, entry_rest - entry_weight * entry_weight
            entries, weights = self._postings[number]
            visited += len(entries)
            for entry, its in zip(entries, weights, strict=True):
                found[entry] = found.get(entry, 0.0) + entry_weight * its
        return found

    def _completed(self, found: dict[int, float], rest: Sequence[tuple[int, float, float]]) -> dict[int, float]:
        """The entries that look best so far, with what the common features add."""
        best = dict(nlargest(2 * LOOKED_AT, found.items(), key=_by_score))
        for number, _, entry_weight in rest:
            entries, weights = self._postings[number]
            for entry in best:
                at = bisect_left(entries, entry)
                if at < len(entries) and entries[at] == entry:
                    best[entry] += entry_weight * weights[at]
        return best

    def _nearest(self, query: _Query, entry: int, score: float) -> Likeness:
        shared = query.weights.get
        cosines = [
            sum(map(shared, numbers, repeat(0.0))) / length
            for numbers, length in zip(self._vectors[entry], self._lengths[entry], strict=True)
        ]
        place = max(range(len(cosines)), key=cosines.__getitem__)
        return Likeness(name=self._names[entry], phrase=self._phrases[entry][place], score=(score + cosines[place]) / 2)

    def _number(self, feature: str) -> int:
        return self._terms.setdefault(feature, len(self._terms))

    def _weights(self, known: list[list[int]]) -> dict[int, float]:
        """An entry's vector of length 1."""
        counts = Counter(number for numbers in known for number in numbers)
        weights = {number: sqrt(count / len(known)) * self._entry_idf[number] for number, count in counts.items()}
        length = sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {number: weight / length for number, weight in weights.items()}

    def _posted(self, known: list[list[list[int]]]) -> list[tuple[array[int], array[float]]]:
        postings: list[tuple[array[int], array[float]]] = [(array("I"), array("f")) for _ in self._terms]
        for entry, its in enumerate(known):
            for number, weight in self._weights(its).items():
                entries, values = postings[number]
                entries.append(entry)
                values.append(weight)
        return postings


@dataclass(frozen=True, slots=True)
class _Query:
    """A question's features that the index knows, rarest first, as (number, weight among phrasings, weight among entries).

    Weights are those of vectors of length 1; `length` and `entry_length` are the squares of what the known features make of it. `weights`
    has what each adds to the product with a phrasing's vector.
    """

    known: list[tuple[int, float, float]]
    weights: dict[int, float]
    length: float
    entry_length: float

    @classmethod
    def of(
        cls, words: set[str], terms: dict[str, int], idf: tuple[array[float], array[float]], unknown: tuple[float, float]
    ) -> _Query:
        numbers = [terms[word] for word in words if word in terms]
        strange = len(words) - len(numbers)
        phrases, entries = (
            sqrt(sum(rare[number] ** 2 for number in numbers) + strange * strangest**2) or 1.0
            for rare, strangest in zip(idf, unknown, strict=True)
        )
        known = [(number, idf[0][number] / phrases, idf[1][number] / entries) for number in numbers]
        known.sort(key=lambda term: term[2], reverse=True)
        weights = {number: weight * idf[0][number] for number, weight, _ in known}
        return cls(known, weights, sum(w * w for _, w, _ in known), sum(w * w for _, _, w in known))


def features(text: str) -> set[str]:
    """What a text is compared by; of a long one its beginning."""
    found: set[str] = set()
    for word in _WORD.findall(fold(text[:LONGEST]).text.replace(BLANK, " ")):
        if _IS_HAN.match(word):
            found.update(word)
            found.update(map("".join, pairwise(word)))
        else:
            edged = f"^{word}$"
            found.add(f"={word}")
            found.update(edged[place : place + 3] for place in range(len(edged) - 2))
    return found


def _rarity(documents: Iterable[Iterable[int]], count: int, terms: int) -> array[float]:
    frequency = Counter(number for document in documents for number in document)
    return array("f", (log(1 + count / frequency[number]) for number in range(terms)))


def _length(idf: array[float], numbers: Sequence[int]) -> float:
    return sqrt(sum(idf[number] ** 2 for number in numbers)) or 1.0


def _by_score(found: tuple[int, float]) -> float:
    return found[1]


def jaccard(one: str, other: str) -> float:
    """How much of their features two texts share, 0…1: 1 for two that say the same in the same words."""
    ours, theirs = features(one), features(other)
    return len(ours & theirs) / len(ours | theirs) if ours or theirs else 1.0
