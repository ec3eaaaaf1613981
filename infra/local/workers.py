"""The functions' processes. A pool holds one function's workers, hands each invocation to an idle one, and replaces those that die.

A worker that crashes or runs out of time takes its invocation with it and nothing else: the caller sees a failed invocation, as it
would on Lambda, and the queue gives its messages back.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing import Pipe
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Lock
from typing import Any
from uuid import uuid4

from infra.local.errors import FunctionBroken

LOG = logging.getLogger(__name__)
START_SECONDS = 60.0
NOT_AHEAD = timedelta()
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Invocation:
    """What became of an invocation: the handler's answer, or the fault that ended it, with its worker or without.

    `kept_back`: for how many seconds the handler wanted messages kept from being handed out again, by their receipts.
    """

    payload: Any = None
    fault: str | None = None
    lost_worker: bool = False
    kept_back: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """How a function is run. `timeout` in seconds; `environ` is the process's whole environment."""

    name: str
    handler: str
    timeout: float
    environ: Mapping[str, str]
    log: Path


class Worker:
    """One process of one function. Not thread-safe: whoever took it out of the pool has it alone."""

    def __init__(self, spec: FunctionSpec) -> None:
        self.spec = spec
        self._ready = False
        self._ours, theirs = Pipe()
        environ = {**spec.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "infra.local.runtime", str(theirs.fileno()), spec.handler, str(spec.timeout)]
        with spec.log.open("ab") as log:
            # A group of its own: Ctrl-C is for the stack, which then ends its children in order.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                pass_fds=(theirs.fileno(),),
                process_group=0,
            )
        theirs.close()

    def await_ready(self) -> None:
        """Wait until the handler is loaded; `FunctionBroken` when it cannot be."""
        if self._ready:
            return
        try:
            broken = self._receive(START_SECONDS).get("broken")
        except (EOFError, OSError):
            broken = f"its process ended; see {self.spec.log}"
        if broken:
            raise FunctionBroken(f"function {self.spec.name} cannot be loaded: {broken}")
        self._ready = True

    def invoke(self, event: Any, request_id: str, ahead: timedelta = NOT_AHEAD) -> Invocation:
        """One invocation, within the function's time limit, with the function's clock so far `ahead` of the machine's."""
        try:
            request = {"id": request_id, "event": event, "ahead": ahead.total_seconds()}
            self._ours.send_bytes(json.dumps(request).encode())
            said = self._receive(self.spec.timeout)
        except TimeoutError:
            return Invocation(fault=f"timed out after {self.spec.timeout:g} s", lost_worker=True)
        except (EOFError, OSError):
            return Invocation(fault="crashed", lost_worker=True)
        return Invocation(said.get("payload"), said.get("fault"), kept_back=said.get("kept_back", {}))

    def is_alive(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    def stop(self) -> None:
        """End the process, at once; it has ended when this returns."""
        self.process.kill()
        self.process.wait()

    def _receive(self, seconds: float) -> dict[str, Any]:
        if not self._ours.poll(seconds):
            raise TimeoutError
        said: dict[str, Any] = json.loads(self._ours.recv_bytes())
        return said


class FunctionPool:
    """One function, ready to be invoked by any thread; as many invocations at a time as there are workers.

    `ahead` is how far the functions' clocks run ahead of the machine's.
    """

    def __init__(self, spec: FunctionSpec, size: int = 1) -> None:
        self.spec = spec
        self.ahead = NOT_AHEAD
        self._stopped = False
        self._lock = Lock()
        self._workers = [Worker(spec) for _ in range(size)]
        self._idle: LifoQueue[Worker] = LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def await_ready(self) -> None:
        """Wait until every worker has loaded the handler; `FunctionBroken` when one cannot."""
        for worker in tuple(self._workers):
            worker.await_ready()

    def invoke(self, event: Any, *, wait: float | None = None) -> Invocation:
        """Invoke the function. `wait`: seconds to wait for an idle worker, None for as long as it takes."""
        try:
            worker = self._idle.get(timeout=wait)
        except Empty:
            return Invocation(fault="throttled")
        try:
            worker, outcome = self._carried_out(worker, event)
        finally:
            self._idle.put(worker)
        return outcome

    def stop(self) -> None:
        """End every worker. An invocation that is under way fails."""
        with self._lock:
            self._stopped = True
        for worker in self._workers:
            worker.stop()

    def _carried_out(self, worker: Worker, event: Any) -> tuple[Worker, Invocation]:
        if not worker.is_alive():
            worker = self._replaced(worker, "crashed while idle")
        try:
            worker.await_ready()
            outcome = worker.invoke(event, str(uuid4()), self.ahead)
        except FunctionBroken as fault:
            outcome = Invocation(fault=str(fault), lost_worker=True)
        if outcome.lost_worker:
            worker = self._replaced(worker, outcome.fault or "")
        return worker, outcome

    def _replaced(self, worker: Worker, fault: str) -> Worker:
        with self._lock:
            if self._stopped:
                return worker
            LOG.warning("function %s %s; its worker is replaced", self.spec.name, fault)
            worker.stop()
            fresh = Worker(self.spec)
            self._workers[self._workers.index(worker)] = fresh
            return fresh
