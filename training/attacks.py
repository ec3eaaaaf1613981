"""What people do to words to hide them from machines, done to every message: the same words, harder to read."""

from __future__ import annotations

import re
from collections.abc import Callable

from functions.common.traditional import SIMPLIFIED

_HAN = re.compile("(?<=[\u4e00-\u9fff])(?=[\u4e00-\u9fff])")
_WORD = re.compile(r"[A-Za-z]{4,}")
_TRADITIONAL = {simplified: traditional for traditional, simplified in SIMPLIFIED.items()}
_LOOKALIKES = str.maketrans("aceopxyiABEHKMOPTXe", "асеорхуіАВЕНКМОРТХе")
# Pairs that typing by sound mixes up.
_HOMOPHONES = str.maketrans("在再的得做作款请账钱退换投诉货发票到码", "再在得的作做宽清帐前腿唤头素或法票道马")
_EVERY = 3


def _between(mark: str) -> Callable[[str], str]:
    """A mark between every third pair of characters: each message keeps some words whole, as people's disguises do."""

    def disguise(text: str) -> str:
        count = 0

        def gap(_: re.Match[str]) -> str:
            nonlocal count
            count += 1
            return "" if count % _EVERY else mark

        return _WORD.sub(lambda word: f"{word[0][:2]}{mark if mark.strip() else ''}{word[0][2:]}", _HAN.sub(gap, text))

    return disguise


def _zero_width(text: str) -> str:
    return "\u200b".join(text)


def _lookalikes(text: str) -> str:
    return text.translate(_LOOKALIKES)


def _traditional(text: str) -> str:
    return "".join(_TRADITIONAL.get(character, character) for character in text)


def _homophones(text: str) -> str:
    return text.translate(_HOMOPHONES)


ATTACKS: dict[str, Callable[[str], str]] = {
    "zero-width": _zero_width,
    "look-alikes": _lookalikes,
    "spaces between": _between(" "),
    "traditional": _traditional,
    "homophones": _homophones,
    "emoji between": _between("❤"),
}
