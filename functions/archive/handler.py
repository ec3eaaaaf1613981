"""Archive's entry point."""

from __future__ import annotations

from typing import Any

from functions.archive.month_end import month_end
from functions.archive.service import archive
from functions.archive.waking import read_wake
from functions.archive.wiring import cabinet, exporter, new_run, relay
from functions.common.clock import system_clock
from functions.common.lambda_context import LambdaContext


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What the event's `action` says, for the moment (`now`, ISO 8601) that it may name: a run of the archive, which says what was done,
    whether there is `more`, and whether another invocation was asked to go on (`relayed`); or the month's pack.
    """
    wake = read_wake(event)
    now = wake.moment(system_clock)
    if wake.action == "month_end":
        return month_end(exporter(), now=now, remaining=context.get_remaining_time_in_millis)
    told = archive(cabinet(), run=new_run(now), now=now, remaining=context.get_remaining_time_in_millis)
    return told | {"relayed": bool(told["more"]) and relay().pass_on(wake)}
