"""Personal data found in a text and replaced by placeholders, each stretch traceable in both directions.

Found are e-mail addresses, resident ids, bank cards, passports, number plates, mobiles, other phone numbers, passwords, verification
codes and postal addresses; written full-width, with invisible characters or with separators too. `numbers`, `papers`, `codes` and
`addresses` know what they look like, and what looks like them and is nobody's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from functions.common.addresses import addresses
from functions.common.codes import codes, passwords
from functions.common.folding import BLANK, fold
from functions.common.judgement import Span
from functions.common.numbers import apart, bank_cards, emails, id_cards, mobiles, phones
from functions.common.papers import ibans, other_ids, passports, plates

PLACEHOLDERS = {
    "email": "〔邮箱〕",
    "id_card": "〔身份证〕",
    "bank_card": "〔银行卡〕",
    "passport": "〔证件〕",
    "plate": "〔车牌〕",
    "mobile": "〔手机号〕",
    "phone": "〔电话〕",
    "password": "〔密码〕",
    "code": "〔验证码〕",
    "address": "〔地址〕",
}
# A place in words (人民路八号) is an address too.
_WORTH_A_LOOK = re.compile(r"[@\d]|号|[一二三四五六七八九幺零〇]{3}")
_PLACEHOLDER = re.compile("|".join(PLACEHOLDERS.values()))

_DIGITS = re.compile(r"\d+")

# What is known by a checksum comes first; a number beside 验证码 may be the mobile that it was sent to. A text with fewer digits than the
# number behind a search is not gone through: most have few.
_KINDS = (
    ("email", emails, 0),
    ("id_card", id_cards, 17),
    ("bank_card", bank_cards, 13),
    ("bank_card", ibans, 2),
    ("id_card", other_ids, 6),
    ("passport", passports, 1),
    ("plate", plates, 3),
    ("mobile", mobiles, 0),
    ("phone", phones, 7),
    ("password", passwords, 1),
    ("code", codes, 1),
    ("address", addresses, 0),
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


def mask(text: str, *, in_paths: bool = False) -> Masked:
    """The text with every finding replaced by its placeholder; `in_paths` as for `find`. Linear in the length of the text."""
    parts: list[str] = []
    blanks: list[Span] = []
    findings = find(text, in_paths=in_paths)
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


def find(text: str, *, in_paths: bool = False) -> tuple[Finding, ...]:
    """Personal data in the text, in order, without overlaps. `in_paths`: also mobiles in the path of an address."""
    folded = fold(text)
    if not _WORTH_A_LOOK.search(folded.text):
        return ()
    rest, findings, digits = folded.text, [], sum(map(len, _DIGITS.findall(folded.text)))
    for kind, search, least in _KINDS:
        if digits < least:
            continue
        found = list(mobiles(rest, in_paths=in_paths) if kind == "mobile" else search(rest))
        if found:
            stretches = apart(found)
            findings += [Finding(kind, folded.span(start, end)) for start, end in stretches]
            rest = _blanked(rest, stretches)
    return tuple(sorted(findings, key=lambda finding: finding.span.start))


def _blanked(text: str, stretches: list[tuple[int, int]]) -> str:
    """The text with what was found in it made unreadable, every character in its place."""
    parts, end = [], 0
    for start, stop in stretches:
        parts += [text[end:start], BLANK * (stop - start)]
        end = stop
    return "".join((*parts, text[end:]))
