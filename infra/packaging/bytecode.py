"""Bytecode at build time: without it, imports cost a cold start three to four times as much.

The bytecode of one minor version is of no use to another, so a CPython of the functions' own version compiles it where this
machine has one. The files are "unchecked": Lambda unpacks a zip with times of its own, and a time stamp would not match.
https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.packaging import RUNTIME, PackagingFailed

CHANNELS = "/functions/channels/"
_PROBE = (
    "import sys; print(sys.implementation.cache_tag, sys.version_info.releaselevel, '.'.join(map(str, sys.version_info[:3])))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython of the functions' version on this machine."""

    path: str
    version: str


@cache
def find_interpreter() -> Interpreter | None:
    """The first CPython of the functions' version: this one, on PATH, of pyenv, of uv. Nothing is downloaded."""
    return next((found for path in _candidates() if (found := _probed(path))), None)


def compile_bytecode(folder: Path, interpreter: Interpreter, *, unpacked_at: str) -> None:
    """Compile every source under `folder`. `unpacked_at` is where Lambda will have it, so that tracebacks name that path."""
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", unpacked_at]
    command = [interpreter.path, "-I", "-m", "compileall", *options, str(folder)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode:
        raise PackagingFailed(f"Python {interpreter.version} cannot compile this:\n{outcome.stdout}{outcome.stderr}")


def replace_sources(folder: Path, interpreter: Interpreter, *, unpacked_at: str) -> None:
    """Put bytecode in the place of a function's sources, so that each module is shipped once.

    Channels stay sources: a process needs one or two of them, whose compilation costs a few milliseconds, and the bytecode of all of
    them would be more than half of the zip.
    """
    options = [
        "-q",
        "-b",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        str(folder),
        "-p",
        unpacked_at,
        "-x",
        re.escape(CHANNELS),
    ]
    command = [interpreter.path, "-I", "-m", "compileall", *options, str(folder)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode:
        raise PackagingFailed(f"Python {interpreter.version} cannot compile this:\n{outcome.stdout}{outcome.stderr}")
    for bytecode in folder.rglob("*.pyc"):
        bytecode.with_suffix(".py").unlink(missing_ok=True)


def _candidates() -> Iterator[str]:
    yield sys.executable
    yield from filter(None, [shutil.which(RUNTIME)])
    version = RUNTIME.removeprefix("python")
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    yield from map(str, sorted(pyenv.glob(f"versions/{version}*/bin/{RUNTIME}")))
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or "~/.local/share/uv/python").expanduser()
    yield from map(str, sorted(uv.glob(f"cpython-{version}*/bin/{RUNTIME}")))


def _probed(path: str) -> Interpreter | None:
    # A shim of pyenv is on PATH for versions that are not chosen: it runs and fails.
    try:
        outcome = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    wanted = "cpython-" + RUNTIME.removeprefix("python").replace(".", "")
    match outcome.stdout.split():
        case [tag, "final", version] if outcome.returncode == 0 and tag == wanted:
            return Interpreter(path, version)
    return None
