"""A Lambda execution environment on this machine: a function's built artifact, the layer, and what the runtime brings.

All three hold bytecode of the interpreter that runs them, as on Lambda. Under CPython 3.13 where one is found, else under this Python.
"""

from __future__ import annotations

import atexit
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from bench.rig.figures import NotMeasurable
from infra.cli.bundle import compile_bundle
from infra.local import template
from infra.packaging import ROOT, RUNTIME, PackagingFailed
from infra.packaging.bytecode import Interpreter, compile_bytecode, find_interpreter, replace_sources
from infra.packaging.function import build_function
from infra.packaging.layer import LOCK, Machine, cached_layer

CACHE = ROOT / ".local" / "bench"
RUNTIME_LOCK = ROOT / "requirements" / "bench.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a function would find everything. `path` is what Lambda's `sys.path` would be, the artifact first."""

    python: Interpreter
    path: tuple[Path, ...]
    variables: Mapping[str, str]

    def environ(self) -> dict[str, str]:
        """The process environment: nothing of this machine's but PATH, and no account's keys."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join(map(str, self.path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.variables,
        }


def functions() -> dict[str, str]:
    """Every function of template.yaml: its package's name and its handler."""
    return {function.name: function.handler for function in template.load().functions}


def interpreter() -> Interpreter:
    """What the measured code runs under."""
    return find_interpreter() or Interpreter(sys.executable, platform.python_version())


def environment_of(name: str) -> Environment:
    """The environment of function `name`, its artifact freshly built."""
    try:
        artifact = _scratch(name)
        build_function(name, artifact, default_bundle=compile_bundle)
    except PackagingFailed as problem:
        raise NotMeasurable(str(problem)) from None
    replace_sources(artifact, interpreter(), unpacked_at=str(artifact))
    (function,) = (function for function in template.load().functions if function.name == name)
    # What names a resource is never asked for; a number passes for text and for itself.
    variables = {variable: value if isinstance(value, str) else "1" for variable, value in function.variables.items()}
    return Environment(python=interpreter(), path=(artifact, *shared()), variables=variables)


def environment_with(source: str, module: str) -> Environment:
    """An environment whose artifact is one module of ours, beside the same layer and runtime."""
    artifact = _scratch(module)
    (artifact / f"{module}.py").write_text(source, encoding="utf-8")
    compile_bytecode(artifact, interpreter(), unpacked_at=str(artifact))
    return Environment(python=interpreter(), path=(artifact, *shared()), variables={})


def shared() -> tuple[Path, Path]:
    """The layer and what the runtime brings, for this machine, in the order in which Lambda looks at them."""
    version = interpreter().version.rpartition(".")[0]
    machine = None
    if f"python{version}" == RUNTIME and not sys.version.startswith(version):
        machine = Machine(platform.machine(), version)
    try:
        layer, runtime = (cached_layer(CACHE, machine=machine, lock=lock) for lock in (LOCK, RUNTIME_LOCK))
    except PackagingFailed as problem:
        raise NotMeasurable(f"the layer cannot be built: {str(problem).splitlines()[-1]}") from None
    for folder in (layer, runtime):
        if not any(folder.glob(f"*/__pycache__/*.{_tag(version)}.pyc")):
            compile_bytecode(folder, interpreter(), unpacked_at=str(folder))
    return layer, runtime


def _tag(version: str) -> str:
    return "cpython-" + version.replace(".", "")


def _scratch(name: str) -> Path:
    folder = CACHE / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(prefix=f"{name}-", dir=folder))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return scratch
