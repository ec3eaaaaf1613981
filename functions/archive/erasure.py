"""A person's right to be forgotten: everything held about somebody's conversations, wherever it lies, made to vanish.

In this order, each step repeatable, so that whoever calls again after a crash finishes what was begun:

1. holds are asked: one that stands refuses everything (`HeldLegally`); so does a ledger that lacks parts (`LedgerIncomplete`);
2. everything is counted, and an open certificate written; tombstones are set, so that from here on nothing comes back;
3. the table's items go, originals first, the conversation last;
4. the parts that hold lines of the person are written anew without them, and the old objects, every version of them, are removed, in the
   second copies too; so is what holds lines there and is in no ledger;
5. everything is searched again; when nothing is found, packs are taken away, those too that are being made. Only then, and when every
   copy answered, is the certificate complete.

What a person writes after the moment of the erasure is a new contact's and stays; the conversation's own item is then made anew out of that
alone (`remains`). What was received before, and was still on a queue, is removed by the next erasure, or by the archive when it is due.
Backups of the table cannot be rewritten: they
age out, and the certificate says when; a restore heeds the tombstones.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from functions.archive import floods
from functions.archive.bucket import ArchiveBucket
from functions.archive.holds import HeldLegally, Holds
from functions.archive.manifests import Manifest, Superseded
from functions.archive.parts import ArchiveUnproven, lines
from functions.archive.remains import NotYetErased
from functions.archive.rewriting import Rewriter, is_of
from functions.archive.service import Cabinet, Run
from functions.archive.strays import Strays
from functions.archive.tombstones import Certificate
from functions.common import keys
from functions.common.clock import EPOCH
from functions.common.errors import Retryable, Unavailable
from functions.common.identity import Party
from functions.common.table import Item, Table

# Continuous backups of the table, and exports in the backup bucket, are kept so long.
BACKUPS_KEPT = timedelta(days=35)
# An export that was under way is there hours later, and S3 and the second copy count whole days from then.
UNDER_WAY = timedelta(days=2)
_KINDS = {"M": "messages", "R": "replies", "V": "originals", "Z": "actions", "L": "links", "@": "conversations"}
_TRIES = 3


class PartLost(Retryable):
    """A part that may hold the person is not what the ledger says, and whole nowhere: nobody can say that they are gone."""

    def __init__(self, fault: ArchiveUnproven) -> None:
        super().__init__(
            f'{fault}: it may hold the person; put it right as "When a part is lost" in docs/operations.md says, and run this again'
        )


class CopyUnreached(NotYetErased):
    """Second copies did not answer; all else is gone. `certificate` stays open until they do."""

    def __init__(self, certificate: Certificate, unreached: tuple[str, ...]) -> None:
        super().__init__(f"no answer from the second copy {', '.join(unreached)}")
        self.certificate = certificate
        self.unreached = unreached


@dataclass(frozen=True, slots=True, kw_only=True)
class Eraser:
    """`remove_packs` takes packs away and says how many; `step` hears of each stage, and `watch` sees the parts that are read in it pass:
    for somebody who waits.
    """

    cabinet: Cabinet
    table: Table
    holds: Holds
    remove_packs: Callable[[], int] = lambda: 0
    step: Callable[[str], None] = lambda _: None
    watch: Callable[[list[Manifest]], Iterable[Manifest]] = lambda parts: parts

    def found(self, parties: tuple[Party, ...], *, until: datetime, clear: bool = False) -> Counter[str]:
        """How much is held about these conversations, of what was received until then, by kind. Reads every part of their channels.
        `clear`: the table was found clear of it before.
        """
        counts: Counter[str] = Counter()
        for party in parties:
            counts.update(_kind(item) for item in self.cabinet.remains.items(party.conv, until, clear=clear))
            counts["memberships"] += self.cabinet.remains.memberships(party.conv, until)
        counts["campaigns"] = sum(1 for _ in floods.sent_by(self.table, _convs(parties), until))
        wanted = is_of(_convs(parties), until)
        for manifest in self.watch(self._parts(parties, until)):
            count = sum(map(wanted, self._lines(manifest)))
            counts.update({"archived_messages": count, "parts": count > 0})
        return +counts

    def erase(self, parties: tuple[Party, ...], *, certificate_id: str, run: str, now: datetime) -> Certificate:
        """Erase these conversations, every one of the person's. `HeldLegally` changes nothing; after `Unavailable`, `NotYetErased` or
        a crash, call again. `run` names the run that rewrites parts. `PartLost` when somebody must see to a part first.
        """
        try:
            return self._erased(parties, certificate_id, run, now)
        except PartLost:
            # An earlier try, or a nightly run, may have died over it: whoever takes over puts right what can be.
            self._take_over(f"{run}-0", now)
            return self._erased(parties, certificate_id, run, now)

    def _erased(self, parties: tuple[Party, ...], certificate_id: str, run: str, now: datetime) -> Certificate:
        self._refuse_if_held(parties, now)
        strays = Strays(self.cabinet.ledger, {party.channel for party in parties})
        strays.refuse_lost(self.cabinet.bucket, set(self.cabinet.removals.noted()))
        certificate = self._begun(parties, certificate_id, now)
        if certificate.complete:
            return certificate
        self.step("table")
        for party in parties:
            self.cabinet.remains.remove(party.conv, certificate.at, clear=certificate.searched is not None, now=now)
        floods.forget(self.table, _convs(parties), certificate.at)
        self.step("archive")
        self._erase_lines(parties, certificate.at, run, now)
        self.step("copies")
        wanted = is_of(_convs(parties), certificate.at)
        objects = strays.remove(self.cabinet.bucket, wanted)
        removed = self.cabinet.removals.carry_out()
        cleared, silent = self._clear_copies(strays, wanted)
        self.step("search")
        if left := self.found(parties, until=certificate.at, clear=certificate.searched is not None):
            raise NotYetErased(", ".join(f"{count} {kind}" for kind, count in sorted(left.items())))
        certificate = _with_more(certificate, objects=objects + removed.objects + cleared)
        certificate = self._without_packs(replace(certificate, searched=certificate.searched or now))
        if unreached := tuple(sorted({*removed.unreached, *silent})):
            raise CopyUnreached(certificate, unreached)
        return self._completed(certificate, now)

    def _without_packs(self, certificate: Certificate) -> Certificate:
        """Note that the person is gone, and take packs away: one made of what was read before cannot come into being after both."""
        self.cabinet.tombstones.keep(certificate)
        certificate = _with_more(certificate, packs=self.remove_packs())
        self.cabinet.tombstones.keep(certificate)
        return certificate

    def _clear_copies(self, strays: Strays, wanted: Callable[[bytes], bool]) -> tuple[int, list[str]]:
        """Remove what second copies hold of the person beside the parts that count: how many objects, and which did not answer."""
        objects, silent = 0, []
        for copy in self.cabinet.removals.copies:
            try:
                objects += strays.remove(copy, wanted)
            except Unavailable:
                silent.append(copy.name)
        return objects, silent

    def _refuse_if_held(self, parties: tuple[Party, ...], now: datetime) -> None:
        held = self.holds.all()
        channels = {hold.channel for hold in held.holds.values() if hold.kind == "contact"}
        for party in parties:
            # Whoever put the hold may have known the person by another id than the first; only the messages tell which there are.
            names = {party.contact} | (self._other_ids(party, now) if party.channel in channels else set())
            for hold in filter(None, (held.on_contact(party.conv, party.channel, name) for name in sorted(names))):
                raise HeldLegally(f"a legal hold stands since {hold.since:%Y-%m-%d}: {hold.sk} ({hold.because})")

    def _other_ids(self, party: Party, now: datetime) -> set[str]:
        """Every id by which a message of the conversation, in the table or the archive, names its contact."""
        stored = self.table.query(
            "pk = :pk AND begins_with(sk, :messages)", {":pk": keys.conversation_pk(party.conv), ":messages": "M#"}
        )
        contacts = [item["message"]["contact"] for item in stored]
        wanted = is_of(frozenset({party.conv}), now)
        for manifest in self._parts((party,), now):
            contacts += (json.loads(line)["message"]["contact"] for line in self._lines(manifest) if wanted(line))
        return {found["value"] for contact in contacts for found in contact.get("ids", ())}

    def _begun(self, parties: tuple[Party, ...], certificate_id: str, now: datetime) -> Certificate:
        """The certificate of this erasure, tombstones set: a new one, the one that an earlier try left open, or a complete one if
        nothing has come since.
        """
        tombstones = self.cabinet.tombstones
        tombstones.bring_back()
        marks = tuple(sorted(tombstones.hash_of(party.conv) for party in parties))
        known = [certificate for certificate in tombstones.certificates(EPOCH) if certificate.conversations == marks]
        begun = [certificate for certificate in known if certificate.complete is None]
        certificate = begun[0] if begun else Certificate(
            id=certificate_id, at=now, conversations=marks, backups_until=now + BACKUPS_KEPT + UNDER_WAY
        )  # fmt: skip
        self.step("count")
        counts = self.found(parties, until=certificate.at, clear=certificate.searched is not None)
        if known and not begun and not counts:
            return known[-1]
        certificate = replace(certificate, counts=dict(counts | Counter(certificate.counts)))
        tombstones.keep(certificate)
        tombstones.raise_over(certificate)
        return certificate

    def _completed(self, certificate: Certificate, now: datetime) -> Certificate:
        done = replace(certificate, complete=now)
        self._write_into(self.cabinet.removals.copies, certificate, done)
        self.cabinet.tombstones.keep(done)
        self.cabinet.telemetry.info("erased", certificate=done.id, **done.counts)
        return done

    def _write_into(self, copies: list[ArchiveBucket], certificate: Certificate, done: Certificate) -> None:
        for copy in copies:
            try:
                self.cabinet.tombstones.write_down(done, copy)
            except Unavailable:
                raise CopyUnreached(certificate, (copy.name,)) from None

    # --- The archive ---

    def _parts(self, parties: tuple[Party, ...], until: datetime) -> list[Manifest]:
        channels, first = {party.channel for party in parties}, self._first_day()
        if first is None:
            return []
        # The archive's day may be one ahead of the day in UTC.
        last = (until + timedelta(days=1)).date().isoformat()
        return [manifest for manifest in self.cabinet.ledger.committed(first, last) if manifest.channel in channels]

    def _first_day(self) -> str | None:
        """The oldest day of which there is a part anywhere: one that the archive has lost may stand in a copy."""
        days = [self.cabinet.bucket.first_day()]
        for copy in self.cabinet.removals.copies:
            with suppress(Unavailable):  # it is asked again, and said to be silent, when it is cleared
                days.append(copy.first_day())
        return min(filter(None, days), default=None)

    def _erase_lines(self, parties: tuple[Party, ...], until: datetime, run: str, now: datetime) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                return self._rewrite(parties, until, f"{run}-{attempt}", now)
            except Superseded:
                continue  # the nightly run has begun; what it writes is looked through too
        raise NotYetErased("the archive keeps running; try again when it is done")

    def _lines(self, manifest: Manifest) -> Iterator[bytes]:
        try:
            yield from lines(self.cabinet.bucket.whole(manifest))
        except ArchiveUnproven as fault:
            if self.cabinet.ledger.stored(manifest.day, manifest.part) is not None:  # not written anew meanwhile
                raise PartLost(fault) from None
            raise NotYetErased("the archive keeps running; try again when it is done") from None

    def _take_over(self, run: str, now: datetime) -> Run:
        work = Run(self.cabinet, run=run, now=now, remaining=lambda: 3_600_000)
        work.take_over()
        return work

    def _rewrite(self, parties: tuple[Party, ...], until: datetime, run: str, now: datetime) -> None:
        # As the run that may write: no part that is being written now can still be committed with the person in it.
        work = self._take_over(run, now)
        rewriter = Rewriter(self.cabinet.ledger, self.cabinet.bucket, run=run, now=now)
        unwanted = is_of(_convs(parties), until)
        for manifest in self.watch(self._parts(parties, until)):
            rewriter.without(manifest, unwanted)
        work.prove_successors()


def _convs(parties: tuple[Party, ...]) -> frozenset[str]:
    return frozenset(party.conv for party in parties)


def _with_more(certificate: Certificate, **gone: int) -> Certificate:
    """With what is gone beside what was counted when it was begun."""
    return replace(certificate, counts=dict(Counter(certificate.counts) + Counter(gone)))


def _kind(item: Item) -> str:
    return _KINDS.get(item["sk"][0], "others")
