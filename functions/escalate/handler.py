"""Escalate's entry point."""

from __future__ import annotations

from typing import Any

from functions.common.clock import system_clock
from functions.common.lambda_context import LambdaContext
from functions.common.schedule import moment
from functions.escalate.service import escalate
from functions.escalate.wiring import watch


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One run; the event may name the moment (`now`, ISO 8601) it works for. Says what was told, and whether there is `more`."""
    return escalate(watch(), now=moment(event, system_clock), remaining=context.get_remaining_time_in_millis)
