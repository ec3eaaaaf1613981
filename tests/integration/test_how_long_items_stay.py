"""What docs/data-model.md says of how long each kind of item stays is so in a table in which everything has happened."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from functions.archive.holds import Hold, Holds
from functions.common import aws
from functions.common.identity import Party
from functions.common.table import Table
from tests.fakes.house import House, open_house
from tests.template.test_permissions import live_through

DATA_MODEL = Path(__file__).parents[2] / "docs/data-model.md"
# The beginnings of pk and sk of each kind; the longer ones count before the shorter.
KINDS = {
    "C# M#": "message", "C# V#": "original of a masked text", "C# R#": "reply, or why there is none", "C# @": "conversation",
    "C# Z#": "what a person did (audit)", "C# L#": "operator's link", "P# C#": "conversation under a vouched id",
    "K# ": "cursor of an announced source", "T# token": "channel token lease", "S# ": "hourly counters",
    "D# ": "dead letter seen", "F# ": "text of newcomers", "X# ": "stop", "H# ": "legal hold", "L# ": "account's replies of an hour",
    "A#2 ": "archive manifest", "A#run ": "archive fence", "A#backup ": "backup", "A#packs ": "pack of a month",
    "A#clean ": "cleaning", "A#expiry ": "expiry", "A#lost ": "lost part",
}  # fmt: skip
# A conversation may hold what must last, and a message of which nobody has proven anything stays.
EITHER = {"conversation"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory):
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        live_through(opened)
        opened.invoke("archive", {"now": (datetime.now(UTC) + timedelta(days=40)).isoformat()})
        table = Table(aws.client("dynamodb"), opened.table)
        party = Party(channel="generic", account="demo", contact="u0")
        Holds(table).add(
            Hold(kind="contact", name=party.contact, channel="generic", because="b", by="lee", since=datetime.now(UTC))
        )
        yield opened


def documented() -> dict[str, str]:
    """How long each kind stays, by its name."""
    text = DATA_MODEL.read_text(encoding="utf-8").partition("| item |")[2].partition("\n\n")[0]
    rows = ([cell.strip() for cell in row.strip("| ").split("|")] for row in text.splitlines()[2:])
    return {row[0]: row[-1] for row in rows}


def kind(item: dict[str, object]) -> str:
    name = f"{item['pk']} {item['sk']}"
    pattern = {known: re.escape(known).replace(r"\ ", r".* ") for known in KINDS}
    fits = [known for known in sorted(KINDS, key=len, reverse=True) if re.match(pattern[known], name)]
    assert fits, f"nobody knows what {name} is"
    return KINDS[fits[0]]


def test_every_item_is_of_a_kind_and_expires_if_it_is_to(house: House) -> None:
    stays, seen = documented(), set()
    for item in house.items():
        what = kind(item)
        seen.add(what)
        if what in EITHER:
            continue
        lasts = stays[what].startswith(("for ever", "it is lifted", "expiry is on"))
        assert ("exp" in item) != lasts, (what, item["pk"], item["sk"])
    assert len(seen) >= 12, seen


def test_every_kind_says_how_long_it_stays() -> None:
    assert all(documented().values())
    assert set(KINDS.values()) <= documented().keys()
