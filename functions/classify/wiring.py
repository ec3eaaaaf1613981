"""The real collaborators of classify, built once per process."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

from functions.classify.desk import Desk, read_handbook
from functions.classify.escalations import EscalationBus
from functions.classify.model.shelf import Shelf
from functions.classify.settings import Settings
from functions.common.aws import client
from functions.common.bundle import BundleSource, fetch_from_s3, weights_from_s3
from functions.common.clock import system_clock
from functions.common.dynamo_links import DynamoLinks
from functions.common.dynamo_store import DynamoStore
from functions.common.queues import FifoQueue
from functions.common.table import Table
from functions.common.telemetry import Telemetry
from functions.common.vault import Vault

if TYPE_CHECKING:
    from functions.classify.advice.panel import Panel


@cache
def desk() -> Desk:
    """The desk, from the environment."""
    settings = Settings.read(os.environ)
    telemetry = Telemetry("classify")
    handbooks = BundleSource(
        settings.bundle_path.read_bytes(),
        partial(read_handbook, shelf=Shelf(weights_from_s3(client("s3"), settings.config_bucket))),
        fetch=fetch_from_s3(client("s3"), settings.config_bucket),
        clock=system_clock,
        telemetry=telemetry,
    )
    table = Table(client("dynamodb"), settings.table_name)
    return Desk(
        store=DynamoStore(table, shards=settings.index_shards),
        links=DynamoLinks(table),
        vault=Vault(client("kms"), settings.vault_key_id, clock=system_clock),
        replies=FifoQueue(client("sqs"), settings.replies_queue_url),
        escalations=EscalationBus(client("events"), settings.escalation_bus_name),
        handbook=handbooks.current,
        clock=system_clock,
        telemetry=telemetry,
        shards=settings.index_shards,
        advice=_advice(settings, table, telemetry),
    )


def _advice(settings: Settings, table: Table, telemetry: Telemetry) -> Callable[[], Panel] | None:
    if not (settings.bedrock_model_id or settings.comprehend_endpoint or settings.encoder_folder):
        return None
    from functions.classify.advice.wiring import panels  # a cold start pays for it only where it is wanted

    return panels(settings, table, telemetry)
