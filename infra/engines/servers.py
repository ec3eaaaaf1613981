"""Running an engine: a JVM on a free port of the loopback interface, ready when it answers HTTP, gone when its block ends."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infra.engines.maven import Coordinates, EngineUnavailable, fetched

DYNAMODB_LOCAL = Coordinates("com.amazonaws", "DynamoDBLocal", "2.6.1")
ELASTICMQ = Coordinates("org.elasticmq", "elasticmq-server_2.13", "1.7.1")
OLDEST_JAVA = 17  # DynamoDB Local since 2.6

_HOST = "127.0.0.1"
# Small and quick to start: these serve one test run.
_JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_READY_WITHIN = 60
_STOPPED_WITHIN = 10
# Accounts and regions are those of moto, so that an ARN means the same thing on either.
_ELASTICMQ_CONFIG = """include classpath("application.conf")
node-address {{ protocol = http, host = "{host}", port = {port}, context-path = "" }}
rest-sqs {{ enabled = true, bind-hostname = "{host}", bind-port = {port}, sqs-limits = strict }}
rest-stats {{ enabled = false }}
generate-node-address = false
queues {{ }}
aws {{ region = us-east-1, accountId = 123456789012 }}
"""


class EngineFailed(Exception):
    """An engine was there and did not start."""


def java() -> str:
    """The path of a Java new enough; `EngineUnavailable` says what is missing."""
    path = shutil.which("java")
    if path is None:
        raise EngineUnavailable("no Java on PATH")
    said = subprocess.run([path, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', said.stderr + said.stdout)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise EngineUnavailable(
            f"Java {OLDEST_JAVA} or newer is needed, and this one is {version[1] if version else 'unknown'}"
        )
    return path


@contextmanager
def dynamodb_local(cache: Path) -> Iterator[str]:
    """DynamoDB Local's endpoint. In memory, one database for all accounts, without telemetry."""
    jars = fetched(DYNAMODB_LOCAL, cache)
    port = _free_port()
    arguments = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    native = f"-Djava.library.path={jars}"
    # It has no option for an address to listen on; a few lines of Java give its server one, where there is a compiler.
    main = [str(Path(__file__).with_name("LoopbackDynamoDB.java"))]
    if shutil.which("javac") is None:
        main = ["com.amazonaws.services.dynamodbv2.local.main.ServerRunner"]
    with _running("dynamodb-local", [java(), *_JVM, native, "-cp", f"{jars}/*", *main, *arguments], port, cache):
        yield f"http://{_HOST}:{port}"


@contextmanager
def elasticmq(cache: Path) -> Iterator[str]:
    """ElasticMQ's endpoint. In memory, with SQS's limits, no queues."""
    jars = fetched(ELASTICMQ, cache)
    port = _free_port()
    config = cache / f"elasticmq-{port}.conf"
    config.write_text(_ELASTICMQ_CONFIG.format(host=_HOST, port=port))
    command = [java(), *_JVM, f"-Dconfig.file={config}", "-cp", f"{jars}/*", "org.elasticmq.server.Main"]
    try:
        with _running("elasticmq", command, port, cache):
            yield f"http://{_HOST}:{port}"
    finally:
        config.unlink()


@contextmanager
def _running(name: str, command: list[str], port: int, cache: Path) -> Iterator[None]:
    log = cache / f"{name}.log"
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches us alone, and we stop it.
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        _await_ready(name, process, port, log)
        yield
    finally:
        _stop(process)


def _await_ready(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise EngineFailed(f"{name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(_HOST, port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True  # whatever it says to a request that is no API call


def _stop(process: subprocess.Popen[bytes]) -> None:
    for last_word in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, last_word)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOPPED_WITHIN)
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
