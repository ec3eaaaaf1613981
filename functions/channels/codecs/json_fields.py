"""Fields of a platform's JSON, each of the type it should have: what a message cannot do without is named when it is missing.

Platforms write the same id now as a number, now as a string; with us an id is a string. Texts and ids are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from functions.common.errors import Poison

Fields = Mapping[str, Any]

MAX_ID = 256
MAX_TEXT = 20_000
MAX_URL = 4096
MAX_ROWS = 50
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_INTEGER = re.compile(r"[0-9]{1,15}")
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,20})?")


class FieldUnreadable(Poison):
    """A field that the message cannot do without is missing or of a wrong form. `where` names it."""

    def __init__(self, reason: str, where: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.reason = reason
        self.where = where


def required_id(fields: Fields, name: str) -> str:
    """An id that must be there."""
    found = optional_id(fields, name)
    if found is None:
        raise FieldUnreadable("too long" if _overlong(fields.get(name)) else "missing", name)
    return found


def optional_id(fields: Fields, name: str) -> str | None:
    """An id as text, or None: absent, empty, too long, or no id at all."""
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64:
        return str(value)
    return value if isinstance(value, str) and 0 < len(value) <= MAX_ID else None


def text(fields: Fields, name: str, limit: int = MAX_TEXT) -> str | None:
    """A text, cut at `limit` characters; None when there is none."""
    value = fields.get(name)
    return value[:limit] if isinstance(value, str) and value else None


def url(fields: Fields, name: str) -> str | None:
    """A link as it came, never followed; None when there is none, or one too long to be one."""
    value = fields.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= MAX_URL else None


def table(fields: Fields, name: str) -> Fields:
    """An object; an empty one when there is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def rows(fields: Fields, name: str) -> list[Fields]:
    """The objects of a list, the first `MAX_ROWS`; whatever else stands in it is left out."""
    value = fields.get(name)
    return [row for row in value[:MAX_ROWS] if isinstance(row, dict)] if isinstance(value, list) else []


def count(fields: Fields, name: str) -> int | None:
    """A number that is not negative, written as one or in digits; None when there is none."""
    value = fields.get(name)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else None


def measure(fields: Fields, name: str) -> float | None:
    """A number that is not negative, whole or not; None when there is none."""
    value = fields.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**15 else None


def degrees(fields: Fields, name: str, limit: int) -> float:
    """A latitude (`limit` 90) or longitude (180), written as a number or as text."""
    value = fields.get(name)
    if isinstance(value, str) and _DEGREES.fullmatch(value):
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= limit:
        raise FieldUnreadable("not degrees", name)
    return float(value)


def loggable(name: object) -> str:
    """The name of a kind or event; `unnamed` when it is none that may stand in a log."""
    return name if isinstance(name, str) and _NAME.fullmatch(name) else "unnamed"


def _overlong(value: object) -> bool:
    return isinstance(value, str) and len(value) > MAX_ID
