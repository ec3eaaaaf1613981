"""Tests of what a text says: keywords, exceptions to them, words near one another, a word with its value, nothing but certain words."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate

from functions.classify.conditions import Case, Evidence, Stretch, Test
from functions.classify.keywords import Keyword
from functions.classify.substance import Vocabulary

Words = frozenset[Keyword]
NOTHING: Words = frozenset()

_SENTENCE_END = re.compile(r"[!?;。]|\. ")
# "密码：abc123", "otp 123456", "验证码是 482913": the value is in Latin letters, and a digit is in it.
_VALUE = re.compile(
    r" ?(?:是|为|is|was|号)? ?[:=#]? ?(?=[a-z!@#$%^&*._-]{0,31}\d)[a-z0-9!@#$%^&*._-]{4,32}(?![a-z0-9])",
)


def mentions(words: Words, excepted: Words = NOTHING) -> Test:
    """One of the keywords is in the text, and not as a part of an excepted one."""
    return _found(words, excepted, lambda case: _hits(case, words, excepted))


def near(first: Words, then: Words, within: int, excepted: Words = NOTHING) -> Test:
    """One of `first`, and at most `within` characters behind it, in the same sentence, one of `then`."""

    def pairs(case: Case) -> list[Stretch]:
        behind = _hits(case, then, excepted)
        starts = [start for start, _ in behind]
        found = []
        for start, end in _hits(case, first, excepted) if behind else ():
            nearest = bisect_left(starts, end)
            if nearest < len(starts) and starts[nearest] <= end + within:
                between = case.reading.folded.text[end : starts[nearest]]
                if not _SENTENCE_END.search(between):
                    found.append((start, behind[nearest][1]))
        return found

    return _found(first, excepted | then, pairs)


def valued(words: Words, excepted: Words = NOTHING) -> Test:
    """One of the keywords with a value right behind it: letters and digits, four or more."""

    def with_values(case: Case) -> list[Stretch]:
        text, found = case.reading.folded.text, []
        for start, end in _hits(case, words, excepted):
            value = _VALUE.match(text, end)
            if value:
                found.append((start, value.end()))
        return found

    return _found(words, excepted, with_values)


def only(vocabulary: Vocabulary) -> Test:
    """Nothing but these words is in the message; the whole of it is the evidence."""

    def holds(case: Case) -> Evidence | None:
        text, bare = case.reading.folded.text, case.reading.bare
        known = vocabulary.and_also(case.reading.names)
        if case.reading.encloses or not (known.make_up(text) or (bare and known.make_up(bare.text))):
            return None
        return ((0, len(text)),) if text else ()

    return Test(holds)


def _found(triggers: Words, others: Words, find: Callable[[Case], list[Stretch]]) -> Test:
    return Test(lambda case: tuple(find(case)) or None, triggers | others, triggers, thorough=bool(others))


def _hits(case: Case, words: Words, excepted: Words) -> list[Stretch]:
    """Where keywords stand, in order, but for those inside an excepted one."""
    hits = _places(case, words)
    exceptions = _places(case, excepted) if hits and excepted else []
    if not exceptions:
        return hits
    starts = [start for start, _ in exceptions]
    reach = list(accumulate((end for _, end in exceptions), max))
    return [(start, end) for start, end in hits if not _inside(starts, reach, start, end)]


def _inside(starts: list[int], reach: list[int], start: int, end: int) -> bool:
    before = bisect_right(starts, start)
    return before > 0 and reach[before - 1] >= end


def _places(case: Case, words: Iterable[Keyword]) -> list[Stretch]:
    return sorted(place for keyword, places in case.places.items() if keyword in words for place in places)
