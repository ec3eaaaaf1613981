"""Which language a text is in, by the scripts of its letters: enough to choose between a Chinese and an English answer.

Latin letters count as English. Brand names and model numbers inside a Chinese sentence do not make it mixed.
"""

from __future__ import annotations

import re

CHINESE, ENGLISH, MIXED, UNKNOWN = "zh", "en", "mixed", "other"
# Of these whole runs are taken, and their lengths added up: they are most of a text.
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
_LATIN_WORD = re.compile(r"(?<![a-zA-Z0-9@._/-])[a-zA-Z]+(?:'[a-z]+)?(?![a-zA-Z0-9@_/-]|\.[a-zA-Z])")
_LETTERS = re.compile(r"[^\W\d_\ue000-\uf8ff]+")
# First match wins: Japanese mixes kana with Han, so kana decide.
_SCRIPTS = (
    ("ja", re.compile(r"[\u3041-\u309f\u30a1-\u30fa\uff66-\uff9d]")),
    ("ko", re.compile(r"[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")),
    ("th", re.compile(r"[\u0e01-\u0e5b]")),
    ("ar", re.compile(r"[\u0620-\u064a]")),
    ("he", re.compile(r"[\u05d0-\u05ea]")),
    ("hi", re.compile(r"[\u0904-\u0939]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
)
_ANY_SCRIPT = re.compile("|".join(script.pattern for _, script in _SCRIPTS))
_LATIN = re.compile(r"[a-z\u00df-\u024f]", re.IGNORECASE)
# Written in small letters, part of everyday Chinese.
_BORROWED = re.compile(
    "app|wifi|vip|ok|pc|id|sim|usb|logo|bug|vpn|gps|ps|pdf|word|excel|qq|wx|vx|kg|cm|mm|ml|rmb|hi|hello|bye|plus|max|pro"
)
_FEW_MARKS = 0.2


def detect(text: str, *, fallback: str | None) -> str:
    """`zh`, `en`, `mixed`, the ISO 639-1 code that a script stands for, or `other`.

    A text without letters takes `fallback`, the conversation's language as a locale (`zh_CN`, `en-US`), or Chinese.
    """
    letters = "".join(_LETTERS.findall(text))
    if not letters:
        return of_locale(fallback) or CHINESE
    for code, script in _SCRIPTS if _ANY_SCRIPT.search(text) else ():
        if len(script.findall(text)) > _FEW_MARKS * len(letters):
            return code
    han = sum(map(len, _HAN.findall(text)))
    if not han:
        return ENGLISH if _LATIN.search(letters) else UNKNOWN
    return _of_han_and_latin(text, han)


def of_locale(locale: str | None) -> str | None:
    """The language of a locale, None when it names none."""
    code = (locale or "").replace("_", "-").partition("-")[0].lower()
    return code if code in (MIXED, UNKNOWN) or (len(code) == 2 and code.isalpha()) else None


def _of_han_and_latin(text: str, han: int) -> str:
    words = [word for word in _LATIN_WORD.findall(text) if word.islower() and not _BORROWED.fullmatch(word)]
    # A word weighs as much as two characters.
    share = 2 * len(words) / (2 * len(words) + han)
    if share >= 0.85 and len(words) >= 4:
        return ENGLISH
    return MIXED if len(words) >= 2 and share >= 0.4 else CHINESE
