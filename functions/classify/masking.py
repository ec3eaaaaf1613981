"""Personal data found in a text and replaced by placeholders, each stretch traceable in both directions.

Found are Chinese resident ids (GB 11643: province, date and check digit), bank cards (issuer prefix, length and Luhn), mainland
mobiles, landlines, North American and international numbers, and e-mail addresses; written full-width, with invisible characters or
with separators too. A number that the sender calls an order, parcel or tracking number is left alone, and so is every number inside
a longer one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from functions.classify.folding import fold
from functions.common.judgement import Span

PLACEHOLDERS = {
    "email": "〔邮箱〕",
    "id_card": "〔身份证〕",
    "bank_card": "〔银行卡〕",
    "mobile": "〔手机号〕",
    "phone": "〔电话〕",
}
_PLACEHOLDER = re.compile("|".join(PLACEHOLDERS.values()))

_START = r"(?<![0-9a-z+])(?<![0-9a-z][-._])(?<![a-z]/)"
_END = r"(?![0-9a-z])(?![-._][0-9a-z])(?!/[a-z])"
_GAP = r"[ \-.]?"
_EMAIL = re.compile(
    r"(?<![a-z0-9._%+-])[a-z0-9_][a-z0-9._%+-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}"
)
_ID_CARD = re.compile(rf"{_START}[1-9]\d{{5}}[ -]?\d{{8}}[ -]?\d{{3}}[\dx]{_END}")
# Cards are written in one run or in the groups that are embossed on them; a group that follows (a CVV) is not the card's.
_CARD_RUN = re.compile(rf"{_START}[2-9]\d{{12,18}}{_END}")
_CARD_GROUPS = tuple(
    re.compile(rf"{_START}[2-9]\d{{3}}([ -])" + r"\1".join(rf"\d{{{size}}}" for size in sizes) + _END)
    for sizes in ((4, 4, 4), (4, 4, 4, 3), (6, 5), (6, 4))
)
_MOBILE = re.compile(rf"{_START}(?:(?:\(\+?86\)|\+?86|0086){_GAP})?1[3-9]\d{_GAP}\d{{4}}{_GAP}\d{{4}}{_END}")
_INTERNATIONAL = re.compile(r"(?<![0-9a-z+])\+[1-9](?:[ .()-]{0,2}\d){7,14}(?![0-9a-z])")
_LANDLINE = re.compile(rf"{_START}(?:\(0\d{{2,3}}\)[ -]?|0\d{{2,3}}[ -])[1-9]\d{{2,3}}[ -]?\d{{4}}(?:-\d{{1,5}})?{_END}")
# 400 and 800 numbers are companies'.
_NORTH_AMERICAN = re.compile(
    rf"{_START}(?!400|800)(?:1[ .-])?(?:\([2-9]\d\d\)[ .-]?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{{4}}{_END}"
)
# "订单号：", "tracking no. ": what stands right before a number that is nobody's.
_ORDER_LABEL = re.compile(
    r"(?:(?:订单|单号|运单|流水|order|tracking) ?(?:编号|号码|单号|号|id|number|num|no\.?|#)?"
    r"|(?:快递|物流|包裹|货|工单)(?:编号|单号|号码|号)|(?:parcel|invoice|ticket|case) (?:id|number|num|no\.?|#))"
    r" ?(?:是|为|is)? ?[:#=]? ?#?$"
)
_LABEL_REACH = 24
# GB/T 2260, the first two digits of an id; 81 to 83 are Hong Kong, Macao and Taiwan residents.
_PROVINCE = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
# Issuer prefixes and lengths. Nineteen digits that begin with 4 are order numbers in China and hardly ever a Visa card.
_ISSUERS = re.compile(
    r"62\d{14,17}|4\d{15}|4\d{12}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|9558\d{15}|(?:436742|601382|603\d{3}|685800)\d{13}"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Personal data of one kind at `span` of the original text."""

    kind: str
    span: Span


@dataclass(frozen=True, slots=True)
class Masked:
    """`text` with placeholders; `findings[i]` of the original became `blanks[i]` of it."""

    text: str
    findings: tuple[Finding, ...] = ()
    blanks: tuple[Span, ...] = ()

    def counts(self) -> dict[str, int]:
        """How many of each kind were masked."""
        kinds = [finding.kind for finding in self.findings]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}

    def original(self, place: int) -> int:
        """Where in the original the character at `place` of the masked text comes from; a placeholder's, from its finding's start."""
        shift = 0
        for finding, blank in zip(self.findings, self.blanks, strict=True):
            if place < blank.start:
                break
            if place < blank.end:
                return finding.span.start
            shift = finding.span.end - blank.end
        return place + shift


def mask(text: str) -> Masked:
    """The text with every finding replaced by its placeholder. Linear in the length of the text."""
    parts: list[str] = []
    blanks: list[Span] = []
    findings = find(text)
    end = length = 0
    for finding in findings:
        placeholder = PLACEHOLDERS[finding.kind]
        parts += (text[end : finding.span.start], placeholder)
        length += finding.span.start - end
        blanks.append(Span(start=length, end=length + len(placeholder)))
        length += len(placeholder)
        end = finding.span.end
    return Masked("".join((*parts, text[end:])), findings, tuple(blanks))


def placeholders(text: str) -> tuple[Span, ...]:
    """Where a masked text holds placeholders."""
    return tuple(Span(start=match.start(), end=match.end()) for match in _PLACEHOLDER.finditer(text)) if "〔" in text else ()


def without(text: str, spans: tuple[Span, ...]) -> str:
    """The text with each of the spans, in order, left out."""
    starts = (0, *(span.end for span in spans))
    ends = (*(span.start for span in spans), len(text))
    return " ".join(text[start:end] for start, end in zip(starts, ends, strict=True))


def find(text: str) -> tuple[Finding, ...]:
    """Personal data in the text, in order, without overlaps: what begins first wins, then what is longest."""
    folded = fold(text)
    if "@" not in folded.text and sum(map(str.isdigit, folded.text)) < 8:
        return ()
    candidates = sorted(_candidates(folded.text), key=lambda found: (found[0], -found[1]))
    findings: list[Finding] = []
    reached = 0
    for start, end, kind in candidates:
        if start >= reached:
            findings.append(Finding(kind, folded.span(start, end)))
            reached = end
    return tuple(findings)


def is_resident_id(digits: str) -> bool:
    """Whether 18 characters are a resident id: a province, a date of the last or this century, the check digit (ISO 7064 MOD 11-2)."""
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


def _any(digits: str) -> bool:
    return bool(digits)


_NUMBERS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("id_card", _ID_CARD, is_resident_id),
    *(("bank_card", pattern, is_bank_card) for pattern in (_CARD_RUN, *_CARD_GROUPS)),
    ("mobile", _MOBILE, _any),
    ("phone", _LANDLINE, _any),
    ("phone", _NORTH_AMERICAN, _any),
    ("phone", _INTERNATIONAL, _any),
)


def _candidates(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _EMAIL.finditer(text) if "@" in text else ():
        yield match.start(), match.end(), "email"
    for kind, pattern, holds in _NUMBERS:
        for match in pattern.finditer(text):
            start, end = match.span()
            if holds(_compact(match.group())) and not _ORDER_LABEL.search(text[max(0, start - _LABEL_REACH) : start]):
                yield start, end, kind


def _compact(number: str) -> str:
    return "".join(character for character in number if character.isalnum())
