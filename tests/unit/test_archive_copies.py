"""The second copy, the watch over expiry, and the drill."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any
from unittest import mock

import boto3
import pytest

from functions.archive.allowance import Allowance, OutOfTime
from functions.archive.bucket import ArchiveBucket
from functions.archive.copies import Copies, CopyKeysInvalid, read_copy_keys
from functions.archive.drill import Drill, DrillFailed
from functions.archive.expiry import ExpiryWatch
from functions.archive.holds import Hold, Holds
from functions.archive.manifests import COPIES_PK, Ledger
from functions.archive.mending import Mender
from functions.archive.parts import ArchiveUnproven
from functions.archive.retention import read_retention
from functions.archive.service import Cabinet
from functions.common import keys
from functions.common.dynamo_store import DynamoStore
from functions.common.table import Table
from functions.common.telemetry import Telemetry
from tests.fakes.template import loaded, ttl_definition
from tests.unit.test_archive_service import (
    NOW,
    POLICY,
    SETTLED,
    SHARDS,
    Calls,
    Cloud,
    ProcessDied,
    World,
    cloud,
    die,
    world,
)

__all__ = ["cloud", "world"]

PLENTY = Allowance(lambda: 900_000)
# Messages of SETTLED leave the table thirty days after it.
NEAR = SETTLED + timedelta(days=28)


@dataclass
class Copied:
    """A world whose archive has a second copy."""

    world: World
    copy: ArchiveBucket

    def process(self, calls: Calls | None = None) -> Cabinet:
        return replace(self.world.process(calls), ledger=Ledger(self.world.table, copied=True))

    def copies(self, cabinet: Cabinet | None = None) -> Copies:
        cabinet = cabinet or self.process()
        return Copies(
            table=self.world.table,
            ledger=cabinet.ledger,
            archive=cabinet.bucket,
            copy=self.copy,
            telemetry=Telemetry("archive"),
        )

    def objects(self) -> dict[str, bytes]:
        listed = self.world.s3.list_objects_v2(Bucket="copy").get("Contents", [])
        return {o["Key"]: self.world.s3.get_object(Bucket="copy", Key=o["Key"])["Body"].read() for o in listed}


@pytest.fixture
def copied(world: World) -> Copied:
    return opened(world)


def opened(world: World) -> Copied:
    world.s3.create_bucket(Bucket="copy")
    return Copied(world, ArchiveBucket(world.s3, "copy"))


def test_every_part_has_a_copy_that_was_read_back(copied: Copied) -> None:
    copied.world.receive("anna", SETTLED)
    copied.world.receive("ben", SETTLED, channel="twilio")
    copied.world.run(copied.process())
    assert len(copied.world.items(COPIES_PK)) == 2
    assert copied.copies().carry_out(PLENTY) == {"copied": 2, "failed": 0, "more": False}
    assert copied.objects() == copied.world.objects() | copied.world.objects("_manifests/")
    assert copied.world.items(COPIES_PK) == []


def test_a_bucket_that_refuses_is_counted_and_tried_again(copied: Copied, capsys: pytest.CaptureFixture[str]) -> None:
    copied.world.receive("anna", SETTLED)
    copied.world.run(copied.process())
    refusing = replace(copied.copies(), copy=ArchiveBucket(copied.world.s3, "nobodys"))
    assert refusing.carry_out(PLENTY) == {"copied": 0, "failed": 1, "more": False}
    assert '"CopiesFailed":[1.0]' in capsys.readouterr().out
    assert copied.copies().carry_out(PLENTY)["copied"] == 1


def test_a_part_that_is_damaged_is_not_copied(copied: Copied) -> None:
    copied.world.receive("anna", SETTLED)
    copied.world.run(copied.process())
    damage(copied.world)
    assert copied.copies().carry_out(PLENTY)["failed"] == 1
    assert copied.objects() == {}


def damage(world: World) -> str:
    (key,) = world.objects()
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=world.objects()[key][:-8])
    return key


def test_a_part_that_was_written_anew_meanwhile_is_not_waited_for(copied: Copied) -> None:
    copied.world.receive("anna", SETTLED)
    copied.world.run(copied.process())
    (manifest,) = copied.world.manifests()
    copied.world.table.delete(*keys.manifest_key(manifest["day"], manifest["part"]))
    assert copied.copies().carry_out(PLENTY) == {"copied": 0, "failed": 0, "more": False}
    assert copied.world.items(COPIES_PK) == []


@pytest.mark.parametrize("dies", [False, True])
def test_a_part_that_is_written_anew_while_it_is_copied_leaves_no_copy(copied: Copied, dies: bool) -> None:
    copied.world.receive("anna", SETTLED)
    copied.world.run(copied.process())
    (manifest,) = copied.world.manifests()
    copies = copied.copies()

    def erased_meanwhile(*given: Any) -> None:
        copied.world.table.delete(*keys.manifest_key(manifest["day"], manifest["part"]))
        if dies:
            raise ProcessDied

    with mock.patch.object(copies.copy, "put_manifest", side_effect=erased_meanwhile), suppress(ProcessDied):
        copies.carry_out(PLENTY)
    copied.copies().carry_out(PLENTY)
    assert copied.objects() == {}
    assert copied.world.items(COPIES_PK) == []


def test_copying_ends_in_time_and_the_rest_stays_noted(copied: Copied) -> None:
    for n in range(3):
        copied.world.receive("anna", SETTLED + timedelta(days=n))
    copied.world.run(copied.process(), now=NOW + timedelta(days=5))
    left = iter([8_000, 8_000, 1_000])
    with pytest.raises(OutOfTime):
        copied.copies().carry_out(Allowance(lambda: next(left)))
    assert len(copied.world.items(COPIES_PK)) == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_copying_survives_a_crash_at_every_call(cloud: Cloud, when: str) -> None:
    calls = Calls()
    for n in (0, *range(1, 30)):
        copied = opened(cloud.world()) if n == 0 else Copied(cloud.world(), ArchiveBucket(cloud.s3, "copy"))
        copied.world.receive("anna", SETTLED)
        copied.world.run(copied.process())
        if n == 0:
            copied.copies(copied.process(calls)).carry_out(PLENTY)
            copied.world.cloud.calls = Calls()
            continue
        if n > calls.seen:
            break
        with pytest.raises(ProcessDied):
            copied.copies(copied.process(Calls(at=n, when=when, act=die))).carry_out(PLENTY)
            raise ProcessDied
        copied.world.cloud.calls = Calls()
        copied.copies().carry_out(PLENTY)
        assert copied.world.items(COPIES_PK) == [], n
        assert copied.objects().items() >= copied.world.objects().items(), n


@pytest.mark.parametrize("secret", ["{}", "not json", '{"access_key_id": "a", "secret_access_key": 1}'])
def test_keys_of_another_store_that_do_not_fit_are_refused_by_name(secret: str) -> None:
    with pytest.raises(CopyKeysInvalid):
        read_copy_keys(secret)
    assert read_copy_keys('{"access_key_id": "a", "secret_access_key": "b"}')["access_key_id"] == "a"


# --- Expiry ---


def watch(world: World, copy: ArchiveBucket | None = None) -> ExpiryWatch:
    cabinet = world.process()
    telemetry = Telemetry("archive")
    return ExpiryWatch(
        table=world.table,
        ledger=cabinet.ledger,
        bucket=cabinet.bucket,
        mender=Mender(ledger=cabinet.ledger, archive=cabinet.bucket, copy=copy, telemetry=telemetry),
        holds=Holds(world.table),
        retention=read_retention(POLICY),
        telemetry=telemetry,
        shards=SHARDS,
    )


def expires(world: World) -> bool:
    status = world.table.client.describe_time_to_live(TableName=world.table.name)["TimeToLiveDescription"]["TimeToLiveStatus"]
    return bool(status == "ENABLED")


@pytest.fixture
def expiring(world: World) -> World:
    world.table.client.update_time_to_live(**ttl_definition() | {"TableName": world.table.name})
    world.receive("anna", SETTLED)
    world.run()
    return world


def test_parts_near_their_expiry_are_proven_again(expiring: World) -> None:
    assert watch(expiring).look(NOW, PLENTY)["proven"] == 0  # their time has not come
    assert watch(expiring).look(NEAR, PLENTY) == {"proven": 1, "lost": [], "overdue": 0, "more": False}
    assert expires(expiring)


def test_a_part_that_is_lost_near_its_expiry_halts_all_expiry(expiring: World, capsys: pytest.CaptureFixture[str]) -> None:
    key = damage(expiring)
    assert watch(expiring).look(NEAR, PLENTY)["lost"] == [key]
    assert not expires(expiring)
    assert '"ExpiryHalted":[1.0]' in capsys.readouterr().out
    assert watch(expiring).look(NEAR, PLENTY)["lost"] == [key]  # the next night too, and that is no error


@pytest.mark.parametrize("bucket", ["nobodys-bucket"])
def test_a_bucket_that_refuses_proves_nothing_and_halts_expiry(expiring: World, bucket: str) -> None:
    (key,) = expiring.objects()
    watching = watch(expiring)
    refused = replace(watching, bucket=ArchiveBucket(expiring.s3, bucket))
    assert refused.look(NEAR, PLENTY)["lost"] == [key]
    assert not expires(expiring)
    assert watching.look(NEAR, PLENTY)["lost"] == []
    assert expires(expiring)


def test_a_lost_part_halts_expiry_though_there_is_no_time_to_prove_the_others(expiring: World) -> None:
    damage(expiring)
    for name in ("ben", "cleo"):
        expiring.receive(name, SETTLED + timedelta(days=1))
        expiring.run(now=NOW + timedelta(days=1))
    left = iter([900_000, 900_000, *[0] * 9])
    told = watch(expiring).look(NEAR, Allowance(lambda: next(left)))
    assert told["more"] and told["halted"] and not expires(expiring)
    # Nothing is switched on again by a look that proved nothing, nor by the end of a round in which a part was lost.
    assert watch(expiring).look(NEAR, Allowance(iter([900_000, *[0] * 9]).__next__))["more"]
    assert not expires(expiring)
    last = watch(expiring).look(NEAR, PLENTY, after=told["after"], halted=told["halted"])
    assert (last["proven"], last["lost"], last["more"]) == (2, [], False)
    assert not expires(expiring)


def test_a_watch_that_is_short_of_time_goes_on_where_it_ended(expiring: World) -> None:
    for name in ("ben", "cleo", "dora"):
        expiring.receive(name, SETTLED)
        expiring.run()
    links, told = [], {"more": True, "after": "", "halted": False}
    while told["more"]:
        left = iter([900_000, 900_000, 900_000, *[0] * 9])
        told = watch(expiring).look(
            NEAR, Allowance(left.__next__), after=told.get("after", ""), halted=told.get("halted", False)
        )
        links.append(told["proven"])
    assert links == [2, 2] and expires(expiring), "no part was read twice"


def test_expiry_goes_on_when_everything_is_proven_again(expiring: World) -> None:
    (whole,) = expiring.objects().values()
    key = damage(expiring)
    watch(expiring).look(NEAR, PLENTY)
    expiring.s3.put_object(Bucket=expiring.bucket, Key=key, Body=whole)
    assert watch(expiring).look(NEAR, PLENTY)["lost"] == []
    assert expires(expiring) and expiring.items("A#expiry") == []


def test_expiry_stays_off_until_what_was_lost_is_proven_however_long_that_takes(expiring: World) -> None:
    (whole,) = expiring.objects().values()
    key = damage(expiring)
    for days in (0, 1, 20, 400):
        assert watch(expiring).look(NEAR + timedelta(days=days), PLENTY)["lost"] == [key]
        assert not expires(expiring)
    expiring.s3.put_object(Bucket=expiring.bucket, Key=key, Body=whole)
    assert watch(expiring).look(NEAR + timedelta(days=401), PLENTY)["lost"] == []
    assert expires(expiring)


def test_expiry_that_an_operator_switched_off_stays_off(expiring: World) -> None:
    specification = {"AttributeName": "exp", "Enabled": False}
    expiring.table.client.update_time_to_live(TableName=expiring.table.name, TimeToLiveSpecification=specification)
    watch(expiring).look(NEAR, PLENTY)
    assert not expires(expiring)


def test_a_lost_part_is_put_back_from_its_copy(copied: Copied) -> None:
    copied.world.table.client.update_time_to_live(**ttl_definition() | {"TableName": copied.world.table.name})
    copied.world.receive("anna", SETTLED)
    copied.world.run(copied.process())
    copied.copies().carry_out(PLENTY)
    before = copied.world.objects()
    copied.world.s3.delete_object(Bucket=copied.world.bucket, Key=next(iter(before)))
    assert watch(copied.world, copied.copy).look(NEAR, PLENTY)["lost"] == []
    assert copied.world.objects() == before and expires(copied.world)


def test_a_copy_that_is_damaged_too_halts_expiry(copied: Copied) -> None:
    copied.world.receive("anna", SETTLED)
    copied.world.run(copied.process())
    key = damage(copied.world)
    copied.world.s3.put_object(Bucket="copy", Key=key, Body=b"lies")
    assert watch(copied.world, copied.copy).look(NEAR, PLENTY)["lost"] == [key]
    assert copied.world.objects()[key] != b"lies"


def test_a_crash_between_halt_and_switch_is_made_good(expiring: World) -> None:
    damage(expiring)
    first = watch(expiring)
    expiring.cloud.calls = Calls(at=4, when="before", act=die)
    for n in range(1, 8):
        expiring.cloud.calls = Calls(at=n, act=die)
        try:
            first.look(NEAR, PLENTY)
        except ProcessDied:
            continue
    expiring.cloud.calls = Calls()
    first.look(NEAR, PLENTY)
    assert not expires(expiring) and len(expiring.items("A#expiry")) == 1


def test_what_should_have_been_archived_days_ago_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.receive("anna", NOW - timedelta(days=10), status="waiting")
    assert watch(world).look(NOW, PLENTY)["overdue"] == 1
    assert '"ArchiveBehind":[1.0]' in capsys.readouterr().out


def test_messages_of_a_leap_day_are_watched_and_expire(world: World) -> None:
    leap = NOW.replace(year=2028, month=2, day=29)
    world.receive("anna", leap)
    world.run(now=leap + timedelta(days=2))
    assert [manifest["day"] for manifest in world.manifests()] == ["2028-03-01"]  # three in the morning in Shanghai
    assert watch(world).look(leap + timedelta(days=29), PLENTY)["proven"] == 1


def test_originals_of_a_held_conversation_do_not_expire_until_it_is_lifted(world: World) -> None:
    message_id = world.receive("anna", NOW)
    world.store.add_original(message_id, b"sealed", NOW + timedelta(days=30))
    conv, holds = keys.split(message_id).conv, Holds(world.table)
    holds.add(Hold(kind="conversation", name=conv, because="case 7", by="lee", since=NOW))
    for _ in range(2):
        watch(world).look(NOW, PLENTY)
        (original,) = world.items("C#", "V#")
        assert "exp" not in original
    holds.remove("conversation", conv)
    holds.release_originals(conv, 1_800_000_000)
    (original,) = world.items("C#", "V#")
    assert original["exp"] == 1_800_000_000


def test_originals_of_a_held_contact_do_not_expire_in_any_of_its_conversations(world: World) -> None:
    """Filed before the hold was put or after it, under whatever account; nobody else's."""
    before, other = world.receive("anna", SETTLED), world.receive("ben", SETTLED)
    world.run()
    holds = Holds(world.table)
    holds.add(Hold(kind="contact", name="anna", channel="generic", because="case 7", by="lee", since=NOW))
    holds.add(Hold(kind="contact", name="anna", channel="twilio", because="case 8", by="lee", since=NOW))
    elsewhere = world.receive("anna", NOW, channel="twilio")
    for message_id in (before, other, elsewhere):
        world.store.add_original(message_id, b"sealed", NOW + timedelta(days=20))
    watch(world).look(NOW, PLENTY)
    assert kept(world) == {before}
    world.run(now=NOW + timedelta(days=2))
    reading = watch(world)
    with mock.patch.object(reading.bucket, "whole", wraps=reading.bucket.whole) as read:
        reading.look(NOW + timedelta(days=2), PLENTY)
    assert kept(world) == {before, elsewhere}
    assert read.call_count == 1, "the part of the first night was looked through already"
    for channel in ("generic", "twilio"):
        for conv in holds.remove("contact", "anna", channel):
            holds.release_originals(conv, 1_800_000_000)
    assert kept(world) == set()


def test_originals_of_a_held_contact_are_kept_though_the_archive_is_behind(world: World) -> None:
    """No part names the contact by the time that the original would go."""
    late, fresh = world.receive("anna", NOW - timedelta(days=25)), world.receive("anna", NOW)
    other = world.receive("ben", NOW - timedelta(days=25))
    for message_id in (late, fresh, other):
        world.store.add_original(message_id, b"sealed", NOW + timedelta(days=5))
    Holds(world.table).add(Hold(kind="contact", name="anna", channel="generic", because="case 7", by="lee", since=NOW))
    watch(world).look(NOW, PLENTY)
    assert kept(world) == {late, fresh}


def test_a_conversation_that_another_hold_covers_stays_covered(world: World) -> None:
    message_id = world.receive("anna", SETTLED)
    conv, holds = keys.split(message_id).conv, Holds(world.table)
    world.run()
    for hold in (Hold(kind="contact", name="anna", channel="generic", because="7", by="lee", since=NOW),
                 Hold(kind="conversation", name=conv, because="8", by="lee", since=NOW)):  # fmt: skip
        holds.add(hold)
    watch(world).look(NOW, PLENTY)
    assert holds.remove("contact", "anna", "generic") == ()
    assert holds.remove("conversation", conv) == (conv,)


def test_looking_for_a_contacts_conversations_ends_in_time_and_goes_on_there(world: World) -> None:
    for day in range(4):
        world.receive("anna", SETTLED - timedelta(days=day))
    world.run()
    Holds(world.table).add(Hold(kind="contact", name="anna", channel="generic", because="7", by="lee", since=NOW))
    (hold,) = Holds(world.table).all().holds.values()
    left = iter([10_000] * 2 + [8_000] + [1_000] * 9)
    assert watch(world).look(NOW, Allowance(lambda: next(left)))["more"]
    some = Holds(world.table).looked(hold)
    assert 0 < len(some) < 4
    watch(world).look(NOW, PLENTY)
    assert some < Holds(world.table).looked(hold)
    assert len(Holds(world.table).looked(hold)) == 4


def kept(world: World) -> set[str]:
    """The messages whose originals do not expire."""
    originals = (item for item in world.items("C#", "V#") if "exp" not in item)
    return {f"{item['pk'][2:]}.{item['sk'][2:].replace('#', '.')}" for item in originals}


# --- The drill ---


def drill(world: World, **given: Any) -> Drill:
    scratch = next(table for table in loaded().tables if table.logical_id == "DrillTable")
    client = boto3.client("dynamodb")
    if scratch.name not in client.list_tables()["TableNames"]:
        client.create_table(**dict(scratch.definition))
    cabinet = world.process()
    return Drill(
        **{
            "ledger": cabinet.ledger,
            "bucket": cabinet.bucket,
            "scratch": DynamoStore(Table(client, scratch.name), shards=1),
            "hot": world.store,
            "telemetry": Telemetry("archive"),
            "random": Random(1),
            **given,
        }
    )


def left_in_scratch(practised: Drill) -> list[Any]:
    table = practised.scratch.table
    return list(table.client.scan(TableName=table.name)["Items"])


def test_a_sample_comes_back_as_it_was_filed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(5):
        world.receive(f"contact{n}", SETTLED, replied=True)
    world.run()
    practised = drill(world)
    before = world.items("C#")
    assert practised.practise(NOW)["compared"] == 5
    assert left_in_scratch(practised) == [] and world.items("C#") == before
    assert '"DrillsPassed":[1.0]' in capsys.readouterr().out


NOTHING = {"outcome": "nothing_archived", "key": "", "compared": 0, "more": False}


def test_a_drill_says_so_where_nothing_is_archived_yet(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.receive("anna", SETTLED)
    assert drill(world).practise(NOW) == NOTHING
    assert '"DrillsPassed":[1.0]' in capsys.readouterr().out


def test_parts_in_the_bucket_of_which_the_ledger_knows_none_fail_the_drill(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.receive("anna", SETTLED)
    world.run()
    (manifest,) = world.manifests()
    world.table.delete(manifest["pk"], manifest["sk"])
    with pytest.raises(DrillFailed, match="the ledger none"):
        drill(world).practise(NOW)
    assert '"DrillsFailed":[1.0]' in capsys.readouterr().out


def test_a_part_in_the_ledger_of_which_the_bucket_knows_nothing_fails_the_drill(world: World) -> None:
    world.receive("anna", SETTLED)
    world.run()
    world.s3.delete_object(Bucket=world.bucket, Key=next(iter(world.objects())))
    with pytest.raises(ArchiveUnproven, match="not there"):
        drill(world).practise(NOW)


def test_an_object_that_a_crash_left_is_nothing_archived(world: World) -> None:
    world.receive("anna", SETTLED)
    cabinet = world.process()
    with mock.patch.object(cabinet.bucket, "prove", side_effect=ProcessDied), pytest.raises(ProcessDied):
        world.run(cabinet)
    assert drill(world).practise(NOW) == NOTHING


def test_a_drill_finds_what_was_filed_long_ago(world: World) -> None:
    world.receive("anna", SETTLED)
    world.run()
    assert drill(world).practise(NOW + timedelta(days=900))["compared"] == 1


def test_a_sample_of_a_large_part_is_small(world: World) -> None:
    for n in range(60):
        world.receive(f"contact{n % 3}", SETTLED + timedelta(seconds=n))
    world.run()
    assert drill(world).practise(NOW)["compared"] == 50


def test_a_message_that_differs_from_the_table_fails_the_drill(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    message_id = world.receive("anna", SETTLED)
    world.run()
    key = keys.split(message_id)
    world.table.update(keys.conversation_pk(key.conv), keys.message_sk(key), "SET #bundle = :other", values={":other": "b9"})
    practised = drill(world)
    with pytest.raises(DrillFailed, match=message_id):
        practised.practise(NOW)
    assert left_in_scratch(practised) == []
    assert '"DrillsFailed":[1.0]' in capsys.readouterr().out


def test_a_manifest_that_lies_fails_the_drill(world: World) -> None:
    world.receive("anna", SETTLED)
    world.run()
    (manifest,) = world.manifests()
    world.table.update(manifest["pk"], manifest["sk"], "SET #count = :more", values={":more": 2})
    with pytest.raises(ArchiveUnproven):
        drill(world).practise(NOW)


def test_a_drill_that_was_cut_short_does_not_fail_the_next(world: World) -> None:
    world.receive("anna", SETTLED, replied=True)
    world.run()
    for n in range(1, 40):
        practised = drill(world)
        table = practised.scratch.table.client
        count = iter(range(1, 1000))
        table.meta.events.register("before-call", lambda count=count, n=n, **_: die() if next(count) == n else None)
        try:
            practised.practise(NOW)
        except ProcessDied:
            pass
        else:
            break
        assert drill(world).practise(NOW)["compared"] == 1
    assert left_in_scratch(drill(world)) == []
