"""Starting and stopping real engines: skipped in one line where they cannot be had, gone when the tests are over, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.engines import __main__ as command
from infra.engines import servers
from infra.engines.maven import Coordinates, EngineUnavailable, fetched
from infra.engines.servers import EngineFailed
from infra.packaging import ROOT

WANTED = Coordinates("org.example", "engine", "1.0")
HTTP_SERVER = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what a test puts there and the shell's own."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    return tmp_path / "bin"


def test_without_java_the_tests_are_skipped_in_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    assert capsys.readouterr().out == "Tests against real engines skipped: no Java on PATH\n"
    assert command.main(["--required"]) == 1


def test_an_old_java_is_no_java(path: Path) -> None:
    program(path, "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    with pytest.raises(EngineUnavailable, match="Java 17 or newer is needed, and this one is 11"):
        servers.java()


def test_without_maven_the_reason_names_it(path: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="no Maven"):
        fetched(WANTED, tmp_path / "cache")


def test_a_repository_that_cannot_be_reached_is_a_reason_and_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    program(path, "mvn", "echo '[ERROR] Could not transfer artifact engine: Unknown host -> [Help 1]'; exit 1")
    with pytest.raises(EngineUnavailable, match=r"org.example:engine:1.0: Could not transfer artifact engine: Unknown host$"):
        fetched(WANTED, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_engine_is_fetched_once(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    find_folder = 'for option in "$@"; do case "$option" in -DoutputDirectory=*) folder="${option#*=}";; esac; done'
    program(path, "mvn", f'{find_folder}\necho run >> {tmp_path / "runs"}; mkdir "$folder"; echo jar > "$folder/a.jar"')
    folders = {fetched(WANTED, tmp_path / "cache") for _ in range(2)}
    assert [(folder / "a.jar").read_text() for folder in folders] == ["jar\n"]
    assert (tmp_path / "runs").read_text() == "run\n"


def test_an_engine_answers_within_its_block_and_is_gone_after_it_even_when_that_fails(tmp_path: Path) -> None:
    port = servers._free_port()
    with pytest.raises(ZeroDivisionError), servers._running("engine", [*HTTP_SERVER, str(port)], port, tmp_path):
        assert servers._answers(port)
        raise ZeroDivisionError
    assert not servers._answers(port)


def test_an_engine_that_ends_at_once_says_why(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "raise SystemExit('no such option')"]
    with (
        pytest.raises(EngineFailed, match="no such option"),
        servers._running("engine", failing, servers._free_port(), tmp_path),
    ):
        pytest.fail("the block must not run")


def test_the_tests_find_the_engines_and_nothing_else_of_aws() -> None:
    environ = command.environment("http://127.0.0.1:1", "http://127.0.0.1:2")
    assert environ["AWS_ENDPOINT_URL_DYNAMODB"] == environ["POSTROOM_TEST_DYNAMODB_ENDPOINT"] == "http://127.0.0.1:1"
    assert environ["AWS_ENDPOINT_URL_SQS"] == "http://127.0.0.1:2"
    assert environ["AWS_ACCESS_KEY_ID"].isalnum()


def test_the_first_command_that_fails_decides_the_outcome(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    commands = [["true"], ["sh", "-c", "exit 3"], ["touch", str(ran)]]
    assert command._run(commands, dict(os.environ)) == 3
    assert not ran.exists()


def test_a_terminated_run_stops_its_engines(tmp_path: Path) -> None:
    port = servers._free_port()
    script = f"""
import signal, sys, pathlib
from infra.engines import __main__ as command, servers
signal.signal(signal.SIGTERM, command._unwind)
with servers._running("engine", {[*HTTP_SERVER, str(port)]!r}, {port}, pathlib.Path({str(tmp_path)!r})):
    print("up", flush=True)
    signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT) as run:
        assert run.stdout
        assert run.stdout.readline() == "up\n"
        run.send_signal(signal.SIGTERM)
        assert run.wait(30) == 128 + signal.SIGTERM
    assert not servers._answers(port)
