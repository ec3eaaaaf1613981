"""`postroom retention`: what the retention policy would remove from the archive."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.bundle import CONFIG
from infra.cli.place import BucketName, Json, TableName, catalogue_of, one_line, say, table_of

if TYPE_CHECKING:
    from functions.archive.cleaning import Sweep, Swept

retention = typer.Typer(help="See what the retention policy would remove.", no_args_is_help=True)


@retention.callback()
def _commands() -> None:
    """With a callback, a single command keeps its name."""


@retention.command()
def preview(
    *,
    table: TableName,
    bucket: BucketName,
    on: Annotated[str | None, typer.Option(help="As if it were this day, YYYY-MM-DD; now otherwise.")] = None,
    directory: Annotated[
        Path, typer.Option(help="Where the YAML files are: a policy can be tried before it is published.")
    ] = CONFIG,
    as_json: Json = False,
) -> None:
    """List, by rule, how many archived messages a nightly run would remove, and how many a hold or an open conversation keeps."""
    from functions.common.clock import system_clock
    from infra.records.progress import ticks

    with one_line():
        now = _end_of(on) if on else system_clock()
        sweep = _sweep(table, bucket, directory)
        with ticks("parts") as seen:
            swept = sweep.preview(now, seen)
        told = {"removed": dict(swept.removed), "kept": dict(swept.kept), "parts": swept.parts}
    say(told, _words(swept), as_json=as_json)


def _sweep(table: str, bucket: str, directory: Path) -> Sweep:
    """The policy of a folder, over a stack's archive."""
    from functions.archive.cleaning import Sweep
    from functions.archive.holds import Holds
    from functions.archive.retention import read_retention
    from infra.cli.bundle import read_sections
    from infra.records.quiet import OnStderr

    known, policy = table_of(table), read_retention(read_sections(directory).get("retention"))
    there = catalogue_of(known, bucket)
    return Sweep(
        table=known, ledger=there.ledger, bucket=there.bucket, holds=Holds(known), retention=policy, telemetry=OnStderr()
    )


def _end_of(day: str) -> datetime:
    from infra.records.errors import PeriodInvalid

    try:
        return datetime.combine(datetime.fromisoformat(day).date(), time(23, 59), UTC)
    except ValueError:
        raise PeriodInvalid(f"{day!r} is no day") from None


def _words(swept: Swept) -> str:
    lines = [f"{name}: {count} messages would be removed" for name, count in swept.removed.items()]
    lines += [f"kept by a {reason}: {count}" for reason, count in swept.kept.items()]
    return "\n".join([*lines, f"{swept.parts} parts would be written anew"]) if lines else "no rules: nothing is ever removed"
