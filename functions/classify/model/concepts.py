"""Concepts in a folded text: words that mean the same have one name, and the model learns of names.

Beside them, what no list of words can say: a time of day, a date, a sum, a long number, how long the text is, which rules fired. All of
it as 32-bit hashes, each once: a concept, a concept twice, any two of them, one behind another, the first and the last.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations, pairwise, starmap
from operator import xor
from typing import NamedTuple
from zlib import crc32

from functions.classify.keywords import Automaton, Edges, Keyword
from functions.common.folding import BLANK, fold_keyword

# No message means thirty things; the cost of pairs must not grow with its length.
_MOST, _LONGEST = 30, 100
_EDGE = 0x2545F491
_EMOJI = re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]")
_DURATION = "天|周|个月|月|年|小时|分钟|个星期|days?|weeks?|months?|hours?|mins?|minutes?"
# Those that may begin in several ways begin with all characters that any of them begins with, for such are looked for at once, and ask
# which of them it was after that.
_PATTERNS = {
    "clock": r"[\d点](?:(?<=\d)(?: ?点|:\d\d| ?[ap]m\b)|(?<=点)半)",
    "date": r"\d ?月 ?\d|\d ?[号日]|周[一二三四五六日末]|星期|礼拜|下周|(?:mon|tues|wednes|thurs|fri|satur|sun)day",
    "long_number": r"\d{7,}",
    "sum": r"[\d¥$£€](?:(?<=\d) ?(?:元|块|万|k\b|usd|%)|(?<=[¥$£€]) ?\d)",
    "handle": r"[a-z_\d](?<![a-z0-9_].)(?:(?<=[a-z_])[a-z_]*\d|(?<=\d)\d*[a-z_])[a-z0-9_]{3,}",
    "whether": r"([\u4e00-\u9fff])[不没]\1",
    "duration": rf"(?:\d|[一二三四五六七八九十两半几])(?: ?)(?:{_DURATION})",
    "ends_asking": r"[?吗不没呢么咩伐哇啊][^\w]*$",
    "marks": r"[?!]{2,}",
    "page": r"https?:|www\.|\.(?:com|cn|net|top|xyz|example)",
    "people": r"(?:\d|[一二两三四五六七八九十]) ?(?:个人|位|人|大|people|of us)",
    "trails_off": r"\.\.|…",
    "repeats": r"(.)\1\1",
    # Four digits that differ: of an order's number, hardly of a thumb's.
    "varied": r"(\d)(?!\1)(\d)(?!\1|\2)(\d)(?!\1|\2|\3)\d",
}
_MARKS = {"asks": "?", "exclaims": "!", "masked": BLANK, "tilde": "~"}
_LENGTHS = (3, 6, 12, 25, 50, 100)


class Found(NamedTuple):
    """A concept's word at `start:end` of the text; `concept` is the hash of its name."""

    start: int
    end: int
    concept: int


class Concepts:
    """The lists of words, ready to be looked for."""

    def __init__(self, lists: Mapping[str, Iterable[str]]) -> None:
        listed = [
            (_keyword(entry), concept)
            for concept, entries in ((hashed(f"concept {name}"), entries) for name, entries in lists.items())
            for entry in entries
        ]
        # Of words that begin in one place that of one character comes first, then they come as the lists have them.
        listed.sort(key=lambda known: len(known[0].text) > 1)
        self._words: dict[Keyword, list[tuple[int, int]]] = {}
        for rank, (keyword, concept) in enumerate(listed):
            self._words.setdefault(keyword, []).append((rank, concept))
        self._automaton = Automaton(self._words, thorough=self._words)
        self._patterns = [(hashed(f"pattern {name}"), re.compile(pattern).search) for name, pattern in _PATTERNS.items()]
        self._marks = [(hashed(f"pattern {name}"), mark) for name, mark in _MARKS.items()]

    def find(self, text: str) -> list[Found]:
        """Every concept's words in a folded text, in order."""
        return [Found(start, end, concept) for start, _, end, concept in self._found(text)]

    def _found(self, text: str) -> list[tuple[int, int, int, int]]:
        """Start, rank among those that start there, end and concept of each word."""
        words = self._words
        found = [
            (start, rank, end, concept)
            for keyword, places in self._automaton.find(text).items()
            for rank, concept in words[keyword]
            for start, end in places
        ]
        return sorted(found)

    def features(self, text: str, rules: Iterable[str]) -> set[int]:
        """The hashes of all that a clipped, folded text means, and of the rules that fired on it."""
        order = [concept for _, _, _, concept in self._found(text)[:_LONGEST]]
        names = list(dict.fromkeys(order))[:_MOST]
        features = set(names)
        if len(names) < len(order):
            features.update([_twice(name) for name, times in Counter(order).items() if times > 1])
        features.update(starmap(xor, combinations(names, 2)))
        features.update([_behind(one, two) for one, two in pairwise(order) if one != two])
        if order:
            features.update((_behind(_EDGE, order[0]), _behind(order[-1], _EDGE)))
        features.update([name for name, found in self._patterns if found(text)])
        features.update([name for name, mark in self._marks if mark in text])
        features.add(_LENGTH[bisect_right(_LENGTHS, len(text)), not order])
        features.update([crc32(emoji.encode(), 7) for emoji in set(_EMOJI.findall(text))])
        features.update([_RULES[name] for name in rules])
        return features


def _keyword(entry: str) -> Keyword:
    text = fold_keyword(entry.rstrip("*"))
    edges: Edges = "both" if text.isascii() and text[:1].isalnum() else "none"
    return Keyword(text, "start" if entry.endswith("*") else edges)


def hashed(name: str) -> int:
    """The hash of a feature that has a name."""
    return crc32(name.encode(), 9)


_LENGTH = {
    (place, empty): hashed(f"length {place}, {not empty}") for place in range(len(_LENGTHS) + 1) for empty in (False, True)
}


class _Rules(dict[str, int]):
    """The hashes of rules' names, of which there are as many as the configuration has."""

    def __missing__(self, name: str) -> int:
        made = self[name] = hashed(f"rule {name}")
        return made


_RULES = _Rules()


def _twice(name: int) -> int:
    return name ^ 0x9E3779B1


def _behind(one: int, two: int) -> int:
    # Not the same the other way round, as that of any two of them is.
    return one >> 1 ^ two
