"""The mark by which our own words are known again: invisible characters before a text.

A machine of ours that hears it knows that no person wrote the text, and says nothing; an echo that has it is not a person's answer. It
stands before the text, where it breaks no link. Text messages go without: one character beyond GSM 03.38 would halve what fits into one.
"""

from __future__ import annotations

from functions.common.keys import short_hash

# INVISIBLE SEPARATOR and INVISIBLE TIMES, which no keyboard has. https://www.unicode.org/charts/PDF/U2000.pdf
MARK = "\u2063\u2062\u2063"
UNMARKED = frozenset({"aliyun_sms", "tencent_sms", "twilio"})


def marked(text: str) -> str:
    """The text with the mark, once."""
    return text if is_marked(text) else MARK + text


def unmarked(text: str) -> str:
    """The text without the mark."""
    return text.replace(MARK, "")


def is_marked(text: str | None) -> bool:
    """Whether a text has the mark anywhere: it may have been quoted."""
    return MARK in (text or "")


def sign(text: str) -> str:
    """Five characters that stand for a text, with the mark or without."""
    return short_hash(unmarked(text).strip(), size=3)
