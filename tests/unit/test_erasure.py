"""Erasing a person: what goes, what stays, what survives a crash at every call, and what a hold forbids."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.archive.backup_copies import KEPT
from functions.archive.erasure import Eraser
from functions.archive.holds import HeldLegally, Hold, Holds, NoHold
from functions.archive.remains import NotYetErased
from functions.archive.removals import Removals, Removed
from functions.archive.service import Cabinet
from functions.archive.tombstones import CERTIFICATES_PK, Certificate, Tombstones, certificate_from
from functions.common import keys, ledger
from functions.common.clock import to_iso
from functions.common.dynamo_actions import ConversationActions
from functions.common.dynamo_links import DynamoLinks
from functions.common.handling import Action
from functions.common.identity import Party, People, VouchedId
from tests.unit.test_archive_service import NOW, SETTLED, Calls, Cloud, ProcessDied, World, cloud, die, world

__all__ = ["cloud", "world"]

ANNA, BEN = (Party(channel="generic", account="demo", contact=name) for name in ("anna", "ben"))
HOLD = Hold(kind="contact", channel="generic", name="anna", because="case 7", by="lee", since=NOW)


@pytest.fixture(autouse=True)
def few_days_of_floods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day is sixteen queries, and crashes are many."""
    monkeypatch.setattr("functions.archive.floods._DAYS", 1)


def eraser(world: World, cabinet: Cabinet | None = None) -> Eraser:
    """Who erases."""
    cabinet = cabinet or world.process()
    return Eraser(cabinet=cabinet, table=world.table, holds=Holds(world.table))


def erase(world: World, *parties: Party, cabinet: Cabinet | None = None, now: datetime = NOW) -> Certificate:
    try:
        return eraser(world, cabinet).erase(parties, certificate_id="c1", run="erasure", now=now)
    finally:
        world.cloud.calls = Calls()


def lived_in(world: World) -> dict[str, list[str]]:
    """Two people, archived and not; anna is vouched for, linked with ben by an operator, and has an original in the vault."""
    world.s3.put_bucket_versioning(Bucket=world.bucket, VersioningConfiguration={"Status": "Enabled"})
    ids = {"anna": [world.receive("anna", SETTLED, replied=True), world.receive("anna", SETTLED + timedelta(minutes=1))]}
    ids["ben"] = [world.receive("ben", SETTLED, replied=True)]
    world.run()
    ids["anna"].append(world.receive("anna", NOW - timedelta(hours=1)))
    world.store.add_original(ids["anna"][0], b"sealed", NOW + timedelta(days=20))
    people = People(world.store, DynamoLinks(world.table))
    people.link(ANNA, BEN, by="lee", at=NOW)
    vouched = VouchedId(kind="unionid", scope="op1", value="union-anna")
    people.links.vouch(vouched, ANNA, NOW)
    before = world.store.conversation(ANNA.conv)
    assert before
    world.store.apply(before, replace(before, vouched=(vouched.mark,)))
    for party, message_id in ((ANNA, ids["anna"][0]), (BEN, ids["ben"][0])):
        line = Action(id=party.conv, verb="correct", by="lee", at=NOW, labels={"business": "complaint"}, message_id=message_id)
        item = {"message_id": message_id, "at": to_iso(NOW), "text": "…", "labels": line.labels}
        ConversationActions(world.store).correct(party.conv, line, item | {"exp": 4_000_000_000})
    return ids


def everything(world: World) -> str:
    """All that is held anywhere, as text: items, objects, every version of them."""
    versions = world.s3.list_object_versions(Bucket=world.bucket)
    bodies = []
    for version in versions.get("Versions", []):
        body = world.s3.get_object(Bucket=world.bucket, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
        bodies.append(gzip.decompress(body).decode() if version["Key"].endswith(".gz") else body.decode())
    items = world.table.client.scan(TableName=world.table.name)["Items"]
    return "\n".join([*bodies, json.dumps(items, default=str)])


def assert_only_ben_is_left(world: World, ids: dict[str, list[str]], where: Any = "") -> None:
    held = everything(world)
    assert "anna" not in held and ANNA.conv not in held, where
    assert set(world.filed()) == set(ids["ben"]), where
    assert world.store.message(ids["ben"][0]) and world.store.reply(ids["ben"][0]), where
    assert {manifest["state"] for manifest in world.manifests()} == {"done"}, where
    assert world.items("A#pending") == world.items("A#removals") == [], where
    assert set(world.objects()) == {manifest["key"] for manifest in world.manifests()}, where


def test_everything_held_about_a_person_goes_and_nothing_of_anybody_else(world: World) -> None:
    ids = lived_in(world)
    certificate = erase(world, ANNA)
    assert_only_ben_is_left(world, ids)
    assert certificate.complete == NOW
    assert certificate.counts == {
        "messages": 3, "replies": 1, "originals": 1, "links": 1, "conversations": 1, "memberships": 1,
        "archived_messages": 2, "parts": 1, "objects": 2, "actions": 1,
    }  # fmt: skip
    assert [item["message_id"] for item in world.items(f"J#{NOW:%Y%m}")] == ids["ben"], "what training learns from is ben's"


def test_a_correction_of_what_a_person_wrote_afterwards_stays_with_its_message(world: World) -> None:
    world.receive("anna", NOW - timedelta(hours=2))
    erase(world, ANNA)
    later = NOW + timedelta(hours=1)
    message_id = world.receive("anna", later)
    line = Action(id="c-1", verb="correct", by="lee", at=later, labels={"spam": "ad"}, message_id=message_id)
    item = {"message_id": message_id, "at": to_iso(later), "text": "…", "labels": line.labels}
    ConversationActions(world.store).correct(ANNA.conv, line, item)
    world.process().remains.remove(ANNA.conv, NOW)  # as the archive does with what was on its way then
    assert [found["message_id"] for found in world.items("C#", "Z#")] == [message_id]
    assert [found["message_id"] for found in world.items(f"J#{later:%Y%m}")] == [message_id]


def test_a_correction_made_between_two_tries_of_an_erasure_goes_with_its_message(world: World) -> None:
    message_id = world.receive("anna", NOW - timedelta(hours=2))
    later = NOW + timedelta(minutes=5)
    line = Action(id="c-1", verb="correct", by="lee", at=later, labels={"spam": "ad"}, message_id=message_id)
    item = {"message_id": message_id, "at": to_iso(later), "text": "what anna wrote", "exp": 4_000_000_000}
    ConversationActions(world.store).correct(ANNA.conv, line, item)
    fresh = world.receive("anna", NOW + timedelta(minutes=6))
    world.process().remains.remove(ANNA.conv, NOW)
    assert "what anna wrote" not in everything(world)
    assert world.store.message(message_id) is None and world.store.message(fresh) is not None


def test_a_later_message_that_cannot_be_read_keeps_nobody_elses_messages_waiting(world: World) -> None:
    world.receive("anna", SETTLED)
    erase(world, ANNA)
    unreadable = world.receive("anna", NOW + timedelta(minutes=5))
    pk, sk = keys.conversation_pk(ANNA.conv), f"M#{keys.split(unreadable).suffix}"
    message = (world.table.get(pk, sk) or {})["message"]
    world.table.update(pk, sk, "SET #message = :spoilt", values={":spoilt": message | {"kind": "nonsense"}})
    world.receive("anna", NOW - timedelta(hours=1))
    other = world.receive("ben", SETTLED)
    world.run(now=NOW + timedelta(days=1))
    assert other in world.filed()
    assert world.table.get(pk, sk) is not None and world.store.conversation(ANNA.conv) is not None


def test_the_certificates_day_is_after_the_last_copy_of_an_export_that_was_under_way(world: World) -> None:
    world.receive("anna", SETTLED)
    landed = NOW + timedelta(hours=12)
    day_after = landed.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    # Its copy goes with the first run, of one in six hours, on a day more than 35 days later.
    assert erase(world, ANNA).backups_until >= day_after + KEPT + timedelta(hours=6)


def test_the_certificate_names_nobody_and_lies_in_the_table_and_in_the_bucket(world: World) -> None:
    lived_in(world)
    certificate = erase(world, ANNA)
    (item,) = world.items(CERTIFICATES_PK)
    assert certificate_from(item) == certificate
    (note,) = [body for key, body in world.objects("_erasures/").items() if "salt" not in key]
    said = json.loads(note)
    assert said["id"] == "c1" and said["counts"] == certificate.counts
    salt = json.loads(world.objects("_erasures/")["_erasures/salt.json"])["salt"]
    assert Tombstones(world.table).salt == salt
    assert ANNA.conv not in note.decode() and "anna" not in note.decode() and salt not in note.decode()


def test_a_person_with_nothing_in_the_archive_leaves_it_as_it_is(world: World) -> None:
    world.receive("ben", SETTLED)
    world.run()
    before = world.objects()
    world.receive("anna", NOW)
    erase(world, ANNA)
    assert world.objects() == before


def test_a_part_of_which_nothing_is_left_goes_whole(world: World) -> None:
    world.receive("anna", SETTLED)
    world.run()
    erase(world, ANNA)
    assert world.objects() == world.objects("_manifests/") == {}
    assert world.manifests() == []


def test_several_conversations_of_one_person_go_together(world: World) -> None:
    lived_in(world)
    certificate = erase(world, ANNA, BEN)
    assert len(certificate.conversations) == 2
    assert world.filed() == {} and world.items("C#") == world.items("P#") == []


def test_what_is_left_of_a_part_is_not_filed_again(world: World) -> None:
    ids = lived_in(world)
    erase(world, ANNA)
    world.run(now=NOW + timedelta(days=2))
    assert_only_ben_is_left(world, ids)


def known_of_anna(world: World) -> None:
    """What her conversation came to hold."""
    before = world.store.conversation(ANNA.conv)
    assert before
    mine = ledger.spoken(before, "r1", at=NOW - timedelta(minutes=30), text="您好")
    world.store.apply(before, replace(mine, name="安娜", tags=("vip",), opted_out=True, blocked=True, said=("x",), heard="1"))


def test_what_comes_later_is_a_new_contacts_and_stays(world: World) -> None:
    lived_in(world)
    known_of_anna(world)
    later = world.receive("anna", NOW + timedelta(minutes=5), status="waiting")
    erase(world, ANNA)
    conversation = world.store.conversation(ANNA.conv)
    assert conversation and world.store.message(later)
    assert (conversation.first_at, conversation.last_at) == (NOW + timedelta(minutes=5),) * 2
    kept = (
        conversation.name,
        conversation.tags,
        conversation.said,
        conversation.heard,
        conversation.replied,
        conversation.vouched,
    )
    assert kept == (None, (), (), "", (), ()) and not (conversation.opted_out or conversation.blocked)
    assert eraser(world).found((ANNA,), until=NOW) == {}
    world.run(now=NOW + timedelta(days=9))
    assert later in world.filed()
    tombstones = Tombstones(world.table)
    assert tombstones.covers(ANNA.conv, NOW) and not tombstones.covers(ANNA.conv, NOW + timedelta(minutes=5))
    assert tombstones.erased_at(BEN.conv) is None


def test_a_conversation_that_knows_of_the_time_before_is_no_erased_one(world: World) -> None:
    lived_in(world)
    erase(world, ANNA)
    world.receive("anna", NOW + timedelta(minutes=5))
    assert eraser(world).found((ANNA,), until=NOW) == {}
    world.receive("anna", NOW - timedelta(minutes=5))  # it was on a queue
    assert eraser(world).found((ANNA,), until=NOW) == {"messages": 1, "conversations": 1}
    erase(world, ANNA)
    assert len(world.store.messages(ANNA.conv)) == 1
    assert eraser(world).found((ANNA,), until=NOW) == {}


@pytest.mark.parametrize("later", [False, True])
def test_a_message_that_was_on_a_queue_meanwhile_goes_when_it_is_due(world: World, later: bool) -> None:
    ids = lived_in(world)
    erase(world, ANNA)
    stray = world.receive("anna", NOW - timedelta(days=3), replied=True)
    world.store.add_original(stray, b"sealed", NOW + timedelta(days=20))
    after = [world.receive("anna", NOW + timedelta(minutes=5))] if later else []
    summary = world.run(now=NOW + timedelta(days=2))
    assert summary["messages"] == len(after)
    assert world.store.message(stray) is None and world.store.reply(stray) is None and world.items("C#", "V#") == []
    assert set(world.filed()) == {*ids["ben"], *after}
    conversation = world.store.conversation(ANNA.conv)
    assert (conversation is not None) is later
    if conversation:
        assert conversation.first_at == NOW + timedelta(minutes=5) and conversation.unarchived_since is None
        assert json.loads(gzip.decompress(list(world.objects().values())[-1]).splitlines()[-1]).get("conversation") is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_dies_while_it_removes_what_came_after_an_erasure_leaves_it_to_the_next(cloud: Cloud, when: str) -> None:
    n, died = 1, True
    while died:
        world = cloud.world()
        world.receive("anna", SETTLED)
        erase(world, ANNA)
        world.receive("anna", NOW - timedelta(days=3), replied=True)
        try:
            world.run(world.process(Calls(at=n, when=when, act=die)), now=NOW + timedelta(days=1))
            died = False
        except ProcessDied:
            n += 1
        world.run(now=NOW + timedelta(days=1, hours=1))
        assert "anna" not in everything(world) and ANNA.conv not in everything(world), n
    assert n > 10


def test_a_hold_refuses_and_leaves_everything(world: World) -> None:
    lived_in(world)
    Holds(world.table).add(HOLD)
    before = everything(world)
    with pytest.raises(HeldLegally, match=r"2026-11-22: contact#generic#anna \(case 7\)"):
        erase(world, ANNA)
    assert everything(world) == before
    Holds(world.table).remove("contact", "anna", "generic")
    assert erase(world, ANNA).complete


@pytest.mark.parametrize("expired", [False, True])
def test_a_hold_by_another_of_the_contacts_ids_refuses_too(world: World, expired: bool) -> None:
    key = keys.split(world.receive("anna", SETTLED))
    place = keys.conversation_pk(key.conv), keys.message_sk(key)
    ids = [{"kind": "phone_e164", "value": "+8613912345678", "scope": ""}]
    world.table.update(*place, "SET #message.#contact.#ids = :ids", values={":ids": ids})
    world.run()
    if expired:
        world.table.delete(*place)
    Holds(world.table).add(replace(HOLD, name="+8613912345678"))
    before = everything(world)
    with pytest.raises(HeldLegally, match=r"contact#generic#\+8613912345678"):
        erase(world, ANNA)
    assert everything(world) == before


def test_a_conversations_hold_covers_it_alone(world: World) -> None:
    holds = Holds(world.table)
    assert holds.add(Hold(kind="conversation", name=ANNA.conv, because="case 8", by="lee", since=NOW))
    assert not holds.add(Hold(kind="conversation", name=ANNA.conv, because="another", by="kim", since=NOW))
    held = holds.all()
    assert held.on_contact(ANNA.conv, "generic", "anna") and not held.on_contact(BEN.conv, "generic", "ben")
    with pytest.raises(NoHold):
        holds.remove("conversation", BEN.conv)


def test_a_second_copy_is_cleared_too(world: World) -> None:
    from functions.archive.bucket import ArchiveBucket

    ids = lived_in(world)
    world.s3.create_bucket(Bucket="copy")
    copy = ArchiveBucket(world.s3, "copy")
    for key, body in {**world.objects(), **world.objects("_manifests/")}.items():
        copy.put(key, body)
    cabinet = world.process()
    erase(world, ANNA, cabinet=replace(cabinet, removals=Removals(world.table, (cabinet.bucket, copy))))
    left = world.s3.list_objects_v2(Bucket="copy")["Contents"]
    assert [found["Key"] for found in left] == ["_erasures/c1.json", "_erasures/salt.json"]
    assert_only_ben_is_left(world, ids)


def test_a_removal_that_was_cut_short_is_finished_by_the_next_run(world: World) -> None:
    lived_in(world)
    cabinet = world.process()
    cabinet.bucket.remove_for_good = lambda key: die()  # type: ignore[method-assign]
    with pytest.raises(ProcessDied):
        erase(world, ANNA, cabinet=cabinet)
    assert len(world.items("A#removals")) == 1
    world.run()
    assert world.items("A#removals") == []
    assert "anna" not in "".join(world.objects())


def test_an_erasure_that_left_something_says_so_and_is_not_complete(world: World) -> None:
    lived_in(world)
    cabinet = world.process()
    carry_out = cabinet.removals.carry_out

    def and_write_again() -> Removed:
        world.receive("anna", NOW - timedelta(days=1))
        return carry_out()

    cabinet.removals.carry_out = and_write_again  # type: ignore[method-assign]
    with pytest.raises(NotYetErased, match="messages"):
        erase(world, ANNA, cabinet=cabinet)
    (item,) = world.items(CERTIFICATES_PK)
    assert item.get("complete") is None
    again = erase(world, ANNA, now=NOW + timedelta(minutes=1))
    assert again.complete and again.at == NOW
    assert len(world.items(CERTIFICATES_PK)) == 1


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_call_leaves_what_the_next_try_finishes(cloud: Cloud, when: str) -> None:
    world = cloud.world()
    ids = lived_in(world)
    calls = Calls()
    undisturbed = erase(world, ANNA, cabinet=world.process(calls))
    assert len(calls.writes) > 20
    for n in calls.writes:
        world = cloud.world()
        ids = lived_in(world)
        with pytest.raises(ProcessDied):
            erase(world, ANNA, cabinet=world.process(Calls(at=n, when=when, act=die)))
            raise ProcessDied
        # Whatever happened, no reader is shown a part that is not what its manifest says.
        world.filed()
        certificate = erase(world, ANNA, now=NOW + timedelta(minutes=n))
        assert certificate.complete, n
        assert {k: v for k, v in certificate.counts.items() if k != "objects"} == {
            k: v for k, v in undisturbed.counts.items() if k != "objects"
        }, n
        world.run(now=NOW + timedelta(hours=2))
        assert_only_ben_is_left(world, ids, n)


@pytest.mark.timeout(280)
def test_a_nightly_run_in_between_harms_neither(cloud: Cloud) -> None:
    world = cloud.world()
    ids = lived_in(world)
    calls = Calls()
    erase(world, ANNA, cabinet=world.process(calls))
    for n in calls.writes:
        world = cloud.world()
        ids = lived_in(world)
        watch = Calls(at=n, act=lambda world=world: world.run(now=NOW + timedelta(days=1)))
        try:
            erase(world, ANNA, cabinet=world.process(watch))
        except NotYetErased:
            erase(world, ANNA, now=NOW + timedelta(minutes=1))
        world.run(now=NOW + timedelta(days=1, hours=2))
        assert_only_ben_is_left(world, ids, n)


def test_keys_of_a_conversation_and_its_tombstone_have_nothing_in_common(world: World) -> None:
    tombstones = Tombstones(world.table, random_salt=lambda: "00" * 32)
    other = Tombstones(world.table, random_salt=lambda: "11" * 32)
    assert tombstones.hash_of(ANNA.conv) == other.hash_of(ANNA.conv)  # the first salt stays
    assert len(tombstones.hash_of(ANNA.conv)) == 32
    assert keys.conversation_pk(ANNA.conv) not in tombstones.hash_of(ANNA.conv)
