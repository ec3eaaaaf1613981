"""`postroom archive`: whether what is archived is what was archived."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import typer

from infra.cli.place import BucketName, Channels, Json, TableName, catalogue_of, one_line, say, table_of

if TYPE_CHECKING:
    from infra.records.verify import Verdict

archive = typer.Typer(help="Check the archive.", no_args_is_help=True)


@archive.callback()
def _commands() -> None:
    """With a callback, a single command keeps its name."""


@archive.command()
def verify(
    *,
    table: TableName,
    bucket: BucketName,
    since: str | None = typer.Option(None, help="The first day, YYYY-MM-DD; the oldest there is otherwise."),
    until: str | None = typer.Option(None, help="The last day, YYYY-MM-DD; today otherwise."),
    channel: Channels = None,
    as_json: Json = False,
) -> None:
    """Read every part again and compare it with its manifest. Names what is wrong, one line each, and exits with 1 then."""
    from functions.common.clock import system_clock
    from infra.records.progress import told
    from infra.records.verify import verify as verified

    with one_line():
        catalogue = catalogue_of(table_of(table), bucket)
        # The archive's zone may be a day ahead of UTC.
        newest = (system_clock() + timedelta(days=1)).date().isoformat()
        last = min(_day(until) or newest, newest)
        first = _day(since) or catalogue.first_day() or last
        manifests = list(catalogue.parts(first, last, channel or ()))
        verdict = verified(catalogue, first, last, channel or (), seen=told(manifests, "parts", total=len(manifests)))
    say(verdict, _words(verdict), as_json=as_json)
    if verdict.problems:
        raise typer.Exit(1)


def _words(verdict: Verdict) -> str:
    lines = [f"{problem.key}: {problem.what}" for problem in verdict.problems]
    lines += [f"{key}: belongs to no committed part; no reader takes it for one" for key in verdict.strays]
    sound = f"{verdict.parts} parts read, {verdict.messages} messages sound ({verdict.bytes} bytes)"
    return "\n".join([*lines, f"{sound}, {len(verdict.problems)} problems" if verdict.problems else sound])


def _day(text: str | None) -> str | None:
    from infra.records.errors import PeriodInvalid

    try:
        return text and date.fromisoformat(text).isoformat()
    except ValueError:
        raise PeriodInvalid(f"not a day: {text}") from None
