"""What the table holds of a conversation up to the moment at which its person was erased: counted, and made to vanish.

Whoever writes to us afterwards is a new contact. If such messages are there, the conversation's own item is made anew out of them alone;
otherwise it goes too. Once the table was searched and found clear, only a stray can be there of that time: a message that was on its way.
Then nothing goes but what it brought: a block, tags, a takeover, an opt-out, links are of the time since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from functions.common import keys
from functions.common.clock import EPOCH, from_iso, from_ms
from functions.common.dynamo_items import conversation_from, judged_from_item
from functions.common.errors import Retryable
from functions.common.identity import VOUCHED_KINDS, People, VouchedId, party_of, vouched_ids, with_vouched
from functions.common.judgement import Judged
from functions.common.keys import NotAMessageId
from functions.common.ledger import ledger
from functions.common.store import APPLIED_KEPT, Conversation, ConversationChanged, applied_mark, unsettled
from functions.common.table import ConditionFailed, Item, Table

# A message is what tells of the others that they are of that time.
_LAST = {"V": 0, "R": 1, "Z": 2, "M": 3, "L": 4, "@": 5}
_TRIES = 5
# Twice as long as autoreply may live (template.yaml).
_SENDING = timedelta(minutes=3)


class NotYetErased(Retryable):
    """Something of the person is there again, or still: the erasure is to be repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """`people` knows the links between conversations. Every method may raise `Unavailable`."""

    table: Table
    people: People

    def items(self, conv: str, until: datetime, *, clear: bool = False) -> list[Item]:
        """Keys of what there is of the conversation up to then; the conversation's own item, if it knows of that time, comes last.

        What belongs to a message goes with it. Once the table was found `clear`, a message that is not there has expired.
        """
        items = [_slim(item) for item in self._stored(conv)]
        messages: dict[str, bool] = {item["sk"][2:]: item["at"] > until for item in items if item["sk"][0] == "M"}
        own = next((item for item in items if item["sk"] == keys.CONVERSATION_SK), None)
        goes_on = own is not None and (any(messages.values()) or own["at"] > until or (clear and own["last"] > until))

        def is_later(item: Item) -> bool:
            kind, of = item["sk"][0], item["of"]
            if kind in "MRV":
                return messages.get(item["sk"][2:], clear)
            if not goes_on or item["at"] <= until:
                return False
            return of is None or messages.get(of, clear)

        return sorted((item for item in items if not is_later(item)), key=lambda item: _LAST.get(item["sk"][0], 2))

    def memberships(self, conv: str, until: datetime) -> int:
        """Under how many ids that a platform vouches for it was named up to then."""
        return len(self.people.marks_until(conv, until, self._vouched(conv)))

    def remove(self, conv: str, until: datetime, *, clear: bool = False, now: datetime | None = None) -> None:
        """Remove them. `clear`: the table was found clear of them before. May be repeated; `NotYetErased` when messages keep coming, and,
        if it is said what time it is `now`, while a reply is being sent: its record is written when all else is gone.
        """
        recorded = {applied_mark(f"{conv}.{item['sk'][2:].replace('#', '.')}") for item in self._stored(conv, "R#")}
        # The links first: messages and the conversation, which go later, know under which ids it is named.
        self.people.forget_until(conv, until, self._vouched(conv))
        for item in self.items(conv, until, clear=clear):
            if item["corrects"]:
                # First what training learns from: nothing but this line leads there.
                self.table.delete(*keys.correction_key(from_ms(int(item["sk"][2:15])), item["sk"][16:]))
            if item["sk"][0] not in "@L":  # links go by both their sides
                self.table.delete(item["pk"], item["sk"])
        for _ in range(_TRIES):
            if self._settled(conv, until, clear, lambda before: now is not None and _is_sending(before, recorded, now)):
                return
        raise NotYetErased("messages keep coming")

    def _settled(self, conv: str, until: datetime, clear: bool, sending: Callable[[Conversation], bool]) -> bool:
        """Whether the conversation's own item is gone, or knows of later messages only; False when a message came meanwhile."""
        item = self.table.get(keys.conversation_pk(conv), keys.CONVERSATION_SK)
        if item is None:
            self.people.forget(conv)  # of those that somebody linked while it went
            return True
        before = conversation_from(item)
        if sending(before):  # nothing is sent that is not noted in this very item first
            raise NotYetErased("a reply is being sent at this moment: run this again in a few minutes")
        found = (found for found in self._stored(conv, "M#") if _slim(found)["at"] > until)
        later = [(judged_from_item(each), "archived" in each) for each in found]
        fresh = begun_anew(before, later, until, clear=clear)
        try:
            if fresh is None:
                self.people.forget(conv)
                self.table.delete(item["pk"], item["sk"], condition="#rev = :was", values={":was": item["rev"]})
            elif fresh is not before:
                self.people.store.apply(before, replace(fresh, vouched=self._vouched_anew(before, later)))
        except (ConditionFailed, ConversationChanged):
            return False
        return True

    def _vouched(self, conv: str) -> set[str]:
        """Marks of the ids that messages of the conversation name: one that was stored and no more is not noted in the conversation."""
        contacts = (item["message"].get("contact", {}) for item in self._stored(conv, "M#") if "message" in item)
        return {
            VouchedId(kind=each["kind"], scope=each["scope"], value=each["value"]).mark
            for contact in contacts
            for each in contact.get("ids", ())
            if each.get("kind") in VOUCHED_KINDS and each.get("scope")
        }

    def _vouched_anew(self, before: Conversation, later: list[tuple[Judged, bool]]) -> tuple[str, ...]:
        """The marks under which it stands since: of what a stray said before them too, its note went with it."""
        marks = tuple(mark for mark in before.vouched if self.people.stands_under(mark, before.conv))
        for judged, _ in later:
            for each in vouched_ids(judged.message):
                self.people.links.vouch(each, party_of(before), judged.message.received_at)
            marks = with_vouched(marks, judged.message)
        return marks

    def _stored(self, conv: str, prefix: str = "") -> Iterator[Item]:
        values = {":pk": keys.conversation_pk(conv)}
        if not prefix:
            return self.table.query("pk = :pk", values)
        return self.table.query("pk = :pk AND begins_with(sk, :prefix)", values | {":prefix": prefix})


def begun_anew(
    before: Conversation, later: list[tuple[Judged, bool]], until: datetime, *, clear: bool = False
) -> Conversation | None:
    """The conversation as it is known from messages later than `until`, each with whether it is archived; None without any.

    Its counter goes on, for the messages have their numbers. Work that is due for them stays, and of what was said what was said since.
    `clear`: but for a stray nothing in it is older, though its later messages may have left the table.
    """
    if before.first_at is not None and before.first_at > until:
        return before
    since = before.last_at if clear and before.last_at is not None and before.last_at > until else None
    if not later and since is None:
        return None
    fresh = _known_from(later, before, until) if later else _emptied(before, until)
    if clear:
        # An opt-out may be the stray's; whoever once asked for silence is not written to for that.
        fresh = replace(
            fresh,
            opted_out=fresh.opted_out or before.opted_out,
            blocked=before.blocked,
            tags=before.tags,
            taken_by=before.taken_by,
            last_at=max(filter(None, (fresh.last_at, since))),
        )
    return _with_work(fresh, before, [judged for judged, _ in later])


def _emptied(before: Conversation, until: datetime) -> Conversation:
    """The conversation without anything that a message said."""
    return Conversation(
        conv=before.conv,
        channel=before.channel,
        account=before.account,
        contact=before.contact,
        count=before.count,
        first_at=before.last_at,
        last_at=before.last_at,
        replied=tuple(entry for entry, said in zip(before.replied, ledger(before), strict=True) if said.at > until),
        person_at=before.person_at if before.person_at is not None and before.person_at > until else None,
        rev=before.rev,
    )


def _known_from(later: list[tuple[Judged, bool]], before: Conversation, until: datetime) -> Conversation:
    """The conversation with what later messages say."""
    received = [judged.message.received_at for judged, _ in later]
    unfiled = [judged.message for judged, filed in later if not filed]
    contact = later[-1][0].message.contact
    return replace(
        _emptied(before, until),
        name=contact.name,
        locale=contact.locale,
        first_at=min(received),
        last_at=max(received),
        opted_out=any(judged.judgement.opt_out for judged, _ in later),
        unarchived_since=min((message.received_at for message in unfiled), default=None),
        unarchived_from=min((keys.split(message.message_id).suffix for message in unfiled), default=None),
        applied=tuple(applied_mark(judged.message.message_id) for judged, _ in later)[-APPLIED_KEPT:],
    )


def _with_work(fresh: Conversation, before: Conversation, later: list[Judged]) -> Conversation:
    """With what people must do about the later messages, if they still must."""
    first = next((judged for judged in later if judged.routing.needs_person), None)
    if first is None or not unsettled(before):
        return fresh
    return replace(
        fresh,
        status=before.status,
        team=before.team,
        priority=first.routing.priority,
        due_at=first.routing.due_at,
        hold=first.routing.hold,
        waiting_since=first.message.received_at,
    )


def _is_sending(conversation: Conversation, recorded: set[str], now: datetime) -> bool:
    """Whether a machine's reply was reserved so lately that whoever sends it may be alive, and has no record yet."""
    lately = (said for said in ledger(conversation) if said.kind in "rn" and said.at > now - _SENDING)
    return any(said.mark not in recorded for said in lately)


def _slim(item: Item) -> Item:
    """What must be known of an item; `at` is a message's receipt, the first that the conversation knows of (`last`: the last), when a link
    was made or a person did something. `of`: the message that this was about; `corrects`: its labels, and training knows.
    """
    kind, at, last = item["sk"][0], EPOCH, EPOCH
    with suppress(KeyError, TypeError, ValueError):  # one that cannot be read goes
        if kind == "M":
            at = from_iso(item["message"]["received_at"])
        elif kind == "@":
            at, last = from_iso(item["first_at"]), from_iso(item["last_at"])
        elif kind == "L":
            at = from_iso(item["acts"][0]["at"])
        elif kind == "Z":
            at = from_ms(int(item["sk"][2:15]))
    of = None
    with suppress(KeyError, NotAMessageId):
        of = keys.split(item["message_id"]).suffix
    corrects = kind == "Z" and item.get("action") == "correct"
    return {"pk": item["pk"], "sk": item["sk"], "at": at, "last": last, "corrects": corrects, "of": of}
