"""The n-grams of a folded text, as 32-bit hashes: what the model counts, each once.

Script by script. Of Chinese, runs of one to four characters, in which a Latin word is one character, and pairs that leave out the
character between them. Of words in Latin letters, the word, pairs and triples that follow one another, any two words not far apart,
whatever their order, and runs of two to five letters within a word and its boundaries. Numbers keep their length, not their value.
`crc32` is in the standard library, in C, and the same everywhere.
"""

from __future__ import annotations

import re
from itertools import pairwise, repeat
from zlib import crc32

# What lies further in says nothing new, and time must be bounded by it. The end often holds what is wanted.
LONGEST, AT_THE_END = 600, 200
WORD = r"[a-z0]+(?:'[a-z]+)*"
_WORD = re.compile(WORD)
_DIGIT = re.compile("[1-9]")
_LONG_NUMBER = re.compile(r"0{4,}")
# One for each kind of n-gram, so that a word and the same letters inside another are two things.
_SKIP, WORDS, _PAIRS, _TRIPLES = 1, 2, 3, 4
_APART = 12
_KEPT_WORDS = 20_000


def clipped(text: str) -> str:
    """The part of a text that is read: all of it, or its beginning and its end."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - AT_THE_END]} {text[-AT_THE_END:]}"


def without_values(text: str) -> str:
    """A text with every digit a 0."""
    return _DIGIT.sub("0", text)


def ngrams(text: str) -> set[int]:
    """The hashes of a clipped, folded text's n-grams."""
    text = _LONG_NUMBER.sub("00000", without_values(text))
    words = _WORD.findall(text)
    found = set[int]() if text.isascii() else _of_characters(_WORD.sub("a", text) if words else text)
    if words:
        _of_words(words, found)
    return found


def _of_characters(text: str) -> set[int]:
    coded = f"^{text}$".encode("utf-16-le", "surrogatepass")
    units = [coded[at : at + 2] for at in range(0, len(coded), 2)]
    # `crc32` goes on where it stopped: the hash of a run and that of the next unit make that of the longer run.
    ones = list(map(crc32, units))
    twos = list(map(crc32, units[1:], ones))
    threes = list(map(crc32, units[2:], twos))
    found = {*ones[1:-1], *twos, *threes, *map(crc32, units[3:], threes)}
    found.update(map(crc32, units[3:-1], map(crc32, units[1:], repeat(_SKIP))))
    return found


def _of_words(words: list[str], found: set[int]) -> None:
    for word in words:
        found.update(_LETTERS[word])
    padded = ["<", *words, ">"]
    pairs = [f"{one} {two}" for one, two in pairwise(padded)]
    found.update([crc32(pair.encode(), _PAIRS) for pair in pairs])
    found.update([crc32(f"{pair} {word}".encode(), _TRIPLES) for pair, word in zip(pairs, padded[2:], strict=False)])
    # Of the hashes of two words, whichever comes first: the sum of two numbers that are scattered already.
    hashes = [_LETTERS[word][0] for word in words]
    for distance in range(1, min(_APART, len(words))):
        found.update([(one + two) & 0xFFFFFFFF for one, two in zip(hashes, hashes[distance:], strict=False)])


class _Letters(dict[str, tuple[int, ...]]):
    """What a word is made of, the word itself first, worked out when it is first seen; emptied when it holds too many."""

    def __missing__(self, word: str) -> tuple[int, ...]:
        if len(self) >= _KEPT_WORDS:
            self.clear()
        coded = f" {word[:40]} ".encode()
        runs = {coded[at : at + size] for size in range(2, 6) for at in range(len(coded) - size + 1)}
        made = self[word] = (crc32(word.encode(), WORDS), *sorted(crc32(run, WORDS) for run in runs))
        return made


_LETTERS = _Letters()
