"""Legal holds: what must be neither cleaned away nor erased until somebody says so.

A hold is one item, `H#holds` / `conversation#<conv>` or `contact#<channel>#<id>`, written by `postroom hold`. There are few: whoever heeds
them reads them all, once per run. A contact's hold covers every conversation with that id on that channel, whatever the account; which
those are is learnt from the archive (`held`) and noted.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from functions.common import keys
from functions.common.clock import from_iso, to_iso
from functions.common.errors import Poison
from functions.common.table import ConditionFailed, Item, Table

HOLDS_PK = "H#holds"
Kind = Literal["conversation", "contact"]


class HeldLegally(Poison):
    """A legal hold forbids what was asked for."""


class NoHold(Poison):
    """There is no such hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """`name` is a conversation's key, or a platform's id of a contact of `channel`. `because` and `by` are the operator's words.
    `conversations` are those of the contact that were found.
    """

    kind: Kind
    name: str
    channel: str | None = None
    because: str
    by: str
    since: datetime
    conversations: tuple[str, ...] = ()

    @property
    def covered(self) -> tuple[str, ...]:
        """The conversations whose originals it keeps."""
        return (self.name,) if self.kind == "conversation" else self.conversations

    @property
    def sk(self) -> str:
        """Its sort key, by which it is also named to people."""
        return _sk(self.kind, self.channel, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """All holds that stand, by their sort keys."""

    holds: dict[str, Hold]

    def covers(self, conv: str, channel: str, contacts: tuple[str, ...]) -> bool:
        """Whether a hold covers a message of this conversation by a contact with these ids."""
        return bool(self.holds) and self._first(conv, channel, *contacts) is not None

    def on_contact(self, conv: str, channel: str, contact: str) -> Hold | None:
        """The hold that covers a contact's conversation, if one does."""
        return self._first(conv, channel, contact)

    def _first(self, conv: str, channel: str, *contacts: str) -> Hold | None:
        wanted = [_sk("conversation", None, conv), *(_sk("contact", channel, contact) for contact in contacts)]
        return next((self.holds[sk] for sk in wanted if sk in self.holds), None)


class Holds:
    """Where holds are kept. Every method may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def keep_originals(self) -> int:
        """Let no original of a held conversation's masked texts expire; how many would have."""
        kept = 0
        for conv in sorted({conv for hold in self.all().holds.values() for conv in hold.covered}):
            pk = keys.conversation_pk(conv)
            for item in self.table.query("pk = :pk AND begins_with(sk, :v)", {":pk": pk, ":v": "V#"}):
                if "exp" in item:
                    with suppress(ConditionFailed):  # it has just expired
                        self.table.update(pk, item["sk"], "REMOVE #exp", condition="attribute_exists(pk)")
                        kept += 1
        return kept

    def looked(self, hold: Hold) -> set[str]:
        """The parts that were looked through for a contact's conversations."""
        return set((self.table.get(HOLDS_PK, hold.sk) or {}).get("looked", ()))

    def note(self, hold: Hold, conversations: set[str], looked: set[str]) -> None:
        """Add conversations to a contact's hold, and say which parts were looked through; nothing if it was lifted meanwhile."""
        # A set in DynamoDB is never empty.
        steps = [
            ("SET #looked = :looked", ":looked", looked),
            ("ADD #conversations :conversations", ":conversations", conversations),
        ]
        values: Item = {name: frozenset(some) for _, name, some in steps if some}
        expression = " ".join(step for step, _, some in steps if some)
        if expression:
            with suppress(ConditionFailed):
                self.table.update(HOLDS_PK, hold.sk, expression, values=values, condition="attribute_exists(pk)")

    def release_originals(self, conv: str, expires: int) -> None:
        """Let a conversation's originals expire again, at `expires`, epoch seconds."""
        pk = keys.conversation_pk(conv)
        for item in self.table.query("pk = :pk AND begins_with(sk, :v)", {":pk": pk, ":v": "V#"}):
            if "exp" not in item:
                with suppress(ConditionFailed):  # it was erased meanwhile
                    self.table.update(
                        pk, item["sk"], "SET #exp = :exp", values={":exp": expires}, condition="attribute_exists(pk)"
                    )

    def add(self, hold: Hold) -> bool:
        """Let a hold stand; False when it stood before (and stays as it was)."""
        item: Item = {"pk": HOLDS_PK, "sk": hold.sk, "kind": hold.kind, "name": hold.name, "channel": hold.channel}
        try:
            self.table.put_new(item | {"because": hold.because, "by": hold.by, "since": to_iso(hold.since)})
        except ConditionFailed:
            return False
        return True

    def remove(self, kind: Kind, name: str, channel: str | None = None) -> tuple[str, ...]:
        """Lift a hold; `NoHold` when there is none. The conversations whose originals no hold keeps any more."""
        sk = _sk(kind, channel, name)
        lifted = self.all().holds.get(sk)
        try:
            self.table.delete(HOLDS_PK, sk, condition="attribute_exists(pk)")
        except ConditionFailed:
            raise NoHold(f"no hold {sk}") from None
        still = {conv for hold in self.all().holds.values() for conv in hold.covered}
        return tuple(conv for conv in (lifted.covered if lifted else ()) if conv not in still)

    def all(self) -> Held:
        """Every hold that stands."""
        return Held(holds={item["sk"]: _hold(item) for item in self.table.query("pk = :pk", {":pk": HOLDS_PK})})


def _sk(kind: Kind, channel: str | None, name: str) -> str:
    return f"{kind}#{channel}#{name}" if kind == "contact" else f"{kind}#{name}"


def _hold(item: Item) -> Hold:
    known = {field: item.get(field) for field in ("kind", "name", "channel", "because", "by")}
    conversations = tuple(sorted(item.get("conversations", ())))
    return Hold(since=from_iso(item["since"]), conversations=conversations, **known)  # type: ignore[arg-type]
