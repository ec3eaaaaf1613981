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
from typing import IO, Any

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
    from infra.simulators.registry import names
    from tests.fakes.house import ACCOUNTS

    channels = [name for name in names() if name in ACCOUNTS]
    quiet = open(os.devnull, "w")  # noqa: SIM115  the logger keeps it
    with redirect_stdout(quiet):
        counter = _counter(channels, quiet)
        yardstick = _median(_library_alone(ACCOUNTS["generic"]["demo"]["secret"]))
        took = {name: _median(_ingest(name, counter)) for name in channels}
    rows = [(name, f"{seconds * 1e6:.0f}", f"{seconds / yardstick:.1f}") for name, seconds in took.items()]
    rows.append(("library alone", f"{yardstick * 1e6:.0f}", "1.0"))
    return Figures(
        title="Ingest's own time per webhook",
        how=f"median of {ROUNDS} signed text messages each, in process, CPython {platform.python_version()}: event in, answer out, "
        "log and metrics written, no AWS call; beside it the standardwebhooks library checking one signature and reading the JSON",
        columns=("channel", "µs", "ratio"),
        rows=tuple(rows),
        aims=(aim("slowest channel", max(took.values()) * 1000, 0.5, " ms"),),
    )


def _counter(channels: list[str], quiet: IO[str]) -> Any:
    """Ingest's collaborators, with logs written where nobody reads them."""
    from functions.channels import registry
    from functions.common.clock import system_clock
    from functions.common.telemetry import Telemetry
    from functions.ingest.replay import ReplayMemory
    from functions.ingest.service import Counter
    from tests.fakes.house import ACCOUNTS

    credentials = {name: registry.adapter(name).credentials.model_validate(ACCOUNTS[name]["demo"]) for name in channels}
    telemetry = Telemetry("ingest")
    for handler in logging.getLogger("ingest").handlers:
        handler.setStream(quiet)  # type: ignore[attr-defined]
    return Counter(
        credentials=KnownCredentials(credentials),  # type: ignore[arg-type]
        queue=Nowhere(),  # type: ignore[arg-type]
        pulls=Nowhere(),  # type: ignore[arg-type]
        replays=ReplayMemory(),
        clock=system_clock,
        telemetry=telemetry,
    )


def _ingest(channel: str, counter: Any) -> Callable[[], None]:
    """One signed text message of a channel, from API Gateway's event to the answer."""
    from functions.common.clock import system_clock
    from functions.ingest.gateway_event import gateway_response, raw_request
    from functions.ingest.service import receive
    from infra.simulators.registry import simulator_class
    from tests.fakes.house import ACCOUNTS, gateway_event

    simulator = simulator_class(channel)("demo", ACCOUNTS[channel]["demo"])
    event = gateway_event(channel, "demo", simulator.text(simulator.person(1), "请问我的订单什么时候发货?单号1029384756"))

    def once() -> None:
        answer = gateway_response(receive(channel, "demo", raw_request(event, system_clock()), counter))
        assert answer["statusCode"] < 300

    return once


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
