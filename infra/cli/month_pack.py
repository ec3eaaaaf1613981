"""`postroom export --pack`: a month's own pack, made here as the archive's function would have made it, and noted as made."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from infra.cli.place import table_of, zone

if TYPE_CHECKING:
    from functions.archive.month_end import Exporter

_WRITERS = 8


def made(month: str, *, table: str, bucket: str, export_bucket: str | None, secret: str, shards: int) -> dict[str, Any]:
    """The month, its pack's key in the export bucket, and whether it was `made` now or was there."""
    from functions.archive.month_end import make_by_hand
    from functions.common.clock import system_clock
    from infra.records.errors import NothingChosen, PeriodInvalid

    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise PeriodInvalid(f"not a month: {month}")
    if export_bucket is None:
        raise NothingChosen("--pack needs --export-bucket (EXPORT_BUCKET), the stack's output ExportBucketName")
    return make_by_hand(_exporter(table, bucket, export_bucket, secret, shards), month, now=system_clock())


def _exporter(table: str, bucket: str, export_bucket: str, secret: str, shards: int) -> Exporter:
    from functions.archive.bucket import ArchiveBucket
    from functions.archive.claims import Claims
    from functions.archive.crew import Crew
    from functions.archive.due import DueReader
    from functions.archive.hot import HotReader
    from functions.archive.manifests import Ledger
    from functions.archive.month_end import Exporter
    from functions.archive.overtaken import Lookout
    from functions.archive.pack_source import PackSource
    from functions.archive.packs import Packs
    from functions.archive.password import password
    from functions.archive.tombstones import Tombstones
    from functions.common.aws import client
    from functions.common.calendar import read_calendars
    from infra.cli.bundle import read_sections
    from infra.records.quiet import OnStderr

    known, ledger, archive = table_of(table), Ledger(table_of(table)), ArchiveBucket(client("s3", read_seconds=60), bucket)
    hot = HotReader(known, shards, DueReader(known, shards, OnStderr()))
    claims = Claims(table=known, hot=hot, crew=Crew(_WRITERS))
    return Exporter(
        packs=Packs(known),
        lookout=lambda: Lookout(Tombstones(known)),
        claims=claims,
        ledger=ledger,
        source=lambda term, time: PackSource.of_pack(archive, ledger, claims, term, time),
        calendar=lambda: read_calendars(read_sections()["calendar"]).house,
        zone=zone(),
        client=client("s3", read_seconds=60),
        bucket=export_bucket,
        password=lambda: password(client("secretsmanager"), secret),
        telemetry=OnStderr(),
        step=lambda stage: print(f"{stage} …", file=sys.stderr, flush=True),
        watch=_watched,
    )


def _watched(lines: Iterable[bytes], name: str, total: int) -> Iterable[bytes]:
    from infra.records.progress import told

    return told(lines, f"messages read for {name}", total=total)
