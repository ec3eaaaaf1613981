"""A pack: an AES-256 encrypted zip with a CSV per month and business, named 年月_业务类型, made piece by piece.

Sources are read once per CSV (six times a month), so that nothing is ever held but a part and a piece of the zip. Encryption is that of
WinZip (AE-2), which 7-Zip, WinRAR, Keka and `postroom unpack` read; the unpackers of Windows and macOS themselves do not. The format makes
a key of the password by a thousand rounds of PBKDF2 only: the password must be long and random, as Secrets Manager's is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from functions.archive.sheet import BUSINESSES, sheet
from functions.common.clock import to_iso
from functions.common.judgement import CHINESE

_MODE = 0o100600


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One CSV: what was received from `since` and before `until`, of one business; and stored within `stored`, where that matters."""

    name: str
    business: str
    since: datetime
    until: datetime
    stored: tuple[datetime, datetime] | None = None


def sheets(
    since: datetime, until: datetime, zone: ZoneInfo, *, month: datetime | None = None, oldest: datetime | None = None
) -> tuple[Sheet, ...]:
    """The CSVs of a time, oldest month first: `2026-11_投诉.csv`.

    For the pack of the `month` that begins then: what counts as stored in that time, though it was received since `oldest`. What came
    before that month belongs to an earlier pack's, and is named so: `2026-10_投诉_补.csv`.
    """
    made, stored = [], None if month is None else (since, until)
    for begin, end in _months(oldest or since, until, zone):
        late = "_补" if month is not None and begin < month else ""
        for business in BUSINESSES:
            name = f"{begin.astimezone(zone):%Y-%m}_{CHINESE['business'][business]}{late}.csv"
            made.append(Sheet(name=name, business=business, since=begin, until=end, stored=stored))
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
    """Those lines that were received in the sheet's time, and stored in its time."""
    since, until = to_iso(wanted.since).encode(), to_iso(wanted.until).encode()
    first, last = (to_iso(moment).encode() for moment in wanted.stored or (wanted.since, wanted.until))
    for line in found:
        # The first in a line, whatever the message says: a quote inside a text is escaped.
        received = line.partition(b'"received_at":"')[2][:24]
        if since <= received < until and (wanted.stored is None or first <= _stored(line, received) < last):
            yield line


def _stored(line: bytes, received: bytes) -> bytes:
    """When a line's message counts as stored: at its receipt, unless it says otherwise."""
    return line.partition(b'"late_at":"')[2][:24] or received


def _months(since: datetime, until: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """The stretches of a time that lie in one calendar month each."""
    begin = since
    while begin < until:
        local = begin.astimezone(zone)
        year, month = divmod(local.year * 12 + local.month, 12)
        end = min(datetime.combine(date(year, month + 1, 1), time(), zone).astimezone(UTC), until)
        yield begin, end
        begin = end
