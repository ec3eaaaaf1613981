"""Whether a message holds anything beyond certain words: only then may a machine have the last word on it.

Words are taken away one behind the other, so that together they must make up the text; punctuation and emoji say nothing. What is
left over, be it one character, is something that nobody has understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from functions.classify.keywords import fits
from functions.common.folding import BLANK

# Nobody says only thanks at greater length; and the cost of looking stays small.
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Folded words. Those in Latin letters count where they are whole words, all others anywhere.

    `longest` is the length of the longest word that begins with a character. `strange` finds a letter that no word has, but for those of
    words that came later, `letters`: nearly every message has one, and is done with.
    """

    words: frozenset[str]
    longest: dict[str, int]
    strange: re.Pattern[str]
    letters: frozenset[str] = frozenset()

    @classmethod
    def of(cls, words: Iterable[str]) -> Vocabulary:
        """The vocabulary of folded words."""
        known = frozenset(words)
        letters = re.escape("".join(sorted(set().union(*known))))
        return cls(frozenset(), {}, re.compile(rf"[^\W_{letters}]")).and_also(known)

    def and_also(self, words: Iterable[str]) -> Vocabulary:
        """This vocabulary with more words in it."""
        more = frozenset(words) - self.words
        if not more:
            return self
        longest = dict(self.longest)
        for word in more:
            longest[word[:1]] = max(len(word), longest.get(word[:1], 0))
        return Vocabulary(self.words | more, longest, self.strange, self.letters.union(*more))

    def make_up(self, text: str, but_for: Iterable[tuple[int, int]] = ()) -> bool:
        """Whether nothing but these words is in a folded text outside the stretches `but_for`."""
        if len(text) > LONGEST:
            return False
        skipped = {place for start, end in but_for for place in range(start, end)}
        if any(found.start() not in skipped and found[0] not in self.letters for found in self.strange.finditer(text)):
            return False
        reached, furthest = [True] + [False] * len(text), 0
        for place, character in enumerate(text):
            if place > furthest:
                return False  # nothing leads past what nobody knows
            if not reached[place]:
                continue
            if place in skipped or not (character.isalnum() or character == BLANK):
                reached[place + 1], furthest = True, max(furthest, place + 1)
            for end in range(place + 1, min(len(text), place + self.longest.get(character, 0)) + 1):
                if not reached[end] and text[place:end] in self.words:
                    reached[end] = _is_word(text, place, end)
                    furthest = max(furthest, end) if reached[end] else furthest
        return reached[-1]


def _is_word(text: str, start: int, end: int) -> bool:
    return fits("both" if text[start:end].isascii() else "none", text, start, end)
