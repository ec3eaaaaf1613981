"""Everything held about a person, in one list of conversations: handed out, or made to vanish.

A person is the contact that was named and whoever it is linked with (`functions.common.identity`), however many links away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from functions.archive.bucket import ArchiveBucket
from functions.archive.crew import Crew
from functions.archive.due import DueReader
from functions.archive.floods import sent_by
from functions.archive.holds import Holds
from functions.archive.manifests import Ledger
from functions.archive.marks import Marks
from functions.archive.parts import lines
from functions.archive.remains import Remains
from functions.archive.removals import Removals
from functions.archive.retention import Retention
from functions.archive.service import Cabinet
from functions.archive.tombstones import Certificate, Tombstones
from functions.common import keys
from functions.common.clock import EPOCH, from_ms
from functions.common.dynamo_links import DynamoLinks
from functions.common.dynamo_store import DynamoStore
from functions.common.identity import Link, Party, People
from functions.common.table import Table
from functions.common.telemetry import Telemetry
from functions.common.vault import SealBroken, Vault
from functions.common.wire import dumps, plain
from infra.records.errors import RecordsFault
from infra.records.progress import told
from infra.records.second_copies import SecondCopies

_MODE = 0o100600


class ErasureElsewhere(RecordsFault):
    """An erasure was begun that concerned more conversations than are known here."""


def parties_of(people: People, named: Party) -> tuple[Party, ...]:
    """The contact and everybody it is linked with; the contact itself also where its conversation is gone."""
    return (named, *(link.party for link in people.linked(named.conv)))


def cabinet(
    table: Table, archive: ArchiveBucket, copies: SecondCopies, retention: Retention, telemetry: Telemetry, *, shards: int
) -> Cabinet:
    """What the archive works with, for an operator."""
    reader = DueReader(table, shards, telemetry)
    return Cabinet(
        ledger=Ledger(table, copied=bool(copies.places)),
        bucket=archive,
        reader=reader,
        marks=Marks(table, DynamoStore(table, shards=shards), reader, telemetry),
        crew=Crew(8),
        tombstones=Tombstones(table, archive),
        removals=Removals(table, (archive, *copies.opened), telemetry, tuple(copies.silent)),
        remains=Remains(table=table, people=People(DynamoStore(table, shards=shards), DynamoLinks(table))),
        retention=lambda: retention,
        telemetry=telemetry,
    )


def begun_elsewhere(tombstones: Tombstones, parties: tuple[Party, ...]) -> None:
    """`ErasureElsewhere` when an erasure of one of these was begun, concerned others too, and is not complete: links that told who
    they are may be gone already.
    """
    for certificate in tombstones.certificates(EPOCH):
        if certificate.complete is not None:
            continue
        known = {tombstones.hash_of(party.conv) for party in parties}
        others = set(certificate.conversations) - known
        if others and known & set(certificate.conversations):
            raise ErasureElsewhere(
                f"an erasure begun at {certificate.at:%Y-%m-%d %H:%M}Z concerned {len(others)} more conversations, whose links are gone: "
                "run it again where it was begun, in the same folder, or name them with --also"
            )


class Intent:
    """Who is being erased, in a file that is there only until they are: links vanish on the way, and a second try must know them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def parties(self, found: tuple[Party, ...]) -> tuple[Party, ...]:
        """Those found now and those that an earlier try had found."""
        if not self._path.exists():
            return found
        earlier = (Party(**raw) for raw in json.loads(self._path.read_text(encoding="utf-8")))
        return tuple(dict.fromkeys((*found, *earlier)))

    def note(self, parties: tuple[Party, ...]) -> None:
        """Write down who, before anything is done."""
        self._path.touch(mode=0o600)
        self._path.write_text(json.dumps([plain(party) for party in parties], ensure_ascii=False), encoding="utf-8")

    def done(self) -> None:
        """Nothing is left to do."""
        self._path.unlink(missing_ok=True)


def certified(certificate: Certificate, path: Path, unreached: tuple[str, ...] = ()) -> dict[str, Any]:
    """The certificate as a file: counts, times and salted hashes, and nothing by which anybody could be known. It says `incomplete`,
    with the second copies that were not reached, until they are.
    """
    counts = dict(certificate.counts)
    packs = counts.pop("packs", 0)  # all there were, whoever is in them
    said = {"version": 1, **plain(certificate), "counts": counts, "packs_removed": packs}
    said |= {"complete": None, "incomplete": list(unreached)} if unreached else {}
    rough = path.with_name(f".{path.name}.coming")
    rough.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    rough.replace(path)
    return said


class Dossier:
    """Everything held about some conversations, as the files of a zip. `counts` is filled as they are read."""

    def __init__(self, table: Table, archive: Cabinet, people: People, vault: Vault | None, *, now: datetime) -> None:
        self._table = table
        self._archive = archive
        self._people = people
        self._vault = vault
        self._now = now
        self.counts: dict[str, int] = {}

    def members(self, parties: tuple[Party, ...]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Name and content of each file."""
        yield "conversations.jsonl", self._written("conversations", self._items(parties, "@"))
        yield "messages.jsonl", self._written("messages", self._items(parties, "M#"))
        yield "replies.jsonl", self._written("replies", self._items(parties, "R#"))
        yield "originals.jsonl", self._written("originals", self._originals(parties))
        yield "actions.jsonl", self._written("actions", self._items(parties, "Z#"))
        yield "corrections.jsonl", self._written("corrections", self._corrections(parties))
        yield "links.jsonl", self._written("links", self._links(parties))
        yield "campaigns.jsonl", self._written("campaigns", self._campaigns(parties))
        yield "holds.jsonl", self._written("holds", self._holds(parties))
        yield "archived.jsonl", self._written("archived", self._lines(parties))

    def _written(self, kind: str, found: Iterator[Any]) -> Iterator[bytes]:
        self.counts[kind] = 0
        for each in found:
            self.counts[kind] += 1
            yield (dumps(each) + "\n").encode()

    def _items(self, parties: tuple[Party, ...], prefix: str) -> Iterator[dict[str, Any]]:
        for party in parties:
            values = {":pk": keys.conversation_pk(party.conv), ":sk": prefix}
            yield from self._table.query("pk = :pk AND begins_with(sk, :sk)", values)

    def _corrections(self, parties: tuple[Party, ...]) -> Iterator[dict[str, Any]]:
        """What training learns from their words: nothing but the audit's line leads there."""
        for line in self._items(parties, "Z#"):
            if line.get("action") == "correct":
                _, moment, name = line["sk"].split("#", 2)
                found = self._table.get(*keys.correction_key(from_ms(int(moment)), name))
                if found is not None:
                    yield found

    def _originals(self, parties: tuple[Party, ...]) -> Iterator[dict[str, Any]]:
        for item in self._items(parties, "V#"):
            message_id = f"{item['pk'].removeprefix('C#')}.{item['sk'].removeprefix('V#').replace('#', '.')}"
            fields: Any = None
            if self._vault is not None:
                try:
                    fields = json.loads(self._vault.open(message_id, bytes(item["sealed"])))["fields"]
                except SealBroken:
                    fields = None
            yield {"message_id": message_id, "fields": fields}

    def _links(self, parties: tuple[Party, ...]) -> Iterator[Any]:
        for party in parties:
            links = dict.fromkeys((*self._people.known(party.conv), *self._own(party.conv)))
            yield from ({"of": plain(party), **plain(link)} for link in links)

    def _own(self, conv: str) -> Iterator[Link]:
        """That a platform vouches for the person's ids, whoever else they name."""
        conversation = self._people.store.conversation(conv)
        for mark in conversation.vouched if conversation else ():
            yield from (link for link in self._people.links.members(mark) if link.party.conv == conv)

    def _campaigns(self, parties: tuple[Party, ...]) -> Iterator[Any]:
        """Texts of theirs that others sent too; the others are nobody's business."""
        mine = {party.conv for party in parties}
        for item in sent_by(self._table, mine, self._now):
            yield item | {"senders": sorted(mine & item["senders"])}

    def _holds(self, parties: tuple[Party, ...]) -> Iterator[Any]:
        held = Holds(self._table).all()
        found = (held.on_contact(party.conv, party.channel, party.contact) for party in parties)
        yield from (plain(hold) for hold in dict.fromkeys(filter(None, found)))

    def _lines(self, parties: tuple[Party, ...]) -> Iterator[Any]:
        wanted = tuple(f'"message_id":"{party.conv}.'.encode() for party in parties)
        channels, last = {party.channel for party in parties}, (self._now + timedelta(days=1)).date().isoformat()
        parts = self._archive.ledger.committed(self._archive.bucket.first_day() or last, last)
        mine = [manifest for manifest in parts if manifest.channel in channels]
        for manifest in told(mine, "parts", total=len(mine)):
            for line in lines(self._archive.bucket.whole(manifest)):
                if any(mark in line for mark in wanted):
                    yield json.loads(line)


def zipped(members: Iterator[tuple[str, Iterator[bytes]]], *, password: str, made_at: datetime) -> Iterator[bytes]:
    """The files as an encrypted zip, piece by piece, as packs are."""
    from stream_zip import ZIP_64, stream_zip

    key = password.encode().decode("latin-1")
    files = ((name, made_at.replace(tzinfo=None), _MODE, ZIP_64, content) for name, content in members)
    yield from stream_zip(files, password=key)
