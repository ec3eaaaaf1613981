"""The real collaborators of archive, built once per process."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import cache
from secrets import token_hex
from typing import TypeVar

from functions.archive.bucket import ArchiveBucket
from functions.archive.crew import Crew
from functions.archive.due import DueReader
from functions.archive.hot import HotReader
from functions.archive.manifests import Ledger
from functions.archive.marks import Marks
from functions.archive.month_end import Exporter
from functions.archive.pack import PackSource
from functions.archive.password import password
from functions.archive.relay import Relay
from functions.archive.removals import Removals
from functions.archive.retention import Retention, read_retention
from functions.archive.service import Cabinet
from functions.archive.settings import Settings
from functions.archive.tombstones import Tombstones
from functions.common.aws import client
from functions.common.bundle import Bundle, BundleSource, fetch_from_s3
from functions.common.calendar import Calendar, read_calendars
from functions.common.clock import system_clock
from functions.common.dynamo_store import DynamoStore
from functions.common.table import Table
from functions.common.telemetry import Telemetry

T = TypeVar("T")


def cabinet() -> Cabinet:
    """The archive's cabinet, from the environment; its reader counts from nought."""
    settings, telemetry = _settings(), _telemetry()
    table = Table(client("dynamodb"), settings.table_name)
    bucket = ArchiveBucket(client("s3"), settings.archive_bucket)
    reader = DueReader(table, settings.index_shards, telemetry)
    return Cabinet(
        ledger=Ledger(table),
        bucket=bucket,
        reader=reader,
        marks=Marks(table, DynamoStore(table, shards=settings.index_shards), reader, telemetry),
        crew=Crew(settings.writers),
        tombstones=Tombstones(table),
        removals=Removals(table, (bucket,)),
        retention=_retention(),
        telemetry=telemetry,
    )


def exporter() -> Exporter:
    """What makes the month's pack."""
    settings, telemetry = _settings(), _telemetry()
    table, s3 = Table(client("dynamodb"), settings.table_name), client("s3")
    hot = HotReader(table, settings.index_shards, DueReader(table, settings.index_shards, telemetry))
    return Exporter(
        source=lambda since, until: PackSource(ArchiveBucket(s3, settings.archive_bucket), Ledger(table), hot, since, until),
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
