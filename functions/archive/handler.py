"""Archive's entry point."""

from __future__ import annotations

from typing import Any

from functions.archive.service import archive
from functions.archive.wiring import cabinet, new_run
from functions.common.clock import system_clock
from functions.common.lambda_context import LambdaContext
from functions.common.schedule import moment


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One run; the event may name the moment (`now`, ISO 8601) it works for. Says what was archived, and whether there is `more`."""
    now = moment(event, system_clock)
    return archive(cabinet(), run=new_run(now), now=now, remaining=context.get_remaining_time_in_millis)
