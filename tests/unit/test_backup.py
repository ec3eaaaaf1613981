"""The daily backup: DynamoDB's export window by window, and our own where there is none."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.archive.allowance import Allowance, OutOfTime
from functions.archive.backup import LAG, Backup, BackupFailed
from functions.archive.bucket import ArchiveBucket
from functions.common.clock import from_iso, to_iso
from functions.common.errors import Unavailable
from functions.common.table import Table, from_item
from functions.common.telemetry import Telemetry
from tests.unit.test_archive_service import NOW, SETTLED, SHARDS, Calls, ProcessDied, World, cloud, die, world

__all__ = ["cloud", "world"]

PLENTY = Allowance(lambda: 900_000)


@dataclass
class Exports:
    """DynamoDB's exports, as a client has them; everything else is moto's. `offered` false: an engine that has none."""

    client: Any
    offered: bool = True
    begun: list[dict[str, Any]] = field(default_factory=list)
    status: str = "IN_PROGRESS"
    reaches_back: timedelta = timedelta(days=35)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def export_table_to_point_in_time(self, **arguments: Any) -> dict[str, Any]:
        if not self.offered:
            raise ClientError({"Error": {"Code": "UnknownOperationException"}}, "ExportTableToPointInTime")
        about = arguments.get("IncrementalExportSpecification")
        if about and about["ExportFromTime"] < NOW - self.reaches_back:
            raise ClientError({"Error": {"Code": "InvalidExportTimeException"}}, "ExportTableToPointInTime")
        if not any(known["ClientToken"] == arguments["ClientToken"] for known in self.begun):
            self.begun.append(arguments)
        return {"ExportDescription": {"ExportArn": f"arn:{len(self.begun)}"}}

    def describe_export(self, ExportArn: str) -> dict[str, Any]:  # noqa: N803
        return {"ExportDescription": {"ExportStatus": self.status, "FailureCode": "S3AccessDenied"}}


def backup(world: World, exports: Exports | None = None) -> Backup:
    if not any(bucket["Name"] == "backup" for bucket in world.s3.list_buckets()["Buckets"]):
        world.s3.create_bucket(Bucket="backup")
    world.cloud.calls = Calls()
    table = Table(exports or world.table.client, world.table.name)
    return Backup(table=table, bucket=ArchiveBucket(world.s3, "backup"), telemetry=Telemetry("archive"), shards=SHARDS)


def stored(world: World, prefix: str = "") -> dict[str, bytes]:
    listed = world.s3.list_objects_v2(Bucket="backup", Prefix=prefix).get("Contents", [])
    return {found["Key"]: world.s3.get_object(Bucket="backup", Key=found["Key"])["Body"].read() for found in listed}


def window(arguments: dict[str, Any]) -> tuple[datetime, datetime]:
    about = arguments["IncrementalExportSpecification"]
    return about["ExportFromTime"], about["ExportToTime"]


def test_the_first_backup_is_whole_and_every_later_one_goes_on_where_the_last_ended(world: World) -> None:
    exports = Exports(world.table.client)
    at_work = backup(world, exports)
    assert at_work.back_up(NOW, PLENTY)["outcome"] == "begun"
    assert exports.begun[0]["ExportType"] == "FULL_EXPORT"
    assert at_work.back_up(NOW + timedelta(hours=6), PLENTY)["outcome"] == "exporting"
    exports.status = "COMPLETED"
    assert at_work.back_up(NOW + timedelta(hours=12), PLENTY)["outcome"] == "not_due"
    assert at_work.back_up(NOW + timedelta(hours=24), PLENTY)["outcome"] == "begun"
    assert window(exports.begun[1]) == (NOW - LAG, NOW - LAG + timedelta(hours=24))


def test_days_of_outage_are_exported_a_day_at_a_time_without_a_gap(world: World) -> None:
    exports = Exports(world.table.client, status="COMPLETED")
    at_work = backup(world, exports)
    for hours in (0, 80, 86, 92, 98, 104):
        at_work.back_up(NOW + timedelta(hours=hours), PLENTY)
    windows = [window(arguments) for arguments in exports.begun[1:]]
    assert windows[0][0] == NOW - LAG
    assert all(first[1] == second[0] for first, second in pairwise(windows))
    assert all(until - since <= timedelta(hours=24) for since, until in windows)
    assert windows[-1][1] >= NOW + timedelta(hours=86)


def kinds(exports: Exports) -> list[str]:
    return [arguments["ExportType"].partition("_")[0] for arguments in exports.begun]


def test_no_export_of_changes_has_items_as_they_were_before(world: World) -> None:
    """What an erasure removed would be in a backup made after it, and kept longer than its certificate says."""
    exports = Exports(world.table.client, status="COMPLETED")
    at_work = backup(world, exports)
    for hours in (0, 24):
        at_work.back_up(NOW + timedelta(hours=hours), PLENTY)
    assert exports.begun[1]["IncrementalExportSpecification"]["ExportViewType"] == "NEW_IMAGES"


def test_there_is_a_full_export_every_week(world: World) -> None:
    """Exports are kept 35 days: without that, changes would be left with nothing to apply them to."""
    exports = Exports(world.table.client, status="COMPLETED")
    at_work = backup(world, exports)
    for hours in range(0, 24 * 15, 6):
        at_work.back_up(NOW + timedelta(hours=hours), PLENTY)
    assert kinds(exports) == ["FULL", *["INCREMENTAL"] * 6] * 2 + ["FULL"]


def test_after_an_outage_longer_than_dynamodb_remembers_comes_a_full_export(world: World) -> None:
    exports = Exports(world.table.client, status="COMPLETED")
    at_work = backup(world, exports)
    for days in (0, 1, 40, 41):
        for hours in (0, 6):
            at_work.back_up(NOW + timedelta(days=days, hours=hours), PLENTY)
    assert kinds(exports) == ["FULL", "INCREMENTAL", "FULL", "INCREMENTAL"]
    assert window(exports.begun[-1])[0] == exports.begun[-2]["ExportTime"] == NOW + timedelta(days=40) - LAG


def test_what_dynamodb_can_no_longer_tell_is_told_by_a_full_export(world: World) -> None:
    """Continuous backups were switched off for a while, or the table is a restored one."""
    exports = Exports(world.table.client, status="COMPLETED")
    at_work = backup(world, exports)
    for hours in (0, 6):
        at_work.back_up(NOW + timedelta(hours=hours), PLENTY)
    exports.reaches_back = timedelta(days=-1)
    assert at_work.back_up(NOW + timedelta(hours=24), PLENTY)["outcome"] == "begun"
    assert kinds(exports) == ["FULL", "FULL"]


def test_an_export_that_dynamodb_has_forgotten_is_begun_again(world: World) -> None:
    exports = Exports(world.table.client)
    at_work = backup(world, exports)
    at_work.back_up(NOW, PLENTY)
    exports.describe_export = lambda **_: (_ for _ in ()).throw(  # type: ignore[method-assign]
        world.table.client.exceptions.ExportNotFoundException({"Error": {"Code": "ExportNotFoundException"}}, "DescribeExport")
    )
    with pytest.raises(BackupFailed, match="NotFound"):
        at_work.back_up(NOW + timedelta(days=100), PLENTY)
    assert at_work.back_up(NOW + timedelta(days=100), PLENTY)["outcome"] == "begun"


def test_an_export_that_failed_is_told_and_begun_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    exports = Exports(world.table.client)
    at_work = backup(world, exports)
    at_work.back_up(NOW, PLENTY)
    exports.status = "FAILED"
    with pytest.raises(BackupFailed, match="S3AccessDenied"):
        at_work.back_up(NOW + timedelta(hours=6), PLENTY)
    assert '"BackupsFailed":[1.0]' in capsys.readouterr().out
    assert at_work.back_up(NOW + timedelta(hours=6), PLENTY)["outcome"] == "begun"
    assert [arguments["ExportType"] for arguments in exports.begun] == ["FULL_EXPORT", "FULL_EXPORT"]


@pytest.mark.parametrize("later", [timedelta(), timedelta(minutes=2), timedelta(hours=6)])
@pytest.mark.parametrize("begun", [0, 1])
def test_a_crash_between_export_and_note_begins_no_second_one(world: World, begun: int, later: timedelta) -> None:
    """Whoever tries again does so at another moment, and asks for the same window all the same."""
    exports = Exports(world.table.client, status="COMPLETED")
    at_work = backup(world, exports)
    for day in range(begun):
        for hours in (0, 6):
            at_work.back_up(NOW + timedelta(days=day - 1, hours=hours), PLENTY)
    world.cloud.calls = Calls(
        at=4, act=die
    )  # the state is read, the window noted, the table described, and then the export noted
    with pytest.raises(ProcessDied):
        at_work.back_up(NOW, PLENTY)
    assert backup(world, exports).back_up(NOW + later, PLENTY)["outcome"] == "begun"
    assert len(exports.begun) == begun + 1


def test_a_try_that_dynamodb_has_forgotten_is_not_held_to(world: World) -> None:
    exports = Exports(world.table.client)
    at_work = backup(world, exports)
    world.cloud.calls = Calls(at=4, act=die)
    with pytest.raises(ProcessDied):
        at_work.back_up(NOW, PLENTY)
    assert backup(world, exports).back_up(NOW + timedelta(hours=12), PLENTY)["outcome"] == "begun"
    assert [arguments["ExportTime"] for arguments in exports.begun] == [NOW - LAG, NOW + timedelta(hours=12) - LAG]


def test_a_refusal_of_the_service_is_a_fault_and_changes_nothing(world: World) -> None:
    class Refusing(Exports):
        def export_table_to_point_in_time(self, **arguments: Any) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": "LimitExceededException"}}, "ExportTableToPointInTime")

    with pytest.raises(Unavailable, match="LimitExceeded"):
        backup(world, Refusing(world.table.client)).back_up(NOW, PLENTY)
    assert not any("through" in item or "export" in item for item in world.items("A#backup"))


def test_without_an_export_of_the_endpoints_ours_holds_what_the_archive_does_not_have(world: World) -> None:
    archived = world.receive("ben", SETTLED)
    world.run()
    fresh = world.receive("anna", NOW, replied=True)
    world.store.add_original(fresh, b"\x00sealed", NOW + timedelta(days=30))
    told = backup(world, Exports(world.table.client, offered=False)).back_up(NOW, PLENTY)
    assert (told["outcome"], told["parts"]) == ("own", 1)
    note = json.loads(stored(world)[f"own/{to_iso(NOW)}/manifest.json"])
    (part,) = note["parts"]
    body = stored(world)[part["key"]]
    assert sha256(body).hexdigest() == part["sha256"]
    lines = [json.loads(line)["Item"] for line in gzip.decompress(body).splitlines()]
    assert sorted(line["sk"]["S"][:2] for line in lines) == ["@", "M#", "R#", "V#"]
    items = [from_item({name: value for name, value in line.items() if "B" not in value}) for line in lines]
    assert {item["pk"] for item in items} == {f"C#{fresh.partition('.')[0]}"}
    assert archived in world.filed()


def test_our_own_is_due_once_a_day(world: World) -> None:
    at_work = backup(world, Exports(world.table.client, offered=False))
    assert [at_work.back_up(NOW + timedelta(hours=hours), PLENTY)["outcome"] for hours in (0, 6, 12, 18, 24)] == [
        "own", "not_due", "not_due", "not_due", "own",
    ]  # fmt: skip


def test_our_own_that_ran_out_of_time_counts_for_nothing(world: World) -> None:
    for name in ("anna", "ben"):
        world.receive(name, NOW)
    left = iter([8_000, 8_000, 1_000])
    with pytest.raises(OutOfTime):
        backup(world, Exports(world.table.client, offered=False)).back_up(NOW, Allowance(lambda: next(left)))
    assert not any("through" in item or "export" in item for item in world.items("A#backup"))
    assert not [key for key in stored(world) if "manifest" in key]


def test_motos_export_is_begun_and_seen_to_end(world: World) -> None:
    world.table.client.update_continuous_backups(
        TableName=world.table.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    world.receive("anna", SETTLED)
    at_work = backup(world)
    assert at_work.back_up(NOW, PLENTY)["outcome"] == "begun"
    for _ in range(1000):
        told = at_work.back_up(NOW + timedelta(hours=1), PLENTY)
        if told["outcome"] != "exporting":
            break
    assert told["outcome"] == "not_due" and from_iso(told["through"]) == NOW - LAG
    assert [key for key in stored(world) if key.startswith("table/AWSDynamoDB/")]
