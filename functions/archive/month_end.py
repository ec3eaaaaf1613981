"""The pack of the month, on the month's last working day at eight in the evening of the archive's zone.

Woken every evening, it makes one pack that is due and is not there: on most days there is none. What an outage, or a fault that lasted
for weeks, kept from being made stays owed until it is made: of several the one that was tried least comes first, the oldest of these, so
that one which cannot be made keeps no other waiting. A pack holds what was received since the last one's end: of its own month, and of
the month before what came in the days after that pack (`…_补.csv`). Where it begins and ends is decided once (`packs`). A message that
was on its way for long counts by when it was stored (`claims`), so that each is in one pack, and in one only.

What the table has of it is claimed first, however many invocations that takes, then the pack is sealed. From then on whoever makes it,
this function or an operator, and however often, makes the same; the last object that is written stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from functions.archive.allowance import Allowance, OutOfTime
from functions.archive.claims import Claims, PackSealed
from functions.archive.manifests import Ledger
from functions.archive.overtaken import Lookout
from functions.archive.pack import Sheet, pack, sheets
from functions.archive.pack_source import PackSource
from functions.archive.packs import Packs, Term
from functions.archive.upload import upload
from functions.common.calendar import Calendar, NeverOpen
from functions.common.errors import Poison, Retryable, aws_faults
from functions.common.telemetry import Telemetry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HOUR = time(20)
# What is stored within ten minutes (`store.LATE`) does not say when; an update that fails is tried again for another quarter of an hour.
AFTER = timedelta(minutes=30)
_SPARE_MS = 20_000
_NO_HURRY = 3_600_000
_FOLDER = "month-end/"


class PackNotOwed(Poison):
    """No pack of that month was ever due, or nobody has looked since."""


class PackUnfinished(Retryable):
    """A whole invocation was not enough to write the month's messages; nothing was left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """What a pack is made with. `source` reads what a sealed pack tells, `password` is fetched when it is needed, `lookout` sees who is
    erased meanwhile. For somebody who waits `step` hears of each stage, and `watch` sees a sheet's lines pass: its name, and how many
    there are to be read.
    """

    packs: Packs
    lookout: Callable[[], Lookout]
    claims: Claims
    ledger: Ledger
    source: Callable[[Term, Allowance], PackSource]
    calendar: Callable[[], Calendar]
    zone: ZoneInfo
    client: S3Client
    bucket: str
    password: Callable[[], str]
    telemetry: Telemetry
    step: Callable[[str], None] = lambda _: None
    watch: Callable[[Iterable[bytes], str, int], Iterable[bytes]] = lambda lines, _, __: lines


def month_end(exporter: Exporter, *, now: datetime, remaining: Callable[[], int]) -> dict[str, Any]:
    """Make a pack that is owed, if one is. Says which `month` is meant, what was `made`, and whether others are owed too (`more`).

    `OutOfTime` when another invocation should go on with it, `PackUnfinished` when that would be of no use.
    """
    terms = _terms(exporter, now)
    owed = _owed(exporter, terms, now)
    if not owed:
        exporter.telemetry.info("month_end_not_due", month=terms[-1].month)
        exporter.telemetry.count({"PacksComplete": 1})
        return {"month": terms[-1].month, "made": False, "more": False}
    told = _make(exporter, min(owed, key=lambda term: (term.tries, term.month)), now, remaining)
    exporter.telemetry.count({"MonthEndPacks": 1, "PacksComplete": len(owed) == 1})
    return told | {"made": True, "more": len(owed) > 1}


def make_by_hand(exporter: Exporter, month: str, *, now: datetime) -> dict[str, Any]:
    """Make the very pack of a month, YYYY-MM, that is owed, or was made and is there no more, however long that takes; `made` is false when
    it is there. `PackNotOwed`.
    """
    term = next((term for term in exporter.packs.decided() if term.month == month), None)
    if term is None:
        raise PackNotOwed(f"no pack of {month} is owed: it is not due yet, or the archive's function has not looked since")
    if _key(term) in set(_there(exporter)):
        if term.made is None:
            exporter.packs.note_made(month, now)
        return {"month": month, "key": _key(term), "made": False}
    return _make(exporter, term, now, lambda: _NO_HURRY) | {"made": True}


def _terms(exporter: Exporter, now: datetime) -> list[Term]:
    """Every pack that was ever due, oldest first; those that have fallen due since are decided herewith."""
    calendar, zone, packs = exporter.calendar(), exporter.zone, exporter.packs
    newest, terms = due(calendar, zone, now), packs.decided()
    month = _after(_first(terms[-1])) if terms else newest
    while month <= newest:
        since = terms[-1].cut if terms else cut(calendar, zone, _before(month))
        terms.append(packs.decide(f"{month:%Y-%m}", since, cut(calendar, zone, month)))
        month = _after(month)
    return terms


def _owed(exporter: Exporter, terms: list[Term], now: datetime) -> list[Term]:
    """Packs that were never made, and the newest if it was taken away (an erasure does). One that is there, though nobody could say so
    any more, is noted as made.
    """
    there, owed = set(_there(exporter)), []
    for term in terms:
        if term.made is None and _key(term) in there:
            exporter.packs.note_made(term.month, now)
        elif term.made is None or (term is terms[-1] and _key(term) not in there):
            owed.append(term)
    return owed


def _make(exporter: Exporter, term: Term, now: datetime, remaining: Callable[[], int]) -> dict[str, Any]:
    exporter.packs.note_try(term.month)
    if term.sealed is None:
        _seal(exporter, term, now, remaining)
    try:
        return _write(exporter, term, now, remaining)
    except OutOfTime:
        if term.sealed is None:
            raise  # some of this invocation went into the claims; the next has all its time for this
        raise PackUnfinished(f"{term.month}: more than one invocation can write") from None


def _seal(exporter: Exporter, term: Term, now: datetime, remaining: Callable[[], int]) -> None:
    """Claim what the pack tells, and let nothing more be claimed for it."""
    exporter.step("claiming what the table has of it")
    whole = remaining()
    with suppress(PackSealed):
        exporter.claims.claim(term, Allowance(remaining))
    exporter.packs.seal(term.month, now)
    if remaining() < whole * 3 // 4:
        raise OutOfTime


def _write(exporter: Exporter, term: Term, now: datetime, remaining: Callable[[], int]) -> dict[str, Any]:
    # As the run that may write: whatever was collected before the pack was sealed is in a part by now, or is collected anew.
    exporter.ledger.open(f"pack-{term.month}", now)
    lookout = exporter.lookout()
    exporter.step("reading what the table has of it")
    source = exporter.source(term, Allowance(remaining))
    begins = datetime.combine(_first(term), time(), exporter.zone).astimezone(UTC)
    wanted = sheets(term.since, term.cut, exporter.zone, month=begins, oldest=source.oldest)
    content = pack(wanted, _watched(exporter, source, remaining), zone=exporter.zone, password=exporter.password(), made_at=now)
    size = upload(exporter.client, exporter.bucket, _key(term), content, last=lookout.check)
    exporter.packs.note_made(term.month, now)
    told = {"month": term.month, "key": _key(term), "sheets": len(wanted), "bytes": size}
    exporter.telemetry.info("month_end_packed", **told)
    return told


def due(calendar: Calendar, zone: ZoneInfo, now: datetime) -> date:
    """The first day of the newest month whose last working day's hour is past, as the calendar has it now, with time for what was
    received until then to be stored.
    """
    first = now.astimezone(zone).date().replace(day=1)
    return first if cut(calendar, zone, first) + AFTER <= now else _before(first)


def cut(calendar: Calendar, zone: ZoneInfo, month: date) -> datetime:
    """Until when a month's pack goes, as the calendar has it now; one in which nobody works has its pack on its last day."""
    try:
        day = calendar.last_working_day(month.year, month.month)
    except NeverOpen:
        day = _after(month) - timedelta(days=1)
    return datetime.combine(day, HOUR, zone).astimezone(UTC)


def _first(term: Term) -> date:
    return date.fromisoformat(f"{term.month}-01")


def _before(first: date) -> date:
    return (first - timedelta(days=1)).replace(day=1)


def _after(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _key(term: Term) -> str:
    """Where the pack lies in the bucket."""
    return f"{_FOLDER}{term.month}.zip"


def _there(exporter: Exporter) -> Iterator[str]:
    with aws_faults("ListObjectsV2"):
        for page in exporter.client.get_paginator("list_objects_v2").paginate(Bucket=exporter.bucket, Prefix=_FOLDER):
            yield from (found["Key"] for found in page.get("Contents", ()))


def _watched(exporter: Exporter, source: PackSource, remaining: Callable[[], int]) -> Callable[[Sheet], Any]:
    """The source, given up in time to take everything back."""

    def lines(wanted: Sheet) -> Any:
        for number, line in enumerate(exporter.watch(source(wanted), wanted.name, source.messages)):
            if number % 5_000 == 0 and remaining() <= _SPARE_MS:
                raise OutOfTime
            yield line

    return lines
