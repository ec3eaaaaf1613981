"""Who is meant by ids that people named: the conversations in which a platform gives one of them, and those that are linked with these.

An id alone says neither channel nor account, and a link is between conversations (`functions.common.identity`). A contact's conversations
are those that have its id somewhere in the time looked at, and those that it has, or had long ago, in the accounts that anybody wrote to in
that time: a conversation's key is a hash of channel, account and id. The latter take a query for each id and account; where these would be
more than `MOST_LOOKUPS` they are left out, and that is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from threading import Lock

from functions.archive.crew import Crew
from functions.common import keys
from functions.common.dynamo_links import DynamoLinks
from functions.common.dynamo_store import DynamoStore
from functions.common.identity import People
from functions.common.table import Table

# A minute or so, eight at a time.
MOST_LOOKUPS = 20_000
_LOOKING = 8
# The first in a line are the message's own; within texts a quote is escaped.
_CONVERSATION = re.compile(rb'"message_id":"([a-z2-7]{16})[.]')
_ACCOUNT = re.compile(rb'"account":"([^"]*)"')
Watched = Callable[[Iterable[str], int], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """`own` are conversations that have one of the ids, `linked` the others of the same persons; keys of both. `whole`: whether the
    conversations that only their keys tell were looked up too.
    """

    own: frozenset[str]
    linked: frozenset[str]
    whole: bool

    def words(self) -> str:
        """The report, one line."""
        said = f"{len(self.own)} conversations of theirs in this time, {len(self.linked)} linked with them"
        return said if self.whole else f"{said}; too many ids to follow those who wrote at other times only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """What the records have in the time looked at: conversations with one of the ids (`own`), and every account, as (channel, account)."""

    own: frozenset[str]
    accounts: frozenset[tuple[str, str]]


def sightings(rows: Iterable[str]) -> Sightings:
    """What the rows of `question.who` say."""
    own, accounts = set[str](), set[tuple[str, str]]()
    for row in rows:
        conv, channel, account = row.split(" ", 2)
        accounts.add((channel, account))
        if conv:
            own.add(conv)
    return Sightings(own=frozenset(own), accounts=frozenset(accounts))


def conversation_of(line: bytes) -> str:
    """The conversation's key in a line of a part, without reading the line."""
    found = _CONVERSATION.search(line)
    return found[1].decode() if found else ""


def account_of(line: bytes) -> str:
    """The account, likewise."""
    found = _ACCOUNT.search(line)
    return found[1].decode() if found else ""


class Links:
    """Follows links in `table`; `watched(conversations, how many)` lets somebody see them pass. May raise `Unavailable`."""

    def __init__(
        self,
        table: Table,
        *,
        most: int = MOST_LOOKUPS,
        looking: int = _LOOKING,
        watched: Watched = lambda conversations, _: conversations,
    ) -> None:
        self._table = table
        self._people = People(DynamoStore(table, shards=1), DynamoLinks(table))  # no index is read here
        self._most = most
        self._crew = Crew(looking)
        self._watched = watched

    def meant(self, seen: Sightings, ids: Iterable[str]) -> Meant:
        """Everybody whom the ids mean; `ids` with every spelling, as platforms give them. No more are read than can be looked up."""
        most = self._most // max(len(seen.accounts), 1)
        few = list(islice(ids, most + 1))
        whole = len(few) <= most
        asked = seen.own | set(_keys(few, seen.accounts)) if whole else seen.own
        linked, lock = set[str](), Lock()

        def follow(conv: str) -> None:
            if self._is_linked(conv):
                found = {link.party.conv for link in self._people.linked(conv)}
                with lock:
                    linked.update(found)

        self._crew.each(follow, self._watched(sorted(asked), len(asked)))
        return Meant(own=seen.own, linked=frozenset(linked - seen.own), whole=whole)

    def _is_linked(self, conv: str) -> bool:
        """Whether anything may lead away from a conversation: one query, for nearly none is."""
        values = {":pk": keys.conversation_pk(conv), ":first": keys.CONVERSATION_SK, ":last": f"{keys.LINK}~"}
        found = self._table.query("pk = :pk AND sk BETWEEN :first AND :last", values)
        return any(item["sk"] != keys.CONVERSATION_SK or item.get("vouched") for item in found)


def _keys(ids: Iterable[str], accounts: Collection[tuple[str, str]]) -> Iterator[str]:
    for id_ in ids:
        for channel, account in accounts:
            yield keys.conversation_key(channel, account, id_)
