"""Messages without meaning: one character over and over, keyboard mash, runs of emoji or punctuation.

Impatience is not noise ("???", "急急急", "在吗在吗"), and neither are a single emoji, a short number or laughter of a syllable or two.
"""

from __future__ import annotations

import re
import unicodedata

_IMPATIENT = frozenset("?!急快在")
_REPEATED = 4
_EMOJI_RUN = 3
_PUNCTUATION_RUN = 4
_MASH = re.compile(r"[b-df-hj-np-tv-xz]{5,}")
_PERIODIC = re.compile(r"([a-z]{1,4}?)\1{2,}[a-z]{0,3}")
_LATIN = re.compile(r"[a-z]+")


def is_noise(text: str) -> bool:
    """Whether a folded text says nothing."""
    marks = [character for character in text if not character.isspace()]
    if not marks or any(map(_private, marks)) or _IMPATIENT.issuperset(marks):
        return False
    letters = [character for character in marks if character.isalnum()]
    if not letters:
        return _is_run(marks)
    if len(letters) >= _REPEATED and len(set(letters)) == 1:
        return True
    return all(map(_is_mash, text.split()))


def _is_run(marks: list[str]) -> bool:
    emoji = sum(unicodedata.category(mark) in ("So", "Sk", "Cn") for mark in marks)
    return emoji >= _EMOJI_RUN or (emoji == 0 and len(marks) >= _PUNCTUATION_RUN)


def _is_mash(token: str) -> bool:
    if not _LATIN.fullmatch(token) or len(token) < 6:
        return False
    return bool(_MASH.search(token) or _PERIODIC.fullmatch(token))


def _private(character: str) -> bool:
    return "\ue000" <= character <= "\uf8ff"
