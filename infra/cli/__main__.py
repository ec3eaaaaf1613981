"""`python -m infra.cli`: what can be said in one line is, on stderr, with exit code 1."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that the arguments name."""
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


def _missing(error: ModuleNotFoundError) -> str:
    name = error.name or str(error)
    name = name if name.startswith(("functions", "infra")) else name.partition(".")[0]
    return f"postroom: Python module {name} is missing; `make .venv/run .venv/dev` installs what commands need, training too"


if __name__ == "__main__":
    main()
