"""AWS's own runtime interface emulator (it comes inside the aws-sam-cli package): one cold start of one environment.

It offers Lambda's runtime API to `awslambdaric`, as the service does, and an HTTP endpoint to us. Initialisation begins with the first
invocation, so what that takes is a cold start: interpreter, runtime client, imports, the handler's first run.
https://github.com/aws/aws-lambda-runtime-interface-emulator
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.rig.environment import Environment
from bench.rig.figures import NotMeasurable
from infra.packaging import ROOT

_HOST = "127.0.0.1"
_NAMES = {"x86_64": "aws-lambda-rie-x86_64", "aarch64": "aws-lambda-rie-arm64"}


def emulator() -> Path:
    """The emulator's binary for this machine."""
    name = _NAMES.get(platform.machine()) if platform.system() == "Linux" else None
    found = next(ROOT.glob(f".venv-sam/lib/python3.*/site-packages/samcli/local/rapid/{name}"), None)
    if found is None:
        raise NotMeasurable("no runtime interface emulator for this machine in .venv-sam (`make validate` installs it)")
    return found


def cold_start(environment: Environment, handler: str, event: dict[str, Any]) -> tuple[float, Any]:
    """Milliseconds of the first invocation in a fresh process, and what the handler returned."""
    with _listening(environment, handler) as port:
        began = time.perf_counter()
        answer = _invoke(port, event)
        return (time.perf_counter() - began) * 1000, answer


@contextmanager
def _listening(environment: Environment, handler: str) -> Iterator[int]:
    port, runtime_api = _free_port(), _free_port()
    addresses = [f"--runtime-interface-emulator-address={_HOST}:{port}", f"--runtime-api-address={_HOST}:{runtime_api}"]
    command = [str(emulator()), *addresses, environment.python.path, "-s", "-m", "awslambdaric", handler]
    process = subprocess.Popen(
        command,
        cwd=environment.path[0],
        env=environment.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await_port(process, port)
        yield port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _invoke(port: int, event: dict[str, Any]) -> Any:
    connection = http.client.HTTPConnection(_HOST, port, timeout=60)
    try:
        connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
        answer = json.loads(connection.getresponse().read() or b"null")
    finally:
        connection.close()
    if isinstance(answer, dict) and "errorType" in answer:
        raise NotMeasurable(f"the handler failed under the emulator: {answer['errorType']}: {answer.get('errorMessage')}")
    return answer


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        with suppress(OSError), socket.create_connection((_HOST, port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotMeasurable(f"the runtime interface emulator does not run here (exit status {process.poll()})")
        time.sleep(0.01)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
