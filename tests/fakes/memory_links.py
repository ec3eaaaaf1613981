"""Links of persons in dictionaries. tests/contract/test_links.py holds it to its word."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from functions.common.clock import from_iso, to_iso
from functions.common.identity import OPERATOR, PLATFORM, Act, Link, LinkChanged, Party, VouchedId

Key = tuple[str, str]


class MemoryLinks:
    """`under[mark, conv]` and `paired[conv, other]` are links; `vouched` counts the notes that were asked for."""

    def __init__(self) -> None:
        self.under: dict[Key, Link] = {}
        self.paired: dict[Key, Link] = {}
        self.vouched = 0

    def vouch(self, vouched: VouchedId, party: Party, at: datetime) -> None:
        self.vouched += 1
        first = Link(
            party=party, because=f"{vouched.kind} {vouched.scope}", acts=(_kept(Act(act="linked", by=PLATFORM, at=at)),)
        )
        self.under.setdefault((vouched.mark, party.conv), first)

    def members(self, mark: str) -> list[Link]:
        return [link for (at, _), link in sorted(self.under.items()) if at == mark]

    def act_on_member(self, mark: str, conv: str, act: Act, *, after: int) -> None:
        _act(self.under, (mark, conv), act, after)

    def pairs(self, conv: str) -> list[Link]:
        return [link for (here, _), link in sorted(self.paired.items()) if here == conv]

    def act_on_pair(self, one: Party, other: Party, act: Act, *, after: int) -> None:
        before = dict(self.paired)
        for here, there in ((one, other), (other, one)):
            if not after and (here.conv, there.conv) not in self.paired:
                self.paired[here.conv, there.conv] = Link(party=there, because=OPERATOR, acts=())
            try:
                _act(self.paired, (here.conv, there.conv), act, after)
            except LinkChanged:
                self.paired = before
                raise

    def forget(self, conv: str, marks: tuple[str, ...], until: datetime | None = None) -> None:
        self.paired = {
            key: link for key, link in self.paired.items() if conv not in key or (until is not None and link.acts[0].at > until)
        }
        for mark in marks:
            self.under.pop((mark, conv), None)


def _act(links: dict[Key, Link], key: Key, act: Act, after: int) -> None:
    if key not in links or len(links[key].acts) != after:
        raise LinkChanged(key[1])
    links[key] = replace(links[key], acts=(*links[key].acts, _kept(act)))


def _kept(act: Act) -> Act:
    return replace(act, at=from_iso(to_iso(act.at)))
