"""Messages without meaning: one character over and over, keyboard mash, runs of emoji or punctuation.

Impatience is not noise ("???", "急急急", "在吗在吗"), and neither are laughter and assent ("哈哈哈哈", "hahaha", "好好好好"), a
single emoji, a short number, or a word that is merely hard to pronounce. What is dropped is seen by nobody, so a doubtful case is no
noise.
"""

from __future__ import annotations

import re
import unicodedata

_IMPATIENT = frozenset("?!急快在")
# Of Chinese characters only these sounds say nothing when repeated: 救救救救 does, and so does 退退退退.
_SOUNDS = frozenset("啊阿呃额嗷唔噗嘟哔叭呀咿嘤嗡丨丶一")
_REPEATED = 4
_EMOJI_RUN = 3
_PUNCTUATION_RUN = 4
_SHORTEST_MASH = 6
_LATIN = re.compile(r"[a-z]+")
_LAUGHTER = re.compile(r"a?(?:ha|he|hi|ja|lo|xi)+[hl]?|hm+|mm+|z{1,5}|pf+|sh+|br+|o+h*|a+h+|w+o+w+")
# A number that somebody reads off has so many digits, so many that differ, and does not go round in a circle as a thumb's does.
_DIGITS, _DIGITS_APART = range(4, 41), 3
_CIRCLE = re.compile(r"(\d{1,4}?)\1{2,}\d{0,3}")
_BESIDE_NUMBERS = frozenset("+#№")
_PERIODIC = re.compile(r"([a-z]{1,4}?)\1{2,}[a-z]{0,3}")
_VOWELS = frozenset("aeiouy")
# Four keys in a row, where no word has them.
_KEY_ROWS = re.compile(r"qwer|asdf|sdfg|dfgh|fghj|ghjk|hjkl|zxcv|xcvb|cvbn|vbnm|rewq|fdsa|lkjh|vcxz")
# Letters that no English word puts side by side. Five consonants running are no sign: "nightstand", "lengths".
_UNHEARD = re.compile(
    r"(?=(?:j[b-df-hj-np-tv-z]|q[a-tv-z]|[bcdfghjklmpqrtvwxyz]x|v[bcdfghjkmnpqtwxz]|[cfghjkmpqstvwxz]j|[abdfghjklmoprtvwxz]q"
    r"|[bcdfghjkmnpqstvwx]v|z[bcdfgjknpqrstvx]|[bcfghjkmpqrvwx]z|[dfgvw]k|[jqvwxz]f|[bfhjkvx]d|[cdfgjqvxz]g))"
)
# One or two are a slip of the finger: "checvk".
_UNHEARD_IN_MASH = 3


def is_noise(text: str) -> bool:
    """Whether a folded text says nothing."""
    marks = [character for character in text if not character.isspace()]
    if not marks or any(map(_private, marks)) or _IMPATIENT.issuperset(marks):
        return False
    letters = [character for character in marks if character.isalnum()]
    if not letters:
        return _is_run(marks)
    if len(letters) >= _REPEATED and len(set(letters)) == 1 and not _LAUGHTER.fullmatch("".join(letters)):
        return letters[0].isascii() or letters[0] in _SOUNDS
    return all(map(_is_mash, text.split()))


def is_number(text: str) -> bool:
    """Whether a folded text is a number and nothing else but marks, such as somebody reads off an order."""
    marks = [character for character in text if not character.isspace()]
    digits = "".join(filter(str.isdecimal, marks))
    if len(digits) not in _DIGITS or len(set(digits)) < _DIGITS_APART or _CIRCLE.fullmatch(digits):
        return False
    return all(map(_may_stand_in_number, marks))


def _may_stand_in_number(mark: str) -> bool:
    return mark.isdecimal() or mark in _BESIDE_NUMBERS or unicodedata.category(mark).startswith("P")


def _is_run(marks: list[str]) -> bool:
    emoji = sum(unicodedata.category(mark) in ("So", "Sk", "Cn") for mark in marks)
    return emoji >= _EMOJI_RUN or (emoji == 0 and len(marks) >= _PUNCTUATION_RUN)


def _is_mash(token: str) -> bool:
    if not _LATIN.fullmatch(token) or len(token) < _SHORTEST_MASH or _LAUGHTER.fullmatch(token):
        return False
    if _PERIODIC.fullmatch(token) or _KEY_ROWS.search(token) or _VOWELS.isdisjoint(token):
        return True
    return len(_UNHEARD.findall(token)) >= _UNHEARD_IN_MASH


def _private(character: str) -> bool:
    return "\ue000" <= character <= "\uf8ff"
