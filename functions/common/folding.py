"""The folded view of a text, which rules and the model read: writings of one thing made equal, every character traceable to its origin.

Compatibility forms are unfolded (full-width digits, circled and mathematical letters), look-alikes of Latin letters become Latin ones,
traditional characters simplified ones; case, accents, invisible characters and variation selectors go; runs of white space become one
space, typographic apostrophes plain ones. Linear in the length of the text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from functions.common.judgement import Span
from functions.common.lookalikes import ALWAYS, FOREIGN, latin
from functions.common.traditional import SIMPLIFIED

# Where personal data was masked, rules see this private-use character: "手机号" in a placeholder is not the sender's word.
BLANK = "\ue000"
_ACCENTS = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE00, 0xFE0F), (0xFE20, 0xFE2F))
_APOSTROPHES = "’‘ʼ＇`´"
# Written for others only to hide them.
_HAN_LOOKALIKES = "幵开掱手旳的呺号欵款歀款夨失卟不菿到伈心"


@dataclass(frozen=True, slots=True)
class Folded:
    """`text` is the folded view; character i of it came from `origins[i]` of the original (None: from its character i)."""

    text: str
    origins: tuple[tuple[int, int], ...] | None
    length: int

    def span(self, start: int, end: int) -> Span:
        """The stretch of the original behind `text[start:end]`, which must not be empty."""
        if self.origins is None:
            return Span(start=start, end=end)
        return Span(start=self.origins[start][0], end=self.origins[end - 1][1])


def fold(text: str, blanks: Sequence[Span] = ()) -> Folded:
    """The folded view; each stretch in `blanks`, in order, becomes one `BLANK`."""
    pieces = list(map(_FOLDED.__getitem__, latin(text) if FOREIGN.search(text) else text))
    folded = "".join(pieces)
    # As many characters as before, and none became several: each became one.
    if not blanks and len(folded) == len(text) and max(map(len, pieces), default=1) == 1 and "  " not in folded:
        return Folded(folded, None, len(text))
    ends = {blank.start: blank.end for blank in blanks}
    letters: list[str] = []
    origins: list[tuple[int, int]] = []
    place = 0
    while place < len(text):
        end = ends.get(place, place + 1)
        piece = BLANK if place in ends else pieces[place]
        if piece and not (piece == " " and letters and letters[-1] == " "):
            letters.extend(piece)
            origins.extend(((place, end),) * len(piece))
        place = end
    return Folded("".join(letters), tuple(origins), len(text))


def fold_keyword(keyword: str) -> str:
    """A rule's keyword as it would look in a folded text, without space around it."""
    plain = "".join(map(_FOLDED.__getitem__, latin(keyword) if FOREIGN.search(keyword) else keyword))
    return (fold(keyword).text if "  " in plain else plain).strip()


def _fold_character(character: str) -> str:
    if character.isspace():
        return " "
    if character in _APOSTROPHES:
        return "'"
    if character in ALWAYS:
        return ALWAYS[character].lower()
    if unicodedata.category(character) in ("Cf", "Cc"):
        return ""
    unfolded = unicodedata.normalize("NFKD", character.lower())
    kept = "".join(mark for mark in unfolded if not _is_accent(ord(mark)))
    composed = " ".join(unicodedata.normalize("NFKC", kept).lower().split()) if kept else ""
    return "".join(_LETTERS.get(letter, letter) for letter in composed)


def _is_accent(code: int) -> bool:
    return any(first <= code <= last for first, last in _ACCENTS)


# Once unfolded a letter may be a look-alike still: Ʀ is ʀ, a small capital.
_LETTERS = (
    {look: letter.lower() for look, letter in ALWAYS.items()}
    | SIMPLIFIED
    | dict(zip(_HAN_LOOKALIKES[::2], _HAN_LOOKALIKES[1::2], strict=True))
    | dict.fromkeys(_APOSTROPHES, "'")
)


class _Characters(dict[str, str]):
    """Each character's folded form, worked out when it is first seen; at most one entry per character of Unicode."""

    def __missing__(self, character: str) -> str:
        folded = self[character] = _fold_character(character)
        return folded


_FOLDED = _Characters()
