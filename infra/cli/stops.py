"""`postroom stop`, `start`, `stops`: the kill switch."""

from __future__ import annotations

import getpass
import re
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.place import Json, TableName, one_line, say, table_of

if TYPE_CHECKING:
    from functions.autoreply.stop_board import Change, StopBoard

Scope = Annotated[
    str,
    typer.Argument(metavar="SCOPE", help="`all`, `channel:wechat_oa`, `account:wechat_oa/shop`, or `rule:` and a template."),
]
By = Annotated[str, typer.Option("--by", default_factory=getpass.getuser, show_default="your user name", help="On whose word.")]
Why = Annotated[str, typer.Option("--why", help="Why; everybody who looks at the stops will read it.")]

_SPAN = re.compile(r"(\d{1,4})(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class NoSpan(typer.BadParameter):
    """The text is no length of time."""


def stop(
    scope: Scope,
    *,
    table: TableName,
    why: Why,
    by: By,
    lasting: Annotated[
        str | None, typer.Option("--for", help="How long, `30m`, `2h`, `7d`; until it is started otherwise.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let no machine answer in a scope; within thirty seconds, everywhere."""
    from functions.autoreply.stop_board import Change, scope_of
    from functions.common.clock import system_clock
    from functions.common.wire import plain

    with one_line():
        now = system_clock()
        until = now + span(lasting) if lasting else None
        change = Change(scope=scope_of(scope), act="stop", by=by, at=now, why=why, until=until)
        _board(table).note(change)
    words = f"stopped: {change.scope}" + (f", until {change.until:%Y-%m-%d %H:%M}Z" if change.until else "")
    say(plain(change), words, as_json=as_json)


def start(
    scope: Scope,
    *,
    table: TableName,
    by: By,
    why: Annotated[str, typer.Option("--why", help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """Let machines answer in a scope again."""
    from functions.autoreply.stop_board import Change, scope_of
    from functions.common.clock import system_clock
    from functions.common.wire import plain

    with one_line():
        change = Change(scope=scope_of(scope), act="start", by=by, at=system_clock(), why=why)
        _board(table).note(change)
    say(plain(change), f"started: {change.scope}", as_json=as_json)


def stops(
    table: TableName,
    every: Annotated[
        bool, typer.Option("--all", help="Also what was started again or ended, with everything that was done.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List what is stopped: by whom, since when, why and until when."""
    from functions.common.clock import system_clock

    with one_line():
        board, now = _board(table), system_clock()
        latest = board.latest()
        found = (
            [done for each in latest for done in board.history(each.scope)] if every else [c for c in latest if c.stands(now)]
        )
    words = "\n".join(map(_line, found)) or "nothing is stopped"
    say({"stops": [_plain(change) for change in found]}, words, as_json=as_json)


def span(text: str) -> timedelta:
    """A length of time as operators write it; `NoSpan` otherwise."""
    match = _SPAN.fullmatch(text)
    if match is None or match[1].strip("0") == "":
        raise NoSpan(f"{text!r} is no length of time: 30m, 2h, 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _board(table: str) -> StopBoard:
    from functions.autoreply.stop_board import StopBoard
    from functions.common.clock import system_clock

    return StopBoard(table_of(table), system_clock)


def _line(change: Change) -> str:
    until = f" until {change.until:%Y-%m-%d %H:%M}Z" if change.until else ""
    why = f": {change.why}" if change.why else ""
    return f"{change.scope}  {change.act} by {change.by} {change.at:%Y-%m-%d %H:%M}Z{until}{why}"


def _plain(change: Change) -> dict[str, str | None]:
    from functions.common.clock import to_iso

    times = {"at": to_iso(change.at), "until": to_iso(change.until) if change.until else None}
    return asdict(change) | times
