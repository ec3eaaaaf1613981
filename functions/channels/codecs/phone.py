"""Telephone numbers and times as Chinese SMS gateways write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from functions.channels.codecs.json_fields import FieldUnreadable

BEIJING = timezone(timedelta(hours=8))  # no summer time since 1991
_DIGITS = re.compile(r"\+?[0-9]{3,20}")
_MAINLAND = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")
_E164 = re.compile(r"\+[1-9][0-9]{4,14}")
_TIME = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})[ T]?([0-9]{2}):?([0-9]{2}):?([0-9]{2})")


def checked(number: str, where: str) -> str:
    """The number as it came; `FieldUnreadable` when it is none (short codes are numbers)."""
    if not _DIGITS.fullmatch(number):
        raise FieldUnreadable("not a number", where)
    return number


def e164(number: str, country: str | None = None) -> str | None:
    """`+8613800138000`, or None where that cannot be told. Without a country an eleven-digit mobile number is a mainland one."""
    if country and re.fullmatch(r"\+?[1-9][0-9]{0,3}", country) and number.isascii() and number.isdecimal():
        number = f"+{country.removeprefix('+')}{number}"
    mainland = _MAINLAND.fullmatch(number)
    if mainland:
        return f"+86{mainland.group(1)}"
    full = f"+{number[2:]}" if number.startswith("00") else number
    return full if _E164.fullmatch(full) else None


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
