"""The archive's nightly run: messages a second, memory, what is read beside what is filed, and what its requests cost.

`BENCH_MESSAGES`: no run with more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from bench.rig.figures import Figures, NotMeasurable, aim
from infra.packaging import ROOT

# The largest busy one is measured against the aim for memory, every mix against that for what is read.
MESSAGES = int(os.environ.get("BENCH_MESSAGES", "1000000"))
_RUNS = ((10_000, "busy"), (100_000, "busy"), (10_000, "mixed"), (10_000, "single"), (10_000, "first"), (1_000_000, "busy"))
RUNS = tuple(dict.fromkeys((min(size, MESSAGES), mix) for size, mix in _RUNS))
# us-east-1, US dollars for a million, as docs/operations.md has them: write and read units, S3's PUT and GET.
_WRITE, _READ, _PUT, _GET = 0.625, 0.125, 5.00, 0.40


def measure() -> Figures:
    """One run for each size and mix, each in a process of its own."""
    runs = [_run(size, mix) for size, mix in RUNS]
    largest = max((run for run in runs if run["mix"] == "busy"), key=lambda run: run["messages"])
    read = {run["mix"]: run["read"] / run["filed"] for run in runs}
    return Figures(
        title="A night of the archive",
        how="the real service on a table that is made up as it is read and a bucket that is a folder: no network, one writer, "
        "so seconds are the archive's own; conversations of five messages due (mixed: of one to thirteen, 3.6 on average; single: of "
        "one) and five archived before (first: of one, and none before), a reply to each, seven days; peak memory is the process's, the "
        "seeming table with it. Items read are the table's; entries of the index are keys, some fifty to half a read unit. Read units are "
        "those that DynamoDB would bill for what was read, by its size",
        columns=(
            "messages",
            "conversations",
            "messages/s",
            "per processor s",
            "peak MB",
            "parts",
            "items read per item filed",
            "and index entries",
            "read units per message",
            "requests per message",
            "USD per million",
        ),
        rows=tuple(_row(run) for run in runs),
        aims=(
            aim("peak memory", largest["peak_mb"], 200, " MB"),
            *(aim(f"items read per item filed, {mix}", found, 1.2) for mix, found in read.items()),
        ),
    )


def _run(size: int, mix: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.rig.filing", str(size), mix]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if outcome.returncode:
        raise NotMeasurable((outcome.stderr.strip().splitlines() or ["it said nothing"])[-1])
    told: dict[str, Any] = json.loads(outcome.stdout.splitlines()[-1])
    return told


def _row(run: dict[str, Any]) -> tuple[str, ...]:
    count = run["messages"]
    return (
        f"{count:,}",
        run["mix"],
        f"{count / run['seconds']:,.0f}",
        f"{count / run['processor']:,.0f}",
        f"{run['peak_mb']:.0f}",
        str(run["parts"]),
        f"{run['read'] / run['filed']:.2f}",
        f"{run['entries'] / run['filed']:.2f}",
        f"{run['units'] / count:.2f}",
        f"{sum(run['calls'].values()) / count:.2f}",
        f"{cost(run):.2f}",
    )


def cost(run: dict[str, Any]) -> float:
    """US dollars for a million messages, by the requests that were counted."""
    calls = run["calls"]
    writes = calls["UpdateItem"] + calls["PutItem"] + calls["DeleteItem"] + 8 * calls["TransactWriteItems"]
    dollars = writes * _WRITE + run["units"] * _READ + calls["PutObject"] * _PUT + calls["GetObject"] * _GET
    # Each conversation that leaves the index costs a write there.
    return float((dollars + calls["GetItem"] * _WRITE) / run["messages"])
