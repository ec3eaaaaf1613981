"""Backups in the other bucket: every object, proven, no longer than the backups themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from functions.archive.allowance import Allowance, OutOfTime
from functions.archive.backup_copies import KEPT, PREFIX, BackupCopies
from functions.archive.bucket import ArchiveBucket
from functions.archive.erasure import BACKUPS_KEPT
from functions.archive.upload import PIECE
from functions.common import aws
from functions.common.telemetry import Telemetry
from infra.local.template import translated
from tests.fakes.house import open_house
from tests.unit.test_archive_service import Calls, Cloud, ProcessDied, cloud, die

__all__ = ["cloud"]

PLENTY = Allowance(lambda: 900_000)
# S3 says itself when an object was written.
NOW = datetime.now(UTC)
OBJECTS = {
    "table/AWSDynamoDB/01/data/a.json.gz": b"a" * 100,
    "table/AWSDynamoDB/01/_started": b"",
    "own/x/manifest.json": b"{}",
}


def copies(cloud: Cloud, calls: Calls | None = None, **given: Any) -> BackupCopies:
    for name in ("backups", "copy"):
        cloud.s3.create_bucket(Bucket=name)
    cloud.calls = calls or Calls()
    known = {"backups": ArchiveBucket(cloud.s3, "backups"), "copy": ArchiveBucket(cloud.s3, "copy")}
    return BackupCopies(**known | {"telemetry": Telemetry("archive")} | given)


def backed_up(cloud: Cloud, objects: dict[str, bytes]) -> None:
    copies(cloud)
    for key, body in objects.items():
        cloud.s3.put_object(Bucket="backups", Key=key, Body=body)


def there(cloud: Cloud) -> dict[str, bytes]:
    """What the copy holds, by the names of the backup bucket; checksums by theirs."""
    cloud.calls = Calls()
    listed = cloud.s3.list_objects_v2(Bucket="copy", Prefix=PREFIX).get("Contents", [])
    return {found["Key"][19:]: cloud.s3.get_object(Bucket="copy", Key=found["Key"])["Body"].read() for found in listed}


def sound(found: dict[str, bytes]) -> set[str]:
    """The names of those whose checksum is there and right."""
    sums = {key.removesuffix(".sha256"): body for key, body in found.items() if key.endswith(".sha256")}
    return {key for key, said in sums.items() if said.split()[0].decode() == sha256(found[key]).hexdigest()}


def test_every_object_is_copied_once_with_its_checksum(cloud: Cloud) -> None:
    backed_up(cloud, OBJECTS)
    assert copies(cloud).carry_out(NOW, PLENTY) == {"copied": 3, "failed": 0, "removed": 0}
    found = there(cloud)
    assert sound(found) == OBJECTS.keys()
    assert {key: found[key] for key in OBJECTS} == OBJECTS
    backed_up(cloud, {"table/new": b"n"})
    assert copies(cloud).carry_out(NOW, PLENTY)["copied"] == 1


def test_a_large_object_goes_piece_by_piece(cloud: Cloud) -> None:
    backed_up(cloud, {"table/large": bytes(range(256)) * (PIECE // 128)})
    copies(cloud).carry_out(NOW, PLENTY)
    assert sound(there(cloud)) == {"table/large"}


def test_copies_go_when_the_backups_go(cloud: Cloud) -> None:
    (rule,) = translated()["Resources"]["BackupBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert timedelta(days=rule["ExpirationInDays"]) == KEPT == BACKUPS_KEPT
    backed_up(cloud, OBJECTS)
    copies(cloud).carry_out(NOW, PLENTY)
    assert copies(cloud).carry_out(NOW + KEPT - timedelta(days=1), PLENTY)["removed"] == 0
    # Whether S3 has taken the backups themselves away or not.
    assert copies(cloud).carry_out(NOW + KEPT + timedelta(days=1), PLENTY) == {"copied": 0, "failed": 0, "removed": 6}
    assert there(cloud) == {}


def test_a_backup_bucket_that_was_emptied_takes_no_copy_with_it(cloud: Cloud) -> None:
    backed_up(cloud, OBJECTS)
    copies(cloud).carry_out(NOW, PLENTY)
    for key in OBJECTS:
        cloud.s3.delete_object(Bucket="backups", Key=key)
    copies(cloud).carry_out(NOW, PLENTY)
    assert sound(there(cloud)) == OBJECTS.keys()


class Truncating(ArchiveBucket):
    """A bucket that loses the end of what it is given."""

    def put(self, key: str, body: bytes) -> None:
        super().put(key, body[:-1])


def test_a_copy_that_is_not_what_was_read_does_not_count(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    backed_up(cloud, {"table/a": b"abc"})
    told = copies(cloud, copy=Truncating(cloud.s3, "copy")).carry_out(NOW, PLENTY)
    assert (told["copied"], told["failed"]) == (0, 1)
    assert '"CopiesFailed":[1.0]' in capsys.readouterr().out
    assert copies(cloud).carry_out(NOW, PLENTY)["copied"] == 1
    assert sound(there(cloud)) == {"table/a"}


def test_a_bucket_that_refuses_fails_no_backup(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    backed_up(cloud, OBJECTS)
    told = copies(cloud, copy=ArchiveBucket(cloud.s3, "nobodys")).carry_out(NOW, PLENTY)
    assert told == {"copied": 0, "failed": 1, "removed": 0}
    assert '"CopiesFailed":[1.0]' in capsys.readouterr().out


def test_copying_ends_in_time_and_the_rest_is_the_next_runs(cloud: Cloud) -> None:
    backed_up(cloud, OBJECTS)
    left = iter([8_000, 8_000, 1_000])
    with pytest.raises(OutOfTime):
        copies(cloud).carry_out(NOW, Allowance(lambda: next(left)))
    assert copies(cloud).carry_out(NOW, PLENTY)["copied"] == 2
    assert sound(there(cloud)) == OBJECTS.keys()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_call_leaves_no_copy_that_counts_and_is_not_proven(cloud: Cloud, when: str) -> None:
    objects = {"table/a": b"abc", "table/b": b"x" * 2 * PIECE}
    backed_up(cloud, objects)
    calls = Calls()
    copies(cloud, calls).carry_out(NOW, PLENTY)
    for n in range(1, calls.seen + 1):
        for key in there(cloud):
            cloud.s3.delete_object(Bucket="copy", Key=f"{PREFIX}{NOW:%Y-%m-%d}/{key}")
        with pytest.raises(ProcessDied):
            copies(cloud, Calls(at=n, when=when, act=die)).carry_out(NOW, PLENTY)
            raise ProcessDied
        found = there(cloud)
        assert sound(found) == {key.removesuffix(".sha256") for key in found if key.endswith(".sha256")}, n
        copies(cloud).carry_out(NOW, PLENTY)
        assert sound(there(cloud)) == objects.keys(), n


def test_the_errand_copies_what_is_backed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_house(tmp_path, only=("generic",)) as house:
        s3 = aws.client("s3")
        s3.create_bucket(Bucket="copy")
        monkeypatch.setenv("COPY_BUCKET", "copy")
        begun = house.invoke("archive", {"action": "backup", "now": NOW.isoformat()})
        told = house.invoke("archive", {"action": "backup", "now": (NOW + timedelta(hours=1)).isoformat()})
        keys = [found["Key"] for found in s3.list_objects_v2(Bucket="copy", Prefix=PREFIX)["Contents"]]
    assert begun["outcome"] == "begun" and begun["copied"] + told["copied"] >= 1
    assert any("/table/AWSDynamoDB/" in key and key.endswith(".sha256") for key in keys)
