"""Numbers that belong to a person, found in folded text: what they look like, how their checksums go, and what is none of them.

Resident ids and bank cards are known by their checksums, wherever they stand. Phones are known by their form, or because the sender says
that a number is one; a number that is named as an order's or a parcel's is no phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date

Stretch = tuple[int, int]

# What people put between digits: spaces, dashes of all lengths, dots, slashes, emoji.
_DASH = r"\-\u2010-\u2015\u2212_"
_SEPARATOR = rf"[ {_DASH}/·•.|~\u2190-\u21ff\u2600-\u27bf\U0001f300-\U0001faff]"
_GAP, _BREAK = rf"{_SEPARATOR}{{0,3}}", rf"{_SEPARATOR}{{1,3}}"
# A number that goes on behind a dash or a dot is another number: "13800.138", "114-1234567-1234567".
_START = rf"(?<![\d+])(?<!\d\d[{_DASH}.])"
_END = rf"(?!\d)(?!\.\d)(?![{_DASH}]\d{{5}})"
_NOT_IN_A_CODE = rf"(?<![a-z])(?<![a-z][{_DASH}./])"

_EMAIL = re.compile(
    r"(?<![a-z0-9._%+-])[a-z0-9_][a-z0-9._%+-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}"
)
# The date and the check digit say enough: looked for from every digit on, however it is grouped.
_ID_CARD = re.compile(rf"(?<!\d)(?=([1-9](?:{_GAP}\d){{16}}{_GAP}[\dx])(?!\d))")


def _groups(first: str, *sizes: int, between: str = _BREAK) -> str:
    return between.join((first, *(rf"\d{{{size}}}" for size in sizes)))


# In one run, or in the groups that are embossed on cards; a group that follows (a CVV) is not the card's.
_CARDS = tuple(
    re.compile(rf"{_START}{_NOT_IN_A_CODE}(?=({digits}){_END})")
    for digits in (
        r"[2-9]\d{12,18}",
        _groups(r"[2-9]\d{3}", 4, 4, 4, 3),
        _groups(r"[2-9]\d{3}", 4, 4, 4),
        _groups(r"[2-9]\d{3}", 6, 5),
        _groups(r"[2-9]\d{3}", 6, 4),
        _groups(r"[2-9]\d{5}", 13),
        _groups(r"[2-9]\d{5}", 10),
        _groups(r"[2-9]\d{7}", 8),
    )
)
_LONG_NUMBER = re.compile(rf"\d(?:{_GAP}\d){{12}}")
_CARD_LABEL = re.compile(r"(?:卡号|银行卡|card (?:number|no\.?)) ?(?:是|为|is)? ?:? ?$")

_COUNTRY = rf"(?:(?:\(\+?86\)|\+?86|0086){_GAP})?"
_MOBILE = re.compile(
    rf"{_COUNTRY}(?:1[3-9]\d{{9}}"
    + "".join(
        rf"|{groups}(?!\d)"
        for groups in (
            _groups(r"1[3-9]\d", 4, 4),
            _groups(r"1[3-9]\d\d", 3, 4),
            _groups(r"1[3-9]\d\d", 4, 3),
            _groups(r"1[3-9]\d", 5, 3),
            _groups(r"1[3-9]\d", 3, 5),
            *(
                _groups(first, rest, between=rf"[ {_DASH}]")
                for first, rest in ((r"1[3-9]\d", 8), (r"1[3-9]\d{5}", 4), (r"1[3-9]\d\d", 7), (r"1[3-9]\d{3}", 6))
            ),
        )
    )
    + ")"
)
_MOBILES = re.compile(rf"{_START}{_MOBILE.pattern}(?:{_BREAK}{_MOBILE.pattern})*{_END}")

# 一三八零零…, 138OO1…: as many signs as a mobile has digits, some of them letters or characters for digits.
_SPELT = re.compile(
    r"(?<![a-z0-9零〇一二三四五六七八九幺两])(?=\d{0,10}[^\d.,])[0-9oil零〇一二三四五六七八九幺两]{11}(?![a-z0-9零〇一二三四五六七八九幺两])"
)
_DIGITS = str.maketrans("oil零〇一二三四五六七八九幺两", "01100123456789" + "12")
_SPELT_MOBILE = re.compile(r"1[3-9]\d{9}")
# What is in every mobile, and in every one that is spelt: looked for first, for a pattern that begins by looking behind is slow.
_MOBILE_SIGN, _SPELT_SIGN = re.compile("1[3-9]"), re.compile("[0-9oil零〇一二三四五六七八九幺两]{11}")

_SHORT_NUMBER = re.compile(rf"\d(?:[ .()\[\]{_DASH}]{{0,2}}\d){{6}}")
# What is in every phone of a form.
_IN_GROUPS, _IN_ONE_RUN, _PLUS = (re.compile(sign) for sign in (rf"\d[ .){_DASH}]", r"0\d{10}", r"\+"))
# 400 and 800 numbers are companies'.
_PHONES = tuple(
    (sign, re.compile(pattern))
    for sign, pattern in (
        (
            _IN_GROUPS,
            rf"{_START}(?<!\d )(?:\(0\d{{2,3}}\)[ {_DASH}]?|0\d{{2,3}}[ {_DASH}])[1-9]\d{{2,3}}[ {_DASH}]?\d{{4}}(?:-\d{{1,5}})?{_END}",
        ),
        (_IN_ONE_RUN, rf"{_START}{_NOT_IN_A_CODE}(?<!\d )(?:0(?:10|2\d)[1-9]\d{{7}}|0[3-9]\d\d[1-9]\d{{6}}){_END}"),
        (_IN_GROUPS, rf"{_START}09\d\d[ {_DASH}]\d{{3}}[ {_DASH}]\d{{3}}{_END}"),
        (
            _IN_GROUPS,
            rf"{_START}{_NOT_IN_A_CODE}(?!400|800)(?:1[ .-])?(?:\([2-9]\d\d\)[ .-]?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{{4}}{_END}",
        ),
        (_PLUS, r"(?<![0-9a-z+])\+[1-9](?:[ .()-]{0,2}\d){7,14}(?![0-9a-z])"),
    )
)
_PHONE_WORDS = ("电话", "座机", "手机号", "致电", "联系方式", "打我", "tel", "phone", "mobile", "call", "text", "whatsapp")
_CALLED_A_PHONE = re.compile(
    r"(?:电话|座机|手机号码?|致电|联系方式|打我|(?<![a-z])(?:tel|phone no|phone number|mobile number|call|text|call me|whatsapp))"
    rf" ?(?:是|为|is|at|on)? ?[:.]? ?(?!400|800)(\d(?:[ {_DASH}]?\d){{7,11}}){_END}"
)
# "订单号：", "tracking no. ", carriers' letters, a code of letters and digits: what stands right before a number that is nobody's.
_ORDER_LABEL = re.compile(
    r"(?:(?:单号|单编号|单号码|(?:快递|物流|包裹|货|流水|工单)(?:编号|号码|号)"
    r"|(?<![a-z])(?:order|tracking|parcel|waybill|invoice|ticket|case) ?(?:id|number|num|no\.?|#)) ?(?:是|为|is)? ?[:#=]? ?#?"
    r"|(?<![a-z])(?:sf|yt|zto|sto|jt|jd[a-z]{0,2}|yd|dpk|ems|yz)|(?<![a-z0-9])[a-z]{0,8}\d[a-z0-9]{0,12}[a-z])$"
)
_REACH = 24
# The path of an address holds item numbers, but that of a chat link a phone.
_PATH = re.compile(r"[a-z0-9-]\.[a-z]{2,24}(?::\d{1,5})?/[^\s?#=&]*$")
_CHAT_LINK = re.compile(r"wa\.me/\+?$")
_PATH_REACH = 100

# GB/T 2260, the first two digits of an id; 81 to 83 are Hong Kong, Macao and Taiwan residents.
_PROVINCE = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
# Issuer prefixes and lengths. Nineteen digits that begin with 4 are order numbers in China and hardly ever a Visa card; Visa's cards of
# thirteen digits are gone, parcel numbers of thirteen are not.
_ISSUERS = re.compile(
    r"62\d{14,17}|4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|9558\d{15}|(?:436742|601382|603\d{3}|685800)\d{13}"
)


def emails(text: str) -> Iterator[Stretch]:
    """Where e-mail addresses stand in folded text."""
    return (match.span() for match in _EMAIL.finditer(text)) if "@" in text else iter(())


def id_cards(text: str) -> Iterator[Stretch]:
    """Where resident ids stand."""
    return (match.span(1) for match in _ID_CARD.finditer(text) if is_resident_id(compact(match[1])))


def bank_cards(text: str) -> Iterator[Stretch]:
    """Where bank cards stand. One that is called a card may have a digit wrong."""
    if not _LONG_NUMBER.search(text):
        return
    for pattern in _CARDS:
        for match in pattern.finditer(text):
            digits = compact(match[1])
            if is_bank_card(digits) or (_ISSUERS.fullmatch(digits) and _CARD_LABEL.search(text, *_before(match.start(1)))):
                yield match.span(1)


def mobiles(text: str, *, in_paths: bool = False) -> Iterator[Stretch]:
    """Where mainland mobiles stand, also several in a row. `in_paths`: also in the path of an address."""
    for several in _MOBILES.finditer(text) if _MOBILE_SIGN.search(text) else ():
        if is_named_otherwise(text, several.start()) or (not in_paths and _is_in_a_path(text, several.start())):
            continue
        yield from (match.span() for match in _MOBILE.finditer(text, *several.span()))
    if _SPELT_SIGN.search(text):
        yield from (match.span() for match in _SPELT.finditer(text) if _SPELT_MOBILE.fullmatch(match[0].translate(_DIGITS)))


def phones(text: str) -> Iterator[Stretch]:
    """Where other phone numbers stand."""
    if not _SHORT_NUMBER.search(text):
        return
    for sign, pattern in _PHONES:
        if sign.search(text):
            yield from (match.span() for match in pattern.finditer(text) if not is_named_otherwise(text, match.start()))
    if has_one(text, _PHONE_WORDS):
        yield from (match.span(1) for match in _CALLED_A_PHONE.finditer(text))


def is_resident_id(digits: str) -> bool:
    """Whether 18 characters are a resident id (GB 11643): a province, a date of the last or this century, the check digit (ISO 7064
    MOD 11-2)."""
    if len(digits) != 18 or not _PROVINCE.match(digits) or not "1900" <= digits[6:10] <= "2049":
        return False
    try:
        date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, digits, strict=False))
    return "10x98765432"[total % 11] == digits[17]


def is_bank_card(digits: str) -> bool:
    """Whether digits are a card number: an issuer's prefix with one of its lengths, and the Luhn sum."""
    if not _ISSUERS.fullmatch(digits):
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def has_one(text: str, words: Iterable[str]) -> bool:
    """Whether one of the words is in a text: spares most texts a slower pattern in which each of them has its place."""
    return any(map(text.__contains__, words))


def compact(number: str) -> str:
    """A number without what stands between its digits."""
    return "".join(character for character in number if character.isdecimal() or character == "x")


def apart(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Stretches in order, without overlaps: what begins first wins, then what is longest."""
    kept: list[Stretch] = []
    for start, end in sorted(stretches, key=lambda stretch: (stretch[0], -stretch[1])):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept


def _before(place: int, reach: int = _REACH) -> Stretch:
    return max(0, place - reach), place


def is_named_otherwise(text: str, start: int) -> bool:
    """Whether the words right before a number say that it is an order's or a parcel's."""
    return bool(_ORDER_LABEL.search(text, *_before(start)))


def _is_in_a_path(text: str, start: int) -> bool:
    around = _before(start, _PATH_REACH)
    return "/" in text[slice(*around)] and bool(_PATH.search(text, *around)) and not _CHAT_LINK.search(text, *around)
