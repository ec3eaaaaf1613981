"""The little of Lambda's context object that the handlers read."""

from __future__ import annotations

from typing import Protocol


class LambdaContext(Protocol):
    """Given to a handler with every event."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""
