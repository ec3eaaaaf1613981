"""All keywords of all rules found in one pass: an Aho-Corasick automaton, so the cost of a text does not grow with their number.

A. V. Aho and M. J. Corasick, Efficient string matching, CACM 18 (1975). Edges live in one dictionary keyed by node and character, which
takes a fraction of the memory of a dictionary per node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

_NODE = 0x110000
_UNKNOWN = -1
MAX_PLACES = 3

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
        return super().__new__(cls, edges[0] + text)

    @property
    def text(self) -> str:
        """What is looked for."""
        return self[1:]

    @property
    def edges(self) -> Edges:
        """Where it must begin or end a word."""
        return _EDGES[self[0]]


Places = dict[Keyword, list[tuple[int, int]]]


class Automaton:
    """Finds keywords in folded text.

    Where a text goes on that leaves the keywords' tree is worked out when a text first leaves it there: most of a large book's nodes are
    never met, and a cold start does not pay for them.
    """

    def __init__(self, keywords: Iterable[Keyword], *, thorough: Iterable[Keyword] = ()) -> None:
        """Of `thorough` keywords every place is found: an exception may take away any of them."""
        self._thorough = frozenset(thorough)
        self._edges: dict[int, int] = {}
        self._keywords: dict[int, list[Keyword]] = {}
        self._arrived = [0]  # the edge that leads to a node
        for keyword in dict.fromkeys(keywords):
            self._add(keyword)
        self._fallback = [_UNKNOWN] * len(self._arrived)
        self._shorter = [0] * len(self._arrived)  # the next node down the fallbacks at which a keyword ends
        self._fallback[0] = 0

    def find(self, text: str) -> Places:
        """Where each keyword stands, as (start, end), in order; of those that are not `thorough` at most `MAX_PLACES` places."""
        edges, fallback, shorter, keywords = self._edges, self._fallback, self._shorter, self._keywords
        found: Places = {}
        node = 0
        for place, character in enumerate(text):
            code = ord(character)
            while (step := edges.get(node * _NODE + code)) is None and node:
                node = fallback[node]
            node = step or 0
            if fallback[node] < 0:
                self._link(node)
            ending = node if node in keywords else shorter[node]
            while ending:
                for keyword in keywords[ending]:
                    self._note(found, keyword, text, place + 1)
                ending = shorter[ending]
        return found

    def _add(self, keyword: Keyword) -> None:
        node, edges, arrived = 0, self._edges, self._arrived
        for character in keyword.text:
            edge = node * _NODE + ord(character)
            node = edges.get(edge, 0)
            if not node:
                node = edges[edge] = len(arrived)
                arrived.append(edge)
        self._keywords.setdefault(node, []).append(keyword)

    def _note(self, found: Places, keyword: Keyword, text: str, end: int) -> None:
        places = found.get(keyword)
        if places is not None and len(places) >= MAX_PLACES and keyword not in self._thorough:
            return
        start = end - len(keyword) + 1
        if fits(keyword.edges, text, start, end):
            found.setdefault(keyword, []).append((start, end))

    def _link(self, node: int) -> int:
        """The node of the longest other beginning of a keyword that ends where this one does. No deeper than a keyword is long."""
        back = self._fallback[node]
        if back < 0:
            parent, code = divmod(self._arrived[node], _NODE)
            back = self._step(self._link(parent), code) if parent else 0
            self._fallback[node] = back
            self._link(back)
            self._shorter[node] = back if back in self._keywords else self._shorter[back]
        return back

    def _step(self, node: int, code: int) -> int:
        while (step := self._edges.get(node * _NODE + code)) is None and node:
            node = self._link(node)
        return step or 0


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
