"""What wakes a scheduled function: an event that may name the moment to work for, so that a run can be repeated for another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ValidationError

from functions.common.clock import Clock
from functions.common.errors import Poison


class MalformedSchedule(Poison):
    """A scheduled function was woken with a `now` that is no time with a zone."""


class _Wake(BaseModel):
    # EventBridge's own fields may stand beside ours; they are none of our business.
    now: AwareDatetime | None = None


def moment(event: Any, clock: Clock) -> datetime:
    """The event's `now`, UTC, or the clock's when it names none; `MalformedSchedule` otherwise."""
    try:
        wake = _Wake.model_validate(event or {})
    except ValidationError:
        raise MalformedSchedule("now: not a time with a zone") from None
    return clock() if wake.now is None else wake.now.astimezone(UTC)
