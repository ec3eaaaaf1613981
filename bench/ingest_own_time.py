"""What ingest itself takes per webhook: verify, parse, write the queue entry, log. AWS is left out; everything else is real."""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from statistics import median
from typing import Any

from bench.rig.figures import Figures, aim

ROUNDS = 1500


class KnownCredentials:
    """Credentials that are cached already, as they are but once in five minutes."""

    def __init__(self, known: dict[str, Any]) -> None:
        self._known = known

    def current(self, channel: str, account: str) -> tuple[Any, ...]:
        return (self._known[channel],)


class Nowhere:
    """A queue that takes everything."""

    def send(self, entries: list[Any]) -> None:
        pass


def measure() -> Figures:
    """Microseconds per webhook and channel, beside one that only checks a signature and reads JSON with a public library."""
    from functions.channels import registry
    from functions.common.clock import system_clock
    from functions.common.telemetry import Telemetry
    from functions.ingest.gateway_event import gateway_response, raw_request
    from functions.ingest.replay import ReplayMemory
    from functions.ingest.service import Counter, receive
    from infra.simulators.registry import names, simulator_class
    from tests.fakes.house import ACCOUNTS, gateway_event

    channels = [name for name in names() if name in ACCOUNTS]
    credentials = {name: registry.adapter(name).credentials.model_validate(ACCOUNTS[name]["demo"]) for name in channels}
    telemetry = Telemetry("ingest")
    quiet = open(os.devnull, "w")  # noqa: SIM115
    for handler in logging.getLogger("ingest").handlers:
        handler.setStream(quiet)  # type: ignore[attr-defined]
    counter = Counter(
        credentials=KnownCredentials(credentials),  # type: ignore[arg-type]
        queue=Nowhere(),  # type: ignore[arg-type]
        pulls=Nowhere(),  # type: ignore[arg-type]
        replays=ReplayMemory(),
        clock=system_clock,
        telemetry=telemetry,
    )
    rows, slowest = [], 0.0
    with redirect_stdout(quiet):
        yardstick = _median(_library_alone(ACCOUNTS["generic"]["demo"]["secret"]))
        for name in channels:
            simulator = simulator_class(name)("demo", ACCOUNTS[name]["demo"])
            webhook = simulator.text(simulator.person(1), "请问我的订单什么时候发货?单号1029384756")
            event = gateway_event(name, "demo", webhook)

            def once(name: str = name, event: dict[str, Any] = event) -> None:
                answer = gateway_response(receive(name, "demo", raw_request(event, system_clock()), counter))
                assert answer["statusCode"] < 300

            took = _median(once)
            slowest = max(slowest, took)
            rows.append((name, f"{took * 1e6:.0f}", f"{took / yardstick:.1f}"))
    rows.append(("library alone", f"{yardstick * 1e6:.0f}", "1.0"))
    return Figures(
        title="Ingest's own time per webhook",
        how=f"median of {ROUNDS} signed text messages each, in process, CPython {platform.python_version()}: event in, answer out, "
        "log and metrics written, no AWS call; beside it the standardwebhooks library checking one signature and reading the JSON",
        columns=("channel", "µs", "ratio"),
        rows=tuple(rows),
        aims=(aim("slowest channel", slowest * 1000, 0.5, " ms"),),
    )


def _library_alone(secret: str) -> Callable[[], None]:
    from datetime import UTC, datetime

    from standardwebhooks import Webhook

    library, now = Webhook(secret), datetime.now(UTC)
    body = json.dumps({"id": "m1", "contact": {"id": "u1"}, "text": "请问我的订单什么时候发货?单号1029384756"})
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": library.sign("m1", now, body),
    }
    return lambda: library.verify(body, headers) and None


def _median(once: Callable[[], None]) -> float:
    for _ in range(50):
        once()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        once()
        times.append(time.perf_counter() - began)
    return median(times)
