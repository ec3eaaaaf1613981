"""What is left of an erased person: a tombstone per conversation, and a certificate.

| item | pk | sk | |
|---|---|---|---|
| salt | `E#salt` | `salt` | made at the first erasure; without it a hash here says nothing of anybody |
| tombstone | `E#erased` | salted hash of the conversation's key | `at`: what came until then stays away |
| certificate | `E#certificates` | time and id | counts and salted hashes, no personal data |

Salt and certificates lie in the archive bucket as well (`_erasures/`), so that they outlive the table. A restore asks for a conversation's
tombstone; the archive knows the certificates of the last weeks, for a message may have waited on a queue while its sender was erased.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from secrets import token_hex

from functions.common.clock import from_iso, to_iso
from functions.common.errors import Unavailable
from functions.common.table import ConditionFailed, Item, Table
from functions.common.wire import plain

# A message can wait fourteen days on a queue and as long on its dead-letter queue.
STILL_ON_THE_WAY = timedelta(days=30)
_SALT = ("E#salt", "salt")
_TOMBSTONES = "E#erased"
CERTIFICATES_PK = "E#certificates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """That a person was erased. `conversations` are salted hashes; `counts` says how much of each kind was found and is gone.

    `complete` is when a search of everything found nothing more; None while the erasure is under way. Backups of the table, which
    nobody can rewrite, still hold the person until `backups_until`.
    """

    id: str
    at: datetime
    conversations: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)
    backups_until: datetime
    complete: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """Who was erased lately: by hash of the conversation, when."""

    hash_of: Callable[[str], str]
    at: dict[str, datetime]

    def covers(self, conv: str, received_at: datetime) -> bool:
        """Whether a message of the conversation that was received then must stay away."""
        if not self.at:
            return False
        erased_at = self.at.get(self.hash_of(conv))
        return erased_at is not None and received_at <= erased_at


class Tombstones:
    """Where tombstones and certificates are kept. Every method may raise `Unavailable`. `random_salt` makes a salt, in hex."""

    def __init__(self, table: Table, *, random_salt: Callable[[], str] = lambda: token_hex(32)) -> None:
        self.table = table
        self._random_salt = random_salt
        self._salt: str | None = None

    @property
    def salt(self) -> str:
        """The salt; made if there is none."""
        if self._salt is None:
            item = self.table.get(*_SALT) or self._new_salt()
            self._salt = str(item["salt"])
        return self._salt

    def hash_of(self, conv: str) -> str:
        """What is kept of a conversation's key: 32 hex digits."""
        return blake2b(conv.encode(), key=bytes.fromhex(self.salt), digest_size=16).hexdigest()

    def erased_at(self, conv: str) -> datetime | None:
        """Until when what came from a conversation was erased; None when it never was."""
        item = self.table.get(_TOMBSTONES, self.hash_of(conv))
        return None if item is None else from_iso(item["at"])

    def covers(self, conv: str, received_at: datetime) -> bool:
        """Whether a message of the conversation that was received then must stay away."""
        erased_at = self.erased_at(conv)
        return erased_at is not None and received_at <= erased_at

    def raise_over(self, certificate: Certificate) -> None:
        """Set the tombstones of a certificate; a later one takes the place of an earlier one."""
        for mark in certificate.conversations:
            self.table.put({"pk": _TOMBSTONES, "sk": mark, "at": to_iso(certificate.at), "certificate": certificate.id})

    def keep(self, certificate: Certificate) -> None:
        """Write a certificate as it is now."""
        sk = f"{to_iso(certificate.at)}#{certificate.id}"
        self.table.put({"pk": CERTIFICATES_PK, "sk": sk, **plain(certificate)})

    def certificates(self, since: datetime) -> list[Certificate]:
        """The certificates of erasures since then, oldest first."""
        values = {":pk": CERTIFICATES_PK, ":since": to_iso(since)}
        return [certificate_from(item) for item in self.table.query("pk = :pk AND sk >= :since", values)]

    def lately(self, now: datetime) -> Erased:
        """Who was erased so lately that messages may still be on their way."""
        at: dict[str, datetime] = {}
        for certificate in self.certificates(now - STILL_ON_THE_WAY):
            at |= dict.fromkeys(certificate.conversations, certificate.at)
        return Erased(hash_of=self.hash_of, at=at)

    def _new_salt(self) -> Item:
        pk, sk = _SALT
        item = {"pk": pk, "sk": sk, "salt": self._random_salt()}
        try:
            self.table.put_new(item)
        except ConditionFailed:
            there = self.table.get(pk, sk)
            if there is None:
                raise Unavailable("the salt came and went") from None
            return there
        return item


def certificate_from(item: Item) -> Certificate:
    """A certificate out of its plain form."""
    return Certificate(
        id=item["id"],
        at=from_iso(item["at"]),
        conversations=tuple(item["conversations"]),
        counts=dict(item.get("counts", {})),
        backups_until=from_iso(item["backups_until"]),
        complete=from_iso(item["complete"]) if item.get("complete") else None,
    )
