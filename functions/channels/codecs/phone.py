"""Telephone numbers and times as Chinese SMS gateways write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from functions.channels.codecs.json_fields import FieldUnreadable

BEIJING = timezone(timedelta(hours=8))  # no summer time since 1991
_DIGITS = re.compile(r"\+?[0-9]{3,20}")
_MAINLAND = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")
_E164 = re.compile(r"\+[1-9][0-9]{4,14}")
_COUNTRY = re.compile(r"\+?([1-9][0-9]{0,3})")
# How many digits a mobile number has behind its country's code, where that is fixed (ITU-T E.164, national numbering plans): it tells a
# number that begins with the code already from one that happens to begin with the same digits.
_NATIONAL = {
    "1": 10, "7": 10, "31": 9, "33": 9, "34": 9, "44": 10, "61": 9, "66": 9, "65": 8, "63": 10, "81": 10, "82": 10, "84": 9, "86": 11,
    "91": 10, "351": 9, "852": 8, "853": 8, "855": 9, "886": 9, "966": 9, "971": 9,
}  # fmt: skip
_TIME = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})[ T]?([0-9]{2}):?([0-9]{2}):?([0-9]{2})")


def checked(number: str, where: str) -> str:
    """The number as it came; `FieldUnreadable` when it is none (short codes are numbers)."""
    if not _DIGITS.fullmatch(number):
        raise FieldUnreadable("not a number", where)
    return number


def e164(number: str, country: str | None = None) -> str | None:
    """`+8613800138000`, or None where that cannot be told. Without a country an eleven-digit mobile number is a mainland one.

    A number may come with the country's code in front although the country is told beside it, and with the 0 of calls at home.
    """
    code = _COUNTRY.fullmatch(country) if country else None
    if code and number.isascii() and number.isdecimal() and not number.startswith("00"):
        number = _international(number, code.group(1))
    mainland = _MAINLAND.fullmatch(number)
    if mainland:
        return f"+86{mainland.group(1)}"
    full = f"+{number[2:]}" if number.startswith("00") else number
    return full if _E164.fullmatch(full) else None


def _international(number: str, code: str) -> str:
    """The number behind its country's code, which stands there once."""
    length = _NATIONAL.get(code)
    if length and number.startswith(code) and len(number) == len(code) + length:
        return f"+{number}"
    if length and number.startswith("0") and len(number) == length + 1:
        number = number[1:]
    return f"+{code}{number}"


def beijing_time(text: str | None) -> datetime | None:
    """The moment of `2017-09-01 00:00:00` or `20170901000000`, which name no zone and mean Beijing's; None when it is no time."""
    match = _TIME.fullmatch(text) if text else None
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=BEIJING).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
