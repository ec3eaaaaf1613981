"""A part written anew without some of its lines: for an erasure, or because the retention policy says so.

A part is an object that never changes. What replaces it is a new part with a name of its own, proven like any other; one transaction
lets the new manifest count and the old one not, and notes the old object for removal. A reader sees the one or the other, never both.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any

from functions.archive.bucket import ArchiveBucket, part_key
from functions.archive.manifests import Ledger, Manifest, Superseded, intent
from functions.archive.parts import ArchiveUnproven, PartWriter, lines
from functions.common import keys
from functions.common.clock import from_iso
from functions.common.store import Reply
from functions.common.wire import dumps, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """What became of a part: so many lines went, and `part` took its place (None: nothing was left to keep)."""

    removed: int
    part: Manifest | None


class Rewriter:
    """Rewrites on behalf of `run`, which must have taken the fence; `Superseded` when it has lost it."""

    def __init__(self, ledger: Ledger, bucket: ArchiveBucket, *, run: str, now: datetime) -> None:
        self.ledger = ledger
        self.bucket = bucket
        self.run = run
        self.now = now
        self._numbers = count(1)

    def without(self, manifest: Manifest, unwanted: Callable[[bytes], bool]) -> Rewritten | None:
        """Write a part anew without the lines that are not wanted; None when all are. `ArchiveUnproven` changes nothing."""
        writer, removed, kept = self._less(manifest, unwanted)
        if not removed:
            return None
        if not kept:
            self.ledger.drop(manifest, self.run)
            return Rewritten(removed=removed, part=None)
        return Rewritten(removed=removed, part=self._replace(manifest, writer))

    def again(
        self, lost: Manifest, original: Manifest, unwanted: Callable[[bytes], bool], record: Callable[[str], Reply | None]
    ) -> None:
        """Write a part that is lost once more, from the one whose place it took, which still stands. `ArchiveUnproven` changes nothing.

        A reply that was filed after its message stood in the lost part alone: `record` gives, by message id, what is put beside its line.
        """
        writer, _, kept = self._less(original, unwanted, record)
        if kept:
            self._replace(replace(lost, cleaned=original.cleaned), writer)
        else:
            self.ledger.drop(lost, self.run)

    def _less(
        self, manifest: Manifest, unwanted: Callable[[bytes], bool], record: Callable[[str], Reply | None] = lambda _: None
    ) -> tuple[PartWriter, int, int]:
        """A part's lines without those that are not wanted; how many these are, and how many are left."""
        writer, removed, kept = PartWriter(manifest.day, manifest.channel), 0, 0
        for line in lines(self.bucket.whole(manifest)):
            if unwanted(line):
                removed += 1
                continue
            said = json.loads(line)
            _add(writer, line, said, record(said["message"]["message_id"]))
            kept += 1
        return writer, removed, kept

    def with_replies(self, manifest: Manifest, replies: dict[str, Reply]) -> int:
        """Write a part anew with these records, by id, beside their messages; how many it holds. `ArchiveUnproven` changes nothing."""
        writer, found, changed = PartWriter(manifest.day, manifest.channel), 0, False
        for text in lines(self.bucket.whole(manifest)):
            said = json.loads(text)
            reply = replies.get(said["message"]["message_id"])
            found += reply is not None
            changed = _add(writer, text, said, reply) != text or changed
        if changed:
            self._replace(manifest, writer)
        return found

    def _replace(self, old: Manifest, writer: PartWriter) -> Manifest:
        part = writer.close()
        # A run may have several rewriters, one after the other; of one part each is written once.
        name = f"{self.run}-r{next(self._numbers)}-{keys.short_hash(old.part, size=5)}"
        key = part_key(part.day, part.channel, name)
        new = intent(part, name=name, key=key, run=self.run, began=self.now)
        new = replace(new, replaces=old.part, cleaned=old.cleaned)
        self.ledger.intend(new)
        self.bucket.put(key, part.body)
        try:
            self.bucket.prove(new)
            committed = self.ledger.replace(old, new)
        except (ArchiveUnproven, Superseded):
            self._give_way(new)
            raise
        self.bucket.put_manifest(committed)
        self.ledger.done(committed)
        return committed

    def _give_way(self, new: Manifest) -> None:
        """Remove what came after a later run had discarded it."""
        if self.ledger.stored(new.day, new.part) is None:
            self.bucket.remove_for_good(new.key)
            raise Superseded(self.run) from None


def _add(writer: PartWriter, text: bytes, said: dict[str, Any], reply: Reply | None) -> bytes:
    """Write a line of another part, `said` in JSON, with this reply if there is one; the line as it was written."""
    if reply is not None:
        text = (dumps(said | {"reply": plain(reply)}) + "\n").encode()
    late_at = from_iso(said["late_at"]) if "late_at" in said else None
    writer.add_line(text, from_iso(said["message"]["received_at"]), said["bundle"], late_at)
    return text


def is_of(conversations: frozenset[str], until: datetime) -> Callable[[bytes], bool]:
    """Whether a line is a message of one of these conversations, received until then; reads no more of it than it must."""
    marks = tuple(f'"message_id":"{conv}.'.encode() for conv in sorted(conversations))

    def unwanted(line: bytes) -> bool:
        if not any(mark in line for mark in marks):
            return False
        message = json.loads(line)["message"]
        return message["message_id"].partition(".")[0] in conversations and from_iso(message["received_at"]) <= until

    return unwanted
