"""`postroom restore`: archived messages back into the table."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.place import BucketName, Day, Json, Shards, Since, TableName, Until, catalogue_of, one_line, say, table_of, zone

if TYPE_CHECKING:
    from datetime import datetime

    from functions.archive.manifests import Manifest
    from infra.records.catalogue import Catalogue
    from infra.records.linked import Links
    from infra.records.lost_ledger import Relisted
    from infra.records.restore import Restored, Restorer, Wanted


Conversation = Annotated[str | None, typer.Option(help="One conversation, by its key (16 characters).")]
Contact = Annotated[str | None, typer.Option(help="One person, by any id that a platform gives of them, and linked ids.")]
Channel = Annotated[str | None, typer.Option(help="Only this channel.")]
Account = Annotated[str | None, typer.Option(help="Only this account.")]
Everything = Annotated[bool, typer.Option("--all", help="All that the archive has.")]
FromManifests = Annotated[
    bool, typer.Option("--from-manifests", help="First bring back what the table's ledger lacks, from the archive's bucket.")
]
Writers = Annotated[int, typer.Option(envvar="WRITERS", min=1, max=9, help="Conversations at a time.")]
KeepDays = Annotated[int, typer.Option(min=1, max=3650, help="When what is brought back expires again.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")]


def restore(
    *,
    table: TableName,
    bucket: BucketName,
    conversation: Conversation = None,
    contact: Contact = None,
    channel: Channel = None,
    account: Account = None,
    day: Day = None,
    since: Since = None,
    until: Until = None,
    everything: Everything = False,
    from_manifests: FromManifests = False,
    shards: Shards = 4,
    writers: Writers = 8,
    keep_days: KeepDays = 30,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring back a conversation, a person's messages, a day, a time or everything. May be run again: nothing is ever written over."""
    from functions.archive.tombstones import Tombstones
    from functions.common.clock import system_clock
    from infra.records.contact_list import spellings
    from infra.records.errors import NothingChosen
    from infra.records.linked import Links
    from infra.records.period import Asked, read_period
    from infra.records.restore import Restorer, Wanted

    with one_line():
        now = system_clock()
        period = read_period(Asked(day=day, since=since, until=until), now=now, zone=zone())
        ids = spellings(contact) if contact else frozenset()
        wanted = Wanted(conversation=conversation, ids=ids, channel=channel, account=account, period=period)
        if not (conversation or contact or period or everything):
            raise NothingChosen("say what to restore: --conversation, --contact, --day, --since or --all")
        known = table_of(table)
        catalogue = catalogue_of(known, bucket)
        relisted = _relisted(catalogue, shards, now, wanted=from_manifests, dry_run=dry_run)
        keep = timedelta(days=keep_days)
        tombstones = Tombstones(known, catalogue.bucket)
        restorer = Restorer(known, catalogue, now=now, tombstones=tombstones, keep=keep, dry_run=dry_run, writers=writers)
        done = _restored(restorer, Links(known), wanted, _manifests(catalogue, wanted, now, relisted if dry_run else None))
    ledger = {} if relisted is None else {"ledger": relisted.told()}
    say(asdict(done) | ledger, _words(done, relisted, dry_run), as_json=as_json)


def _restored(restorer: Restorer, links: Links, wanted: Wanted, manifests: list[Manifest]) -> Restored:
    """What was asked for, and of a contact that was named what the same person wrote under linked ids."""
    from infra.records.progress import told

    done = restorer.restore(wanted, told(manifests, "parts", total=len(manifests)))
    if wanted.ids:
        meant = links.meant(restorer.seen, wanted.ids)
        if not meant.whole:
            print(meant.words(), file=sys.stderr)
        if meant.linked:
            theirs = [manifest for manifest in manifests if wanted.channel in (None, manifest.channel)]
            others = replace(wanted, ids=frozenset(), people=meant.linked)
            restorer.restore(others, told(theirs, "parts", total=len(theirs)))
        done.linked = len(meant.linked)
    return done


def _relisted(catalogue: Catalogue, shards: int, now: datetime, *, wanted: bool, dry_run: bool) -> Relisted | None:
    """What came back into the ledger, if that was wanted; a hint on stderr if it was not and something lacks."""
    from functions.archive.manifests import Superseded
    from infra.records.errors import RecordsFault
    from infra.records.lost_ledger import LostLedger

    lost = LostLedger(catalogue, shards)
    if wanted:
        try:
            return lost.bring_back(f"{now:%Y%m%dT%H%M%S}-{token_hex(4)}", now, dry_run=dry_run)
        except Superseded:
            raise RecordsFault("the archive began a run meanwhile: run this again when it is done") from None
    if lacking := lost.lacking():
        words = "of which the table's ledger knows nothing: --from-manifests brings them back"
        print(f"{len(lacking)} manifests in the bucket, {words}", file=sys.stderr)
    return None


def _manifests(catalogue: Catalogue, wanted: Wanted, now: datetime, relisted: Relisted | None) -> list[Manifest]:
    """The parts in which something wanted may be; some that the ledger does not know yet are `relisted`."""
    if wanted.period is not None:
        first, last = wanted.period.days()
    else:
        last = (now + timedelta(days=1)).date().isoformat()
        first = catalogue.first_day() or last
    # Whoever is named by an id in one channel may be linked with what was written in another.
    channels = (wanted.channel,) if wanted.channel and not wanted.ids else ()
    beside = relisted.parts if relisted is not None else []
    return [*catalogue.believed(first, last, channels), *(found for found in beside if _may_hold(found, wanted, channels))]


def _may_hold(manifest: Manifest, wanted: Wanted, channels: tuple[str, ...]) -> bool:
    in_time = wanted.period is None or (manifest.first < wanted.period.until and manifest.last >= wanted.period.since)
    return in_time and (not channels or manifest.channel in channels)


def _words(done: Restored, relisted: Relisted | None, dry_run: bool) -> str:
    """The outcome in one line."""
    verb = "would be restored" if dry_run else "restored"
    said = []
    if relisted is not None:
        said += [f"{len(relisted.parts)} parts {'would be ' if dry_run else ''}back in the ledger"]
        said += [f"{relisted.replaced} are to go, for others took their place"] if relisted.replaced else []
        said += [f"{len(relisted.missing)} are not in the bucket ({relisted.missing[0]} …)"] if relisted.missing else []
    said += [f"{done.messages} messages {verb}, {done.replies} replies with them, from {done.parts} parts"]
    said += [f"{done.kept} are in the table already"] if done.kept else []
    said += [f"{done.prolonged} about to expire stay longer"] if done.prolonged else []
    said += [f"{done.erased} of erased persons stay away"] if done.erased else []
    said += [f"{done.linked} conversations linked with the contact's"] if done.linked else []
    said += [f"{done.conversations} conversations made anew"] if done.conversations else []
    return "; ".join(said)
