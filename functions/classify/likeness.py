"""Whether two texts are one message sent twice: the same but for digits, emoji, punctuation, and the order of their clauses.

A text is reduced to a sketch, which is short enough to be kept with the conversation. Sketches are one-permutation MinHash (Li, Owen and
Zhang, 2012): every pair of neighbouring letters is hashed into one of a few buckets, each of which keeps its least hash; the share of
buckets in which two sketches agree estimates how many pairs the texts share. "不" and its like count by themselves: a text and its denial
share nearly all their letters.
"""

from __future__ import annotations

import hashlib
import re
from zlib import crc32

_BUCKETS = 24
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+_"
_EMPTY = "-"
_LINK = re.compile(r"https?://([a-z0-9.-]+)\S*")
_CLAUSE_END = re.compile(r"[,;:!?。、，；：！？\n~…]+|\. |\.$")
# Letters of any script; BLANK, where personal data was, and digits are what changes from one copy to the next.
_NO_LETTER = re.compile(r"[\W\d_\ue000-\uf8ff]+")
_DENIAL = re.compile(r"[不没未别无勿非]|(?<![a-z])(?:not|no|never|none|cannot)(?![a-z])|n't(?![a-z])")
_LONGEST = 4000
# Fewer letters than this are many people's words by chance.
_SHORTEST_CAMPAIGN = 20


def clauses(folded: str) -> list[str]:
    """The letters of each clause of a folded text, in an order that does not depend on theirs."""
    text = _LINK.sub(r",\1,", folded[:_LONGEST])
    return sorted(filter(None, (_NO_LETTER.sub("", clause) for clause in _CLAUSE_END.split(text))))


def sketch(folded: str) -> str:
    """The sketch of a folded text: 25 characters, of which the first counts denials; empty when it has no letters."""
    parts = clauses(folded)
    if not parts:
        return ""
    least: list[int] = [-1] * _BUCKETS
    for part in parts:
        for start in range(max(1, len(part) - 1)):
            value = crc32(part[start : start + 2].encode("utf-8", "replace"))
            bucket, rest = value % _BUCKETS, value // _BUCKETS
            if least[bucket] < 0 or rest < least[bucket]:
                least[bucket] = rest
    marks = (_EMPTY if rest < 0 else _LETTERS[rest % len(_LETTERS)] for rest in least)
    return str(min(9, len(_DENIAL.findall(folded)))) + "".join(marks)


def likeness(one: str, other: str) -> float:
    """How much two sketches agree, 0…1; 0 when one denies what the other says, or says nothing."""
    if not one or not other or one[0] != other[0]:
        return 0.0
    pairs = [(a, b) for a, b in zip(one[1:], other[1:], strict=True) if a != _EMPTY or b != _EMPTY]
    return sum(a == b for a, b in pairs) / len(pairs)


def fingerprint(folded: str) -> str | None:
    """Sixteen hexadecimal digits that all copies of a text have in common; None for a text too short to be a campaign's."""
    letters = "\n".join(clauses(folded))
    if len(letters) < _SHORTEST_CAMPAIGN:
        return None
    return hashlib.blake2b(letters.encode("utf-8", "replace"), digest_size=8).hexdigest()
