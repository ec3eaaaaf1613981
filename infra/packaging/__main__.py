"""`python -m infra.packaging function Ingest DIR` and `… layer DIR`: one artifact, and one line about it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from infra.packaging import RUNTIME, PackagingFailed, function, layer, zipped_size
from infra.packaging.bytecode import Interpreter, compile_bytecode, find_interpreter, replace_sources


def main(arguments: list[str]) -> int:
    """Build what is asked for; 1 with a reason on stderr when it cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m infra.packaging")
    what = parser.add_subparsers(dest="what", required=True)
    one = what.add_parser("function", help="one function's artifact")
    one.add_argument("name", help="the function's package, or its name in the template without `Function`")
    one.add_argument("target", type=Path)
    what.add_parser("layer", help="the layer of run-time dependencies").add_argument("target", type=Path)
    asked = parser.parse_args(arguments)
    try:
        print(_function(asked.name.lower(), asked.target) if asked.what == "function" else _layer(asked.target), flush=True)
    except PackagingFailed as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _function(name: str, target: Path) -> str:
    function.build_function(name, target, default_bundle=_default_bundle)
    return _finished(name, target, partial(replace_sources, target, unpacked_at=function.UNPACKED_AT))


def _layer(target: Path) -> str:
    layer.build_layer(target / "python")
    return _finished("layer", target, partial(compile_bytecode, target / "python", unpacked_at=layer.UNPACKED_AT))


def _finished(name: str, target: Path, compiled: Callable[[Interpreter], None]) -> str:
    interpreter = find_interpreter()
    if interpreter:
        compiled(interpreter)
        bytecode = f"bytecode by CPython {interpreter.version}"
    else:
        bytecode = f"NOTE: no {RUNTIME} on PATH, of pyenv or of uv, so no bytecode: cold starts will take longer"
    return f"{name}: {zipped_size(target) / 1024:.0f} KB zipped, {bytecode}"


def _default_bundle() -> bytes:
    from infra.cli.bundle import ConfigInvalid, compile_bundle

    try:
        return compile_bundle()
    except ModuleNotFoundError as missing:
        raise PackagingFailed(f"{missing.name} is not installed for {sys.executable}; `make build` sees to that") from None
    except ConfigInvalid as problem:
        raise PackagingFailed(f"config: {problem}") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
