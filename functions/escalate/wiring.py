"""The real collaborators of escalate, built once per process."""

from __future__ import annotations

import os
from functools import cache

from functions.common.aws import client
from functions.common.bundle import BundleSource, fetch_from_s3
from functions.common.clock import system_clock
from functions.common.dynamo_store import DynamoStore
from functions.common.table import Table
from functions.common.telemetry import Telemetry
from functions.escalate.dead_letters import DeadLetterQueue, LetterBook
from functions.escalate.events import EventBus
from functions.escalate.policy import read_policy
from functions.escalate.service import Watch
from functions.escalate.settings import Settings


@cache
def watch() -> Watch:
    """The watch, from the environment."""
    settings, telemetry = Settings.read(os.environ), Telemetry("escalate")
    table = Table(client("dynamodb"), settings.table_name)
    policy = BundleSource(
        settings.bundle_path.read_bytes(),
        read_policy,
        fetch=fetch_from_s3(client("s3"), settings.config_bucket),
        clock=system_clock,
        telemetry=telemetry,
    )
    return Watch(
        store=DynamoStore(table, shards=settings.index_shards),
        bus=EventBus(client("events"), settings.escalation_bus_name),
        dead_letters=(
            DeadLetterQueue(client("sqs"), "inbound", settings.inbound_dlq_url),
            DeadLetterQueue(client("sqs"), "replies", settings.replies_dlq_url),
            DeadLetterQueue(client("sqs"), "pulls", settings.pulls_dlq_url),
        ),
        book=LetterBook(table),
        policy=policy.current,
        telemetry=telemetry,
    )
