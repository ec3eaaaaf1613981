"""What machines said lately in a conversation, packed into the conversation's own item: the ledger of replies. Pure.

A reply is reserved by adding its entry in a write that is conditional on the conversation's revision. So one write reserves, and proves
that nothing happened in the conversation since it was read (docs/adr/0009-the-ledger-is-in-the-conversation.md). The newest `KEPT` replies
stay, and the other answers in the newest one's text. An entry is 35 characters, in the order of `Said`'s fields.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from functions.common.clock import from_ms, to_ms
from functions.common.errors import MalformedEnvelope
from functions.common.origin import sign
from functions.common.store import Conversation, applied_mark

KEPT = 12
# By how much the clocks of two functions may differ.
SKEW = timedelta(minutes=1)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_SKELETON = 300
_KIND = 17
# One digit of an entry says which message, and whether it was quick.
TURNS = 17
_UNKNOWN_TURN = 17
_OVERHEARD = "said on the platform itself"

Kind = Literal["r", "n", "+", "-", "p"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One reply. `mark` stands for the message it answers; `kind`: a reply, a notice that nobody is there, another answer in the text of
    the entry before it, one that never left, or a person's reply.

    `rule` stands for its template, `text` for its text, `asked` for the skeleton of what it answers. `at` is kept to the millisecond.
    `parts`: how many of the platform's messages it takes. `turn`: which of the contact's messages it answers, counted round to `TURNS`,
    None where nobody noted it; `quick`: that message came sooner after our last word than a person reads and types.
    """

    mark: str
    at: datetime
    kind: Kind
    rule: str
    text: str
    asked: str
    parts: int = 1
    turn: int | None = None
    quick: bool = False


def entry(
    message_id: str,
    *,
    at: datetime,
    notice: bool,
    rule: str,
    text: str,
    asked: str | None,
    parts: int = 1,
    seq: int | None = None,
    quick: bool = False,
) -> Said:
    """The entry of a reply that is about to be sent. `seq`: the place of the message it answers among the contact's."""
    return Said(
        mark=applied_mark(message_id),
        at=from_ms(to_ms(at)),
        kind="n" if notice else "r",
        rule=sign(rule),
        text=sign(text),
        asked=sign(skeleton(asked)),
        parts=min(parts, len(_DIGITS) - 1),
        turn=None if seq is None else seq % TURNS,
        quick=quick,
    )


def skeleton(text: str | None) -> str:
    """What is left of a text without digits, signs, spaces and case: two that differ in a number or a time have the same."""
    folded = unicodedata.normalize("NFKC", text or "").casefold()
    return "".join(filter(str.isalpha, folded))[:_SKELETON] or folded[:_SKELETON]


def ledger(conversation: Conversation | None) -> tuple[Said, ...]:
    """What was said, oldest first."""
    return () if conversation is None else _entries(conversation.replied)


def entry_of(conversation: Conversation | None, message_id: str) -> Said | None:
    """The entry of the reply to one message, if there is one."""
    mark = applied_mark(message_id)
    return next((said for said in ledger(conversation) if said.mark == mark), None)


def reserved(before: Conversation, *said: Said) -> Conversation:
    """The conversation with a reply's entries: `said[0]` and the answers beside it, which come on top of the `KEPT`.

    Of earlier entries those that stand beside another go first: no limit on what machines say counts them.
    """
    over = len(before.replied) + len(said) - KEPT
    beside = [place for place, each in enumerate(before.replied) if each[_KIND] == "+"]
    gone = frozenset(beside[: max(over, 0)])
    kept = tuple(each for place, each in enumerate(before.replied) if place not in gone)
    return replace(before, replied=(*kept[-(KEPT - 1) :], *map(_packed, said)))


def spoken(before: Conversation, reply_id: str, *, at: datetime, text: str, parts: int = 1) -> Conversation:
    """The conversation with a person's reply: it draws on the platform's quota, and answers what was there already."""
    said = entry(reply_id, at=at, notice=False, rule="", text=text, asked=None, parts=parts)
    return reserved(before, replace(said, kind="p"))


def overheard(before: Conversation, native_id: str, *, at: datetime, text: str) -> Conversation:
    """The conversation with what a person said on the platform itself, which draws on the platform's quota as our own replies do.

    `text` stands for it (`origin.sign`). What was said since the contact last wrote shares an entry; the same echo twice counts once, as
    long as it is the newest.
    """
    mark, known = applied_mark(f"{_OVERHEARD} {native_id}"), ledger(before)
    if any(said.mark == mark for said in known):
        return before
    said = Said(mark=mark, at=from_ms(to_ms(at)), kind="p", rule=sign(_OVERHEARD), text=text, asked=sign(""))
    newest = known[-1] if known else None
    if (
        newest is None
        or (newest.kind, newest.rule) != ("p", said.rule)
        or (before.last_at or newest.at) > min(newest.at, said.at)
    ):
        return reserved(before, said)
    together = replace(said, at=max(newest.at, said.at), parts=min(newest.parts + 1, len(_DIGITS) - 1))
    return replace(before, replied=(*before.replied[:-1], _packed(together)))


def is_ours(conversation: Conversation, text: str) -> bool:
    """Whether the text that `text` stands for left from here lately, a machine's or a person's."""
    return any(said.text == text for said in ledger(conversation) if said.rule != sign(_OVERHEARD))


def moved(before: Conversation, message_id: str, *, at: datetime) -> Conversation:
    """The conversation with a reply noted at another time: platforms count what they get when they get it."""
    mark, when = applied_mark(message_id), from_ms(to_ms(at))
    known = ledger(before)
    return replace(before, replied=tuple(_packed(replace(said, at=when) if said.mark == mark else said) for said in known))


def released(before: Conversation, message_id: str) -> Conversation:
    """The conversation with a reply noted as never sent. Its entry stays: it proves that the message was seen to."""
    mark = applied_mark(message_id)
    return replace(
        before, replied=tuple(_packed(replace(s, kind="-")) if s.mark == mark else _packed(s) for s in ledger(before))
    )


def without(conversation: Conversation, message_id: str) -> Conversation:
    """The conversation as it was before it was answered with this message's reply."""
    mark = applied_mark(message_id)
    return replace(conversation, replied=tuple(_packed(said) for said in ledger(conversation) if said.mark != mark))


def may_have_forgotten(conversation: Conversation, received_at: datetime) -> bool:
    """Whether an entry for a message received then might have been here and be gone: only a full ledger forgets, and its oldest first."""
    known = ledger(conversation)
    # What people said is noted by the clocks of platforms and laptops, which may be wrong by a zone.
    oldest = next((said for said in known if said.kind != "p"), None)
    return len(known) >= KEPT and (oldest is None or received_at <= oldest.at + SKEW)


@lru_cache(maxsize=32)
def _entries(packed: tuple[str, ...]) -> tuple[Said, ...]:
    # A decision asks several times, and asks of every message in a row.
    return tuple(map(_unpacked, packed))


def _packed(said: Said) -> str:
    turn = _DIGITS[(_UNKNOWN_TURN if said.turn is None else said.turn) + (_UNKNOWN_TURN + 1) * said.quick]
    return f"{said.mark}{_base36(to_ms(said.at))}{said.kind}{said.rule}{said.text}{said.asked}{_DIGITS[said.parts]}{turn}"


def _unpacked(packed: str) -> Said:
    try:
        mark, at, kind, rest = packed[:8], from_ms(int(packed[8:17], 36)), packed[_KIND], packed[_KIND + 1 :]
        if kind not in ("r", "n", "+", "-", "p") or len(rest) not in (15, 16, 17):
            raise ValueError(kind)
        # Entries of earlier versions end before the turn, or before the parts.
        parts = int(rest[15:16] or "1", 36)
        quick, turn = divmod(int(rest[16:] or _DIGITS[_UNKNOWN_TURN], 36), _UNKNOWN_TURN + 1)
    except (ValueError, IndexError):
        raise MalformedEnvelope("an entry of the ledger") from None
    return Said(
        mark=mark,
        at=at,
        kind=kind,  # type: ignore[arg-type]
        rule=rest[:5],
        text=rest[5:10],
        asked=rest[10:15],
        parts=parts,
        turn=None if turn == _UNKNOWN_TURN else turn,
        quick=bool(quick),
    )


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits.rjust(9, "0")
