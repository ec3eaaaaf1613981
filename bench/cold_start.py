"""Cold starts under AWS's runtime interface emulator, beside a bare handler and one that only makes boto3 clients."""

from __future__ import annotations

from importlib import import_module
from inspect import getmembers, isroutine, signature
from statistics import median
from typing import Any

from bench.rig import emulator
from bench.rig.environment import Environment, environment_of, environment_with, functions, interpreter
from bench.rig.figures import Figures, aim

ROUNDS = 9
BARE = "def lambda_handler(event, context):\n    return {}\n"
CLIENT = "import boto3\nCLIENT = boto3.client('sqs')\n\n\n" + BARE
TWO_CLIENTS = "import boto3\nCLIENTS = boto3.client('secretsmanager'), boto3.client('sqs')\n\n\n" + BARE
UNKNOWN_CHANNEL = {
    "version": "2.0",
    "routeKey": "POST /webhooks/{channel}/{account}",
    "rawPath": "/webhooks/none/none",
    "rawQueryString": "",
    "headers": {"content-type": "application/json"},
    "requestContext": {"http": {"method": "POST", "path": "/webhooks/none/none", "sourceIp": "127.0.0.1"}, "timeEpoch": 0},
    "pathParameters": {"channel": "none", "account": "none"},
    "body": "{}",
    "isBase64Encoded": False,
}
# An environment, the handler to run in it, the event it is given.
Start = tuple[Environment, str, dict[str, Any]]


def measure() -> Figures:
    """Medians, and ratios to the handler that makes one boto3 client."""
    emulator.emulator()
    starts = _references() | _functions()
    for start in starts.values():
        emulator.cold_start(*start)  # files into the page cache
    times: dict[str, list[float]] = {name: [] for name in starts}
    for _ in range(ROUNDS):  # in turn, so that a noisy minute hits all alike
        for name, start in starts.items():
            times[name].append(emulator.cold_start(*start)[0])
    medians = {name: median(taken) for name, taken in times.items()}
    client = medians["boto3, one client"]
    how = (
        "milliseconds from the first request to its answer, interpreter start included; AWS's runtime interface emulator, awslambdaric, "
        f"CPython {interpreter().version}, this machine's CPU, bytecode as shipped; {ROUNDS} rounds in turn; a function is loaded and "
        "its clients are made; `a webhook` is one to an unknown channel, answered 404"
    )
    return Figures(
        title="Cold start",
        how=how,
        columns=("environment", "median ms", "min", "max", "of one client"),
        rows=tuple(_row(name, taken, client) for name, taken in times.items()),
        aims=(aim("ingest, a webhook, against one boto3 client", medians["ingest, a webhook"] / client, 1.5),),
    )


def _row(name: str, taken: list[float], client: float) -> tuple[str, ...]:
    middle = median(taken)
    return (name, f"{middle:.0f}", f"{min(taken):.0f}", f"{max(taken):.0f}", f"{middle / client:.2f}")


def _references() -> dict[str, Start]:
    sources = {"bare": BARE, "boto3, one client": CLIENT, "boto3, ingest's two clients": TWO_CLIENTS}
    return {name: (environment_with(source, "reference"), "reference.lambda_handler", {}) for name, source in sources.items()}


def _functions() -> dict[str, Start]:
    starts: dict[str, Start] = {}
    for name, handler in functions().items():
        environment = environment_of(name)
        (environment.path[0] / "loading.py").write_text(_loading(name), encoding="utf-8")
        starts[name] = (environment, "loading.lambda_handler", {})
        if name == "ingest":
            starts["ingest, a webhook"] = (environment, handler, UNKNOWN_CHANNEL)
    return starts


def _loading(name: str) -> str:
    """A handler that loads a function's own and builds its collaborators, without an event that would need AWS to answer."""
    wiring = import_module(f"functions.{name}.wiring")
    builders = [
        builder
        for builder, built in getmembers(wiring, lambda member: isroutine(member) or hasattr(member, "cache_info"))
        if built.__module__ == wiring.__name__ and not builder.startswith("_") and not signature(built).parameters
    ]
    calls = "\n".join(f"wiring.{builder}()" for builder in builders)
    return f"import functions.{name}.handler\nfrom functions.{name} import wiring\n{calls}\n\n\n{BARE}"
