"""A part that is lost after its commit and before its messages are all marked: later runs go on, and file them anew."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.archive.bucket import ArchiveBucket
from functions.archive.manifests import LOST_PK, Ledger
from functions.archive.mending import Mender
from functions.archive.parts import ArchiveUnproven
from functions.archive.rewriting import Rewriter
from functions.archive.service import Cabinet
from functions.common import keys
from functions.common.errors import Unavailable
from functions.common.store import Reply, with_unarchived
from functions.common.telemetry import Telemetry
from tests.fakes.template import ttl_definition
from tests.unit.test_archive_copies import PLENTY, expires, watch
from tests.unit.test_archive_service import (
    FRESH,
    NOW,
    SETTLED,
    Calls,
    Cloud,
    ProcessDied,
    World,
    cloud,
    die,
    world,
)

__all__ = ["cloud", "world"]


def marking_stops(cabinet: Cabinet, after: int) -> None:
    """Let the process die when so many messages are marked, at the latest before the part is noted as done."""
    mark, marked = cabinet.marks.mark, []

    def mark_or_die(*given: Any) -> None:
        if len(marked) == after:
            die()
        marked.append(given)
        mark(*given)

    cabinet.marks.mark = mark_or_die  # type: ignore[method-assign]
    cabinet.ledger.done = lambda _: die()  # type: ignore[method-assign]


def cut_short(world: World, marked: int, cabinet: Cabinet | None = None) -> str:
    """Three messages in a part that is committed, of which so many are marked; the part's key."""
    for n in range(3):
        world.receive("anna", SETTLED + timedelta(minutes=n), replied=True)
    cabinet = cabinet or world.process()
    marking_stops(cabinet, marked)
    with pytest.raises(ProcessDied):
        world.run(cabinet)
    (key,) = world.objects()
    return key


def lose(world: World, key: str) -> None:
    world.s3.delete_object(Bucket=world.bucket, Key=key)


def truncate(world: World, key: str) -> None:
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=world.objects()[key][:-8])


def lie(world: World, key: str) -> None:
    (manifest,) = world.manifests()
    world.table.update(manifest["pk"], manifest["sk"], "SET #sha256 = :lie", values={":lie": "0" * 64})


@pytest.mark.parametrize("harm", [lose, truncate, lie])
@pytest.mark.parametrize("marked", [0, 1, 3])
def test_what_a_lost_part_held_is_filed_anew_and_later_runs_go_on(
    world: World, harm: Callable[[World, str], None], marked: int, capsys: pytest.CaptureFixture[str]
) -> None:
    key = cut_short(world, marked)
    ids = {item["message"]["message_id"] for item in world.items("C#", "M#")}
    harm(world, key)
    told = world.run()
    assert (told["lost"], told["messages"]) == (1, 3)
    assert '"ArchiveUnproven":[1.0]' in capsys.readouterr().out.replace(" ", "")
    world.assert_archived(*ids)
    assert set(world.since().values()) == {None}
    later = world.receive("ben", SETTLED)
    assert world.run()["lost"] == 0
    world.assert_archived(*ids, later)


def test_the_ledger_remembers_the_loss_and_nothing_of_the_object_is_left(world: World) -> None:
    key = cut_short(world, 1)
    world.s3.put_bucket_versioning(Bucket=world.bucket, VersioningConfiguration={"Status": "Enabled"})
    truncate(world, key)
    before = world.manifests()[0]
    world.s3.delete_object(Bucket=world.bucket, Key=key, VersionId="null")  # the version that was whole
    world.run()
    (loss,) = world.items(LOST_PK)
    assert {name: loss[name] for name in ("part", "key", "count", "sha256")} == {
        name: before[name] for name in ("part", "key", "count", "sha256")
    }
    assert loss["state"] == "lost" and loss["since"]
    listed = world.s3.list_object_versions(Bucket=world.bucket, Prefix=key)
    assert not listed.get("Versions") and not listed.get("DeleteMarkers")
    assert world.items("A#removals") == [] and world.items("A#pending") == []


def test_the_messages_of_a_lost_part_are_hot_until_they_are_filed(world: World) -> None:
    from functions.archive.hot import HotReader

    key = cut_short(world, 2)
    lose(world, key)
    cabinet = world.process()
    cabinet.ledger.open("other", NOW)
    manifest = cabinet.ledger.stored(world.manifests()[0]["day"], world.manifests()[0]["part"])
    assert manifest is not None
    cabinet.ledger.strike(manifest, "other", NOW)
    hot = HotReader(world.table, cabinet.reader.shards, world.process().reader)
    assert len(list(hot.read(SETTLED - timedelta(days=1), NOW))) == 3


def test_a_part_whose_older_version_is_whole_is_put_back(world: World) -> None:
    world.s3.put_bucket_versioning(Bucket=world.bucket, VersioningConfiguration={"Status": "Enabled"})
    key = cut_short(world, 1)
    whole = world.objects()[key]
    truncate(world, key)
    lose(world, key)
    cabinet = world.process()
    told = world.run(replace(cabinet, mend=mender(world).mend))
    assert (told["lost"], told["finished"], told["messages"]) == (0, 1, 0)
    assert world.objects()[key] == whole and world.items(LOST_PK) == []


def mender(world: World, copy: ArchiveBucket | None = None) -> Mender:
    bucket = ArchiveBucket(world.s3, world.bucket)
    return Mender(ledger=Ledger(world.table), archive=bucket, copy=copy, telemetry=Telemetry("archive"))


def test_a_part_whose_copy_is_whole_is_put_back(world: World) -> None:
    key = cut_short(world, 1)
    world.s3.create_bucket(Bucket="copy")
    world.s3.put_object(Bucket="copy", Key=key, Body=world.objects()[key])
    lose(world, key)
    told = world.run(replace(world.process(), mend=mender(world, ArchiveBucket(world.s3, "copy")).mend))
    assert (told["lost"], told["finished"]) == (0, 1)
    assert len(world.filed()) == 3


def test_a_copy_that_cannot_be_asked_leaves_everything_as_it_is(world: World) -> None:
    key = cut_short(world, 1)
    lose(world, key)
    with pytest.raises(Unavailable):
        world.run(replace(world.process(), mend=mender(world, ArchiveBucket(world.s3, "nobodys")).mend))
    assert world.items(LOST_PK) == [] and len(world.manifests()) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_call_of_the_recovery_loses_nothing(cloud: Cloud, when: str) -> None:
    world = cloud.world()
    lose(world, cut_short(world, 2))
    calls = Calls()
    world.run(world.process(calls))
    for n in calls.writes:
        world = cloud.world()
        lose(world, cut_short(world, 2))
        ids = {item["message"]["message_id"] for item in world.items("C#", "M#")}
        with pytest.raises(ProcessDied):
            world.run(world.process(Calls(at=n, when=when, act=die)))
            raise ProcessDied
        world.run()
        world.run(now=NOW + timedelta(hours=1))
        world.assert_archived(*ids)
        assert world.items("A#pending") == world.items("A#removals") == [], n
        assert len(world.items(LOST_PK)) == 1, n


def test_a_run_that_is_held_up_while_its_part_is_struck_harms_nothing(world: World) -> None:
    """It marks, late, with the lost part's name, and must not let the conversations leave the index."""
    ids = [world.receive("anna", SETTLED + timedelta(minutes=n)) for n in range(3)]
    slow = world.process()
    mark, others = slow.marks.mark, []

    def held_up(*given: Any) -> None:
        if not others:
            (key,) = world.objects()
            lose(world, key)
            other = world.process()
            other.reader.read = lambda *_: iter(())  # type: ignore[method-assign]  # it dies before it collects anything
            others.append(world.run(other))
        mark(*given)

    slow.marks.mark = held_up  # type: ignore[method-assign]
    assert world.run(slow)["superseded"]
    assert others[0]["lost"] == 1 and world.since() == {"anna": SETTLED}
    assert world.manifests() == []
    world.run()
    world.assert_archived(*ids)


def test_a_part_written_anew_that_is_lost_stops_no_later_run(world: World) -> None:
    first, second = world.receive("anna", SETTLED), world.receive("ben", SETTLED)
    world.run()
    cabinet = world.process()
    cabinet.ledger.open("again", NOW)
    (manifest,) = cabinet.ledger.committed("2026-01-01", "2026-12-31")
    cabinet.bucket.put_manifest = lambda manifest: die()  # type: ignore[method-assign]
    rewriter = Rewriter(cabinet.ledger, cabinet.bucket, run="again", now=NOW)
    with suppress(ProcessDied):
        rewriter.without(manifest, lambda line: first.encode() in line)
    for key in world.objects():  # the one whose place it took too
        lose(world, key)
    later = world.receive("carl", SETTLED)
    told = world.run()
    assert (told["lost"], told["messages"]) == (1, 1)
    assert later in world.marked() and second in world.marked()
    with pytest.raises(ArchiveUnproven):  # it is still in the ledger, for `verify` and the watch to name
        world.process().bucket.prove(next(m for m in Ledger(world.table).committed("2026-01-01", "2026-12-31") if m.replaces))


def test_nothing_expires_before_what_a_lost_part_held_is_surely_filed_anew(world: World) -> None:
    world.table.client.update_time_to_live(**ttl_definition() | {"TableName": world.table.name})
    lose(world, cut_short(world, 3))
    world.receive("ben", FRESH)
    world.run()
    assert watch(world).look(NOW, PLENTY)["lost"] and not expires(world)
    world.run(now=NOW + timedelta(days=3))
    assert watch(world).look(NOW + timedelta(days=3), PLENTY)["lost"]
    # All that it held is due by now, whatever its conversations wait for.
    world.run(now=NOW + timedelta(days=8))
    assert watch(world).look(NOW + timedelta(days=8), PLENTY)["lost"] == [] and expires(world)


def test_a_message_of_a_lost_part_whose_conversation_needs_a_person_waits_and_is_filed(world: World) -> None:
    key = cut_short(world, 3)
    lose(world, key)
    before = world.store.conversation(world.items("C#", "@")[0]["pk"][2:])
    assert before is not None
    world.store.apply(before, replace(before, status="waiting", team="frontdesk", due_at=NOW))
    assert world.run()["messages"] == 0
    told = world.run(now=NOW + timedelta(days=9))
    assert told["messages"] == 3 and len(world.filed()) == 3


# --- Records of replies that come after their messages were archived ---


def reply_late(world: World, message_id: str, text: str = "来晚了") -> None:
    """As autoreply does when a task has waited for days: the record, and then the word to the archive."""
    world.store.add_reply(Reply(message_id=message_id, state="sent", reason="receipt", at=NOW, text=text, attempts=1))
    owe(world, message_id)


def owe(world: World, message_id: str) -> None:
    before = world.store.conversation(keys.split(message_id).conv)
    judged = world.store.message(message_id)
    assert before and judged
    world.store.apply(before, with_unarchived(before, message_id, judged.message.received_at))


def texts(world: World) -> list[tuple[str, str | None]]:
    """Every archived message with the text of its reply."""
    objects = world.objects()
    found = [json.loads(text) for m in world.manifests() for text in gzip.decompress(objects[m["key"]]).splitlines()]
    return sorted((said["message"]["message_id"], (said["reply"] or {}).get("text", "")) for said in found)


def test_a_reply_recorded_after_its_message_was_archived_is_archived_beside_it(world: World) -> None:
    ids = [world.receive("anna", SETTLED + timedelta(minutes=n)) for n in range(3)]
    other = world.receive("ben", SETTLED)
    world.run()
    reply_late(world, ids[1])
    assert world.run()["messages"] == 0
    assert texts(world) == sorted([(ids[0], ""), (ids[1], "来晚了"), (ids[2], ""), (other, "")])
    (record,) = world.items("C#", "R#")
    (message,) = [item for item in world.items("C#", "M#") if item["message"]["message_id"] == ids[1]]
    assert record["archived"] and record["exp"] == message["exp"]
    assert set(world.since().values()) == {None}, "nothing is left to do"
    assert {manifest["state"] for manifest in world.manifests()} == {"done"}
    assert world.run()["items_read"] == 0 and world.items("A#removals") == [] and len(world.objects()) == 1


def test_a_record_that_changed_after_it_was_archived_is_archived_as_it_became(world: World) -> None:
    message_id = world.receive("anna", SETTLED)
    reserved = Reply(message_id=message_id, state="reserved", reason="receipt", at=SETTLED, text="收到", attempts=1)
    world.store.add_reply(reserved)
    world.run()
    assert texts(world) == [(message_id, "收到")]
    world.store.record_reply(replace(reserved, state="sent", text="真的收到"), was="reserved", attempts=1)
    owe(world, message_id)
    world.run()
    assert texts(world) == [(message_id, "真的收到")]
    assert world.run()["items_read"] == 0


def test_a_damaged_part_that_lacks_a_reply_keeps_nobody_else_waiting(world: World) -> None:
    message_id = world.receive("anna", SETTLED)
    world.run()
    ((key, whole),) = world.objects().items()
    reply_late(world, message_id)
    later = world.receive("ben", SETTLED - timedelta(days=1))
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=b"damaged")
    assert world.run()["messages"] == 1
    assert later in {item["message"]["message_id"] for item in world.items("C#", "M#") if "archived" in item}
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=whole)
    world.run()
    assert texts(world) == sorted([(message_id, "来晚了"), (later, "")])


@pytest.mark.timeout(280)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_dies_while_it_archives_a_late_reply_is_finished_by_the_next(cloud: Cloud, when: str) -> None:
    n, died = 1, True
    while died:
        world = cloud.world()
        message_id, calls = world.receive("anna", SETTLED), Calls(at=n, when=when, act=die)
        world.run()
        reply_late(world, message_id)
        try:
            world.run(world.process(calls))
            died = False
        except ProcessDied:
            n += 1
        world.run(now=NOW + timedelta(hours=1))
        world.run(now=NOW + timedelta(hours=2))
        assert texts(world) == [(message_id, "来晚了")], n
        assert "archived" in world.items("C#", "R#")[0] and set(world.since().values()) == {None}, n
        assert world.items("A#pending") == world.items("A#removals") == [], n
    assert n > 20
