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

# The largest, and the mixed one, are measured against the aims; the single one is the worst that conversations can do.
MESSAGES = int(os.environ.get("BENCH_MESSAGES", "1000000"))
_RUNS = ((10_000, "busy"), (100_000, "busy"), (10_000, "mixed"), (10_000, "single"), (1_000_000, "busy"))
RUNS = tuple(dict.fromkeys((min(size, MESSAGES), mix) for size, mix in _RUNS))
# us-east-1, US dollars for a million, as docs/operations.md has them: write and read units, S3's PUT and GET.
_WRITE, _READ, _PUT, _GET = 0.625, 0.125, 5.00, 0.40


def measure() -> Figures:
    """One run for each size and mix, each in a process of its own."""
    runs = [_run(size, mix) for size, mix in RUNS]
    largest = max((run for run in runs if run["mix"] == "busy"), key=lambda run: run["messages"])
    mixed = next(run for run in runs if run["mix"] == "mixed")
    return Figures(
        title="A night of the archive",
        how="the real service on a table that is made up as it is read and a bucket that is a folder: no network, one writer, "
        "so seconds are the archive's own; conversations of five messages due (mixed: of one to thirteen, 3.6 on average; single: of "
        "one) and five archived before, a reply to each, seven days; peak memory is the process's, the seeming table with it. Of "
        "items read, those of the index are keys, fifty to a read unit: the next column leaves them out",
        columns=(
            "messages",
            "conversations",
            "messages/s",
            "per processor s",
            "peak MB",
            "parts",
            "items read per item filed",
            "without the index's",
            "requests per message",
            "USD per million",
        ),
        rows=tuple(_row(run) for run in runs),
        aims=(
            aim("peak memory", largest["peak_mb"], 200, " MB"),
            aim("items read per item filed", largest["read"] / largest["filed"], 1.2),
            aim("items read per item filed, mixed", mixed["read"] / mixed["filed"], 1.2),
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
        f"{(run['read'] - run['entries']) / run['filed']:.2f}",
        f"{sum(run['calls'].values()) / count:.2f}",
        f"{cost(run):.2f}",
    )


def cost(run: dict[str, Any]) -> float:
    """US dollars for a million messages, by the requests that were counted."""
    calls = run["calls"]
    # A query of five small items is a unit or two; a conversation is one.
    reads = calls["GetItem"] + calls["Query"] * 2
    writes = calls["UpdateItem"] + calls["PutItem"] + calls["DeleteItem"] + 8 * calls["TransactWriteItems"]
    dollars = writes * _WRITE + reads * _READ + calls["PutObject"] * _PUT + calls["GetObject"] * _GET
    # Each conversation that leaves the index costs a write there.
    return float((dollars + calls["GetItem"] * _WRITE) / run["messages"])
