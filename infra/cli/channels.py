"""`postroom channels`: which there are, and whether one behaves as its platform does."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.bundle import CONFIG
from infra.cli.place import Json, say

if TYPE_CHECKING:
    from rich.table import Table

    from infra.conformance.address import Address

# Columns of docs/channels.md that a terminal has no room for.
FOR_READERS = ("vendor's tries", "told beside messages", "verified against")

channels = typer.Typer(help="List the channels; test one against its simulator.", invoke_without_command=True)


@channels.callback()
def listed(context: typer.Context, as_json: Json = False) -> None:
    """List every channel with what it supports."""
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console

    from infra.conformance.matrix import COLUMNS, rows

    if as_json:
        say({"channels": [dict(zip(COLUMNS, row, strict=True)) for row in rows()]}, "", as_json=True)
        return
    shown = [name for name in COLUMNS if name not in FOR_READERS]
    table = _table("Channels", *shown)
    for row in rows():
        said = dict(zip(COLUMNS, row, strict=True))
        table.add_row(*(said[name].replace("`", "") for name in shown))
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(table)
    console.print(
        f"Any account only receives whose settings say receive_only: true. docs/channels.md has {', '.join(FOR_READERS)} too."
    )


@channels.command()
def test(
    channel: Annotated[str, typer.Argument(help="A channel's name, or `all`.")],
    url: Annotated[str, typer.Option(help="The address under test, without /webhooks.")] = "http://127.0.0.1:8080",
    account: Annotated[str, typer.Option(help="The account whose credentials both sides hold.")] = "demo",
    credentials: Annotated[Path, typer.Option(help="A file like config/channels.local.yaml.")] = CONFIG / "channels.local.yaml",
) -> None:
    """Be the platform: handshake, good and forged webhooks, duplicates, retries, oddities. Exit 1 if any case fails."""
    from rich.console import Console
    from urllib3 import PoolManager

    from functions.channels.registry import ChannelUnknown
    from infra.conformance.address import AddressUnreachable, address
    from infra.local.accounts import read_accounts
    from infra.simulators.custom import UnknownForm
    from infra.simulators.registry import simulator_class

    accounts = read_accounts(credentials)
    chosen = [name for name in sorted(accounts) if account in accounts[name]] if channel == "all" else [channel]
    if channel != "all" and account not in accounts.get(channel, {}):
        sys.exit(f"postroom: {credentials.name} has no account {channel}/{account}")
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    seen: Counter[str] = Counter()
    with PoolManager() as http:
        for name in chosen:
            try:
                simulator = simulator_class(name)(account, accounts[name][account])
                seen += _tested(console, simulator, address(http, url, name, account, simulator.patience.timeout))
            except AddressUnreachable as problem:
                sys.exit(f"postroom: {problem}")
            except ChannelUnknown:
                sys.exit(f"postroom: {name} has no simulator to play the platform (infra/simulators/{name}.py)")
            except UnknownForm as form:
                sys.exit(f"postroom: {name}/{account}: only the platform can sign by {form}; send what it sends")
    if len(chosen) > 1:
        console.print(f"{len(chosen)} channels: {', '.join(f'{count} {outcome}' for outcome, count in sorted(seen.items()))}")
    if seen["failed"]:
        raise typer.Exit(1)


def _tested(console: Any, simulator: Any, at: Address) -> Counter[str]:
    from infra.conformance.cases import Bench, verdicts

    bench = Bench(simulator, at, first_person=int(time.time() * 10) % 10**6)
    table, seen = _table(f"{at.channel}/{at.account} at {at.url}", "case", "outcome", "seen"), Counter[str]()
    for verdict in verdicts(bench):
        seen[verdict.outcome] += 1
        colour = {"passed": "green", "failed": "red"}.get(verdict.outcome, "dim")
        table.add_row(verdict.case, f"[{colour}]{verdict.outcome}[/]", verdict.detail)
    console.print(table)
    return seen


def _table(title: str, *columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
