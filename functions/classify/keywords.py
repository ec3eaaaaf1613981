"""All keywords of all rules found in one pass: an Aho-Corasick automaton, so the cost of a text does not grow with their number.

A. V. Aho and M. J. Corasick, Efficient string matching, CACM 18 (1975). Its states are the beginnings of keywords: the one reached is the
longest that ends where the text has been read to. Where a character leads from a state is worked out when a text first goes there, and
kept: most of a large book's states are never met, and a cold start does not pay for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from typing import Literal

MAX_PLACES = 3
# Ways that texts took are kept; when there are so many, all are forgotten.
_KEPT = 50_000

Edges = Literal["none", "start", "both", "whole"]
_AROUND = " .,;:!。、，；：！~〜\"'()"


_EDGES: dict[str, Edges] = {"n": "none", "s": "start", "b": "both", "w": "whole"}


class Keyword(str):
    """A folded text to look for. `edges`: where a word must begin or end (nowhere, at its start, at both), or that it is all there is.

    A string of both, because a string remembers its hash: sets of keywords are gone through for every message.
    """

    __slots__ = ()

    def __new__(cls, text: str, edges: Edges = "none") -> Keyword:
        """The keyword of a folded text."""
        return str.__new__(cls, edges[0] + text)

    @property
    def text(self) -> str:
        """What is looked for."""
        return self[1:]

    @property
    def edges(self) -> Edges:
        """Where it must begin or end a word."""
        return _EDGES[self[0]]


Places = dict[Keyword, list[tuple[int, int]]]


# What ends in a state: a keyword, its length, its edges if it has any, and how many of its places count.
_Ending = tuple[Keyword, int, Edges | None, float]


class _State(dict[str, "_State"]):
    """The state to which each character leads from the one that `beginning` stands for, as far as texts have gone."""

    __slots__ = ("automaton", "beginning", "endings")

    def __init__(self, automaton: Automaton, beginning: str) -> None:
        super().__init__()
        self.automaton = automaton
        self.beginning = beginning
        self.endings: tuple[_Ending, ...] = tuple(automaton.endings(beginning))

    def __missing__(self, character: str) -> _State:
        return self.automaton.led(self, character)


class Automaton:
    """Finds keywords in folded text."""

    def __init__(self, keywords: Iterable[Keyword], *, thorough: Iterable[Keyword] = ()) -> None:
        """Of `thorough` keywords every place is found: an exception may take away any of them."""
        self._thorough = frozenset(thorough)
        self._keywords: dict[str, tuple[Keyword, ...]] = {}
        for keyword in dict.fromkeys(keywords):
            text = keyword.text
            self._keywords[text] = (*self._keywords.get(text, ()), keyword)
        self._beginnings = frozenset({text[:end] for text in self._keywords for end in range(1, len(text) + 1)})
        self._forget()

    def find(self, text: str) -> Places:
        """Where each keyword stands, as (start, end), in order; of those that are not `thorough` at most `MAX_PLACES` places."""
        found: Places = {}
        state = self._start
        for end, character in enumerate(text, 1):
            state = state[character]
            for keyword, length, edges, most in state.endings:
                places = found.get(keyword)
                if places is not None and len(places) >= most:
                    continue
                if edges is None or fits(edges, text, end - length, end):
                    found.setdefault(keyword, []).append((end - length, end))
        return found

    def led(self, state: _State, character: str) -> _State:
        """The state to which a character leads, worked out and kept. A text takes at most two steps a character, each to a shorter end."""
        end = state.beginning + character
        while end and end not in self._beginnings:
            end = end[1:]
        if self._kept >= _KEPT:
            self._forget()
        self._kept += 1
        if end not in self._states:
            self._states[end] = _State(self, end)
        reached = state[character] = self._states[end]
        return reached

    def endings(self, beginning: str) -> Iterator[_Ending]:
        """The keywords with which a beginning ends, the longest first."""
        for start in range(len(beginning)):
            for keyword in self._keywords.get(beginning[start:], ()):
                edges = None if keyword.edges == "none" else keyword.edges
                yield keyword, len(beginning) - start, edges, inf if keyword in self._thorough else MAX_PLACES

    def _forget(self) -> None:
        self._start = _State(self, "")
        self._states = {"": self._start}
        self._kept = 0


def fits(edges: Edges, text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` begins and ends where `edges` asks it to."""
    if edges == "none":
        return True
    if edges == "whole":
        # A message is not all but one word of a long text: no need to look far.
        return start <= 3 and len(text) - end <= 3 and not text[:start].strip(_AROUND) and not text[end:].strip(_AROUND)
    return not _inside_word(text, start) and (edges == "start" or not _inside_word(text, end))


def _inside_word(text: str, place: int) -> bool:
    """Whether a word goes on across the boundary before `text[place]`. Between Latin and Han there is always a boundary."""
    return 0 < place < len(text) and _of_word(text[place - 1]) and _of_word(text[place])


def _of_word(character: str) -> bool:
    # Up to U+058F lie the scripts that put spaces between words and lack case-less ideographs: Latin, Greek, Cyrillic, Armenian.
    return character < "\u0590" and (character.isalnum() or character == "_")
