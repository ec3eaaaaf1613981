"""A pack made while somebody is erased, whichever call of either meets the other: the person is in no pack, and one is made after all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from functions.archive.exports import Exports
from functions.archive.month_end import month_end
from functions.archive.overtaken import Lookout, PackOvertaken
from functions.archive.tombstones import Certificate, Tombstones
from functions.common import aws
from functions.common.errors import Retryable
from infra.cli import bundle
from infra.cli.app import app
from tests.fakes.archive_room import NOW, ArchiveRoom, open_archive_room_now
from tests.fakes.deaths import Watch, watching
from tests.faults.test_crash_records import Meeting, writes
from tests.unit.test_export import PASSWORD, exporter, opened, shanghai

EVENING, NEXT = shanghai("2026-11-28T20:30"), shanghai("2026-11-29T20:30")
pytestmark = pytest.mark.timeout(280)
runner = CliRunner()


@pytest.fixture(autouse=True)
def no_floods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day of them is sixteen queries, and nobody here sent what others sent too."""
    monkeypatch.setattr("functions.archive.floods._DAYS", 0)
    monkeypatch.setattr(bundle, "read_sections", cache(bundle.read_sections))


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Rooms in which anna and ben are in one part and in the table, one of hers so that a pack must claim it."""
    monkeypatch.chdir(tmp_path)

    def furnished() -> Iterator[ArchiveRoom]:
        with open_archive_room_now() as room:
            aws.client("s3").create_bucket(Bucket="exports")
            secret = aws.client("secretsmanager").create_secret(Name="export", SecretString=PASSWORD)["ARN"]
            monkeypatch.setenv("EXPORT_BUCKET", "exports")
            monkeypatch.setenv("EXPORT_PASSWORD", secret)
            old = NOW - timedelta(days=9)
            room.file(*(room.message(f"{name} 归档", contact=name, received_at=old) for name in ("anna", "ben")))
            room.keep_hot(*(room.message(f"{name} 热", contact=name) for name in ("anna", "ben")))
            yield room

    return furnished


def erase() -> None:
    outcome = runner.invoke(app, ["person", "erase", "generic", "demo", "anna", "--yes"])
    assert outcome.exit_code == 0, outcome.output


def make(room: ArchiveRoom, now: datetime = EVENING) -> dict[str, Any]:
    return month_end(exporter(room), now=now, remaining=lambda: 600_000)


def told() -> list[str] | None:
    """What the month's pack tells; None when there is none."""
    s3 = aws.client("s3")
    if "Contents" not in s3.list_objects_v2(Bucket="exports"):
        return None
    body = s3.get_object(Bucket="exports", Key="month-end/2026-11.zip")["Body"].read()
    return sorted(row["内容"] for rows in opened(body).values() for row in rows)


BENS = ["ben 归档", "ben 热"]


@pytest.mark.parametrize("third", range(3))
def test_an_erasure_in_the_midst_of_a_pack_leaves_no_pack_with_the_person(rooms: Any, third: int) -> None:
    n, ended = third, False
    while not ended:
        for room in rooms():
            meeting = Meeting(at=n, act=erase)
            with watching(meeting), suppress(Retryable, KeyError):  # moto's word where S3 says NoSuchUpload
                make(room)
            ended = meeting.at is not None
            if not ended:
                assert told() in (None, BENS), (n, meeting.calls[n])
                assert "Uploads" not in aws.client("s3").list_multipart_uploads(Bucket="exports"), n
                if told() is None:
                    make(room, NEXT)
                assert told() == BENS, (n, meeting.calls[n])
        n += 3
    assert n > 15


def test_a_pack_made_in_the_midst_of_an_erasure_holds_nothing_of_the_person(rooms: Any) -> None:
    for _ in rooms():
        seen = Watch()
        with watching(seen):
            erase()
    for n in writes(seen):
        for room in rooms():

            def pack(room: ArchiveRoom = room) -> None:
                with suppress(PackOvertaken):
                    make(room)

            with watching(Meeting(at=n, act=pack)):
                erase()
            assert told() in (None, BENS), (n, seen.calls[n])


def test_an_erasure_in_the_midst_of_an_export_leaves_no_file(rooms: Any) -> None:
    n, ended, words = 0, False, ["export", "--last-days", "30", "--to", "out.zip"]
    while not ended:
        for _ in rooms():
            Path("out.zip").unlink(missing_ok=True)
            meeting = Meeting(at=n, act=erase)
            with watching(meeting):
                outcome = runner.invoke(app, words)
            ended = meeting.at is not None
            if not ended:
                assert (outcome.exit_code == 0) == Path("out.zip").exists()
                if not Path("out.zip").exists():
                    assert outcome.output.strip().splitlines()[-1].startswith("postroom: ")
                    continue
                found = opened(Path("out.zip").read_bytes())
                assert sorted(row["内容"] for rows in found.values() for row in rows) == BENS, (n, meeting.calls[n])
        n += 1
    assert n > 10


def test_an_erasure_takes_away_packs_and_ends_uploads_of_others(rooms: Any) -> None:
    for _ in rooms():
        s3 = aws.client("s3")
        s3.put_object(Bucket="exports", Key="month-end/2026-10.zip", Body=b"anna")
        begun = s3.create_multipart_upload(Bucket="exports", Key="month-end/2026-11.zip")["UploadId"]
        place: dict[str, Any] = {"Bucket": "exports", "Key": "month-end/2026-11.zip", "UploadId": begun}
        piece = s3.upload_part(**place, PartNumber=1, Body=b"anna")["ETag"]
        assert Exports(client=s3, bucket="exports").remove() == 1
        with pytest.raises(KeyError):  # S3 says NoSuchUpload
            s3.complete_multipart_upload(**place, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": piece}]})
        assert "Contents" not in s3.list_objects_v2(Bucket="exports")


def test_an_erasure_that_cannot_come_to_its_end_keeps_no_pack_waiting(rooms: Any) -> None:
    """A copy does not answer for weeks, or a hold was put meanwhile: it takes packs away when it does."""
    for room in rooms():
        tombstones = Tombstones(room.table, room.bucket)
        begun = Certificate(id="c", at=NOW, conversations=(tombstones.hash_of("a"),), backups_until=NOW)
        tombstones.keep(begun)
        make(room)
        assert told() is not None
        outcome = runner.invoke(app, ["export", "--last-days", "30", "--to", "out.zip"])
        assert outcome.exit_code == 0 and "begun at 2026-11-22 04:00Z has not come to its end" in outcome.output
        lookout = Lookout(tombstones)
        tombstones.keep(replace(begun, searched=NOW))
        with pytest.raises(PackOvertaken):
            lookout.check()
        waiting = Lookout(tombstones)
        tombstones.keep(replace(begun, searched=NOW, complete=NOW))
        waiting.check()
