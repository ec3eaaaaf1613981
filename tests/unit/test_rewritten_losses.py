"""A part that was written anew, and is lost before the one whose place it took is gone: written once more from that, by the next run."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO
from itertools import count
from typing import Any

import pytest

from functions.archive.bucket import ArchiveBucket, manifest_object_key
from functions.archive.erasure import PartLost
from functions.archive.manifests import Ledger, Manifest
from functions.archive.night import night
from functions.archive.parts import read_part
from functions.archive.removals import Removals
from functions.archive.rewriting import Rewriter
from functions.archive.service import Cabinet
from functions.archive.tombstones import Certificate, Tombstones
from functions.common import keys
from functions.common.store import Reply
from tests.unit.test_archive_losses import mender
from tests.unit.test_archive_service import NOW, SETTLED, Calls, Cloud, ProcessDied, World, cloud, die, world
from tests.unit.test_cleaning import LATER, SPAM, spoilt, sweeper
from tests.unit.test_erasure import ANNA, erase, everything

__all__ = ["cloud", "world"]


@pytest.fixture(autouse=True)
def no_floods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day is sixteen queries, and nobody here sent what others sent too."""
    monkeypatch.setattr("functions.archive.floods._DAYS", 0)


def begun(world: World, dies: str) -> tuple[str, str, str]:
    """Anna's erasure died once her part was written anew, before it was `done` or its original `removed`; ben's message, the original's
    and the new part's key.
    """
    world.s3.put_bucket_versioning(Bucket=world.bucket, VersioningConfiguration={"Status": "Enabled"})
    world.receive("anna", SETTLED)
    ben = world.receive("ben", SETTLED)
    world.run()
    (original,) = world.objects()
    cabinet = world.process()
    if dies == "done":
        cabinet.ledger.done = lambda _: die()  # type: ignore[method-assign]
    else:
        ended = cabinet.ledger.done

        def done(manifest: object) -> None:
            ended(manifest)  # type: ignore[arg-type]
            die()

        cabinet.ledger.done = done  # type: ignore[method-assign]
    # `take_over` comes first, and has nothing to do.
    with pytest.raises(ProcessDied):
        cabinet.ledger.open("dying", NOW)
        (manifest,) = cabinet.ledger.committed("2026-01-01", "2026-12-31")
        rewriter = Rewriter(cabinet.ledger, cabinet.bucket, run="dying", now=NOW)
        rewriter.without(manifest, lambda line: b'"anna"' in line)
    (new,) = set(world.objects()) - {original}
    return ben, original, new


def lose(world: World, key: str) -> None:
    """Every version of it."""
    ArchiveBucket(world.s3, world.bucket).remove_for_good(key)


def damage(world: World, key: str) -> None:
    lose(world, key)
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=b"damaged")


def assert_whole(world: World, ben: str) -> None:
    assert "anna" not in everything(world) and ANNA.conv not in everything(world)
    assert list(world.filed()) == [ben]
    (manifest,) = world.manifests()
    assert manifest["state"] == "done" and list(world.objects()) == [manifest["key"]]
    assert list(world.objects("_manifests/")) == [manifest_object_key(manifest["key"])]
    assert world.items("A#removals") == world.items("A#lost") == []


@pytest.mark.parametrize("harm", [lose, damage])
@pytest.mark.parametrize("dies", ["done", "removed"])
def test_an_erasure_that_is_called_again_writes_a_lost_part_once_more(
    world: World, dies: str, harm: Callable[[World, str], None]
) -> None:
    ben, _, new = begun(world, dies)
    harm(world, new)
    assert erase(world, ANNA).complete
    assert_whole(world, ben)


@pytest.mark.parametrize("dies", ["done", "removed"])
def test_a_nightly_run_writes_it_once_more_and_the_original_goes_only_then(world: World, dies: str) -> None:
    ben, original, new = begun(world, dies)
    lose(world, new)
    assert world.run()["lost"] == 0
    assert ben in world.filed() and original not in world.objects()
    erase(world, ANNA)
    world.run(now=NOW + timedelta(hours=1))
    assert_whole(world, ben)


def test_what_was_erased_before_does_not_come_back_with_it(world: World) -> None:
    ben, _, new = begun(world, "removed")
    lose(world, new)
    tombstones = Tombstones(world.table, ArchiveBucket(world.s3, world.bucket))
    done = Certificate(id="c", at=NOW, conversations=(tombstones.hash_of(ANNA.conv),), backups_until=NOW, complete=NOW)
    tombstones.keep(done)
    world.run()
    assert list(world.filed()) == [ben]
    held = b"".join(gzip.decompress(body) for body in world.objects().values())
    assert b"anna" not in held


@pytest.mark.parametrize("where", ["an older version", "the second copy"])
def test_an_original_that_is_lost_too_is_put_back_from_where_it_is_whole(world: World, where: str) -> None:
    ben, original, new = begun(world, "removed")
    copy = None
    if where == "the second copy":
        world.s3.create_bucket(Bucket="copy")
        copy = ArchiveBucket(world.s3, "copy")
        copy.put(original, world.objects()[original])
        lose(world, original)
    else:
        world.s3.delete_object(Bucket=world.bucket, Key=original)
    lose(world, new)
    told = world.run(replace(world.process(), mend=mender(world, copy).mend))
    assert told["lost"] == 0 and ben in world.filed()
    erase(world, ANNA)
    assert "anna" not in everything(world)


def test_a_part_that_is_whole_nowhere_is_said_in_one_line_that_says_what_to_do(world: World) -> None:
    _, original, new = begun(world, "done")
    lose(world, original)
    lose(world, new)
    world.s3.put_object(Bucket=world.bucket, Key="dt=2026-01-01/channel=generic/part-x.jsonl.gz", Body=b"")
    with pytest.raises(
        PartLost, match=r"part-dying-r1.*: not there: it may hold the person; put it right as \"When a part is lost\""
    ):
        erase(world, ANNA)
    assert world.run()["lost"] == 0, "it was told once; it stays in the ledger for people to see to"
    assert [manifest.key for manifest in Ledger(world.table).committed("2026-01-01", "2026-12-31")] == [new]


def test_a_part_that_only_the_second_copy_has_is_not_passed_over(world: World) -> None:
    world.receive("anna", SETTLED)
    world.run()
    world.s3.create_bucket(Bucket="copy")
    copy, cabinet = ArchiveBucket(world.s3, "copy"), world.process()
    ((key, body),) = world.objects().items()
    copy.put(key, body)
    lose(world, key)
    both = replace(cabinet, removals=Removals(world.table, (cabinet.bucket, copy)))
    with pytest.raises(PartLost):
        erase(world, ANNA, cabinet=both)


@pytest.mark.timeout(280)
def test_a_run_that_dies_at_any_call_while_it_writes_again_leaves_it_to_the_next(cloud: Cloud) -> None:
    n, died = 1, True
    while died:
        world = cloud.world()
        ben, _, new = begun(world, "removed")
        lose(world, new)
        calls = Calls(at=n, when="after", act=die)
        try:
            world.run(world.process(calls))
            died = False
        except ProcessDied:
            n += 1
        with suppress(ProcessDied):
            world.run(now=NOW + timedelta(hours=1))
        assert ben in world.filed(), n
        erase(world, ANNA, now=NOW + timedelta(hours=1))
        world.run(now=NOW + timedelta(hours=2))
        assert_whole(world, ben)
    assert n > 15


def test_a_copy_that_is_silent_for_weeks_does_not_keep_the_archive_from_its_work(world: World) -> None:
    for days in range(4, 10):
        world.receive("anna", NOW - timedelta(days=days))
        world.receive("ben", NOW - timedelta(days=days))
    world.run()
    cabinet = world.process()
    cabinet.ledger.open("cleaning", NOW)
    rewriter = Rewriter(cabinet.ledger, cabinet.bucket, run="cleaning", now=NOW)
    for manifest in list(cabinet.ledger.committed("2026-01-01", "2026-12-31")):
        rewriter.without(manifest, lambda line: b'"anna"' in line)
    silent = replace(cabinet, removals=Removals(world.table, (cabinet.bucket,), None, ("copy",)))
    silent.removals.carry_out()
    assert list(silent.removals.replaced()) == [], "each was proven once more, and is not every night"
    due = world.receive("cleo", SETTLED)
    world.run(silent, now=NOW + timedelta(hours=1))
    assert due in world.filed()
    assert len(world.items("A#removals")) == 6, "what lies in the copy is still to go"


def answered_late(world: World, text: str = "late") -> str:
    """A message that is archived, and a record of its reply that was written after that: the conversation is in the index again."""
    message_id = world.receive("anna", SETTLED)
    world.receive("ben", SETTLED, replied=True)
    world.run()
    world.store.add_reply(Reply(message_id=message_id, state="sent", reason="faq", text=text, at=NOW))
    key = keys.split(message_id)
    before = world.store.conversation(key.conv)
    assert before is not None
    world.store.apply(before, replace(before, unarchived_since=SETTLED, unarchived_from=key.suffix))
    return message_id


def replies(world: World) -> dict[str, str | None]:
    parts = [world.objects()[manifest["key"]] for manifest in world.manifests()]
    found = [filed for part in parts for filed in read_part(BytesIO(part))]
    return {filed.judged.message.message_id: filed.reply.text if filed.reply else None for filed in found}


def test_a_late_reply_is_in_the_part_that_is_written_once_more(world: World) -> None:
    message_id = answered_late(world)
    world.run(now=NOW + timedelta(hours=1))
    assert replies(world)[message_id] == "late"
    (manifest,), (mark,) = world.manifests(), (item for item in world.items("C#", "R#") if item.get("text") == "late")
    lose(world, manifest["key"])
    assert mark["archived"] != manifest["part"], "its mark says that it is filed: nothing would file it again"
    world.run(now=NOW + timedelta(days=1))
    assert replies(world)[message_id] == "late"
    assert world.items("A#removals") == []


def test_a_record_that_cannot_be_read_keeps_no_part_from_being_written_once_more(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    message_id = answered_late(world)
    world.run(now=NOW + timedelta(hours=1))
    key = keys.split(message_id)
    place = keys.conversation_pk(key.conv), keys.reply_sk(key)
    world.table.update(*place, "SET #state = :odd", values={":odd": "odd"})
    lose(world, world.manifests()[0]["key"])
    world.run(now=NOW + timedelta(days=1))
    assert replies(world)[message_id] is None and len(replies(world)) == 2
    assert "message_unreadable" in caplog.messages


def losing(world: World) -> Cabinet:
    """Whoever writes a part anew with it loses the first one as soon as it is done."""
    cabinet, first = world.process(), count(1)
    ended = cabinet.ledger.done

    def done(manifest: Manifest) -> None:
        ended(manifest)
        if next(first) == 1:
            lose(world, manifest.key)

    cabinet.ledger.done = done  # type: ignore[method-assign]
    return cabinet


def test_an_erasure_proves_what_it_wrote_before_it_removes_what_that_was_written_from(world: World) -> None:
    world.receive("anna", SETTLED)
    ben = world.receive("ben", SETTLED)
    world.run()
    assert erase(world, ANNA, cabinet=losing(world)).complete
    assert_whole(world, ben)


def a_night(world: World, now: datetime, cabinet: Cabinet) -> dict[str, Any]:
    run = f"night{next(world.runs)}"
    return night(cabinet, sweeper(world, cabinet, SPAM), None, run=run, now=now, remaining=lambda: 900_000)


def test_a_night_proves_what_the_policy_wrote_before_it_removes_what_that_was_written_from(world: World) -> None:
    _, question = spoilt(world)
    told = a_night(world, LATER, losing(world))
    assert told["cleaned"] == 1 and told["lost"] == 0
    assert question in world.filed()


def test_what_a_rule_had_removed_from_a_lost_part_goes_again_however_old_its_day_is(world: World) -> None:
    ad, question = spoilt(world)
    # The rule is new, and its day is older than the days of which parts may still come.
    months = LATER + timedelta(days=60)
    a_night(world, months, losing(world))
    assert set(world.filed()) == {ad, question}
    a_night(world, months + timedelta(days=1), world.process())
    assert list(world.filed()) == [question]
    assert world.items("A#clean", "waiting#") == []
