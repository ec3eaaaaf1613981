"""Tests of what a text says: keywords, exceptions to them, words near one another, a word with its value, nothing but certain words."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from functions.classify.conditions import Case, Evidence, Stretch, Test
from functions.classify.keywords import Keyword
from functions.classify.substance import Vocabulary

Words = frozenset[Keyword]
NOTHING: Words = frozenset()

# How many characters may stand between the parts of a phrase, and how many marks between its words.
APART, MARKS = 12, 3
_LETTER = re.compile(r"\w")
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


def phrased(phrases: Sequence[Sequence[Sequence[Keyword]]], excepted: Words = NOTHING) -> Test:
    """One of the phrases is in the text: its words in their order, within one sentence.

    A phrase is parts of words. Between words there is nothing but space and marks, between parts at most `APART` characters.
    """
    words = frozenset(word for phrase in phrases for part in phrase for word in part)
    chains = [
        [(word, part is not phrase[0] and place == 0) for part in phrase for place, word in enumerate(part)]
        for phrase in phrases
    ]

    def chained(case: Case) -> list[Stretch]:
        return sorted({stretch for chain in chains for stretch in _chain(case, chain, excepted)})

    firsts = frozenset(chain[0][0] for chain in chains)
    return _found(firsts, excepted | words, chained)


def _chain(case: Case, chain: Sequence[tuple[Keyword, bool]], excepted: Words) -> list[Stretch]:
    """Where all words of a chain follow one another; each with whether something may stand between it and the one before."""
    text = case.reading.folded.text
    reached = {end: start for start, end in reversed(_hits(case, frozenset([chain[0][0]]), excepted))}
    for word, apart in chain[1:]:
        behind = _hits(case, frozenset([word]), excepted) if reached else []
        starts = [start for start, _ in behind]
        further: dict[int, int] = {}
        for end, start in reached.items():
            for place in range(bisect_left(starts, end), bisect_right(starts, end + (APART if apart else MARKS))):
                if (_SENTENCE_END if apart else _LETTER).search(text, end, starts[place]) is None:
                    further[behind[place][1]] = max(start, further.get(behind[place][1], 0))
        reached = further
    return sorted((start, end) for end, start in reached.items())


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

    return Test(holds, slow=True)


def _found(triggers: Words, others: Words, find: Callable[[Case], list[Stretch]]) -> Test:
    def holds(case: Case) -> Evidence | None:
        return None if triggers.isdisjoint(case.places) else tuple(find(case)) or None

    return Test(holds, triggers | others, triggers, thorough=bool(others))


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


def _places(case: Case, words: Words) -> list[Stretch]:
    # Asked some forty times of a message, mostly in vain. What was found is gone through, not the words, of which there are hundreds.
    if words.isdisjoint(case.places):
        return []
    return sorted(place for keyword in words.intersection(case.places) for place in case.places[keyword])
