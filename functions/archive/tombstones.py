"""What is left of an erased person: a tombstone per conversation, and a certificate.

| item | pk | sk | |
|---|---|---|---|
| salt | `E#salt` | `salt` | made by the first erasure or restore; without it a hash here says nothing of anybody |
| tombstone | `E#erased` | salted hash of the conversation's key | `at`: what came until then stays away |
| certificate | `E#certificates` | time and id | counts and salted hashes, no personal data |

Salt and certificates lie in the archive bucket as well (`_erasures/`), written before anything is removed, so that they outlive the table:
`bring_back` puts them into a new one, or one that was restored from a backup. A restore asks for a conversation's tombstone; the archive
knows the certificates of the last weeks, for a message may have waited on a queue while its sender was erased.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from secrets import token_hex

from functions.archive.bucket import ArchiveBucket
from functions.archive.notes import note_at, notes_under
from functions.common.clock import from_iso, to_iso
from functions.common.errors import Poison, Unavailable
from functions.common.table import ConditionFailed, Item, Table
from functions.common.wire import plain

# A message can wait fourteen days on a queue and as long on its dead-letter queue.
STILL_ON_THE_WAY = timedelta(days=30)
_SALT = ("E#salt", "salt")
_TOMBSTONES = "E#erased"
CERTIFICATES_PK = "E#certificates"
NOTES = "_erasures/"
SALT_NOTE = f"{NOTES}salt.json"


class SaltsDiffer(Poison):
    """The table's salt is not the archive bucket's: the bucket's certificates say nothing of anybody by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """That a person was erased. `conversations` are salted hashes; `counts` says how much of each kind was found and is gone.

    `searched` is when a search of the table and the archive found nothing more; `complete` when every second copy had answered too; None
    before. Of a certificate that a table got back from the bucket `searched` is None: that table nobody has searched. Backups of the
    table, which nobody can rewrite, still hold the person until `backups_until`.
    """

    id: str
    at: datetime
    conversations: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)
    backups_until: datetime
    searched: datetime | None = None
    complete: datetime | None = None

    @property
    def gone(self) -> bool:
        """Whether the person is gone from all but second copies that have not answered yet."""
        return self.searched is not None or self.complete is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """Who was erased lately: by hash of the conversation, when. Of those in `clear` a search of the table has found nothing since."""

    hash_of: Callable[[str], str]
    at: dict[str, datetime]
    clear: frozenset[str] = frozenset()

    def covers(self, conv: str, received_at: datetime) -> bool:
        """Whether a message of the conversation that was received then must stay away."""
        erased_at = self.until(conv)
        return erased_at is not None and received_at <= erased_at

    def until(self, conv: str) -> datetime | None:
        """Until when what came from a conversation was erased; None when it was not."""
        return self.at.get(self.hash_of(conv)) if self.at else None

    def is_clear(self, conv: str) -> bool:
        """Whether the table was found clear of the conversation: what is in it of that time came since."""
        return self.hash_of(conv) in self.clear


class Tombstones:
    """Where tombstones and certificates are kept: the table, and the archive's `bucket`, which outlives it. Every method may raise
    `Unavailable`, and `SaltsDiffer` those that have a salt to find. `random_salt` makes a salt, in hex.
    """

    def __init__(
        self, table: Table, bucket: ArchiveBucket | None = None, *, random_salt: Callable[[], str] = lambda: token_hex(32)
    ) -> None:
        self.table = table
        self.bucket = bucket
        self._random_salt = random_salt
        self._salt: str | None = None
        self._looked = False

    @property
    def salt(self) -> str:
        """The salt; made if there is none."""
        found = self.known_salt()
        if found is None:
            found = self._salt = self._kept_salt(self._random_salt())
        return found

    def known_salt(self) -> str | None:
        """The salt, the table's or the bucket's, if there is one yet."""
        if self._salt is None:
            item, noted = self.table.get(*_SALT), self._noted_salt()
            if item is not None and noted is not None and item["salt"] != noted:
                raise SaltsDiffer(
                    "the salt of erasures in the table is not the one in the archive bucket (_erasures/salt.json)"
                )
            self._salt = item["salt"] if item is not None else noted
        return self._salt

    def hash_of(self, conv: str) -> str:
        """What is kept of a conversation's key: 32 hex digits."""
        return blake2b(conv.encode(), key=bytes.fromhex(self.salt), digest_size=16).hexdigest()

    def key_of(self, conv: str, *, afresh: bool = False) -> tuple[str, str]:
        """pk and sk of the conversation's tombstone, whether there is one or not. The salt's, as long as there is none: then nobody is
        erased, and whoever begins to erase writes the salt first. That there is none is remembered, unless it is to be looked up `afresh`.
        """
        if self._salt is None and (afresh or not self._looked):
            self.known_salt()
            self._looked = True
        return _SALT if self._salt is None else (_TOMBSTONES, self.hash_of(conv))

    def erased_at(self, conv: str) -> datetime | None:
        """Until when what came from a conversation was erased; None when it never was."""
        item = None if self.known_salt() is None else self.table.get(*self.key_of(conv))
        return None if item is None else from_iso(item["at"])

    def covers(self, conv: str, received_at: datetime) -> bool:
        """Whether a message of the conversation that was received then must stay away."""
        erased_at = self.erased_at(conv)
        return erased_at is not None and received_at <= erased_at

    def raise_over(self, certificate: Certificate) -> int:
        """Set the tombstones of a certificate, and how many there were not yet; one that reaches further stays."""
        raised = 0
        for mark in certificate.conversations:
            item = {"pk": _TOMBSTONES, "sk": mark, "at": to_iso(certificate.at), "certificate": certificate.id}
            with suppress(ConditionFailed):
                self.table.put(item, condition="attribute_not_exists(pk) OR #at < :at", values={":at": item["at"]})
                raised += 1
        return raised

    def keep(self, certificate: Certificate) -> None:
        """Write a certificate as it is now: into the bucket first, where a restore into another table finds it."""
        if self.bucket is not None:
            self.write_down(certificate, self.bucket)
        self._put(certificate)

    def write_down(self, certificate: Certificate, bucket: ArchiveBucket) -> None:
        """Write a certificate, and the salt without which it says nothing, into a bucket."""
        bucket.put_note(SALT_NOTE, {"salt": self.salt})
        bucket.put_note(f"{NOTES}{certificate.id}.json", {"version": 1, **plain(certificate)})

    def written_down(self) -> list[Certificate]:
        """The certificates in the bucket; `ArchiveUnproven` when one cannot be read."""
        notes = notes_under(self.bucket, NOTES) if self.bucket is not None else ()
        return [certificate_from(note) for key, note in notes if key != SALT_NOTE]

    def all_of(self, certificates: list[Certificate]) -> Erased:
        """Who these certificates say was erased; of several, the last counts."""
        last: dict[str, Certificate] = {}
        for certificate in sorted(certificates, key=lambda each: each.at):
            last |= dict.fromkeys(certificate.conversations, certificate)
        at = {mark: certificate.at for mark, certificate in last.items()}
        clear = frozenset(mark for mark, certificate in last.items() if certificate.searched is not None)
        return Erased(hash_of=self.hash_of, at=at, clear=clear)

    def bring_back(self) -> int:
        """Put into the table what the bucket has and the table lacks, and how many tombstones that were."""
        salt, raised = self.known_salt(), 0
        if salt is not None:
            self._kept_salt(salt)
        for certificate in self.written_down():
            raised += self.raise_over(certificate)
            known = self.table.get(CERTIFICATES_PK, _certificate_sk(certificate))
            if known is None or (certificate.complete and not known.get("complete")):
                self._put(replace(certificate, searched=None))
        return raised

    def certificates(self, since: datetime) -> list[Certificate]:
        """The certificates of erasures since then, oldest first."""
        values = {":pk": CERTIFICATES_PK, ":since": to_iso(since)}
        return [certificate_from(item) for item in self.table.query("pk = :pk AND sk >= :since", values)]

    def lately(self, now: datetime) -> Erased:
        """Who was erased so lately that messages may still be on their way."""
        return self.all_of(self.certificates(now - STILL_ON_THE_WAY))

    def _put(self, certificate: Certificate) -> None:
        self.table.put({"pk": CERTIFICATES_PK, "sk": _certificate_sk(certificate), **plain(certificate)})

    def _noted_salt(self) -> str | None:
        note = note_at(self.bucket, SALT_NOTE) if self.bucket is not None else None
        return None if note is None else str(note["salt"])

    def _kept_salt(self, salt: str) -> str:
        """The salt in the table: this one, unless there is one."""
        pk, sk = _SALT
        try:
            self.table.put_new({"pk": pk, "sk": sk, "salt": salt})
        except ConditionFailed:
            there = self.table.get(pk, sk)
            if there is None:
                raise Unavailable("the salt came and went") from None
            return str(there["salt"])
        return salt


def _certificate_sk(certificate: Certificate) -> str:
    return f"{to_iso(certificate.at)}#{certificate.id}"


def certificate_from(item: Item) -> Certificate:
    """A certificate out of its plain form."""
    return Certificate(
        id=item["id"],
        at=from_iso(item["at"]),
        conversations=tuple(item["conversations"]),
        counts=dict(item.get("counts", {})),
        backups_until=from_iso(item["backups_until"]),
        **{name: from_iso(item[name]) for name in ("searched", "complete") if item.get(name)},
    )
