"""Functions in their own processes: what a caller sees of them, alive, failing and dead."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from infra.local.errors import FunctionBroken
from infra.local.workers import ROOT, FunctionPool, FunctionSpec

HANDLERS = "tests.fakes.local_function"
needs_pidfd = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux tells when somebody else's process ends")


@contextmanager
def pool(tmp_path, handler, *, size=1, timeout=20.0, **environ):
    spec = FunctionSpec(
        name="job",
        handler=handler if "." in handler else f"{HANDLERS}.{handler}",
        timeout=timeout,
        environ={"PATH": os.environ["PATH"], **environ},
        log=tmp_path / "job.log",
    )
    made = FunctionPool(spec, size)
    try:
        yield made
    finally:
        made.stop()


def test_a_function_gets_its_event_its_environment_and_a_context(tmp_path):
    with pool(tmp_path, "echo", GREETING="hello", PYTHONDONTWRITEBYTECODE="1") as job:
        job.await_ready()
        outcome = job.invoke({"text": "你好"})
    assert outcome.fault is None
    assert outcome.payload["event"] == {"text": "你好"}
    assert (outcome.payload["greeting"], outcome.payload["bytecode"]) == ("hello", True)
    assert 0 < outcome.payload["remaining"] <= 20_000
    assert len(outcome.payload["request_id"]) == 36
    assert (tmp_path / "job.log").read_text() == "a line for the log\n"


def test_a_process_serves_many_invocations(tmp_path):
    with pool(tmp_path, "echo") as job:
        assert len({job.invoke({}).payload["pid"] for _ in range(3)}) == 1


def test_two_workers_serve_at_the_same_time(tmp_path):
    with pool(tmp_path, "echo", size=2) as job, ThreadPoolExecutor(4) as callers:
        outcomes = list(callers.map(lambda n: job.invoke({"n": n}), range(20)))
    assert [outcome.payload["event"]["n"] for outcome in outcomes] == list(range(20))


@pytest.mark.parametrize(("handler", "fault"), [("fail", "KeyError"), ("unspeakable", "TypeError")])
def test_a_failing_function_keeps_its_process_and_logs_why(tmp_path, handler, fault):
    with pool(tmp_path, handler) as job:
        first, second = job.invoke({}), job.invoke({})
    assert (first.fault, second.fault) == (fault, fault)
    assert not first.lost_worker
    assert (tmp_path / "job.log").read_text().count(f'"errorType": "{fault}"') == 2


def test_a_crash_costs_one_invocation_and_the_worker_is_replaced(tmp_path, caplog):
    with pool(tmp_path, "crash_once", MARKER=str(tmp_path / "crashed")) as job:
        first, second = job.invoke({}), job.invoke({})
    assert (first.fault, second.fault) == ("crashed", None)
    assert [record.getMessage() for record in caplog.records] == ["function job crashed; its worker is replaced"]


@needs_pidfd
def test_a_worker_that_died_while_idle_costs_nothing(tmp_path, caplog):
    with pool(tmp_path, "echo") as job:
        pid = job.invoke({}).payload["pid"]
        ended = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        assert select.select([ended], [], [], 20)[0]
        os.close(ended)
        outcome = job.invoke({})
    assert outcome.fault is None and outcome.payload["pid"] != pid
    assert "crashed while idle" in caplog.text


def test_a_function_that_takes_too_long_is_ended(tmp_path):
    with pool(tmp_path, "hang", timeout=0.3) as job:
        job.await_ready()
        outcome = job.invoke({})
    assert (outcome.fault, outcome.lost_worker) == ("timed out after 0.3 s", True)


def test_no_idle_worker_in_time_is_throttled(tmp_path):
    with pool(tmp_path, "hang", timeout=1) as job, ThreadPoolExecutor(2) as callers:
        job.await_ready()
        outcomes = callers.map(lambda _: job.invoke({}, wait=0.01), range(2))
    assert {outcome.fault for outcome in outcomes} == {"throttled", "timed out after 1 s"}


def test_an_invocation_under_way_fails_when_the_stack_ends(tmp_path):
    with pool(tmp_path, "hang") as job, ThreadPoolExecutor(1) as caller:
        job.await_ready()
        busy = caller.submit(job.invoke, {})
        job.stop()
        assert busy.result().fault == "crashed"


@pytest.mark.parametrize(
    ("handler", "says"),
    [("functions.nowhere.handler.lambda_handler", "No module named"), ("tests.fakes.local_function.nothing", "no attribute")],
)
def test_a_function_that_cannot_be_loaded_is_told_in_one_line(tmp_path, handler, says):
    with pool(tmp_path, handler) as job, pytest.raises(FunctionBroken, match=says) as caught:
        job.await_ready()
    assert "\n" not in str(caught.value)


@needs_pidfd
def test_a_worker_ends_with_whoever_started_it_even_in_the_middle_of_an_invocation(tmp_path):
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from infra.local.workers import *\n"
            f"pool = FunctionPool(FunctionSpec(name='job', handler='{HANDLERS}.hang', timeout=60, environ={{}}, log=Path(sys.argv[1])))\n"
            "pool.await_ready(); print(pool._workers[0].process.pid, flush=True); pool.invoke({})",
            str(tmp_path / "job.log"),
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with parent:
        ended = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        assert select.select([ended], [], [], 20)[0]
        os.close(ended)
