"""Contacts out of a CSV that people made: a million numbers as they type and paste them, and lines that are no contact at all.

The file may be UTF-8, UTF-16 with a mark, or GB18030 as Chinese Excel saves it; fields apart by comma, semicolon or tab. If the first line
has a heading that means contact or number, that column counts, otherwise the first. Every line is read by itself: a stray quote spoils its
own line only.
"""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from functions.channels.codecs import phone
from infra.records.errors import RecordsFault

SHOWN = 20
HEADINGS = {
    *("contact", "phone", "mobile", "number", "tel", "telephone", "msisdn", "id", "openid"),
    *("手机", "手机号", "手机号码", "号码", "电话", "电话号码", "联系人", "联系方式"),
}
_PUNCTUATION = re.compile(r"[\s\-()./·]")
_DIGITS = re.compile(r"\+?[0-9]{5,20}")
_ID = re.compile(r"[A-Za-z0-9_@.:+=|$/\-]{4,128}")
_SPREADSHEET = re.compile(r"[0-9](\.[0-9]+)?[eE]\+?[0-9]{1,2}")


class ListInvalid(RecordsFault):
    """A contact list in which nothing was understood."""


@dataclass(slots=True, kw_only=True)
class ContactList:
    """What a file amounts to. `misread` counts lines by the reason, `examples` names the first (line number, reason).

    `digest` is a hash of everything understood, so that the same contacts make the same question.
    """

    lines: int = 0
    numbers: int = 0
    ids: int = 0
    repeated: int = 0
    empty: int = 0
    misread: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[int, str]] = field(default_factory=list)
    digest: str = ""

    def words(self) -> str:
        """The report, one line."""
        said = (
            f"{self.lines} lines: {self.numbers} numbers, {self.ids} other ids, {self.repeated} repeated, {self.empty} empty, "
        )
        said += f"{sum(self.misread.values())} not understood"
        reasons = ", ".join(f"{count} {why}" for why, count in self.misread.most_common())
        places = ", ".join(f"line {line}: {why}" for line, why in self.examples)
        return f"{said} ({reasons}; {places})" if reasons else said


def read_contacts(source: Path, target: Path) -> ContactList:
    """Write every way in which a platform may name a contact of `source` to `target`, one per line; `ListInvalid` when there is none."""
    found, seen, digest = ContactList(), set[str](), sha256()
    with target.open("w", encoding="utf-8") as out:
        for number, cell in _cells(source):
            found.lines += 1
            contact = _contact(cell)
            if isinstance(contact, _Misread):
                _note(found, number, contact.why)
            elif contact.name in seen:
                found.repeated += 1
            else:
                seen.add(contact.name)
                digest.update(contact.name.encode() + b"\n")
                found.numbers += contact.is_number
                found.ids += not contact.is_number
                out.writelines(f"{value}\n" for value in contact.spellings)
    if not seen:
        raise ListInvalid(f"{source.name}: no contact in it; {found.words()}")
    found.digest = digest.hexdigest()[:16]
    return found


def spellings(text: str) -> frozenset[str]:
    """Every way in which a platform may name the contact that somebody typed, that one first of all."""
    contact = _contact(text)
    return frozenset((text, *(() if isinstance(contact, _Misread) else contact.spellings)))


def _note(found: ContactList, number: int, why: str) -> None:
    if not why:
        found.empty += 1
        return
    found.misread[why] += 1
    if len(found.examples) < SHOWN:
        found.examples.append((number, why))


@dataclass(frozen=True, slots=True)
class _Contact:
    """`name` tells contacts apart, `spellings` are what platforms make of it."""

    name: str
    spellings: tuple[str, ...]
    is_number: bool


@dataclass(frozen=True, slots=True)
class _Misread:
    why: str


def _contact(cell: str) -> _Contact | _Misread:
    text = unicodedata.normalize("NFKC", cell).strip().strip("\"'=\ufeff\u200b\u202a\u202c").strip()
    if not text:
        return _Misread("")
    if _SPREADSHEET.fullmatch(text):
        return _Misread("a spreadsheet cut its digits off")
    bare = _PUNCTUATION.sub("", text.removesuffix(".0").removeprefix("tel:"))
    if _DIGITS.fullmatch(bare):
        return _number(bare)
    if _ID.fullmatch(text) and (len(text) >= 16 or any(letter.isdigit() or letter == "@" for letter in text)):
        return _Contact(text, (text,), False)
    return _Misread("neither a number nor an id")


def _number(digits: str) -> _Contact:
    full = phone.e164(digits)
    if full is None:
        return _Contact(digits, (digits,), False)  # a short code, or a platform's own number for a person
    spellings = {full, full[1:], digits} | ({full[3:]} if full.startswith("+86") else set())
    return _Contact(full, tuple(sorted(spellings)), True)


def _cells(source: Path) -> Iterator[tuple[int, str]]:
    """Line number and the cell that counts, of each line but a heading."""
    column = 0
    for number, row in enumerate(_rows(source), 1):
        headed = [place for place, cell in enumerate(row) if _heading(cell) in HEADINGS] if number == 1 else []
        if headed:
            column = headed[0]
            continue
        yield number, row[column] if column < len(row) else ""


def _heading(cell: str) -> str:
    return unicodedata.normalize("NFKC", cell).strip("\ufeff\"' ").lower()


def _rows(source: Path) -> Iterator[list[str]]:
    csv.field_size_limit(1 << 24)
    delimiter = ","
    with source.open(encoding=_encoding(source), errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines):
            if number == 0:
                delimiter = max(",;\t", key=line.count)
            yield _fields(line.rstrip("\r\n").replace("\0", "\ufffd"), delimiter)


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def _encoding(source: Path) -> str:
    with source.open("rb") as raw:
        mark = raw.read(4)
        if mark.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        raw.seek(0)
        return "utf-8-sig" if _is_utf8(iter(lambda: raw.read(1 << 20), b"")) else "gb18030"


def _is_utf8(chunks: Iterable[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks:
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
