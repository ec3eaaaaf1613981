"""Links of persons in the one table. `identity.Links` says what each method means.

A vouched id is a partition of its own, `P#<mark>`, with an item for each conversation it was seen in. An operator's link stands in the
partitions of both conversations, `L#<the other>`, written in one transaction.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from functions.common import keys
from functions.common.clock import from_iso
from functions.common.identity import OPERATOR, PLATFORM, Act, Link, LinkChanged, Party, VouchedId
from functions.common.table import Change, Check, ConditionFailed, Item, Table
from functions.common.wire import plain


class DynamoLinks:
    """Links in `table`."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def vouch(self, vouched: VouchedId, party: Party, at: datetime) -> None:
        act = Act(act="linked", by=PLATFORM, at=at)
        pk, sk = keys.member_key(vouched.mark, party.conv)
        because = f"{vouched.kind} {vouched.scope}"
        with suppress(ConditionFailed):
            self.table.put_new({"pk": pk, "sk": sk, "party": plain(party), "because": because, "acts": [plain(act)]})

    def members(self, mark: str) -> list[Link]:
        return [_link(item) for item in self.table.query("pk = :pk", {":pk": keys.vouched_pk(mark)})]

    def act_on_member(self, mark: str, conv: str, act: Act, *, after: int) -> None:
        self._all([_change(keys.member_key(mark, conv), act, after)])

    def pairs(self, conv: str) -> list[Link]:
        found = self.table.query("pk = :pk AND begins_with(sk, :l)", {":pk": keys.conversation_pk(conv), ":l": keys.LINK})
        return [_link(item) for item in found]

    def act_on_pair(self, one: Party, other: Party, act: Act, *, after: int) -> None:
        sides = ((one, other), (other, one))
        # A link with somebody who is erased at this moment would name them for ever.
        there = [Check(pk=keys.conversation_pk(party.conv), sk=keys.CONVERSATION_SK) for party in (one, other)]
        self._all([_change(keys.pair_key(a.conv, b.conv), act, after, party=b) for a, b in sides], *there)

    def forget(self, conv: str, marks: tuple[str, ...], until: datetime | None = None) -> None:
        for link in self.pairs(conv):
            if until is None or link.acts[0].at <= until:
                self.table.delete(*keys.pair_key(link.party.conv, conv))
                self.table.delete(*keys.pair_key(conv, link.party.conv))
        for mark in marks:
            self.table.delete(*keys.member_key(mark, conv))

    def _all(self, changes: list[Change], *checks: Check) -> None:
        try:
            self.table.update_all(changes, *checks)
        except ConditionFailed:
            raise LinkChanged(changes[0].sk) from None


def _change(key: tuple[str, str], act: Act, after: int, *, party: Party | None = None) -> Change:
    """One act more on an item that has `after` so far. An operator's link is made by its first act, a membership by the platform."""
    values: Item = {":act": [plain(act)]}
    if after:
        values[":after"] = after
        return Change(
            pk=key[0],
            sk=key[1],
            expression="SET #acts = list_append(#acts, :act)",
            condition="attribute_exists(pk) AND size(#acts) = :after",
            values=values,
        )
    values |= {":party": plain(party), ":because": OPERATOR}
    expression = "SET #acts = :act, #party = :party, #because = :because"
    return Change(pk=key[0], sk=key[1], expression=expression, condition="attribute_not_exists(pk)", values=values)


def _link(item: dict[str, Any]) -> Link:
    acts = tuple(Act(act=each["act"], by=each["by"], at=from_iso(each["at"])) for each in item["acts"])
    return Link(party=Party(**item["party"]), because=item["because"], acts=acts)
