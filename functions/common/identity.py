"""One person under several ids: which conversations are with the same person, who says so, and since when.

Two things join conversations and nothing else does (docs/adr/0008-who-may-say-that-two-contacts-are-one.md):

- an id that a platform vouches for beyond the account: a `unionid` within an open platform, an `external_userid` within a company. It
  counts only if it has a scope and the webhook's body was signed: where it is not, the id is whatever the sender of the bytes wrote.
- an operator, who names two conversations.

Names and phone numbers never do: several people share a name, and a number passes to others. A link is an item of its own, and so is
what was undone: an act is added to it, never taken away, and an id that was seen before does not link anew what a person parted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from functions.common import keys
from functions.common.errors import Poison
from functions.common.message import Message
from functions.common.store import Conversation, Store

# Kinds of `ContactId` that name one person in every account of their scope. A `wa_id` is a phone number; an `openid` ends with its app.
VOUCHED_KINDS = frozenset({"unionid", "external_userid", "user_id", "staff_id", "bsuid", "parent_bsuid"})
VOUCHED_KEPT = 8
PLATFORM = "platform"
OPERATOR = "operator"


class NotLinked(Poison):
    """There is no standing link between the two."""


class LinkChanged(Exception):
    """Somebody else changed the link since it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A conversation as people name it."""

    channel: str
    account: str
    contact: str

    @property
    def conv(self) -> str:
        """Its key in the table."""
        return keys.conversation_key(self.channel, self.account, self.contact)


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchedId:
    """An id of a person and the open platform, company or team within which it is theirs alone."""

    kind: str
    scope: str
    value: str

    @property
    def mark(self) -> str:
        """What the table knows of it: a hash, 16 characters."""
        return keys.short_hash(self.kind, self.scope, self.value, size=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What was done to a link: `by` is `platform` or the operator's name."""

    act: Literal["linked", "unlinked"]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A conversation and why it is, or was, the same person's: `because` is `operator`, or kind and scope of an id."""

    party: Party
    because: str
    acts: tuple[Act, ...]

    @property
    def stands(self) -> bool:
        """Whether the last act did not undo it."""
        return self.acts[-1].act == "linked"


class Links(Protocol):
    """Where links are kept. Every method may raise `Unavailable`; an act is refused with `LinkChanged` unless `after` so many."""

    def vouch(self, vouched: VouchedId, party: Party, at: datetime) -> None:
        """Note that the id was seen in a conversation, once: what is known of it, an undoing too, stays."""

    def members(self, mark: str) -> list[Link]:
        """Every conversation in which a vouched id was seen, undone ones too."""

    def act_on_member(self, mark: str, conv: str, act: Act, *, after: int) -> None:
        """Add an act to a conversation's membership."""

    def pairs(self, conv: str) -> list[Link]:
        """What operators linked a conversation with, undone ones too."""

    def act_on_pair(self, one: Party, other: Party, act: Act, *, after: int) -> None:
        """Add an act to the link of two conversations that are there, on both sides or on none."""

    def forget(self, conv: str, marks: tuple[str, ...], until: datetime | None = None) -> None:
        """Remove everything that names the conversation under these marks, and the operators' links: of these only those that were made
        until then, if a time is named.
        """


def vouched_ids(message: Message) -> tuple[VouchedId, ...]:
    """The ids by which a platform vouches for the sender. A group is a conversation of many: nobody's ids speak for it."""
    if not message.verification.body_signed or message.contact.is_bot or message.conversation_kind != "dm":
        return ()
    known = (each for each in message.contact.ids if each.kind in VOUCHED_KINDS and each.scope)
    return tuple(VouchedId(kind=each.kind, scope=each.scope, value=each.value) for each in known)


def with_vouched(known: tuple[str, ...], message: Message) -> tuple[str, ...]:
    """The marks of a conversation after a message: the first few, for a sender might name ever new ids."""
    return tuple(dict.fromkeys((*known, *(each.mark for each in vouched_ids(message)))))[:VOUCHED_KEPT]


def party_of(conversation: Conversation) -> Party:
    """The names under which people know a conversation."""
    return Party(channel=conversation.channel, account=conversation.account, contact=conversation.contact)


@dataclass(frozen=True, slots=True)
class People:
    """Who is who: the links read and written as people think of them."""

    store: Store
    links: Links

    def linked(self, conv: str) -> tuple[Link, ...]:
        """Every other conversation with the same person, however many links away, nearest first; each once, with the link that led there.

        One read for each conversation found, one query for it, and one for each id that a platform vouches for.
        """
        found: dict[str, Link] = {}
        waiting = deque([conv])
        while waiting:
            for link in self._standing(waiting.popleft()):
                if link.party.conv != conv and link.party.conv not in found:
                    found[link.party.conv] = link
                    waiting.append(link.party.conv)
        return tuple(found.values())

    def known(self, conv: str) -> tuple[Link, ...]:
        """Every link of the conversation itself, undone ones too; a membership of its own that was undone is among them."""
        members = [link for mark in self._marks(conv) for link in self.links.members(mark)]
        own = {link.because: link for link in members if link.party.conv == conv}
        theirs = (link for link in members if link.party.conv != conv and own[link.because].stands)
        return (*self.links.pairs(conv), *theirs, *(link for link in own.values() if not link.stands))

    def link(self, one: Party, other: Party, *, by: str, at: datetime) -> bool:
        """Link two conversations; False when an operator's link between them stands already."""
        there = self._pair(one.conv, other.conv)
        if there is not None and there.stands:
            return False
        self.links.act_on_pair(one, other, Act(act="linked", by=by, at=at), after=len(there.acts) if there else 0)
        return True

    def unlink(self, one: Party, other: Party, *, by: str, at: datetime) -> tuple[Link, ...]:
        """Undo what links the first conversation directly with the second; `NotLinked` when nothing does.

        Where a platform's id links them, the first one leaves that id, and with it everybody else under it. Answers with the link by
        which they still hang together over a third conversation, if they do.
        """
        act, undone = Act(act="unlinked", by=by, at=at), False
        there = self._pair(one.conv, other.conv)
        if there is not None and there.stands:
            self.links.act_on_pair(one, other, act, after=len(there.acts))
            undone = True
        for mark in self._marks(one.conv):
            members = {link.party.conv: link for link in self.links.members(mark) if link.stands}
            if one.conv in members and other.conv in members:
                self.links.act_on_member(mark, one.conv, act, after=len(members[one.conv].acts))
                undone = True
        if not undone:
            raise NotLinked(f"{one.channel} {one.account} {one.contact} and {other.channel} {other.account} {other.contact}")
        return tuple(link for link in self.linked(one.conv) if link.party.conv == other.conv)

    def forget(self, conv: str) -> None:
        """Remove every link of the conversation, and the record of those that were undone: it is to be erased."""
        self.links.forget(conv, self._marks(conv))

    def forget_until(self, conv: str, until: datetime, also: Collection[str] = ()) -> None:
        """Remove the links of the conversation that were made until then. `also`: marks that it may not know, of ids it was seen with."""
        self.links.forget(conv, self.marks_until(conv, until, also), until)

    def marks_until(self, conv: str, until: datetime, also: Collection[str] = ()) -> tuple[str, ...]:
        """The marks under which the conversation was first seen until then, of those that it knows and of `also`."""
        known = dict.fromkeys((*self._marks(conv), *sorted(also)))
        return tuple(mark for mark in known if any(link.acts[0].at <= until for link in self._own(mark, conv)))

    def stands_under(self, mark: str, conv: str) -> bool:
        """Whether the conversation was seen under a mark, undone or not."""
        return any(self._own(mark, conv))

    def _own(self, mark: str, conv: str) -> Iterator[Link]:
        return (link for link in self.links.members(mark) if link.party.conv == conv)

    def _standing(self, conv: str) -> Iterator[Link]:
        yield from (link for link in self.links.pairs(conv) if link.stands)
        for mark in self._marks(conv):
            members = [link for link in self.links.members(mark) if link.stands]
            if any(link.party.conv == conv for link in members):
                yield from members

    def _marks(self, conv: str) -> tuple[str, ...]:
        found = self.store.conversation(conv)
        return found.vouched if found else ()

    def _pair(self, conv: str, other: str) -> Link | None:
        return next((link for link in self.links.pairs(conv) if link.party.conv == other), None)
