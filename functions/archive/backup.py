"""The daily backup of the table: DynamoDB's own incremental export to S3, or, where the endpoint has none, one of our own.

DynamoDB's: a full export first, then one of what changed since the last, at most a day at a time, so that an outage of the schedule is
caught up window by window. An export runs for minutes: this errand begins it and, when it comes again, sees how it ended; one that
failed is begun again for the same window. State is one item, `A#backup` / `state`.

Ours, for DynamoDB Local and other engines: every conversation that holds something the archive does not have yet, found by the `archive`
index, whole, as DynamoDB's own JSON lines, proven by reading back. With the archive's parts these are everything but tokens, cursors and
counters. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.HowItWorks.html
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import Any

from functions.archive.allowance import Allowance
from functions.archive.bucket import ArchiveBucket
from functions.common.clock import from_iso, to_iso
from functions.common.errors import Retryable, aws_faults
from functions.common.table import Item, Table, to_item
from functions.common.telemetry import Telemetry

_STATE = ("A#backup", "state")
# DynamoDB's limits for one incremental export.
SHORTEST, LONGEST = timedelta(minutes=15), timedelta(hours=24)
# A schedule of every six hours begins one export a day, and sees within six hours how it ended.
EVERY = timedelta(hours=20)
_PART_BYTES = 32 * 2**20
_NOT_OFFERED = {"UnknownOperationException", "UnsupportedOperation", "NotImplemented", "UnknownOperation"}


class BackupFailed(Retryable):
    """An export did not end well; the message says why, in DynamoDB's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """`bucket` is where backups go; `shards` are those of the `archive` index."""

    table: Table
    bucket: ArchiveBucket
    telemetry: Telemetry
    shards: int

    def back_up(self, now: datetime, time: Allowance) -> dict[str, Any]:
        """See how the last export ended and begin the next if one is due; `BackupFailed` when it ended badly."""
        state = self.table.get(*_STATE) or {}
        if "export" in state:
            state = self._ended(state)
            if "export" in state:
                return self._told("exporting", state)
        through = from_iso(state["through"]) if "through" in state else None
        if through is not None and now - through < EVERY:
            return self._told("not_due", state)
        return self._begin(through, now, time)

    def _ended(self, state: Item) -> Item:
        """The state once the export that is under way has ended, or as it is while it has not."""
        with aws_faults("DescribeExport"):
            about = self.table.client.describe_export(ExportArn=state["export"])["ExportDescription"]
        if about["ExportStatus"] == "IN_PROGRESS":
            return state
        left = {name: value for name, value in state.items() if name not in ("export", "until", "pk", "sk")}
        if about["ExportStatus"] != "COMPLETED":
            self._keep(left)
            self.telemetry.count({"BackupsFailed": 1})
            raise BackupFailed(f"{about.get('FailureCode')}: the window is exported again")
        left["through"] = state["until"]
        self._keep(left)
        self.telemetry.count({"BackupsDone": 1})
        return left

    def _begin(self, through: datetime | None, now: datetime, time: Allowance) -> dict[str, Any]:
        until = now if through is None else min(now, through + LONGEST)
        try:
            arn = self._export(through, until)
        except _NotOffered:
            return self._own(now, time)
        state = {"export": arn, "until": to_iso(until)} | ({} if through is None else {"through": to_iso(through)})
        self._keep(state)
        return self._told("begun", state)

    def _export(self, through: datetime | None, until: datetime) -> str:
        """Begin an export of everything, or of what changed in between; its ARN."""
        kind: dict[str, Any] = {"ExportType": "FULL_EXPORT", "ExportTime": until}
        if through is not None:
            window = {"ExportFromTime": through, "ExportToTime": until, "ExportViewType": "NEW_AND_OLD_IMAGES"}
            kind = {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": window}
        client: Any = self.table.client
        with aws_faults("ExportTableToPointInTime"):
            try:
                arn = client.describe_table(TableName=self.table.name)["Table"]["TableArn"]
                answer = client.export_table_to_point_in_time(
                    TableArn=arn,
                    S3Bucket=self.bucket.name,
                    S3Prefix="table",
                    # The same window again, after a crash, is the same export.
                    ClientToken=sha256(f"{through}{until}".encode()).hexdigest()[:32],
                    ExportFormat="DYNAMODB_JSON",
                    **kind,
                )
            except client.exceptions.ClientError as refused:
                if refused.response["Error"]["Code"] in _NOT_OFFERED:
                    raise _NotOffered from None
                raise
        return str(answer["ExportDescription"]["ExportArn"])

    def _keep(self, state: Item) -> None:
        pk, sk = _STATE
        self.table.put({**state, "pk": pk, "sk": sk})

    def _told(self, outcome: str, state: Item, **more: Any) -> dict[str, Any]:
        self.telemetry.info("backup", stage=outcome, through=state.get("through"), until=state.get("until"))
        return {"outcome": outcome, "through": state.get("through"), "until": state.get("until"), **more, "more": False}

    # --- Our own ---

    def _own(self, now: datetime, time: Allowance) -> dict[str, Any]:
        """Write what the archive does not have yet; a note with the parts' checksums, written last, is what makes it count."""
        prefix, parts = f"own/{to_iso(now)}", []
        for number, body in enumerate(_parts(self._items(time)), 1):
            key = f"{prefix}/part-{number}.json.gz"
            self.bucket.put(key, body)
            self._prove(key, body)
            parts.append({"key": key, "sha256": sha256(body).hexdigest()})
        self.bucket.put_note(f"{prefix}/manifest.json", {"version": 1, "at": to_iso(now), "parts": parts})
        state = {"through": to_iso(now)}
        self._keep(state)
        self.telemetry.count({"BackupsDone": 1})
        return self._told("own", state, parts=len(parts))

    def _items(self, time: Allowance) -> Iterator[Item]:
        for shard in range(self.shards):
            for entry in self.table.query("archive_pk = :pk", {":pk": f"A#{shard}"}, index="archive"):
                time.check()
                yield from self.table.query("pk = :pk", {":pk": entry["pk"]})

    def _prove(self, key: str, body: bytes) -> None:
        if self.bucket.fetched(key).getvalue() != body:
            raise BackupFailed(f"{key}: not what was written")


class _NotOffered(Exception):
    """The endpoint has no export."""


def _parts(items: Iterator[Item]) -> Iterator[bytes]:
    """Items as gzip lines of DynamoDB's JSON, some megabytes before compression to each."""
    body, size = BytesIO(), 0
    out = gzip.GzipFile(filename="", mode="wb", fileobj=body, mtime=0)
    for item in items:
        size += out.write(json.dumps({"Item": to_item(item)}, default=_base64).encode() + b"\n")
        if size >= _PART_BYTES:
            out.close()
            yield body.getvalue()
            body, size = BytesIO(), 0
            out = gzip.GzipFile(filename="", mode="wb", fileobj=body, mtime=0)
    out.close()
    if size:
        yield body.getvalue()


def _base64(value: Any) -> str:
    return b64encode(value).decode()
