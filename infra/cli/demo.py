"""`postroom demo`: the whole post room at work, in half a minute."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer


def demo(
    width: Annotated[int | None, typer.Option(min=80, max=400, help="Columns to print in; the terminal's by default.")] = None,
) -> None:
    """Start the stack, send customers' messages through it, and show what became of them. Exit 1 if that is not what should have."""
    from rich.console import Console

    from infra.demo.findings import findings
    from infra.demo.report import report
    from infra.demo.tour import tour
    from infra.local.stack import Stack

    console = Console(width=width or (None if os.isatty(1) else 160), highlight=False, emoji=False)
    with tempfile.TemporaryDirectory(prefix="postroom-demo-") as directory:
        console.print("Starting the local stack from template.yaml …")
        with Stack(0, directory=Path(directory)) as stack:
            outcome = tour(stack, console.print, Path(directory) / "operator")
    report(outcome, console)
    problems = findings(outcome)
    for problem in problems:
        console.print(f"Not as it should be: {problem}", style="red", markup=False)
    if problems:
        raise typer.Exit(1)
    console.print("Everything happened as it should.", style="green")
    console.print(
        "Next: `make run`, then the README's section on signing a webhook by hand; docs/architecture.md says how it works."
    )
