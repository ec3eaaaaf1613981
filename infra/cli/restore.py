"""`postroom restore`: archived messages back into the table."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.place import BucketName, Day, Json, Since, TableName, Until, catalogue_of, one_line, say, table_of, zone

if TYPE_CHECKING:
    from datetime import datetime

    from functions.archive.manifests import Manifest
    from infra.records.catalogue import Catalogue
    from infra.records.restore import Restored, Wanted


def restore(
    *,
    table: TableName,
    bucket: BucketName,
    conversation: Annotated[str | None, typer.Option(help="One conversation, by its key (16 characters).")] = None,
    contact: Annotated[str | None, typer.Option(help="One person, by any id that a platform gives of them.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    day: Day = None,
    since: Since = None,
    until: Until = None,
    keep_days: Annotated[int, typer.Option(min=1, max=3650, help="When what is brought back expires again.")] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Bring back a conversation, a person's messages, a day, or a time. May be run again: nothing is ever written over."""
    from functions.archive.tombstones import Tombstones
    from functions.common.clock import system_clock
    from infra.records.errors import NothingChosen
    from infra.records.period import Asked, read_period
    from infra.records.progress import told
    from infra.records.restore import Restorer, Wanted

    with one_line():
        now = system_clock()
        period = read_period(Asked(day=day, since=since, until=until), now=now, zone=zone())
        wanted = Wanted(conversation=conversation, contact=contact, channel=channel, account=account, period=period)
        if not (conversation or contact or period):
            raise NothingChosen("say what to restore: --conversation, --contact, --day or --since")
        known = table_of(table)
        catalogue = catalogue_of(known, bucket)
        manifests = _manifests(catalogue, wanted, now)
        keep = timedelta(days=keep_days)
        restorer = Restorer(known, catalogue, now=now, erased_at=Tombstones(known).erased_at, keep=keep, dry_run=dry_run)
        done = restorer.restore(wanted, told(manifests, "parts", total=len(manifests)))
    say(done, _words(done, dry_run), as_json=as_json)


def _manifests(catalogue: Catalogue, wanted: Wanted, now: datetime) -> list[Manifest]:
    """The parts in which something wanted may be."""
    if wanted.period is not None:
        first, last = wanted.period.days()
    else:
        last = (now + timedelta(days=1)).date().isoformat()
        first = catalogue.first_day() or last
    return list(catalogue.parts(first, last, (wanted.channel,) if wanted.channel else ()))


def _words(done: Restored, dry_run: bool) -> str:
    """The outcome in one line."""
    verb = "would be restored" if dry_run else "restored"
    said = [f"{done.messages} messages {verb}, {done.replies} replies with them, from {done.parts} parts"]
    said += [f"{done.kept} are in the table already"] if done.kept else []
    said += [f"{done.prolonged} about to expire stay longer"] if done.prolonged else []
    said += [f"{done.erased} of erased persons stay away"] if done.erased else []
    said += [f"{done.conversations} conversations made anew"] if done.conversations else []
    return "; ".join(said)
