"""Numbers of papers other than resident ids, found in folded text: passports, travel permits, ids of other places, number plates, IBANs.

What has a checksum is known by it. What has none looks like many an order number: it counts only where the text speaks of such a paper.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from functions.common.numbers import Stretch, has_one, is_named_otherwise

_TRAVEL_WORDS = ("护照", "通行证", "回乡证", "台胞证", "签证", "出境", "入境", "港澳", "passport", "travel", "visa")
_TRAVEL = re.compile(
    r"护照|通行证|回乡证|台胞证|签证|出境|入境|港澳|(?<![a-z])(?:passport|travel document|travel permit|visa)(?![a-z])"
)
# Mainland passports and travel permits, and what most other countries print: a letter or two and six to nine digits, or nine digits.
_PASSPORT = re.compile(r"(?<![a-z0-9])(?:[a-z]\d{7,10}|[a-z]{2}\d{6,8}|\d{9})(?![a-z0-9])")
_PASSPORT_NAMED = re.compile(
    r"(?:护照|通行证|回乡证|台胞证|(?<![a-z])passport|travel document)(?:号码|号| ?(?:number|no\.?|num|#))?(?: ?(?:是|为|is))? ?[:=#]? ?"
    r"(?P<value>(?=[a-z]{0,3}\d)[a-z0-9]{6,11})(?![a-z0-9])"
)
_DATE = re.compile(r"20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")

_ID_WORDS = ("身份证", "身分证", "证件号", "id ", "nric", "ssn", "social")
_ID_WORD = re.compile(r"身份证|身分证|证件号|(?<![a-z])(?:id card|id number|id no|nric|ssn|social security)")
_OLD_RESIDENT_ID = re.compile(r"(?<![a-z0-9])[1-8]\d{14}(?![a-z0-9])")
_HONG_KONG_ID = re.compile(r"(?<![a-z0-9])([a-z]{1,2})(\d{6}) ?\(([0-9a])\)")
_TAIWAN_ID = re.compile(r"(?<![a-z0-9])([a-z])([12]\d{8})(?![a-z0-9])")
_TAIWAN_LETTERS = "abcdefghjklmnpqrstuvxywzio"
_SOCIAL_SECURITY = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_IBAN = re.compile(r"(?<![a-z0-9])[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,4})?(?![a-z0-9])")

# Length by country, of the IBAN registry.
_IBAN_COUNTRIES = (
    "ad24 ae23 al28 at20 az28 ba20 be16 bg22 bh22 br29 ch21 cr22 cy28 cz24 de22 dk18 do28 ee20 es24 fi18 fo18 fr27 gb22 ge22 gi23 gl18 "
    "gr27 gt28 hr21 hu28 ie22 il23 is26 it27 jo30 kw30 kz20 lb28 li21 lt20 lu20 lv21 mc27 md24 me22 mk19 mr27 mt31 mu30 nl18 no15 pk24 "
    "pl28 ps29 pt25 qa29 ro24 rs22 sa24 se24 si19 sk24 sm27 tn24 tr26 ua29 vg24 xk20"
)
_IBAN_LENGTHS = {match[1]: int(match[2]) for match in re.finditer(r"([a-z]{2})(\d\d)", _IBAN_COUNTRIES)}

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤粵川青藏琼宁"
# GA 36: a province, a letter, five places with two letters at most or six with the energy letter first or last.
_PLATE = re.compile(
    rf"[{_PROVINCES}][a-hj-np-z][ ·•.-]?(?:[df](?=[a-hj-np-z0-9]\d{{4}})[a-hj-np-z0-9]\d{{4}}|\d{{5}}[df]"
    r"|(?=(?:[a-z]?\d){3}|[a-z0-9]{0,2}\d{3}|\d{2}[a-z]{2}\d|\d[a-z]\d[a-z]\d|\d[a-z]{2}\d{2}|[a-z]\d{2}[a-z]\d|[a-z]\d[a-z]\d{2}|[a-z]{2}\d{3})"
    r"[a-hj-np-z0-9]{4}[a-hj-np-z0-9挂学警港澳])(?![a-z0-9])"
)


def passports(text: str) -> Iterator[Stretch]:
    """Where numbers of passports and travel permits stand."""
    if not (has_one(text, _TRAVEL_WORDS) and _TRAVEL.search(text)):
        return
    yield from (match.span("value") for match in _PASSPORT_NAMED.finditer(text))
    for match in _PASSPORT.finditer(text):
        if not _DATE.search(match[0]) and not is_named_otherwise(text, match.start()):
            yield match.span()


def other_ids(text: str) -> Iterator[Stretch]:
    """Where resident ids of fifteen digits and ids of Hong Kong, Taiwan and the United States stand."""
    if "(" in text:
        yield from (match.span() for match in _HONG_KONG_ID.finditer(text) if is_hong_kong_id(match[1], match[2], match[3]))
    if "-" in text:
        yield from (match.span() for match in _SOCIAL_SECURITY.finditer(text))
    if not (has_one(text, _ID_WORDS) and _ID_WORD.search(text)):
        return
    yield from (match.span() for match in _OLD_RESIDENT_ID.finditer(text) if _holds_a_date(match[0]))
    yield from (match.span() for match in _TAIWAN_ID.finditer(text) if is_taiwan_id(match[1], match[2]))


def ibans(text: str) -> Iterator[Stretch]:
    """Where international bank account numbers stand (ISO 13616)."""
    return (match.span() for match in _IBAN.finditer(text) if is_iban(match[0].replace(" ", "")))


def plates(text: str) -> Iterator[Stretch]:
    """Where mainland number plates stand."""
    return (match.span() for match in _PLATE.finditer(text))


def is_hong_kong_id(letters: str, digits: str, check: str) -> bool:
    """Whether the parts of a Hong Kong identity card number fit its check digit: weights 9 to 2, a blank counts 36, modulo 11."""
    values = [36] * (2 - len(letters)) + [ord(letter) - ord("a") + 10 for letter in letters] + [int(digit) for digit in digits]
    total = sum(weight * value for weight, value in zip(range(9, 1, -1), values, strict=True))
    return (total + (10 if check == "a" else int(check))) % 11 == 0


def is_taiwan_id(letter: str, digits: str) -> bool:
    """Whether a letter and nine digits are a Taiwan identity card number: weights 1, 9 to 1 and 1, modulo 10."""
    code = _TAIWAN_LETTERS.index(letter) + 10
    values = (code // 10, code % 10, *map(int, digits))
    return sum(weight * value for weight, value in zip((1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), values, strict=True)) % 10 == 0


def is_iban(number: str) -> bool:
    """Whether a number is an IBAN: it has its country's length, and modulo 97 of it, turned round, is 1."""
    turned = number[4:] + number[:4]
    return (
        len(number) == _IBAN_LENGTHS.get(number[:2]) and int("".join(str(int(character, 36)) for character in turned)) % 97 == 1
    )


def _holds_a_date(digits: str) -> bool:
    try:
        date(1900 + int(digits[6:8]), int(digits[8:10]), int(digits[10:12]))
    except ValueError:
        return False
    return True
