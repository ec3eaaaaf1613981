"""Keys of the one table, and ids made of them. Every function here is pure: a redelivered payload maps to the same key.

`message_id = "<conv>.<ts13>.<h>"` is opaque outside and decodable inside. 80 bits of hash make two conversations share a
key once in about 10^8 at a hundred million conversations; `h` need only differ within one conversation and millisecond.
A platform that gives no time (Twilio) has a `ts13` of zeros: see docs/adr/0005-messages-without-a-time.md.
"""

from __future__ import annotations

import re
from base64 import b32encode
from datetime import date, datetime
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

from functions.common.clock import to_ms
from functions.common.errors import Poison

CONVERSATION_SK = "@"
NO_TIME = "0" * 13
LINK = "L#"
_ID = re.compile(r"([a-z2-7]{16})\.([0-9]{13})\.([a-z2-7]{10})")


class MessageKey(NamedTuple):
    """The three parts of a message id."""

    conv: str
    ts13: str
    h: str

    @property
    def suffix(self) -> str:
        """What the sort keys of a message, its reply and its original end with."""
        return f"{self.ts13}#{self.h}"


class NotAMessageId(Poison):
    """The text is not a message id of ours."""


def short_hash(*parts: str, size: int) -> str:
    """Lower-case base32 of a `size`-byte BLAKE2b over the parts; each part's length is hashed too, so ("ab","c") ≠ ("a","bc")."""
    digest = blake2b(digest_size=size)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return b32encode(digest.digest()).decode().rstrip("=").lower()


def conversation_key(channel: str, account: str, contact: str) -> str:
    """`conv`: 16 characters for one contact of one account."""
    return short_hash(channel, account, contact, size=10)


def message_id(channel: str, account: str, contact: str, sent_at: datetime | None, *identity: str) -> str:
    """The id of a message. `identity` is the platform's own message id, or the fields that stand for it."""
    ts13 = NO_TIME if sent_at is None else f"{min(max(to_ms(sent_at), 0), 9_999_999_999_999):013d}"
    return f"{conversation_key(channel, account, contact)}.{ts13}.{short_hash(*identity, size=6)}"


def split(message_id: str) -> MessageKey:
    """The parts of a message id; `NotAMessageId` otherwise."""
    match = _ID.fullmatch(message_id)
    if match is None:
        raise NotAMessageId(f"no message id: {message_id[:80]}")
    return MessageKey(*match.groups())


def conversation_pk(conv: str) -> str:
    """Partition of everything that belongs to one conversation."""
    return f"C#{conv}"


def message_sk(key: MessageKey) -> str:
    """Sort key of the message."""
    return f"M#{key.ts13}#{key.h}"


def original_sk(key: MessageKey) -> str:
    """Sort key of the encrypted originals of masked spans."""
    return f"V#{key.ts13}#{key.h}"


def reply_sk(key: MessageKey) -> str:
    """Sort key of our reply to the message."""
    return f"R#{key.ts13}#{key.h}"


def app(issuer: str, *identity: str) -> str:
    """What access tokens are given to: an app of an issuer (`wecom`), by its id, or by whatever the issuer tells its apps apart by."""
    return f"{issuer}#{short_hash(*identity, size=10)}"


def token_pk(app: str) -> str:
    """Partition of an app's access-token lease; its sort key is `token`."""
    return f"T#{app}"


def vouched_pk(mark: str) -> str:
    """Partition of an id that a platform vouches for; `mark` is its hash."""
    return f"P#{mark}"


def member_key(mark: str, conv: str) -> tuple[str, str]:
    """pk and sk of a conversation under a vouched id."""
    return vouched_pk(mark), f"C#{conv}"


def pair_key(conv: str, other: str) -> tuple[str, str]:
    """pk and sk of an operator's link, on the first conversation's side."""
    return conversation_pk(conv), f"{LINK}{other}"


def account_hour_pk(channel: str, account: str) -> str:
    """Partition of what an account's machine replies count up to; the sort keys are hours, `yyyymmddHH`."""
    return f"L#{channel}#{account}"


def manifest_key(day: str, part: str) -> tuple[str, str]:
    """pk and sk of an archive manifest; `day` is YYYY-MM-DD."""
    return f"A#{day[:4]}{day[5:7]}", f"{day[8:10]}#{part}"


def campaign_pk(day: date, shard: str) -> str:
    """Partition of texts that newcomers sent on a day; `shard` is the first digit of their fingerprint, the sort key the fingerprint."""
    return f"F#{day:%Y%m%d}#{shard}"


def correction_key(at: datetime, name: str) -> tuple[str, str]:
    """pk and sk of labels that a person corrected: the month, then the moment and the name of their line in the audit."""
    return f"J#{at:%Y%m}", f"{to_ms(at):013d}#{name}"


def shard(conv: str, shards: int) -> int:
    """Which of `shards` index partitions a conversation falls into."""
    return crc32(conv.encode()) % shards


def work_pk(team: str, status: str, conv: str, shards: int) -> str:
    """Partition in the `work` index; its sort key is the due time as `to_iso` writes it."""
    return f"Q#{team}#{status}#{shard(conv, shards)}"


def archive_pk(conv: str, shards: int) -> str:
    """Partition in the `archive` index; its sort key is the receipt time of the oldest message not yet archived."""
    return f"A#{shard(conv, shards)}"
