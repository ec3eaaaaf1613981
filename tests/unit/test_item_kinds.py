"""Every kind of item that the table has (docs/data-model.md): either it holds nothing of anybody, or it is handed out and erased."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyzipper

from functions.archive.holds import Hold, Holds
from functions.common import keys
from functions.common.dynamo_actions import ConversationActions
from functions.common.dynamo_links import DynamoLinks
from functions.common.handling import Action
from functions.common.identity import VouchedId
from functions.common.store import Sending
from functions.common.table import from_item
from tests.fakes.archive_room import NOW, ArchiveRoom
from tests.unit.test_person_rights import ANNA, BEN, person, room

__all__ = ["room"]

DATA_MODEL = Path(__file__).parents[2] / "docs/data-model.md"
# The file of an export in which a person finds it.
HELD = {
    "C#conv M#ts13#h": "messages.jsonl",
    "C#conv V#ts13#h": "originals.jsonl",
    "C#conv R#ts13#h": "replies.jsonl",
    "C#conv Z#ts13#…": "actions.jsonl",
    "J#yyyymm ts13#…": "corrections.jsonl",
    "C#conv @": "conversations.jsonl",
    "C#conv L#conv": "links.jsonl",
    "P#mark C#conv": "links.jsonl",
    "F#yyyymmdd#shard fingerprint": "campaigns.jsonl",
    # It refuses the erasure, and is gone once it does not.
    "H#holds conversation#conv": "holds.jsonl",
}
NOBODYS = {
    "K#channel#account source": "a mark of how far a platform's list was read",
    "T#channel#account token": "a platform's key to an account",
    "T#app token": "a platform's key to an app",
    "L#channel#account yyyymmddHH": "a number",
    "U#classify.adviser yyyymmdd": "a number",
    "U#autoreply.drafts yyyymmdd": "a number",
    "A#yyyymm dd#part": "counts, times and hashes of a part",
    "A#pending part": "a part's name",
    "A#removals key": "a part's name",
    "A#copies day": "a part's name",
    "A#clean rule#mark": "a rule's progress by days",
    "A#expiry halt": "parts' names",
    "A#backup state": "times",
    "A#run fence": "a run's name",
    "A#lost part": "counts, times and hashes of a part",
    "A#packs 2026-11": "times",
    "E#erased salted": "a salted hash, which stays so that nothing comes back",
    "E#certificates time": "counts and salted hashes",
    "E#salt salt": "a random number",
    "D#queue SQS": "SQS's own id of a letter",
    "X#circuits channel/account": "an account whose platform does not answer, and until when it is left alone",
    "X#stops scope": "what was stopped: all, a channel, an account or a rule",
    "S#yyyymmdd HH#channel#shard": "numbers",
}


def kinds() -> Iterator[str]:
    """pk and the beginning of sk of each row of the data model's first table."""
    table = DATA_MODEL.read_text(encoding="utf-8").partition("| item |")[2].partition("\n\n")[0]
    for row in table.splitlines()[2:]:
        _, pk, sk, *_ = (cell.strip() for cell in row.strip("|").split("|"))
        yield f"{pk.split('`')[1]} {sk.strip('`').split('`')[0].split()[0].rstrip(',')}"


def test_it_is_said_of_every_kind_whether_it_holds_something_of_a_person() -> None:
    assert set(kinds()) - set(HELD) - set(NOBODYS) == set()
    assert set(HELD) - set(kinds()) == set()


def everything_of(room: ArchiveRoom) -> None:
    """One item of each kind that holds something of anna, beside those that the room has."""
    links = DynamoLinks(room.table)
    vouched = VouchedId(kind="unionid", scope="op1", value="union-anna")
    links.vouch(vouched, ANNA, NOW)
    before = room.store.conversation(ANNA.conv)
    assert before
    room.store.apply(before, replace(before, vouched=(vouched.mark,)))
    said = {"action": "take", "by": "lee", "at": "2026-11-20T00:00:00.000Z", "why": "anna called"}
    room.table.put_new({"pk": keys.conversation_pk(ANNA.conv), "sk": "Z#1763600000000#1", **said})
    for conv, text in ((ANNA.conv, "安娜说的"), (BEN.conv, "本的话,改过")):
        of = room.store.messages(conv)[0].message.message_id
        action = Action(id=f"c-{conv[:4]}", verb="correct", by="lee", at=NOW, labels={"spam": "scam"}, message_id=of)
        ConversationActions(room.store).correct(conv, action, {"message_id": of, "text": text, "labels": action.labels})
    for conv in (ANNA.conv, BEN.conv):
        room.store.add_sender(Sending(fingerprint="a1", conv=conv, channel="generic", at=NOW, sample="安娜的话,很多人也说"))
    room.store.add_sender(Sending(fingerprint="b2", conv=BEN.conv, channel="generic", at=NOW, sample="本的话"))


def items(room: ArchiveRoom) -> list[dict[str, Any]]:
    pages = room.table.client.get_paginator("scan").paginate(TableName=room.table.name)
    return [from_item(item) for page in pages for item in page["Items"]]


def test_every_kind_that_does_is_handed_out_and_erased(room: ArchiveRoom, tmp_path: Path) -> None:
    everything_of(room)
    Holds(room.table).add(Hold(kind="contact", channel="generic", name="anna", because="case 7", by="lee", since=NOW))
    person("export", "--to", str(tmp_path / "anna.zip"))
    with pyzipper.AESZipFile(io.BytesIO((tmp_path / "anna.zip").read_bytes())) as zipped:
        zipped.setpassword(b"p")
        found = {name: [json.loads(text) for text in zipped.read(name).splitlines()] for name in zipped.namelist()}
    for name in HELD.values():
        assert found[name], name
    assert {link["because"] for link in found["links.jsonl"]} == {"operator", "unionid op1"}
    assert [flood["senders"] for flood in found["campaigns.jsonl"]] == [[ANNA.conv]]
    assert [said["text"] for said in found["corrections.jsonl"]] == ["安娜说的"]
    assert BEN.conv not in json.dumps(found)
    Holds(room.table).remove("contact", "anna", "generic")
    told = json.loads(person("erase", "--yes", "--json"))
    assert (told["counts"]["campaigns"], told["counts"]["memberships"]) == (1, 1)
    left = json.dumps(items(room), default=str, ensure_ascii=False)
    for trace in ("anna", "安娜", ANNA.conv):
        assert trace not in left, trace
    assert "本的话" in left and "本的话,改过" in left


def test_a_text_that_is_about_to_expire_is_found_as_well(room: ArchiveRoom) -> None:
    at = NOW - timedelta(days=1)
    room.store.add_sender(Sending(fingerprint="c3", conv=ANNA.conv, channel="generic", at=at, sample="安娜昨天"))
    assert json.loads(person("erase", "--dry-run", "--json"))["held"]["campaigns"] == 1
