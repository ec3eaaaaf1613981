"""The whole stack: starts everything in order, and ends everything in the reverse order, however it comes to an end.

    with Stack(port=0) as stack:
        ...  # webhooks to stack.url, what happened from stack.url + "/_local/..."

A child process that this one leaves behind, because it was killed, ends by itself: it notices that its connection is gone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any, Self

from functions.common.clock import system_clock
from infra.cli.bundle import CONFIG, ConfigInvalid, compile_bundle
from infra.local import accounts, template
from infra.local.accounts import Accounts, filled, read_accounts, simulators
from infra.local.control import Control
from infra.local.engine import ROOT, Engine
from infra.local.errors import CannotStart, EngineUnreachable
from infra.local.gateway import ANSWER_WITHIN, UNAVAILABLE, Gateway
from infra.local.intrinsics import REF
from infra.local.inventory import Inventory
from infra.local.invocations import Invocations
from infra.local.payload import Answer, HttpRequest
from infra.local.poller import RETRY_SECONDS, Poller, Source
from infra.local.provision import Physical, provision, store_accounts
from infra.local.queues import QueueWatch
from infra.local.resources import EventSource, Queue
from infra.local.scheduler import Scheduler
from infra.local.template import Template
from infra.local.workers import FunctionPool, FunctionSpec, Invocation
from infra.simulators.contract import Simulator
from infra.simulators.server import PlatformServer

DIRECTORY = ROOT / ".local"
# Webhooks arrive together; queues hand out one batch at a time anyway.
WORKERS_BEHIND_ROUTES = 2
LAST_BATCH_SECONDS = 5.0
# Of the functions' variables, those that say where what commands work with is.
_FOR_OPERATORS = (
    *("STAGE", "TABLE_NAME", "INDEX_SHARDS", "VAULT_KEY_ID"),
    *("ARCHIVE_BUCKET", "CONFIG_BUCKET", "EXPORT_BUCKET", "EXPORT_PASSWORD"),
)


class Stack:
    """The local stack on `port` of the loopback interface; 0 takes a free one. `CannotStart` says in one line why it does not start.

    `directory` is where logs and the compiled bundle go; `environ` (the process's own by default) says which AWS endpoint is used.
    """

    def __init__(
        self,
        port: int = 8080,
        *,
        directory: Path = DIRECTORY,
        log_dir: Path | None = None,
        environ: Mapping[str, str] | None = None,
        template_path: Path = template.PATH,
        config: Path = CONFIG,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.port = port
        self.log_dir = log_dir or directory / "logs"
        self.simulators: tuple[Simulator, ...] = ()
        self._directory = directory
        self._environ = dict(os.environ if environ is None else environ)
        self._template_path = template_path
        self._config = config
        self._retry_seconds = retry_seconds
        self._exit = ExitStack()
        self._pools: dict[str, FunctionPool] = {}
        self._control: Control | None = None
        self._scheduler: Scheduler | None = None
        self._ahead = timedelta()
        self._engine: Engine | None = None
        self.environ: dict[str, str] = {}

    def client(self, service: str) -> Any:
        """A boto3 client for the stack's engine, once it has started."""
        assert self._engine is not None, "the stack has not started"
        return self._engine.client(service)

    def now(self) -> datetime:
        """The time in the stack, UTC."""
        return system_clock() + self._ahead

    def set_clock(self, now: datetime) -> None:
        """Make it another time for functions, simulators and schedules. The engine's own waits stay as long as they are."""
        self._ahead = now - system_clock()
        for pool in self._pools.values():
            pool.ahead = self._ahead
        if self._scheduler:
            self._scheduler.set_out()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def simulator(self, channel: str, account: str = "demo") -> Simulator:
        """The platform on the other side of an account."""
        return next(s for s in self.simulators if (s.channel, s.account) == (channel, account))

    def invoke(self, function: str, event: Any, *, wait: float | None = None) -> Invocation:
        """Run a function, by its logical id in the template."""
        return self._pools[function].invoke(event, wait=wait)

    def __enter__(self) -> Self:
        try:
            self._start()
        except ConfigInvalid as error:
            self.stop()
            raise CannotStart(f"config: {error}") from error
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def check(self) -> None:
        """`EngineUnreachable` when the engine has died: nothing can work any more, and what was stored went with it."""
        if self._engine is not None and self._engine.ended:
            raise EngineUnreachable(f"moto has died, and what it held is gone ({self.log_dir / 'engine.log'}); start again")

    def stop(self) -> None:
        """End everything. Safe to call twice."""
        self._control = None
        self._exit.close()

    def _start(self) -> None:
        self._make_directories()
        self._engine = engine = Engine(self._environ, self.log_dir)
        self._exit.callback(engine.stop)
        engine.launch()  # it comes up while the rest is read
        loaded = template.load(self._template_path)
        self._listen(loaded)
        platforms, known = self._platforms()
        local = {"BUNDLE_PATH": str(self._bundle()), "PLATFORM_API_ORIGIN": platforms.origin}
        local |= {"AWS_ENDPOINT_URL_LAMBDA": self.url}
        engine.start()
        physical = provision(loaded, engine.client)
        environments = {function.name: loaded.environment(function, physical) for function in loaded.functions}
        self._tell_operators(engine.environ, environments, platforms.origin)
        for prefix in {variables["SECRETS_PREFIX"] for variables in environments.values() if "SECRETS_PREFIX" in variables}:
            store_accounts(known, prefix, engine.client)
        self._run_functions(loaded, {name: engine.environ | variables | local for name, variables in environments.items()})
        self._scheduler = scheduler = Scheduler(loaded.schedules, self.invoke, clock=self.now)
        self._wake(loaded, engine, physical, scheduler)
        invocations = Invocations({function.name: function.logical_id for function in loaded.functions}, self.invoke)
        self._control = Control(
            inventory=Inventory(engine.client("dynamodb"), loaded.table.name),
            queues=_queue_watch(loaded, engine, physical, invocations),
            scheduler=scheduler,
            invocations=invocations,
            outbox=lambda: platforms.outbox,
        )

    def _tell_operators(self, engine: Mapping[str, str], functions: Mapping[str, Mapping[str, str]], platforms: str) -> None:
        """What an operator's command must know of this stack: `environ`, and the same as a file that a shell reads while it is up."""
        told = {name: value for name, value in engine.items() if name.startswith("AWS_") or name.lower() == "no_proxy"}
        told["WRITERS"] = "1"  # moto copies its tables for each transaction, and bears no other writer meanwhile
        told["PLATFORM_API_ORIGIN"] = platforms
        for variables in functions.values():
            told |= {name: value for name, value in variables.items() if name in _FOR_OPERATORS}
        self.environ = dict(engine) | told
        lines = "".join(f"export {name}={quote(value)}\n" for name, value in sorted(told.items()))
        file = self._directory / "environ"
        file.write_text(lines, encoding="utf-8")
        self._exit.callback(_remove, file, lines)

    def _make_directories(self) -> None:
        for directory in (self._directory, self.log_dir):
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CannotStart(f"cannot write to {directory}: {error.strerror}") from error

    def _listen(self, loaded: Template) -> None:
        gateway = Gateway(self.port, loaded.routes, partial(self.invoke, wait=ANSWER_WITHIN), self._local)
        self._exit.callback(gateway.stop)
        gateway.start()
        self.port = gateway.port

    def _local(self, request: HttpRequest) -> Answer | None:
        """What the gateway answers itself: until everything runs, and from the moment that it ends, that nothing is available."""
        return self._control.answer(request) if self._control else UNAVAILABLE

    def _platforms(self) -> tuple[PlatformServer, Accounts]:
        read = read_accounts(self._config / accounts.FILE)
        self.simulators = tuple(simulators(read, self.now))
        platforms = PlatformServer(self.simulators)
        self._exit.callback(platforms.stop)
        platforms.start()
        return platforms, filled(read, platforms.origin)

    def _bundle(self) -> Path:
        path = self._directory / "bundle.json"
        path.write_bytes(compile_bundle(self._config))
        return path

    def _run_functions(self, loaded: Template, environments: Mapping[str, Mapping[str, str]]) -> None:
        routed = {route.function for route in loaded.routes}
        for function in loaded.functions:
            log = self.log_dir / f"{function.name}.log"
            log.write_bytes(b"")
            spec = FunctionSpec(
                name=function.name,
                handler=function.handler,
                timeout=function.timeout,
                environ={**environments[function.name], "AWS_LAMBDA_FUNCTION_NAME": function.name},
                log=log,
            )
            pool = FunctionPool(spec, WORKERS_BEHIND_ROUTES if function.logical_id in routed else 1)
            self._exit.callback(pool.stop)
            self._pools[function.logical_id] = pool
        for pool in self._pools.values():
            pool.await_ready()

    def _wake(self, loaded: Template, engine: Engine, physical: Physical, scheduler: Scheduler) -> None:
        queues = {queue.logical_id: queue for queue in loaded.queues}
        pollers = [
            Poller(
                engine.client("sqs"),
                _source(event_source, queues[event_source.queue], physical),
                partial(self.invoke, event_source.function),
                retry_seconds=self._retry_seconds,
            )
            for event_source in loaded.event_sources
        ]
        self._exit.callback(_end, pollers, scheduler)
        for poller in pollers:
            poller.start()
        scheduler.start()


def _source(event_source: EventSource, queue: Queue, physical: Physical) -> Source:
    return Source(
        url=physical[queue.logical_id, REF],
        arn=physical[queue.logical_id, "Arn"],
        batch_size=event_source.batch_size,
        reports_failures=event_source.reports_failures,
        dead_letters=physical[queue.dead_letters, REF] if queue.dead_letters else None,
        max_receives=queue.max_receives,
    )


def _remove(file: Path, ours: str) -> None:
    """Remove what a stack told operators, unless another stack has told them something since."""
    if file.exists() and file.read_text(encoding="utf-8") == ours:
        file.unlink()


def _queue_watch(loaded: Template, engine: Engine, physical: Physical, invocations: Invocations) -> QueueWatch:
    def url(logical_id: str) -> str:
        return physical[logical_id, REF]

    return QueueWatch(engine.client("sqs"), loaded.queues, url, also=lambda: invocations.busy)


def _end(pollers: Sequence[Poller], scheduler: Scheduler) -> None:
    scheduler.stop()
    for poller in pollers:
        poller.stop()
    for poller in pollers:
        poller.join(LAST_BATCH_SECONDS)
