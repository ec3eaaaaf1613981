"""`postroom hold`: what must be neither cleaned away nor erased until the hold is lifted."""

from __future__ import annotations

import getpass
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.place import Json, Shards, TableName, catalogue_of, one_line, say, table_of

if TYPE_CHECKING:
    from datetime import datetime

    from functions.archive.holds import Hold, Holds

hold = typer.Typer(help="Put a legal hold on a contact or a conversation, lift it, list what stands.", no_args_is_help=True)

# Originals that a hold kept stay so long after it.
ORIGINALS_KEPT = timedelta(days=1)
_NO_HURRY = 3_600_000

Conversation = Annotated[str | None, typer.Option(help="One conversation, by its key (16 characters).")]
Contact = Annotated[
    tuple[str, str] | None,
    typer.Option(metavar="CHANNEL ID", help="One contact of a channel, by any id that its platform gives."),
]
Archive = Annotated[
    str | None,
    typer.Option("--bucket", envvar="ARCHIVE_BUCKET", help="The stack's output ArchiveBucketName: look through it at once."),
]
By = Annotated[str, typer.Option("--by", default_factory=getpass.getuser, show_default="your user name", help="On whose word.")]


@hold.command()
def add(
    *,
    table: TableName,
    because: Annotated[str, typer.Option(help="Why: a case, a decision. Shown to whoever is refused.")],
    conversation: Conversation = None,
    contact: Contact = None,
    by: By,
    bucket: Archive = None,
    shards: Shards = 4,
    as_json: Json = False,
) -> None:
    """Let a hold stand from now on. With the archive's bucket the originals of a contact's masked texts are kept from now on too, otherwise
    from the next nightly watch.
    """
    from functions.archive.holds import Hold, Holds
    from functions.common.clock import system_clock

    with one_line():
        new = Hold(**_meant(conversation, contact), because=because, by=by, since=system_clock())
        holds = Holds(table_of(table))
        made = holds.add(new)
        if new.kind == "contact" and bucket is not None:
            _look(holds, bucket, shards, new.since)
        kept = holds.keep_originals()
        beside = _linked_beside(holds, new)
    if beside:
        print(f"linked with it, and not held: {', '.join(beside)}; hold each by --conversation", file=sys.stderr)
    told = {"hold": new.sk, "new": made, "originals_kept": kept, "linked_not_held": beside}
    say(told, f"{new.sk} is held" + ("" if made else ", as it was before"), as_json=as_json)


def _linked_beside(holds: Holds, new: Hold) -> list[str]:
    """The conversations of the same person, as far as the hold's own are known, that no hold covers by their keys."""
    from infra.records.linked import Links, Sightings

    standing = holds.all().holds
    own = frozenset(standing[new.sk].covered if new.sk in standing else ())
    covered = {conv for hold in standing.values() for conv in hold.covered}
    meant = Links(holds.table).meant(Sightings(own=own, accounts=frozenset()), ())
    return sorted(meant.linked - covered)


def _look(holds: Holds, bucket: str, shards: int, now: datetime) -> None:
    """Find the conversations of contacts that are held, in the parts of the last weeks and among what is in none."""
    from functions.archive.allowance import Allowance
    from functions.archive.due import DueReader
    from functions.archive.expiry import BEFORE, ORIGINALS
    from functions.archive.held import HeldContacts
    from functions.archive.hot import HotReader
    from infra.records.quiet import OnStderr

    catalogue, notes = catalogue_of(holds.table, bucket), OnStderr()
    hot = HotReader(holds.table, shards, DueReader(holds.table, shards, notes))
    contacts = HeldContacts(holds=holds, ledger=catalogue.ledger, bucket=catalogue.bucket, hot=hot, telemetry=notes)
    first, last = ((now + by).date().isoformat() for by in (-ORIGINALS, BEFORE))
    contacts.look(first, last, now, Allowance(lambda: _NO_HURRY))


@hold.command()
def remove(*, table: TableName, conversation: Conversation = None, contact: Contact = None, as_json: Json = False) -> None:
    """Lift a hold: the retention policy and erasures apply again, and originals of masked texts expire after another day."""
    from functions.archive.holds import Holds
    from functions.common.clock import system_clock

    with one_line():
        meant = _meant(conversation, contact)
        holds = Holds(table_of(table))
        for conv in holds.remove(meant["kind"], meant["name"], meant.get("channel")):
            holds.release_originals(conv, int((system_clock() + ORIGINALS_KEPT).timestamp()))
    say({"lifted": meant}, "lifted", as_json=as_json)


@hold.command(name="list")
def listed(*, table: TableName, as_json: Json = False) -> None:
    """List every hold that stands."""
    from functions.archive.holds import Holds
    from functions.common.wire import plain

    with one_line():
        holds = list(Holds(table_of(table)).all().holds.values())
    say({"holds": plain(holds)}, "\n".join(map(_words, holds)) or "no holds", as_json=as_json)


def _meant(conversation: str | None, contact: tuple[str, str] | None) -> dict[str, Any]:
    """What the options name; exactly one of them must."""
    from functions.archive.holds import NoHold

    if (conversation is None) == (contact is None):
        raise NoHold("say what to hold: --conversation KEY or --contact CHANNEL ID")
    if contact is not None:
        return {"kind": "contact", "channel": contact[0], "name": contact[1]}
    return {"kind": "conversation", "name": conversation}


def _words(found: Hold) -> str:
    return f"{found.sk}  since {found.since:%Y-%m-%d}  by {found.by}: {found.because}"
