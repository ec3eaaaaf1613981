"""Restores, erasures, exports and searches that die before or after any call, or meet each other at any call: nothing half-done, nothing
that comes back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import pyzipper

from functions.archive import places
from functions.archive.bucket import ArchiveBucket
from functions.archive.erasure import Eraser
from functions.archive.holds import Holds
from functions.archive.packs import Packs
from functions.archive.places import Place
from functions.archive.tombstones import Tombstones
from functions.common import aws
from functions.common.identity import Party
from infra.cli import rights
from infra.cli.app import app
from infra.records.lost_ledger import LostLedger
from infra.records.restore import Restored, Restorer, Wanted
from tests.fakes.archive_room import NOW, SHANGHAI, SHARDS, ArchiveRoom, open_archive_room
from tests.fakes.deaths import Death, Watch, watching
from tests.fakes.template import table_definition
from tests.unit.test_erasure_reach import copied, held_in, versioned
from tests.unit.test_person_rights import assert_gone, person, room, runner

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
    cabinet = rights._cabinet(room.table.name, room.bucket.name, SHARDS)
    return Eraser(cabinet=cabinet, table=room.table, holds=Holds(room.table))


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


@pytest.mark.parametrize("half", [0, 1])
def test_an_erasure_by_command_that_dies_at_any_call_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: int
) -> None:
    """To die at a call, or after it, is to leave the world as it is between two calls: each such state is died in once."""
    with opened_room(tmp_path / "seen", monkeypatch) as there:
        seen = Seen(world=lambda: state(tmp_path / "seen", there.bucket.name))
        with watching(seen):
            person("erase", "--yes")
    at = [n for n, now in enumerate(seen.states) if n == 0 or now != seen.states[n - 1]]
    assert len(at) > 30
    for n in at[half::2]:
        folder = tmp_path / str(n)
        with opened_room(folder, monkeypatch) as there:
            with watching(Watch(at=n)), suppress(Death):
                person("erase", "--yes")
            person("erase", "--yes")
            assert_gone(there)
            assert "anna" not in held_in(ArchiveBucket(there.bucket.client, "copy")), n
            assert not list(folder.glob(".erasing-*")), n


@dataclass
class Seen(Watch):
    """Looks at the world before each call."""

    world: Callable[[], str] = str
    states: list[str] = field(default_factory=list)
    looking: bool = False

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        if not self.looking:
            self.looking = True
            self.states.append(self.world())
            self.looking = False
            self.calls.append(name)
        return call()


def state(folder: Path, archive: str) -> str:
    """All that outlives a process: the table, every version of every object, files."""
    s3, found = aws.client("s3"), [aws.client("dynamodb").scan(TableName=os.environ["TABLE_NAME"])["Items"]]
    for bucket in (archive, "copy", "exports"):
        about = s3.list_object_versions(Bucket=bucket)
        found.append([(v["Key"], v["VersionId"]) for kind in ("Versions", "DeleteMarkers") for v in about.get(kind, [])])
    found.append([(path.name, path.read_text("utf-8")) for path in sorted(folder.iterdir()) if path.is_file()])
    return sha256(json.dumps(found, default=str).encode()).hexdigest()


@contextmanager
def opened_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveRoom]:
    """Anna's room with a second copy, in a folder of its own."""
    folder.mkdir()
    opening = room.__wrapped__(folder, monkeypatch)  # type: ignore[attr-defined]
    opened = next(opening)
    copied(opened, versioned("copy"))
    places.note(opened.bucket, Place(bucket="copy"))
    yield opened
    opening.close()


@pytest.mark.parametrize(
    "command",
    [
        ("export", "--last-days", "30", "--to", "out.zip"),
        ("person", "export", "generic", "demo", "anna", "--to", "out.zip"),
    ],
)
def test_an_export_that_dies_at_any_call_leaves_no_file_that_could_be_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    with opened_room(tmp_path / "room", monkeypatch):
        out = Path("out.zip")
        watch = Watch()
        with watching(watch):
            assert runner.invoke(app, command).exit_code == 0
        whole = sizes(out)
        out.unlink()
        for n in range(len(watch.calls)):
            with watching(Watch(at=n)), suppress(Death):
                runner.invoke(app, command, catch_exceptions=False)
            assert not out.exists(), n
            assert runner.invoke(app, command).exit_code == 0
            assert [name for name, size in sizes(out) if size] == [name for name, size in whole if size], n
            out.unlink()
        assert len(watch.calls) > 5


def test_a_pack_that_is_made_by_hand_and_dies_at_any_call_is_made_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """To die before a read is to die after the write before it."""
    monkeypatch.setattr("infra.cli.month_pack.zone", lambda: SHANGHAI)  # the configuration is read for it, which takes long
    with owing(monkeypatch):
        whole = Watch()
        with watching(whole):
            assert runner.invoke(app, PACK).exit_code == 0
    assert len(writes(whole)) > 8
    for n in writes(whole):
        with owing(monkeypatch) as there:
            with watching(Watch(at=n, when="after")), suppress(Death):
                runner.invoke(app, PACK, catch_exceptions=False)
            outcome = runner.invoke(app, PACK)
            assert outcome.exit_code == 0, (n, outcome.output)
            body = aws.client("s3").get_object(Bucket="exports", Key="month-end/2026-11.zip")["Body"].read()
            assert rows_of(body) == 3, n
            assert Packs(there.table).decided()[0].made is not None, n


PACK = ("export", "--pack", "2026-11")


@contextmanager
def owing(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveRoom]:
    """A room whose pack of November is owed: of three messages one is in a part."""
    with open_archive_room() as there:
        monkeypatch.setenv("EXPORT_BUCKET", "exports")
        secret = aws.client("secretsmanager").create_secret(Name="export", SecretString="p4ss")["ARN"]
        monkeypatch.setenv("EXPORT_PASSWORD", secret)
        aws.client("s3").create_bucket(Bucket="exports")
        there.file(there.message("filed", received_at=NOW - timedelta(days=9)))
        there.keep_hot(*(there.message(name, contact=name, received_at=NOW) for name in ("anna", "ben")))
        Packs(there.table).decide("2026-11", NOW - timedelta(days=20), NOW + timedelta(days=1))
        yield there


def rows_of(pack: bytes) -> int:
    with pyzipper.AESZipFile(BytesIO(pack)) as archive:
        archive.setpassword(b"p4ss")
        return sum(archive.read(name).count(b"\r\n") - 1 for name in archive.namelist())


def sizes(pack: Path) -> list[tuple[str, int]]:
    with pyzipper.AESZipFile(pack) as archive:
        return [(info.filename, info.file_size) for info in archive.infolist()]


def test_a_search_that_dies_at_any_call_leaves_nothing_that_the_next_would_believe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_room(tmp_path / "room", monkeypatch) as there:
        key = there.vault_key  # type: ignore[attr-defined]
        words = ("search", "--last-days", "60", "--json", "--keep", "kept", "--unmask", "case 7", "--vault-key", key)
        watch = Watch()
        with watching(watch):
            found = runner.invoke(app, words).stdout
        assert found.count("\n") == 7 and "13800138000" in found
        looks = len(there.items("Z#"))
        for n in range(len(watch.calls)):
            rmtree("kept", ignore_errors=True)
            with watching(Watch(at=n)), suppress(Death):
                outcome = runner.invoke(app, words, catch_exceptions=False)
                assert outcome.exit_code
            assert runner.invoke(app, words).stdout == found, n
            assert len(there.items("Z#")) >= (looks := looks + 6), "a look that was cut short is on record too"
            looks = len(there.items("Z#"))
