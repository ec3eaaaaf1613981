"""Restores and erasures that die before or after any call, or meet each other at any call: nothing half-done, nothing that comes back.

Where deaths are many, only calls that change something are died at: between two that read, nothing has changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.archive import places
from functions.archive.erasure import Eraser
from functions.archive.holds import Holds
from functions.archive.places import Place
from functions.archive.tombstones import Tombstones
from functions.common.dynamo_links import DynamoLinks
from functions.common.identity import Party, People
from infra.cli import rights
from infra.records.lost_ledger import LostLedger
from infra.records.restore import Restored, Restorer, Wanted
from tests.fakes.archive_room import NOW, SHARDS, ArchiveRoom, open_archive_room
from tests.fakes.deaths import Death, Watch, watching
from tests.fakes.template import table_definition
from tests.unit.test_erasure_reach import copied, held_in, versioned
from tests.unit.test_person_rights import assert_gone, person, room

__all__ = ["room"]

ANNA = Party(channel="generic", account="demo", contact="anna")
READS = ("Get", "List", "Query", "Head", "Describe", "Scan")
pytestmark = pytest.mark.timeout(280)
both = pytest.mark.parametrize("when", ["before", "after"])


@pytest.fixture(autouse=True)
def no_floods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day of them is sixteen queries, and nobody here sent what others sent too."""
    monkeypatch.setattr("functions.archive.floods._DAYS", 0)


@dataclass
class Meeting(Watch):
    """Lets something else happen just before a call."""

    act: Callable[[], Any] = lambda: None

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        mine = len(self.calls) == self.at
        self.calls.append(name)
        if mine:
            self.at = None
            self.act()
        return call()


def writes(watch: Watch) -> list[int]:
    return [n for n, name in enumerate(watch.calls) if not name.startswith(READS)]


def full(room: ArchiveRoom) -> None:
    """Two people in one part, nothing in the table."""
    old = NOW - timedelta(days=20)
    room.file(*(room.message(name, contact=name, received_at=old, replied=name == "anna") for name in ("anna", "ben")))


def restore(room: ArchiveRoom) -> Restored:
    tombstones = Tombstones(room.table, room.bucket, random_salt=lambda: "00" * 32)
    restorer = Restorer(room.table, room.catalogue, now=NOW, tombstones=tombstones, writers=1)
    return restorer.restore(Wanted(), room.catalogue.parts("2026-01-01", "2026-12-31"))


def eraser(room: ArchiveRoom) -> Eraser:
    people = People(room.store, DynamoLinks(room.table))
    cabinet = rights._cabinet(room.table.name, room.bucket.name, SHARDS)
    return Eraser(cabinet=cabinet, table=room.table, people=people, holds=Holds(room.table))


def erase(room: ArchiveRoom) -> None:
    done = eraser(room).erase((ANNA,), certificate_id="c", run="erasure", now=NOW)
    assert done.complete


def held(room: ArchiveRoom) -> str:
    return json.dumps(room.table.client.scan(TableName=room.table.name)["Items"], default=str, ensure_ascii=False)


@both
def test_a_restore_that_dies_at_any_call_is_finished_by_the_next(when: Any) -> None:
    with open_archive_room() as room:
        full(room)
        watch = Watch()
        with watching(watch):
            restore(room)
        whole = room.items()
    assert len(whole) == 5 and len(watch.calls) > 15
    for n in range(len(watch.calls)):
        with open_archive_room() as room:
            full(room)
            with watching(Watch(at=n, when=when)), suppress(Death):  # a call that was refused has no after
                restore(room)
            restore(room)
            assert room.items() == whole, n


@both
def test_a_table_that_is_lost_is_rebuilt_by_a_restore_that_dies_at_any_call(when: Any) -> None:
    n, ended = 0, False
    while not ended:
        with open_archive_room() as room:
            full(room)
            room.table.client.delete_table(TableName=room.table.name)
            room.table.client.create_table(**table_definition())
            watch = Watch(at=n, when=when)
            with watching(watch), suppress(Death):
                LostLedger(room.catalogue, SHARDS).bring_back("one", NOW)
                restore(room)
            ended = n >= len(watch.calls)
            LostLedger(room.catalogue, SHARDS).bring_back("two", NOW)
            restore(room)
            assert len(room.items("M#")) == len(room.items("@")) == 2, n
            assert len(list(room.catalogue.parts("2026-01-01", "2026-12-31"))) == 1, n
        n += 1
    assert n > 20


def test_an_erasure_in_the_midst_of_a_restore_is_not_undone_by_it() -> None:
    n, ended = 0, False
    while not ended:
        with open_archive_room() as room:
            full(room)
            meeting = Meeting(at=n, act=lambda room=room: erase(room))
            with watching(meeting):
                with suppress(Exception):  # a part that it read was written anew: it says so, and is run again
                    restore(room)
                ended = meeting.at is not None
            if not ended:
                assert "anna" not in held(room), n
                restore(room)
                assert "anna" not in held(room) and "ben" in held(room), n
        n += 1
    assert n > 15


def test_a_restore_in_the_midst_of_an_erasure_brings_nothing_back() -> None:
    n, ended = 0, False
    while not ended:
        with open_archive_room() as room:
            full(room)
            restore(room)
            meeting = Meeting(at=n, act=lambda room=room: restore(room))
            with watching(meeting):
                try:
                    erase(room)
                except Exception:
                    erase(room)
                ended = meeting.at is not None
            assert "anna" not in held(room) and "ben" in held(room), n
            n = next((later for later in range(n + 1, n + 99) if later in writes(meeting)), len(meeting.calls) + 1)
    assert n > 20


@both
def test_an_erasure_by_command_that_dies_at_any_write_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: Any
) -> None:
    at: list[int] = []
    for n in (None, *range(99)):
        if n is not None and n not in at:
            continue
        folder = tmp_path / str(n)
        folder.mkdir()
        opening = room.__wrapped__(folder, monkeypatch)  # type: ignore[attr-defined]
        opened = next(opening)
        bucket = versioned("copy")
        copied(opened, bucket)
        places.note(opened.bucket, Place(bucket="copy"))
        watch = Watch(at=n, when=when)
        with watching(watch), suppress(Death):
            person("erase", "--yes")
        at = at or writes(watch)
        person("erase", "--yes")
        assert_gone(opened)
        assert "anna" not in held_in(bucket), n
        assert not list(folder.glob(".erasing-*")), n
        opening.close()
    assert len(at) > 30
