"""A long text in parts that a platform takes: split at the ends of sentences, Chinese or English, and nowhere that would hurt.

What people see as one character (an emoji with its modifiers, a flag, a letter with its accents), a link, a number and a word are never
cut while a whole part could hold them. White space at a seam goes; nothing else does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from functions.channels.contract import TextUnit

# Better a seam at a weaker mark than a first part of a few words.
LEAST = 0.4

_FOLLOWS = (
    "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"
)
_CLUSTER = rf"(?:\r\n|[\U0001f1e6-\U0001f1ff]{{2}}|.[{_FOLLOWS}]*(?:\u200d.[{_FOLLOWS}]*)*)"
# Scripts that write words without spaces may be cut between any two characters.
_LETTER = r"[^\W\d_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
_ATOM = re.compile(
    rf"https?://[\x21-\x7e]*[\w/=&#%+-]|[+-]?\d+(?:[.,:/ -]?\d+)*%?|(?:{_LETTER}[{_FOLLOWS}]*)+(?!\u200d)|{_CLUSTER}", re.DOTALL
)
_ONE = re.compile(_CLUSTER, re.DOTALL)
_CLOSING = "”’」』）)】》\"'"
# A part does not begin with one of these.
_NOT_FIRST = frozenset(_CLOSING + "。！？!?…；;，、,：:.")
# What may stand at the end of a part, best first: a paragraph, a sentence, a clause, a space.
_MARKS = tuple(
    re.compile(mark) for mark in (r"\n\Z", rf"[。！？!?…；;.][{_CLOSING}]*\s*\Z", rf"[，、,：:][{_CLOSING}]*\s*\Z", r"\s\Z")
)
_NO_MARK = len(_MARKS)


def size(text: str, unit: TextUnit) -> int:
    """How much the vendor counts for a text."""
    if unit == "bytes":
        return len(text.encode("utf-8", "replace"))
    return len(text.encode("utf-16-le", "replace")) // 2 if unit == "utf16" else len(text)


def split(text: str, limit: int, unit: TextUnit) -> tuple[str, ...]:
    """The text in parts of at most `limit` each; itself where it fits."""
    parts: list[str] = []
    rest = text.strip() if size(text, unit) > limit else text
    while size(rest, unit) > limit:
        seam = _seam(rest, limit, unit)
        parts.append(rest[:seam].rstrip())
        rest = rest[seam:].lstrip()
    return tuple(part for part in (*parts, rest) if part) or (text,)


def _seam(text: str, limit: int, unit: TextUnit) -> int:
    """Where the first part ends: after the last mark of the best kind that leaves a part worth sending."""
    best: dict[int, int] = {}
    end = used = short = 0
    for atom in _atoms(text, limit, unit):
        used += size(atom, unit)
        if used > limit and end:
            break
        end += len(atom)
        kind = _kind(text[max(0, end - 8) : end], text[end : end + 1])
        if kind >= _NO_MARK or used >= limit * LEAST:
            best[kind] = end
        else:
            short = end
    kind = min(best, default=_NO_MARK)
    # A few words before something that fills a part by itself, such as a link, go alone.
    return best[kind] if kind < _NO_MARK else max(best.get(kind, 0), short) or end


def _kind(before: str, after: str) -> int:
    """How good a place this is to stop, 0 best. A full stop that no space follows ends nothing: it may be part of a name."""
    if after and after in _NOT_FIRST:
        return _NO_MARK + 1
    if before.endswith(".") and after and not after.isspace():
        return _NO_MARK
    return next((kind for kind, mark in enumerate(_MARKS) if mark.search(before)), _NO_MARK)


def _atoms(text: str, limit: int, unit: TextUnit) -> Iterator[str]:
    """What is not cut. A link or a word that is longer than a whole part falls into its characters, and those into code points."""
    for atom in _ATOM.finditer(text):
        if size(atom[0], unit) <= limit:
            yield atom[0]
            continue
        for one in _ONE.finditer(atom[0]):
            yield from (one[0],) if size(one[0], unit) <= limit else one[0]
