"""The pack of the month, on the month's last working day at eight in the evening of the archive's zone.

Woken every evening, it makes the newest pack that is due and is not there: on any other day there is none, and what an outage kept from
being made comes the next evening. A pack holds what was received since the last one's end: of its own month, and of the month before
what came in the days after that pack (`…_补.csv`). Where it begins and ends is decided once (`packs`), whatever the calendar says later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from functions.archive.pack import PackSource, Sheet, pack, sheets
from functions.archive.packs import Packs
from functions.archive.upload import upload
from functions.common.calendar import Calendar
from functions.common.errors import Retryable, aws_faults
from functions.common.telemetry import Telemetry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HOUR = time(20)
_SPARE_MS = 20_000


class PackUnfinished(Retryable):
    """The time allowed was not enough for the month's messages; nothing was left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month's pack: what was received from `since` to `cut`; what came before `begins` is of the month before."""

    name: str
    since: datetime
    begins: datetime
    cut: datetime

    @property
    def key(self) -> str:
        """Where the pack lies in the bucket."""
        return f"month-end/{self.name}.zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """What a pack is made with. `source` reads the archive of a time, `password` is fetched when it is needed."""

    packs: Packs
    source: Callable[[datetime, datetime], PackSource]
    calendar: Callable[[], Calendar]
    zone: ZoneInfo
    client: S3Client
    bucket: str
    password: Callable[[], str]
    telemetry: Telemetry


def month_end(exporter: Exporter, *, now: datetime, remaining: Callable[[], int]) -> dict[str, Any]:
    """Make the newest pack that is due, unless it is there. Says which `month` is meant, and what was made."""
    month = due(exporter.calendar(), exporter.zone, now)
    since, cut = exporter.packs.bounds(month.name, since=month.since, cut=month.cut)
    month = replace(month, since=since, cut=cut)
    if _is_there(exporter, month):
        exporter.telemetry.info("month_end_not_due", month=month.name)
        return {"month": month.name, "made": False}
    source = exporter.source(month.since, month.cut)
    wanted = sheets(month.since, month.cut, exporter.zone, late_before=month.begins)
    content = pack(wanted, _watched(source, remaining), zone=exporter.zone, password=exporter.password(), made_at=now)
    size = upload(exporter.client, exporter.bucket, month.key, content)
    told = {"month": month.name, "key": month.key, "sheets": len(wanted), "bytes": size}
    exporter.telemetry.info("month_end_packed", **told)
    exporter.telemetry.count({"MonthEndPacks": 1})
    return told | {"made": True}


def due(calendar: Calendar, zone: ZoneInfo, now: datetime) -> Month:
    """The newest month whose last working day's hour is past, as the calendar has it now."""
    first = now.astimezone(zone).date().replace(day=1)
    if _cut(calendar, zone, first) > now:
        first = _before(first)
    return Month(
        name=f"{first:%Y-%m}",
        since=_cut(calendar, zone, _before(first)),
        begins=datetime.combine(first, time(), zone).astimezone(UTC),
        cut=_cut(calendar, zone, first),
    )


def _cut(calendar: Calendar, zone: ZoneInfo, month: date) -> datetime:
    return datetime.combine(calendar.last_working_day(month.year, month.month), HOUR, zone).astimezone(UTC)


def _before(first: date) -> date:
    return (first - timedelta(days=1)).replace(day=1)


def _is_there(exporter: Exporter, month: Month) -> bool:
    with aws_faults("ListObjectsV2"):
        listed = exporter.client.list_objects_v2(Bucket=exporter.bucket, Prefix=month.key, MaxKeys=1)
    return bool(listed.get("KeyCount"))


def _watched(source: PackSource, remaining: Callable[[], int]) -> Callable[[Sheet], Any]:
    """The source, given up in time to take everything back."""

    def lines(wanted: Sheet) -> Any:
        for number, line in enumerate(source(wanted)):
            if number % 5_000 == 0 and remaining() <= _SPARE_MS:
                raise PackUnfinished(wanted.name)
            yield line

    return lines
