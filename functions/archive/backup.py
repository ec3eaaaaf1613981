"""The daily backup of the table: DynamoDB's own incremental export to S3, or, where the endpoint has none, one of our own.

DynamoDB's: a full export every week, and in between one a day of what changed since the last, at most a day at a time, so that an outage of
the schedule is caught up window by window. What DynamoDB can no longer tell apart (its own backups go back 35 days) takes a full one. An
export runs for minutes: this errand begins it and, when it comes again, sees how it ended; one that failed is begun again. State is one
item, `A#backup` / `state`: the window is noted there before it is asked for, so that a try that is repeated asks for the same, and
DynamoDB, by the token made of it, begins no second export.

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
# Exports are kept 35 days: there is always a full one to begin from, and never more than a week of changes to add to it.
FULL_EVERY = timedelta(days=7)
# How far back DynamoDB can tell what changed, less a day to be on the safe side, and how close to now.
REACH, LAG = timedelta(days=34), timedelta(minutes=5)
# DynamoDB remembers a token for eight hours.
_TOKEN_HOLDS = timedelta(hours=7)
_PART_BYTES = 32 * 2**20
_TOO_OLD = "InvalidExportTimeException"
_NOT_OFFERED = {"UnknownOperationException", "UnsupportedOperation", "NotImplemented", "UnknownOperation"}


class BackupFailed(Retryable):
    """An export did not end well; the message says why, in DynamoDB's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What an export holds: what changed from `since` to `until`, or the whole table as it was at `until`."""

    since: datetime | None
    until: datetime

    @property
    def token(self) -> str:
        """The same for the same window."""
        return sha256(f"{self.since}{self.until}".encode()).hexdigest()[:32]

    @property
    def asked(self) -> dict[str, Any]:
        """As DynamoDB is asked for it."""
        if self.since is None:
            return {"ExportType": "FULL_EXPORT", "ExportTime": self.until}
        # Items as they were before would bring back, in a backup made later, what an erasure has just removed.
        window = {"ExportFromTime": self.since, "ExportToTime": self.until, "ExportViewType": "NEW_IMAGES"}
        return {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": window}

    @property
    def noted(self) -> Item:
        """As the state has it."""
        return {"since": None if self.since is None else to_iso(self.since), "until": to_iso(self.until)}


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
        return self._begin(state, now, time)

    def _ended(self, state: Item) -> Item:
        """The state once the export that is under way has ended, or as it is while it has not."""
        status, failure = self._status(state["export"])
        if status == "IN_PROGRESS":
            return state
        known = _known(state)
        if status != "COMPLETED":
            self._keep(known)
            self.telemetry.count({"BackupsFailed": 1})
            raise BackupFailed(f"{failure}: the window is exported again")
        done = known | {"through": state["until"]} | ({} if "since" in state else {"full": state["until"]})
        self._keep(done)
        self.telemetry.count({"BackupsDone": 1})
        return done

    def _status(self, arn: str) -> tuple[str, str | None]:
        """How an export stands, and why it failed if it did."""
        client = self.table.client
        with aws_faults("DescribeExport"):
            try:
                about = client.describe_export(ExportArn=arn)["ExportDescription"]
            except client.exceptions.ExportNotFoundException:
                return "FAILED", "ExportNotFound"  # DynamoDB forgets them after three months
        return about["ExportStatus"], about.get("FailureCode")

    def _begin(self, state: Item, now: datetime, time: Allowance) -> dict[str, Any]:
        window = _asked_for(state, now) or self._ask(state, _due(state, now), now)
        try:
            arn = self._export(window)
        except _NotOffered:
            return self._own(now, time)
        except _OutOfReach:
            self.telemetry.warning("backup_out_of_reach", since=window.noted["since"], until=window.noted["until"])
            window = self._ask(state, Window(since=None, until=now - LAG), now)
            arn = self._export(window)
        begun = _known(state) | window.noted | {"export": arn}
        self._keep(begun)
        return self._told("begun", begun)

    def _ask(self, state: Item, window: Window, now: datetime) -> Window:
        """Note a window before it is asked for."""
        self._keep(_known(state) | window.noted | {"asked": to_iso(now)})
        return window

    def _export(self, window: Window) -> str:
        """Begin an export; its ARN. The same window again, after a crash, is the same export."""
        client: Any = self.table.client
        with aws_faults("ExportTableToPointInTime"):
            try:
                arn = client.describe_table(TableName=self.table.name)["Table"]["TableArn"]
                answer = client.export_table_to_point_in_time(
                    TableArn=arn,
                    S3Bucket=self.bucket.name,
                    S3Prefix="table",
                    ClientToken=window.token,
                    ExportFormat="DYNAMODB_JSON",
                    **window.asked,
                )
            except client.exceptions.ClientError as refused:
                code = refused.response["Error"]["Code"]
                if code in _NOT_OFFERED:
                    raise _NotOffered from None
                if code == _TOO_OLD and window.since is not None:
                    raise _OutOfReach from None
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


class _OutOfReach(Exception):
    """DynamoDB's own backups do not go back so far: they were switched off meanwhile, or the table is another."""


def _known(state: Item) -> Item:
    """What is known of exports that are complete: until when there are any, and when the last full one was."""
    return {name: state[name] for name in ("through", "full") if name in state}


def _asked_for(state: Item, now: datetime) -> Window | None:
    """The window that a try which was cut short asked for, while DynamoDB remembers it."""
    if "asked" not in state or now - from_iso(state["asked"]) > _TOKEN_HOLDS:
        return None
    return Window(since=from_iso(state["since"]) if "since" in state else None, until=from_iso(state["until"]))


def _due(state: Item, now: datetime) -> Window:
    """What is to be exported next."""
    through, full = (from_iso(state[name]) if name in state else None for name in ("through", "full"))
    if through is None or full is None or now - full >= FULL_EVERY or now - through > REACH:
        return Window(since=None, until=now - LAG)
    return Window(since=through, until=min(now - LAG, through + LONGEST))


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
