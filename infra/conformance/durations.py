"""Durations as people say them."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def spoken(length: timedelta) -> str:
    """The two largest units that say something: `6 d 10 h`, `7 h 5 min`, `15 s`; a fraction of a second is not said."""
    left = int(length.total_seconds())
    parts: list[tuple[int, str]] = []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        if count or parts:
            parts.append((count, unit))
    said = [f"{count} {unit}" for count, unit in parts[:2] if count]
    return " ".join(said) or "0 s"
