"""The nightly run: the archive, then what the retention policy removes, then the second copies. Each goes on where the last run ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from functions.archive.allowance import Allowance, OutOfTime
from functions.archive.cleaning import Sweep
from functions.archive.copies import Copies
from functions.archive.manifests import Superseded
from functions.archive.service import Cabinet, Run, archive


def night(
    cabinet: Cabinet, sweep: Sweep, copies: Copies | None, *, run: str, now: datetime, remaining: Callable[[], int]
) -> dict[str, Any]:
    """One run, ended before `remaining` (milliseconds) is used up; `ArchiveUnproven` and `Unavailable` leave the rest to the next."""
    told = archive(cabinet, run=run, now=now, remaining=remaining) | {"cleaned": 0, "copied": 0}
    if told["more"] or told["superseded"]:
        return told
    time = Allowance(remaining)
    try:
        told["cleaned"] = sum(sweep.sweep(run, now, time)["removed"].values())
        work = Run(cabinet, run=run, now=now, remaining=remaining)
        work.prove_successors()
        told["lost"] += work.summary.lost
        cabinet.removals.carry_out()
        if copies is not None:
            told["copied"] = copies.carry_out(time)["copied"]
        cabinet.telemetry.count({"ArchiveRuns": 1})
    except OutOfTime:
        told["more"] = True
    except Superseded:
        told["superseded"] = True
        cabinet.telemetry.warning("archive_superseded", run=run)
    return told
