"""`postroom person export` and `postroom person erase`: what a person may ask for by right."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.export import Secret, written
from infra.cli.person import One, people_of
from infra.cli.place import BucketName, Json, Shards, TableName, one_line, say, stop, table_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable

    from functions.archive.erasure import Eraser
    from functions.archive.exports import Exports
    from functions.archive.service import Cabinet
    from functions.archive.tombstones import Certificate, Tombstones
    from functions.common.identity import Party, People
    from infra.records.person import Intent

Copies = Annotated[
    list[str] | None,
    typer.Option("--copy", envvar="COPY_BUCKET", help="A second copy that the archive did not note itself, by its bucket."),
]
Also = Annotated[list[str] | None, typer.Option(help="Another contact of the person: CHANNEL/ACCOUNT/ID.")]
CertificatePath = Annotated[
    Path | None, typer.Option("--certificate", help="Where the certificate goes; erasure-<its id>.json otherwise.")
]
TRIES = 3


def export_person(
    contact: One,
    *,
    table: TableName,
    bucket: BucketName,
    secret: Secret,
    to: Annotated[Path, typer.Option(help="The zip to write.")],
    also: Also = None,
    vault_key: Annotated[str | None, typer.Option(envvar="VAULT_KEY_ID", help="Without it originals stay sealed.")] = None,
    shards: Shards = 4,
    as_json: Json = False,
) -> None:
    """Write everything held about a person, under all linked ids, to an encrypted zip: table, vault and archive."""
    from functions.archive.password import password
    from functions.common.aws import client
    from functions.common.clock import system_clock
    from functions.common.vault import Vault
    from infra.records.person import Dossier, zipped

    with one_line():
        now = system_clock()
        known = table_of(table)
        vault = Vault(client("kms"), vault_key, clock=system_clock) if vault_key else None
        parties = _parties(table, contact, also)
        archive, people = _cabinet(table, bucket, shards), people_of(table)
        _noted(archive.tombstones, people, parties, now)
        dossier = Dossier(known, archive, people, vault, now=now)
        content = zipped(dossier.members(parties), password=password(client("secretsmanager"), secret), made_at=now)
        size = written(to, content)
    told = {"file": str(to), "bytes": size, "conversations": len(parties), "held": dossier.counts}
    counts = ", ".join(f"{count} {kind}" for kind, count in dossier.counts.items())
    say(told, f"{to}: {counts}, under {len(parties)} ids", as_json=as_json)


def erase_person(
    contact: One,
    *,
    table: TableName,
    bucket: BucketName,
    export_bucket: Annotated[str, typer.Option(envvar="EXPORT_BUCKET", help="The stack's output ExportBucketName.")],
    copy: Copies = None,
    also: Also = None,
    certificate: CertificatePath = None,
    shards: Shards = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is held, and remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove everything held about a person, under all linked ids, and prove it by a search. Nothing brings it back."""
    from functions.archive.exports import Exports
    from functions.common.aws import client
    from functions.common.clock import system_clock
    from infra.records.person import begun_elsewhere, certified

    with one_line():
        now = system_clock()
        archive = _cabinet(table, bucket, shards, copy or ())
        exports = Exports(client=client("s3"), bucket=export_bucket)
        eraser, parties = _eraser(table, archive, exports), _parties(table, contact, also)
        if dry_run:
            return _told(eraser.found(parties, until=now), parties, as_json=as_json)
        intent = _intent(parties)
        parties = intent.parties(parties)
        begun_elsewhere(archive.tombstones, parties)
        _asked(parties, yes=yes)
        done, unreached = _carried_out(intent, eraser, parties, now)
        path = certificate or Path(f"erasure-{done.id}.json")
        said = certified(done, path, unreached) | {"file": str(path)}
        if not unreached:
            intent.done()
    # What a copy that did not answer holds, no search has seen.
    say(said | {"search_afterwards": None if unreached else 0}, _outcome(said), as_json=as_json)
    if unreached:
        raise typer.Exit(1)
    return None


def _carried_out(
    intent: Intent, eraser: Eraser, parties: tuple[Party, ...], now: datetime
) -> tuple[Certificate, tuple[str, ...]]:
    """What `_erased` says, who is being erased noted before anything is done."""
    from functions.archive.holds import HeldLegally

    intent.note(parties)
    try:
        return _erased(eraser, parties, now)
    except HeldLegally:
        intent.done()
        raise


def _outcome(said: dict[str, Any]) -> str:
    """The certificate in a sentence."""
    gone = ", ".join(f"{count} {kind}" for kind, count in sorted(said["counts"].items())) or "nothing was held"
    gone = f"{gone}; {said['packs_removed']} packs removed"
    if unreached := said.get("incomplete"):
        why = f"the second copy {', '.join(unreached)} did not answer: run this again, in this folder, when it does"
        return f"INCOMPLETE: {gone}; {why}. Certificate: {said['file']}"
    return f"erased: {gone}. A search of table, parts and copies afterwards found nothing. Certificate: {said['file']}"


def _parties(table: str, contact: tuple[str, str, str], also: list[str] | None) -> tuple[Party, ...]:
    """The contact, those it is linked with, and those that are named beside it with theirs."""
    from functions.common.identity import Party
    from infra.records.person import parties_of

    people = people_of(table)
    others = [name.split("/", 2) for name in also or ()]
    if any(len(name) != 3 for name in others):
        stop("--also takes CHANNEL/ACCOUNT/ID")
    meant = [Party(channel=channel, account=account, contact=id_) for channel, account, id_ in (contact, *others)]
    return tuple(dict.fromkeys(found for each in meant for found in parties_of(people, each)))


def _cabinet(table: str, bucket: str, shards: int, named: Iterable[str] = ()) -> Cabinet:
    from functions.archive.bucket import ArchiveBucket
    from functions.archive.password import password
    from functions.archive.retention import read_retention
    from functions.common.aws import client
    from infra.cli.bundle import read_sections
    from infra.records.person import cabinet
    from infra.records.quiet import OnStderr
    from infra.records.second_copies import second_copies

    archive, retention = ArchiveBucket(client("s3", read_seconds=60), bucket), read_retention(read_sections()["retention"])
    copies = second_copies(archive, named, lambda name: password(client("secretsmanager"), name))
    return cabinet(table_of(table), archive, copies, retention, OnStderr(), shards=shards)


def _eraser(table: str, archive: Cabinet, exports: Exports) -> Eraser:
    from functions.archive.erasure import Eraser
    from functions.archive.holds import Holds
    from infra.records.progress import told

    known = table_of(table)
    return Eraser(
        cabinet=archive,
        table=known,
        holds=Holds(known),
        remove_packs=exports.remove,
        step=_step,
        watch=lambda parts: told(parts, "parts", total=len(parts)),
    )


def _step(stage: str) -> None:
    print(f"{stage} …", file=sys.stderr, flush=True)


def _erased(eraser: Eraser, parties: tuple[Party, ...], now: datetime) -> tuple[Certificate, tuple[str, ...]]:
    """The certificate, and the second copies without whose answer it is not complete. What comes in the way (a message that arrives, a
    nightly run) is tried over a few times.
    """
    from functions.archive.erasure import CopyUnreached
    from functions.archive.remains import NotYetErased

    left = ""
    for _ in range(TRIES):
        try:
            run = f"{now:%Y%m%dT%H%M%S}-{token_hex(4)}"
            return eraser.erase(parties, certificate_id=token_hex(8), run=run, now=now), ()
        except CopyUnreached as fault:
            return fault.certificate, fault.unreached
        except NotYetErased as fault:
            left = str(fault)
            _step(f"once more: {left}")
    return stop(f"not erased yet: {left}; run this again")


def _intent(parties: tuple[Party, ...]) -> Intent:
    from infra.records.person import Intent

    return Intent(Path(f".erasing-{parties[0].conv}.json"))


def _asked(parties: tuple[Party, ...], *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        stop("nobody can be asked here: say --yes")
    names = "\n".join(f"  {party.channel} {party.account} {party.contact}" for party in parties)
    typer.confirm(f"Remove everything held about\n{names}\nfor good?", abort=True, err=True)


def _told(found: Counter[str], parties: tuple[Party, ...], *, as_json: bool) -> None:
    counts = dict(sorted(found.items()))
    words = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing"
    say({"conversations": len(parties), "held": counts}, f"held under {len(parties)} ids: {words}", as_json=as_json)


def _noted(tombstones: Tombstones, people: People, parties: tuple[Party, ...], now: datetime) -> None:
    """An audit line in each conversation before anything is read: who, when, what. None where somebody was erased and wrote nothing since:
    that erasure would not find it any more.
    """
    from functions.common import keys
    from functions.common.aws import client
    from functions.common.clock import EPOCH, to_iso, to_ms
    from infra.records.guarded import ErasedMeanwhile, Guarded
    from infra.records.unmask import caller

    by, guarded = caller(client("sts")), Guarded(table=tombstones.table, tombstone=tombstones.key_of)
    for party in parties:
        known = people.store.conversation(party.conv)
        line = {"pk": keys.conversation_pk(party.conv), "sk": f"Z#{to_ms(now):013d}#{token_hex(5)}", "action": "export"}
        line |= {"by": by, "at": to_iso(now)}
        heard = known.last_at if known and known.last_at else EPOCH
        with suppress(ErasedMeanwhile):
            guarded.put(party.conv, line, received_at=heard, condition="attribute_not_exists(pk)")
