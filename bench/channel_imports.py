"""What a channel's first webhook in a new execution environment imports beside the handler: each channel pays for itself alone."""

from __future__ import annotations

import re
import subprocess
from statistics import median

from bench.rig.environment import Environment, environment_of, interpreter
from bench.rig.figures import Figures, NotMeasurable, aim
from functions.channels import registry

ROUNDS = 7
_LINE = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)$", re.MULTILINE)


def measure() -> Figures:
    """Modules and milliseconds per channel, beyond ingest's own imports."""
    environment = environment_of("ingest")
    handler = set(_imported(environment, None))
    rows, slowest = [], 0.0
    for channel in registry.names():
        runs = [_imported(environment, channel) for _ in range(ROUNDS)]
        own = [{name: cost for name, cost in run.items() if name not in handler} for run in runs]
        took = median(sum(run.values()) for run in own) / 1000
        slowest = max(slowest, took)
        rows.append((channel, str(len(own[0])), f"{took:.1f}"))
    return Figures(
        title="Cold import per channel",
        how=f"`python -X importtime` of ingest's handler and then one channel, from the built artifact, CPython {interpreter().version}, "
        f"bytecode compiled, median of {ROUNDS}; only what the channel adds; `cryptography`, where a signature needs it, comes with the "
        "first such webhook and is not in it",
        columns=("channel", "modules", "ms"),
        rows=tuple(rows),
        aims=(aim("slowest channel", slowest, 50, " ms"),),
    )


def _imported(environment: Environment, channel: str | None) -> dict[str, int]:
    """Microseconds of each imported module itself."""
    code = "import functions.ingest.handler" + (f", functions.channels.{channel}" if channel else "")
    command = [environment.python.path, "-s", "-X", "importtime", "-c", code]
    outcome = subprocess.run(
        command, env=environment.environ(), cwd=environment.path[0], capture_output=True, text=True, check=False
    )
    if outcome.returncode:
        raise NotMeasurable(f"{channel} cannot be imported: {outcome.stderr.strip().splitlines()[-1]}")
    return {name: int(own) for own, _, _, name in _LINE.findall(outcome.stderr)}
