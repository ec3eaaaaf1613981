"""Time as an argument: functions take a `Clock`, tests hand them another. All times are aware UTC datetimes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_ahead = timedelta()


def system_clock() -> datetime:
    """The machine's time, UTC."""
    return datetime.now(UTC) + _ahead


def set_ahead(by: timedelta) -> None:
    """Let this process's clock run so far ahead: for the local stack, which can show another day. Nothing in AWS calls it."""
    global _ahead  # noqa: PLW0603
    _ahead = by


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970-01-01 UTC, rounded down."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    """The UTC time so many milliseconds after 1970-01-01; `OverflowError` beyond the year 9999."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def to_iso(moment: datetime) -> str:
    """`2026-11-22T08:00:00.123Z`: always UTC, always milliseconds, so that strings sort as times do."""
    utc = moment.astimezone(UTC)
    # strftime's %Y has no leading zeros before the year 1000.
    return f"{utc.year:04d}{utc:-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def from_iso(text: str) -> datetime:
    """The reverse of `to_iso`; `ValueError` when the text is no time or has no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.astimezone(UTC)
