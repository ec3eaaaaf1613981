"""Archive's entry point."""

from __future__ import annotations

from typing import Any

from functions.archive import wiring
from functions.archive.allowance import Allowance, OutOfTime
from functions.archive.month_end import month_end
from functions.archive.night import night
from functions.archive.waking import Wake, read_wake
from functions.common.clock import system_clock
from functions.common.lambda_context import LambdaContext


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What the event's `action` says, for the moment (`now`, ISO 8601) that it may name; says what was done, whether there is `more`, and
    whether another invocation was asked to go on (`relayed`).
    """
    wake = read_wake(event)
    try:
        told = _carried_out(wake, context)
    except OutOfTime:
        told = {"more": True}
    return told | {"relayed": bool(told.get("more")) and wiring.relay().pass_on(wake, told)}


def _carried_out(wake: Wake, context: LambdaContext) -> dict[str, Any]:
    now, remaining = wake.moment(system_clock), context.get_remaining_time_in_millis
    match wake.action:
        case "month_end":
            return month_end(wiring.exporter(), now=now, remaining=remaining)
        case "watch":
            return wiring.expiry_watch().look(now, Allowance(remaining), after=wake.after, halted=wake.halted)
        case "backup":
            copies, time = wiring.backup_copies(), Allowance(remaining)
            told = wiring.backup().back_up(now, time)
            return told | (copies.carry_out(now, time) if copies else {})
        case "drill":
            return wiring.drill(now).practise(now)
    run = wiring.new_run(now)
    return night(wiring.cabinet(), wiring.sweep(), wiring.copies(), run=run, now=now, remaining=remaining)
