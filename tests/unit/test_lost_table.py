"""A table that is lost is made anew from the archive's bucket alone: the ledger, who was erased, the messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from functions.archive.bucket import manifest_object_key
from functions.archive.tombstones import Certificate, Tombstones
from functions.common import keys
from infra.cli.app import app
from infra.records.lost_ledger import LostLedger
from tests.fakes.archive_room import NOW, SHARDS, ArchiveRoom, open_archive_room_now
from tests.fakes.template import table_definition

runner = CliRunner()


@pytest.fixture
def room() -> Iterator[ArchiveRoom]:
    with open_archive_room_now() as opened:
        yield opened


def lose(room: ArchiveRoom) -> None:
    room.table.client.delete_table(TableName=room.table.name)
    room.table.client.create_table(**table_definition())


def run(*arguments: str, code: int = 0) -> str:
    outcome = runner.invoke(app, ["restore", "--all", "--shards", str(SHARDS), *arguments])
    assert outcome.exit_code == code, outcome.output
    return outcome.stdout.strip() if code == 0 else outcome.output.strip().splitlines()[-1]


def test_a_new_table_gets_everything_that_the_archive_has(room: ArchiveRoom) -> None:
    filed = [room.message("一", replied=True), room.message("二", contact="u2", received_at=NOW - timedelta(days=90))]
    before = sorted(room.file(*filed), key=lambda manifest: manifest.day)
    lose(room)
    told = json.loads(run("--from-manifests", "--json"))
    assert (told["ledger"]["parts"], told["messages"], told["replies"], told["conversations"]) == (2, 2, 1, 2)
    assert list(room.catalogue.parts("2026-01-01", "2026-12-31")) == [replace(m, state="done") for m in before]
    assert [room.store.message(one.judged.message.message_id) for one in filed] == [one.judged for one in filed]
    again = json.loads(run("--from-manifests", "--json"))
    assert (again["ledger"]["parts"], again["messages"], again["kept"] + again["prolonged"]) == (0, 0, 2)


def test_a_dry_run_writes_nothing_and_says_what_would_come_back_into_the_ledger(room: ArchiveRoom) -> None:
    room.file(room.message())
    lose(room)
    told = json.loads(run("--from-manifests", "--dry-run", "--json"))
    assert (told["ledger"]["parts"], told["parts"], told["messages"]) == (1, 1, 1)
    assert room.table.client.scan(TableName=room.table.name)["Items"] == []


def test_without_being_asked_to_a_restore_says_that_the_ledger_lacks_parts(room: ArchiveRoom) -> None:
    room.file(room.message())
    lose(room)
    outcome = runner.invoke(app, ["restore", "--all"])
    assert "1 manifests in the bucket, of which the table's ledger knows nothing: --from-manifests" in outcome.stderr
    assert "0 messages restored" in outcome.stdout


def test_who_was_erased_stays_erased_in_a_new_table(room: ArchiveRoom) -> None:
    gone, other = room.message(), room.message(contact="u2")
    room.file(gone, other)
    tombstones = Tombstones(room.table, room.bucket)
    mark = tombstones.hash_of(keys.split(gone.judged.message.message_id).conv)
    tombstones.keep(Certificate(id="c", at=NOW, conversations=(mark,), backups_until=NOW))
    lose(room)
    told = json.loads(run("--from-manifests", "--json"))
    assert (told["erased"], told["messages"]) == (1, 1)
    assert Tombstones(room.table).certificates(NOW) == tombstones.written_down()
    assert {item["pk"] for item in room.items()} == {keys.conversation_pk(keys.split(other.judged.message.message_id).conv)}


def test_a_part_whose_place_another_took_does_not_come_back(room: ArchiveRoom) -> None:
    (old,) = room.file(room.message("旧"))
    (new,) = room.file(room.message("新"))
    room.bucket.put_manifest(replace(new, replaces=old.part))
    lose(room)
    told = json.loads(run("--from-manifests", "--json"))
    assert (told["ledger"]["parts"], told["ledger"]["replaced"], told["messages"]) == (1, 1, 1)
    assert [item["sk"] for item in room.table.query("pk = :pk", {":pk": "A#removals"})] == [old.key]
    assert LostLedger(room.catalogue, SHARDS).lacking() == []


def test_a_part_that_is_not_in_the_bucket_is_named(room: ArchiveRoom) -> None:
    (manifest,) = room.file(room.message())
    room.bucket.remove_for_good(manifest.key)
    lose(room)
    assert f"1 are not in the bucket ({manifest.key}" in run("--from-manifests")


def test_in_a_table_of_some_days_ago_parts_since_then_are_finished_by_the_archive(room: ArchiveRoom) -> None:
    filed = room.message()
    (manifest,) = room.file(filed)
    lose(room)
    room.keep_hot(filed)  # as it was before it was archived
    run("--from-manifests")
    stored = room.catalogue.ledger.stored(manifest.day, manifest.part)
    assert stored is not None and stored.state == "committed"
    assert [pending.part for pending in room.catalogue.ledger.pending()] == [manifest.part]


def test_a_manifest_that_cannot_be_read_is_one_line_and_nothing_is_changed(room: ArchiveRoom) -> None:
    second = room.file(room.message(), room.message(received_at=NOW - timedelta(days=9)))[1]
    room.bucket.client.put_object(Bucket=room.bucket.name, Key=manifest_object_key(second.key), Body=b"lies")
    lose(room)
    assert run("--from-manifests", code=1).endswith("not a manifest of ours")
    assert list(room.catalogue.parts("2026-01-01", "2026-12-31")) == []


def test_a_run_of_the_archive_in_between_is_not_written_over(room: ArchiveRoom) -> None:
    room.file(room.message())
    lose(room)
    lost = LostLedger(room.catalogue, SHARDS)
    lacking = lost.lacking

    def and_a_run_begins() -> list[str]:
        room.catalogue.ledger.open("another", NOW)
        return lacking()

    lost.lacking = and_a_run_begins  # type: ignore[method-assign]
    from functions.archive.manifests import Superseded

    with pytest.raises(Superseded):
        lost.bring_back("ours", NOW)
