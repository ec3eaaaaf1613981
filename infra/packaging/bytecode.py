"""Bytecode at build time: without it, imports cost a cold start three to four times as much.

The bytecode of one minor version is of no use to another, so a CPython of the functions' own version compiles it where this
machine has one. The files are "unchecked": Lambda unpacks a zip with times of its own, and a time stamp would not match.
https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.packaging import RUNTIME, PackagingFailed
from infra.packaging.lean import lean

CHANNELS = "/functions/channels/"
_PROBE = (
    "import sys; print(sys.implementation.cache_tag, sys.version_info.releaselevel, '.'.join(map(str, sys.version_info[:3])))"
)
# Runs in the functions' own Python. A .pyc is a magic number, flags (1: by hash, never checked), that hash, and the code (PEP 552).
_COMPILER = """
import ast, importlib.util, marshal, pathlib, sys
folder, unpacked_at, skipped = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
functions = (ast.FunctionDef, ast.AsyncFunctionDef)
documented = (ast.Module, ast.ClassDef, *functions)
for path in sorted(folder.rglob("*.py")):
    if skipped in str(path):
        continue
    source = path.read_bytes()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.copy_location(ast.Pass(), node.body[0])])
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, functions):
            node.returns = None
    code = compile(tree, unpacked_at + "/" + path.relative_to(folder).as_posix(), "exec", dont_inherit=True, optimize=0)
    flags = (1).to_bytes(4, "little")
    path.with_suffix(".pyc").write_bytes(
        importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source) + marshal.dumps(code)
    )
"""


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

    Channels stay sources, without comments, docstrings and the types in signatures: a process needs one or two of them, whose compilation
    costs a few milliseconds, and the bytecode of all of them would be more than half of the zip. The bytecode, too, lacks docstrings
    and what functions' signatures say of types, which nothing reads there; assertions and the fields of classes stay.
    """
    # Without columns, which only the carets under a traceback's lines need: they are a quarter of it.
    options = ["-I", "-X", "no_debug_ranges", "-c", _COMPILER]
    command = [interpreter.path, *options, str(folder), unpacked_at, CHANNELS]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode:
        raise PackagingFailed(f"Python {interpreter.version} cannot compile this:\n{outcome.stdout}{outcome.stderr}")
    for bytecode in folder.rglob("*.pyc"):
        bytecode.with_suffix(".py").unlink(missing_ok=True)
    for source in folder.rglob("*.py"):
        source.write_text(lean(source.read_text(encoding="utf-8")), encoding="utf-8")


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
