"""Which conversations a contact's hold covers. The hold names a channel and an id of the person; an original of a masked text lies under a
conversation, and must not expire while the hold stands.

Every message is in a part days before its original expires, and its line names the contact by every id. So the parts of the last weeks are
looked through, each once for each hold: what was found is noted on the hold, and so are the parts. What is in no part though its original
expires soon, because the archive is behind, is looked at where it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from functions.archive.allowance import Allowance
from functions.archive.bucket import ArchiveBucket
from functions.archive.holds import Hold, Holds
from functions.archive.hot import HotReader
from functions.archive.manifests import Ledger, Manifest
from functions.archive.parts import ArchiveUnproven, lines
from functions.common import keys
from functions.common.clock import EPOCH
from functions.common.telemetry import Telemetry


@dataclass(slots=True)
class _Search:
    """What one hold's search has come to: conversations, and parts that were looked through."""

    hold: Hold
    looked: set[str]
    found: set[str] = field(default_factory=set)

    def see(self, message_id: str, contacts: set[str]) -> None:
        if self.hold.name in contacts:
            self.found.add(keys.split(message_id).conv)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldContacts:
    """Every method may raise `Unavailable`."""

    holds: Holds
    ledger: Ledger
    bucket: ArchiveBucket
    hot: HotReader
    telemetry: Telemetry

    def look(self, first: str, last: str, soon: datetime, time: Allowance) -> None:
        """Look through the parts of the days from `first` to `last`, YYYY-MM-DD, and at what was received before `soon` and is in none;
        `OutOfTime` leaves the rest to the next time.
        """
        contacts = [hold for hold in self.holds.all().holds.values() if hold.kind == "contact"]
        if not contacts:
            return
        parts = list(self.ledger.committed(first, last))
        names = {manifest.part for manifest in parts}
        searches = [_Search(hold, self.holds.looked(hold) & names) for hold in contacts]
        try:
            self._look_at_hot(soon, searches, time)
            for manifest in parts:
                time.check()
                self._look_through(manifest, searches)
        finally:
            for search in searches:
                self.holds.note(search.hold, search.found, search.looked)

    def _look_at_hot(self, soon: datetime, searches: list[_Search], time: Allowance) -> None:
        channels = {search.hold.channel for search in searches}
        for filed in self.hot.read(EPOCH, soon, wanted=lambda conversation: conversation.channel in channels):
            time.check()
            message = filed.judged.message
            for search in searches:
                if search.hold.channel == message.channel:
                    search.see(message.message_id, {message.contact.primary, *(known.value for known in message.contact.ids)})

    def _look_through(self, manifest: Manifest, searches: Iterable[_Search]) -> None:
        wanted = [s for s in searches if s.hold.channel == manifest.channel and manifest.part not in s.looked]
        if not wanted:
            return
        try:
            for line in lines(self.bucket.whole(manifest)):
                message = json.loads(line)["message"]
                contact = message["contact"]
                ids = {contact["primary"], *(known["value"] for known in contact.get("ids", ()))}
                for search in wanted:
                    search.see(message["message_id"], ids)
        except ArchiveUnproven as fault:
            self.telemetry.error("archive_unproven", fault, run=manifest.run)
            return
        for search in wanted:
            search.looked.add(manifest.part)
