"""The layer: the locked wheels for Lambda's machine and Python, without what never runs there."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.packaging import ROOT, RUNTIME, PackagingFailed

LOCK = ROOT / "infra" / "layers" / "deps" / "requirements.txt"
UNPACKED_AT = "/opt/python"

# Licences and METADATA stay: the first because they must, the second because libraries ask for versions.
PRUNED = (
    "bin",  # console scripts, with this machine's paths in them
    "**/*.pyi",
    "**/py.typed",
    "**/tests",
    "*.dist-info/RECORD",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    "*.dist-info/direct_url.json",
    "*.dist-info/sboms",
    "cffi",  # cryptography needs `_cffi_backend` only; the rest compiles C, with pycparser
    "cffi-*.dist-info/entry_points.txt",
    "pycparser",
    "pycparser-*.dist-info",
    "pydantic/v1",  # for models of version 1, of which there are none
    "pydantic/mypy.py",
    "aws_lambda_powertools/event_handler/openapi/swagger_ui",  # a web page's scripts
)


@dataclass(frozen=True, slots=True)
class Machine:
    """For which machine wheels are chosen: its architecture, and the Python version."""

    architecture: str
    python: str

    def platforms(self) -> tuple[str, ...]:
        """Pip's platform tags that fit. Lambda's Python runs on Amazon Linux 2023, whose C library is 2.34."""
        return tuple(f"{tag}_{self.architecture}" for tag in ("manylinux2014", "manylinux_2_28"))


LAMBDA = Machine("aarch64", RUNTIME.removeprefix("python"))


class IndexUnreachable(PackagingFailed):
    """No package index answers."""


def build_layer(target: Path, *, machine: Machine | None = LAMBDA, lock: Path = LOCK) -> None:
    """Install the lock into `target` and prune it; `machine` None is this machine and this Python. Nothing is compiled from source."""
    chosen = [*_platforms(machine), "--python-version", machine.python, "--implementation", "cp"] if machine else []
    locked = ["--only-binary=:all:", "--no-deps", "--require-hashes", "-r", str(lock)]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-input"]
    command = [sys.executable, "-m", "pip", "install", *quiet, *chosen, *locked, "--target", str(target)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PIP_USER": "0"})
    if outcome.returncode:
        unreachable = "after connection broken by" in outcome.stderr
        raise (IndexUnreachable if unreachable else PackagingFailed)(outcome.stderr.strip())
    _prune(target)


def _platforms(machine: Machine) -> list[str]:
    return [option for platform in machine.platforms() for option in ("--platform", platform)]


def cached_layer(cache: Path, *, machine: Machine | None = LAMBDA, lock: Path = LOCK) -> Path:
    """A built layer in `cache`, made when the lock, this file or the machine has not been seen before."""
    chosen = machine or sys.implementation.cache_tag
    key = hashlib.sha256(lock.read_bytes() + Path(__file__).read_bytes() + repr(chosen).encode()).hexdigest()[:16]
    finished = cache / key
    if not finished.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache) as scratch:
            build_layer(Path(scratch, "layer"), machine=machine, lock=lock)
            _settle(Path(scratch, "layer"), finished)
    return finished


def _settle(built: Path, finished: Path) -> None:
    try:
        built.rename(finished)
    except OSError:
        if not finished.exists():  # else another process was quicker, with the same content
            raise


def _prune(layer: Path) -> None:
    for pattern in PRUNED:
        for path in list(layer.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
