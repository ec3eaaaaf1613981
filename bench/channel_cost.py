"""What a channel costs: its first webhook in a new process what it imports, every webhook what verifying and parsing takes."""

from __future__ import annotations

import platform
import time
from dataclasses import replace
from statistics import median
from typing import Any

from bench.imports import imported
from bench.rig.environment import environment_of, interpreter
from bench.rig.figures import Figures, aim

COLD_ROUNDS, ROUNDS, NONSENSE_ROUNDS = 5, 1500, 3
TEXT = "请问我的订单什么时候发货?单号1029384756"


def measure() -> Figures:
    """Modules and milliseconds that a channel adds to ingest's cold start, and microseconds per webhook."""
    from infra.simulators.registry import names
    from tests.fakes.house import ACCOUNTS

    channels = [name for name in names() if name in ACCOUNTS]
    environment = environment_of("ingest")
    base = "functions.ingest.handler"
    handler = imported(environment, base)
    rows, slowest, worst = [], 0.0, 0.0
    for channel in channels:
        runs = [imported(environment, f"{base}, functions.channels.{channel}") for _ in range(COLD_ROUNDS)]
        own = [{name: cost for name, cost in run.items() if name not in handler} for run in runs]
        cold, warm = median(sum(run.values()) for run in own) / 1000, _per_webhook(channel, ACCOUNTS[channel]["demo"])
        nonsense = _nonsense(channel)
        slowest, worst = max(slowest, warm), max(worst, nonsense)
        rows.append((channel, str(len(own[0])), f"{cold:.1f}", f"{warm * 1e6:.0f}", f"{nonsense * 1000:.0f}"))
    return Figures(
        title="What a channel costs",
        how="modules and milliseconds beyond ingest's own handler: `python -X importtime` from ingest's artifact as it is shipped, "
        f"channels as sources, CPython {interpreter().version}, median of {COLD_ROUNDS}; verify, decode and parse of a signed text, in "
        f"process, median of {ROUNDS}, CPython {platform.python_version()}; the same for a mebibyte of nonsense under a right signature, "
        f"the worst of twelve shapes, best of {NONSENSE_ROUNDS}",
        columns=("channel", "modules", "cold ms", "verify + parse µs", "nonsense ms"),
        rows=tuple(rows),
        aims=(
            aim("slowest verify + parse", slowest * 1000, 0.5, " ms"),
            aim("slowest mebibyte of nonsense", worst * 1000, 50, " ms"),
        ),
    )


def _per_webhook(channel: str, account: dict[str, Any]) -> float:
    from functions.channels import registry
    from functions.channels.contract import Verified
    from functions.common.clock import system_clock
    from functions.ingest.gateway_event import raw_request
    from infra.simulators.registry import simulator_class
    from tests.fakes.house import gateway_event

    adapter, simulator = registry.adapter(channel), simulator_class(channel)("demo", account)
    webhook = simulator.text(simulator.person(1), TEXT)
    credentials, now = adapter.credentials.model_validate(account), system_clock()
    request = raw_request(gateway_event(channel, "demo", webhook), now)

    def once() -> None:
        verified = adapter.verify(request, credentials, now)
        assert isinstance(verified, Verified)
        adapter.parse(adapter.decode(verified, "demo"))

    for _ in range(50):
        once()
    return median(_timed(once) for _ in range(ROUNDS))


def _nonsense(channel: str) -> float:
    """Seconds that decoding and parsing the worst body of the largest size takes."""
    from tests.fakes.channel_places import WORST, Desk, largest

    desk = Desk((channel, "demo"))
    genuine = desk.verified(desk.text())

    def worst(shape: str) -> float:
        verified = replace(genuine, request=replace(genuine.request, body=largest(shape)))
        return min(_timed(lambda: desk.read(verified)) for _ in range(NONSENSE_ROUNDS))

    return max(map(worst, WORST))


def _timed(once: Any) -> float:
    began = time.perf_counter()
    once()
    return time.perf_counter() - began
