"""What each handler imports, and what that costs: the larger part of a cold start that is ours to shorten."""

from __future__ import annotations

import re
import subprocess
from statistics import median

from bench.rig.environment import Environment, environment_of, functions, interpreter
from bench.rig.figures import Figures, NotMeasurable

ROUNDS = 7
_LINE = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)$", re.MULTILINE)


def measure() -> Figures:
    """Modules and milliseconds per handler, and the packages that cost most."""
    rows = []
    for name, handler in functions().items():
        environment = environment_of(name)
        module = handler.rpartition(".")[0]
        runs = [imported(environment, module) for _ in range(ROUNDS)]
        nothing = imported(environment, "sys")
        mine = [{found: cost for found, cost in run.items() if found not in nothing} for run in runs]
        total = median(sum(run.values()) for run in mine)
        rows.append((name, str(len(mine[0])), f"{total / 1000:.0f}", _dearest(mine)))
    return Figures(
        title="Imports",
        how=f"`python -X importtime` of each handler's module from its built artifact, CPython {interpreter().version}, bytecode compiled, "
        f"median of {ROUNDS}; what an empty interpreter imports is not counted; late imports are not in it",
        columns=("function", "modules", "ms", "dearest packages, ms of their own"),
        rows=tuple(rows),
    )


def imported(environment: Environment, module: str) -> dict[str, int]:
    """Microseconds of each imported module itself, without what it imports in turn. `module` may name several, with commas."""
    command = [environment.python.path, "-s", "-X", "importtime", "-c", f"import {module}"]
    outcome = subprocess.run(
        command, env=environment.environ(), cwd=environment.path[0], capture_output=True, text=True, check=False
    )
    if outcome.returncode:
        raise NotMeasurable(f"{module} cannot be imported: {outcome.stderr.strip().splitlines()[-1]}")
    return {name: int(own) for own, _, _, name in _LINE.findall(outcome.stderr)}


def _dearest(runs: list[dict[str, int]]) -> str:
    packages = {name.split(".")[0] for name in runs[0]}
    costs = {
        package: median(sum(cost for name, cost in run.items() if name.split(".")[0] == package) for run in runs) / 1000
        for package in packages
    }
    dearest = sorted(costs.items(), key=lambda pair: -pair[1])[:4]
    return ", ".join(f"{package} {cost:.0f}" for package, cost in dearest)
