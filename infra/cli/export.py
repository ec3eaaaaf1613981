"""`postroom export`: messages of any time as CSVs in an encrypted zip, as the month-end pack has them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.month_pack import made
from infra.cli.place import BucketName, Day, Json, Shards, Since, TableName, Until, one_line, say, table_of, zone
from infra.records.period import Asked

if TYPE_CHECKING:
    from datetime import datetime

    from functions.archive.pack import Sheet
    from functions.archive.pack_source import PackSource
    from functions.archive.parts import Filed
    from infra.records.period import Period

Secret = Annotated[str, typer.Option("--secret", envvar="EXPORT_PASSWORD", help="The stack's output ExportPasswordArn.")]


def export(
    *,
    table: TableName,
    bucket: BucketName,
    secret: Secret,
    to: Annotated[Path | None, typer.Option(help="The zip to write.")] = None,
    pack: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM", help="A month's own pack, which is owed or gone: into the export bucket, and no file."),
    ] = None,
    export_bucket: Annotated[
        str | None, typer.Option(envvar="EXPORT_BUCKET", help="The stack's output ExportBucketName, for --pack.")
    ] = None,
    shards: Shards = 4,
    month: Annotated[str | None, typer.Option(help="A whole month, YYYY-MM.")] = None,
    last_days: Annotated[
        int | None, typer.Option(min=1, max=366, help="The last so many days, today too; 3 if no time is said.")
    ] = None,
    day: Day = None,
    since: Since = None,
    until: Until = None,
    as_json: Json = False,
) -> None:
    """Write a pack: a CSV per month and business, as 2026-11_投诉.csv. It is there whole, or not at all.

    With --pack the very pack that the archive's function owes, encrypted and put where it would have put it, and owed no more.
    """
    asked = Asked(last_days=last_days, day=day, since=since, until=until)
    with one_line():
        _one_thing(to, pack, month, asked)
        if pack is not None:
            told = made(pack, table=table, bucket=bucket, export_bucket=export_bucket, secret=secret, shards=shards)
            say(told, f"{told['key']}: {'made' if told['made'] else 'it is there'}", as_json=as_json)
        elif to is not None:
            told = _file(to, asked, month, table=table, bucket=bucket, secret=secret, shards=shards)
            say(told, f"{to}: {len(told['sheets'])} CSVs, {told['bytes']} bytes", as_json=as_json)


def _one_thing(to: Path | None, pack: str | None, month: str | None, asked: Asked) -> None:
    from infra.records.errors import NothingChosen

    if (to is None) == (pack is None) or (pack is not None and (month is not None or asked != Asked())):
        raise NothingChosen("say --to FILE and the time that is wanted, or --pack YYYY-MM and nothing beside it")


def _file(to: Path, asked: Asked, month: str | None, *, table: str, bucket: str, secret: str, shards: int) -> dict[str, Any]:
    from functions.archive.overtaken import Lookout
    from functions.archive.pack import sheets
    from functions.archive.password import password
    from functions.archive.tombstones import Tombstones
    from functions.common.aws import client
    from functions.common.clock import system_clock

    now = system_clock()
    time = _period(asked, month, now)
    wanted = sheets(time.since, time.until, zone())
    lookout = Lookout(Tombstones(table_of(table)))  # before anything is read
    for begun in lookout.under_way:
        print(
            f"an erasure begun at {begun.at:%Y-%m-%d %H:%M}Z has not come to its end: no pack to a file heeds it",
            file=sys.stderr,
        )
    source, key = _source(table, bucket, shards, time), password(client("secretsmanager"), secret)
    size = written(to, _packed(wanted, source, key, now), last=lookout.check)
    return {"file": str(to), "sheets": [each.name for each in wanted], "bytes": size}


def _packed(wanted: tuple[Sheet, ...], source: PackSource, password: str, now: datetime) -> Iterator[bytes]:
    from functions.archive.pack import pack

    return pack(wanted, lambda each: _watched(source, each), zone=zone(), password=password, made_at=now)


def _period(asked: Asked, month: str | None, now: datetime) -> Period:
    from infra.records.errors import PeriodInvalid
    from infra.records.period import month as whole_month
    from infra.records.period import read_period

    where = zone()
    given = read_period(asked, now=now, zone=where)
    if month is None:
        found = given or read_period(Asked(last_days=3), now=now, zone=where)
        assert found is not None, "three days are a time"
        return found
    if given is not None:
        raise PeriodInvalid("say the time in one way")
    try:
        return whole_month(date.fromisoformat(f"{month}-01"), where)
    except ValueError:
        raise PeriodInvalid(f"not a month: {month}") from None


def _source(table: str, bucket: str, shards: int, time: Period) -> PackSource:
    from functions.archive.bucket import ArchiveBucket
    from functions.archive.due import DueReader
    from functions.archive.hot import HotReader
    from functions.archive.manifests import Ledger
    from functions.archive.pack_source import PackSource
    from functions.archive.tombstones import Tombstones
    from functions.common.aws import client
    from infra.records.hot import Unreadable

    known = table_of(table)
    reader = HotReader(known, shards, DueReader(known, shards, Unreadable()))

    def hot(keep: Callable[[Filed], None]) -> None:
        for filed in reader.read(time.since, time.until):
            keep(filed)

    archive = ArchiveBucket(client("s3", read_seconds=60), bucket)
    return PackSource(archive, Ledger(known), hot, time.since, time.until, tombstones=Tombstones(known, archive))


def _watched(source: PackSource, wanted: Sheet) -> Iterable[bytes]:
    from infra.records.progress import told

    return told(source(wanted), f"messages read for {wanted.name}", total=source.messages)


def written(to: Path, content: Iterator[bytes], *, last: Callable[[], None] = lambda: None) -> int:
    """Write the file under another name, and give it its own when it is whole; what `last`, asked then, raises leaves no file."""
    rough = to.with_name(f".{to.name}.coming")
    try:
        with rough.open("wb") as file:
            file.writelines(content)
        last()
        size = rough.stat().st_size
        rough.replace(to)
    finally:
        rough.unlink(missing_ok=True)
    return size
