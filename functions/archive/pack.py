"""A pack: an AES-256 encrypted zip with a CSV per month and business, named 年月_业务类型, made piece by piece.

Sources are read once per CSV (six times a month), so that nothing is ever held but a part and a piece of the zip. Encryption is that of
WinZip (AE-2), which 7-Zip, WinRAR, Keka and `postroom unpack` read; the unpackers of Windows and macOS themselves do not. The format makes
a key of the password by a thousand rounds of PBKDF2 only: the password must be long and random, as Secrets Manager's is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from io import BytesIO
from zoneinfo import ZoneInfo

from functions.archive.bucket import ArchiveBucket
from functions.archive.hot import HotReader
from functions.archive.manifests import Ledger, Manifest
from functions.archive.parts import PartWriter, lines
from functions.archive.sheet import BUSINESSES, sheet
from functions.common.clock import to_iso
from functions.common.judgement import CHINESE

_MODE = 0o100600


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One CSV: what was received from `since` and before `until`, of one business."""

    name: str
    business: str
    since: datetime
    until: datetime


def sheets(since: datetime, until: datetime, zone: ZoneInfo, *, late_before: datetime | None = None) -> tuple[Sheet, ...]:
    """The CSVs of a time, oldest month first: `2026-11_投诉.csv`. What came before `late_before` belongs to an earlier pack's month,
    and is named so: `2026-10_投诉_补.csv`.
    """
    made = []
    for begin, end in _months(since, until, zone):
        late = "_补" if late_before is not None and begin < late_before else ""
        for business in BUSINESSES:
            name = f"{begin.astimezone(zone):%Y-%m}_{CHINESE['business'][business]}{late}.csv"
            made.append(Sheet(name=name, business=business, since=begin, until=end))
    return tuple(made)


def pack(
    wanted: Iterable[Sheet], source: Callable[[Sheet], Iterable[bytes]], *, zone: ZoneInfo, password: str, made_at: datetime
) -> Iterator[bytes]:
    """The zip, piece by piece. `source` gives the lines of the archive among which a sheet's are; it is asked once for each sheet."""
    from stream_zip import ZIP_64, stream_zip

    # The library takes the password's characters for bytes; unpackers take its UTF-8.
    key = password.encode().decode("latin-1")
    local = made_at.astimezone(zone).replace(tzinfo=None)
    members = ((each.name, local, _MODE, ZIP_64, sheet(within(source(each), each), each.business, zone)) for each in wanted)
    yield from stream_zip(members, password=key)


def within(found: Iterable[bytes], wanted: Sheet) -> Iterator[bytes]:
    """Those lines that were received in the sheet's time."""
    since, until = to_iso(wanted.since).encode(), to_iso(wanted.until).encode()
    for line in found:
        # The first in a line, whatever the message says: a quote inside a text is escaped.
        received = line.partition(b'"received_at":"')[2][:24]
        if since <= received < until:
            yield line


class PackSource:
    """The archive's parts and, beside them, the messages of the table that no part holds.

    Those are read first and kept packed: a message that is archived meanwhile is in both and is told once.
    """

    def __init__(self, bucket: ArchiveBucket, ledger: Ledger, hot: HotReader, since: datetime, until: datetime) -> None:
        self._bucket = bucket
        self._hot, self._hot_ids = _packed(hot, since, until)
        # The archive's zone may be a day ahead of UTC, or behind.
        first, last = (moment.date().toordinal() for moment in (since, until))
        days = [date.fromordinal(first - 1).isoformat(), date.fromordinal(last + 1).isoformat()]
        self._manifests = [m for m in ledger.committed(*days) if m.first < until and m.last >= since]

    @property
    def messages(self) -> int:
        """How many lines there are to be read for each sheet."""
        return sum(manifest.count for manifest in self._manifests) + len(self._hot_ids)

    def __call__(self, wanted: Sheet) -> Iterator[bytes]:
        """The lines of every part that may hold some of the sheet's; `ArchiveUnproven` when a part is not what its manifest says."""
        for manifest in self._manifests:
            if manifest.first < wanted.until and manifest.last >= wanted.since:
                yield from self._lines(manifest)
        if self._hot is not None:
            yield from lines(BytesIO(self._hot))

    def _lines(self, manifest: Manifest) -> Iterator[bytes]:
        for line in lines(self._bucket.whole(manifest)):
            if not self._hot_ids or line.partition(b'"message_id":"')[2].partition(b'"')[0] not in self._hot_ids:
                yield line


def _packed(hot: HotReader, since: datetime, until: datetime) -> tuple[bytes | None, set[bytes]]:
    writer, ids = PartWriter("", ""), set()
    for filed in hot.read(since, until):
        writer.add(filed)
        ids.add(filed.judged.message.message_id.encode())
    return writer.close().body if ids else None, ids


def _months(since: datetime, until: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """The stretches of a time that lie in one calendar month each."""
    begin = since
    while begin < until:
        local = begin.astimezone(zone)
        year, month = divmod(local.year * 12 + local.month, 12)
        end = min(datetime.combine(date(year, month + 1, 1), time(), zone).astimezone(UTC), until)
        yield begin, end
        begin = end
