"""The real collaborators of archive, built once per process."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import cache
from random import Random
from secrets import token_hex
from typing import TypeVar

from functions.archive import places
from functions.archive.backup import Backup
from functions.archive.backup_copies import BackupCopies
from functions.archive.bucket import ArchiveBucket
from functions.archive.claims import Claims
from functions.archive.cleaning import Sweep
from functions.archive.copies import Copies
from functions.archive.crew import Crew
from functions.archive.drill import Drill
from functions.archive.due import DueReader
from functions.archive.expiry import ExpiryWatch
from functions.archive.holds import Holds
from functions.archive.hot import HotReader
from functions.archive.manifests import Ledger
from functions.archive.marks import Marks
from functions.archive.mending import Mender
from functions.archive.month_end import Exporter
from functions.archive.overtaken import Lookout
from functions.archive.pack_source import PackSource
from functions.archive.packs import Packs, Sealed
from functions.archive.password import password
from functions.archive.relay import Relay
from functions.archive.remains import Remains
from functions.archive.removals import Removals
from functions.archive.retention import Retention, read_retention
from functions.archive.service import Cabinet
from functions.archive.settings import Settings
from functions.archive.tombstones import Tombstones
from functions.common.aws import client
from functions.common.bundle import Bundle, BundleSource, fetch_from_s3
from functions.common.calendar import Calendar, read_calendars
from functions.common.clock import system_clock
from functions.common.dynamo_links import DynamoLinks
from functions.common.dynamo_store import DynamoStore
from functions.common.identity import People
from functions.common.table import Table
from functions.common.telemetry import Telemetry

T = TypeVar("T")


def cabinet() -> Cabinet:
    """The archive's cabinet, from the environment; its reader counts from nought."""
    settings, telemetry, table = _settings(), _telemetry(), _table()
    reader = DueReader(table, settings.index_shards, telemetry)
    copy = _copy_bucket()
    return Cabinet(
        ledger=_ledger(),
        bucket=_bucket(),
        reader=reader,
        marks=Marks(table, DynamoStore(table, shards=settings.index_shards), reader, telemetry),
        crew=Crew(settings.writers),
        tombstones=Tombstones(table, _bucket()),
        removals=Removals(table, (_bucket(), *((copy,) if copy else ())), telemetry),
        remains=Remains(table=table, people=People(DynamoStore(table, shards=settings.index_shards), DynamoLinks(table))),
        retention=_retention(),
        telemetry=telemetry,
        sealed=lambda: Sealed.of(Packs(table)),
        mend=_mender().mend,
    )


def sweep() -> Sweep:
    """What the retention policy removes."""
    return Sweep(
        table=_table(),
        ledger=_ledger(),
        bucket=_bucket(),
        holds=Holds(_table()),
        retention=_retention()(),
        telemetry=_telemetry(),
    )


def copies() -> Copies | None:
    """The second copy, where there is one."""
    copy = _copy_bucket()
    if copy is None:
        return None
    return Copies(
        table=_table(),
        ledger=_ledger(),
        archive=_bucket(),
        copy=copy,
        telemetry=_telemetry(),
        note_place=lambda: places.note(_bucket(), _copy_place(copy.name)),
    )


def expiry_watch() -> ExpiryWatch:
    """What lets nothing expire unproven."""
    return ExpiryWatch(
        table=_table(),
        ledger=_ledger(),
        bucket=_bucket(),
        mender=_mender(),
        holds=Holds(_table()),
        retention=_retention()(),
        telemetry=_telemetry(),
        shards=_settings().index_shards,
    )


def backup() -> Backup:
    """The table's backup."""
    settings = _settings()
    bucket = ArchiveBucket(client("s3"), settings.backup_bucket)
    return Backup(table=_table(), bucket=bucket, telemetry=_telemetry(), shards=settings.index_shards)


def backup_copies() -> BackupCopies | None:
    """The second copy of backups, where there is one."""
    copy = _copy_bucket()
    if copy is None:
        return None
    backups = ArchiveBucket(client("s3"), _settings().backup_bucket)
    return BackupCopies(backups=backups, copy=copy, telemetry=_telemetry())


def drill(now: datetime) -> Drill:
    """The drill, whose sample the day chooses: a run that is tried again practises on the same part."""
    shards = _settings().index_shards
    return Drill(
        ledger=_ledger(),
        bucket=_bucket(),
        scratch=DynamoStore(Table(client("dynamodb"), _settings().drill_table), shards=shards),
        hot=DynamoStore(_table(), shards=shards),
        telemetry=_telemetry(),
        random=Random(f"{now:%Y%m%d}"),  # noqa: S311 (a sample, not a secret)
    )


def exporter() -> Exporter:
    """What makes the month's pack."""
    settings, telemetry = _settings(), _telemetry()
    table, s3 = Table(client("dynamodb"), settings.table_name), client("s3")
    hot = HotReader(table, settings.index_shards, DueReader(table, settings.index_shards, telemetry))
    claims, ledger = Claims(table=table, hot=hot, crew=Crew(settings.writers)), Ledger(table)
    return Exporter(
        packs=Packs(table),
        lookout=lambda: Lookout(Tombstones(table)),
        claims=claims,
        ledger=ledger,
        source=lambda term, time: PackSource.of_pack(_bucket(), ledger, claims, term, time),
        calendar=_calendar(),
        zone=_retention()().zone,
        client=s3,
        bucket=settings.export_bucket,
        password=lambda: password(client("secretsmanager"), settings.export_password),
        telemetry=telemetry,
    )


def relay() -> Relay:
    """What calls this function again."""
    return Relay(client=client("lambda"), function=_settings().aws_lambda_function_name, telemetry=_telemetry())


def new_run(now: datetime) -> str:
    """A run's name: when it works for, and chance, so that no two runs share the name of a part."""
    return f"{now:%Y%m%dT%H%M%S}-{token_hex(4)}"


def _table() -> Table:
    return Table(client("dynamodb"), _settings().table_name)


def _bucket() -> ArchiveBucket:
    return ArchiveBucket(client("s3"), _settings().archive_bucket)


def _ledger() -> Ledger:
    return Ledger(_table(), copied=_settings().copy_bucket is not None)


def _mender() -> Mender:
    return Mender(ledger=_ledger(), archive=_bucket(), copy=_copy_bucket(), telemetry=_telemetry())


@cache
def _copy_bucket() -> ArchiveBucket | None:
    named = _settings().copy_bucket
    return (
        None if named is None else places.bucket_at(_copy_place(named), lambda name: password(client("secretsmanager"), name))
    )


def _copy_place(bucket: str) -> places.Place:
    settings = _settings()
    return places.Place(
        bucket=bucket, region=settings.copy_region, endpoint=settings.copy_endpoint, secret=settings.copy_secret
    )


@cache
def _settings() -> Settings:
    return Settings.read(os.environ)


@cache
def _telemetry() -> Telemetry:
    return Telemetry("archive")


@cache
def _retention() -> Callable[[], Retention]:
    return _section(lambda bundle: read_retention(bundle.sections.get("retention")))


@cache
def _calendar() -> Callable[[], Calendar]:
    return _section(lambda bundle: read_calendars(bundle.sections.get("calendar")).house)


def _section(read: Callable[[Bundle], T]) -> Callable[[], T]:
    settings = _settings()
    source = BundleSource(
        settings.bundle_path.read_bytes(),
        read,
        fetch=fetch_from_s3(client("s3"), settings.config_bucket),
        clock=system_clock,
        telemetry=_telemetry(),
    )
    return source.current
