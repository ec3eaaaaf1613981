"""A part that took another's place, less some lines, and is lost before that other is gone for good.

Its lines were marked long ago, and some of their messages may have left the table: nothing but the original has them all. That one stands,
noted for removal, until the removal is carried out. So before it is, what took its place is proven once more; where that is lost, and
is whole nowhere, it is written once more from the original: without the lines of anybody who was erased, and with the replies that were
filed after their messages, which the table still has. What a rule of retention had removed comes back with it, and is noted for the next
sweep, which removes it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from functions.archive.bucket import ArchiveBucket, manifest_object_key, part_key
from functions.archive.cleaning import look_again
from functions.archive.manifests import Ledger, Manifest, manifest_from
from functions.archive.notes import note_at
from functions.archive.parts import ArchiveUnproven, reply_from
from functions.archive.removals import Removals
from functions.archive.rewriting import Rewriter
from functions.archive.tombstones import Erased, Tombstones
from functions.common import keys
from functions.common.clock import EPOCH, from_iso
from functions.common.errors import MalformedEnvelope
from functions.common.store import Reply
from functions.common.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Successors:
    """`mend` puts a part back that is whole elsewhere. Every method may raise `Unavailable`."""

    ledger: Ledger
    bucket: ArchiveBucket
    removals: Removals
    tombstones: Tombstones
    mend: Callable[..., bool]
    telemetry: Telemetry

    def unremoved(self) -> Iterator[Manifest]:
        """Parts that took the place of such as are noted for removal and not yet gone."""
        for day, part in list(self.removals.replaced()):
            manifest = self.ledger.stored(day, part)
            if manifest is not None:
                yield manifest

    def write_again(self, lost: Manifest, rewriter: Rewriter) -> bool:
        """Write a lost part once more; False when its original is gone, or whole nowhere. `Superseded`."""
        original = self._original(lost)
        if original is None:
            return False
        look_again(self.ledger.table, lost)
        erased = self.tombstones.all_of(self.tombstones.certificates(EPOCH))
        rewriter.again(lost, original, lambda line: _is_erased(line, erased), self._record)
        return True

    def _record(self, message_id: str) -> Reply | None:
        """The record of a reply that counts as filed, of which the lost part may have been the only one that had it; what does not count
        as filed is owed anyhow. `expiry` sees to it that it is still in the table.
        """
        key, table = keys.split(message_id), self.ledger.table
        item = table.get(keys.conversation_pk(key.conv), keys.reply_sk(key))
        try:
            return reply_from({**item, "message_id": message_id}) if item is not None and "archived" in item else None
        except MalformedEnvelope as fault:
            self.telemetry.error("message_unreadable", fault, pk=keys.conversation_pk(key.conv), sk=keys.reply_sk(key))
            return None

    def _original(self, lost: Manifest) -> Manifest | None:
        key = part_key(lost.day, lost.channel, str(lost.replaces))
        if key not in set(self.removals.noted()):
            return None  # it is gone, or nobody would take it away again
        original = self._noted(manifest_object_key(key))
        if original is None:
            return None
        try:
            self.bucket.prove(original)
        except ArchiveUnproven:
            return original if self.mend(original, counts=False) else None
        return original

    def _noted(self, key: str) -> Manifest | None:
        try:
            note = note_at(self.bucket, key)
            return None if note is None else manifest_from(note)
        except (ArchiveUnproven, KeyError, TypeError, ValueError):
            return None


def _is_erased(line: bytes, erased: Erased) -> bool:
    message = json.loads(line)["message"]
    return erased.covers(keys.split(message["message_id"]).conv, from_iso(message["received_at"]))
