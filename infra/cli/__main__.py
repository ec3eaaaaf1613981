"""`python -m infra.cli`: what can be said in one line is, on stderr, with exit code 1."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path


def main() -> None:
    """Run the command that the arguments name."""
    _open_streams()
    try:
        from infra.cli.app import app
        from infra.local.errors import CannotStart
    except ModuleNotFoundError as error:
        sys.exit(_missing(error))
    try:
        app(prog_name="postroom")
    except CannotStart as error:
        sys.exit(f"postroom: {' '.join(str(error).split())}")
    except ModuleNotFoundError as error:
        sys.exit(_missing(error))


def _open_streams() -> None:
    """Let whatever is said be said: a letter that a terminal's encoding lacks (an emoji in GBK) is a question mark there, and what goes to
    a stream that the shell has closed goes to nobody.
    """
    nowhere = Path(os.devnull)
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="replace")


def _missing(error: ModuleNotFoundError) -> str:
    name = error.name or str(error)
    name = name if name.startswith(("functions", "infra")) else name.partition(".")[0]
    return f"postroom: Python module {name} is missing; `make .venv/run .venv/dev` installs what commands need, training too"


if __name__ == "__main__":
    main()
