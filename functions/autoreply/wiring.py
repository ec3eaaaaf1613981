"""The real collaborators of autoreply, built once per process."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path

from functions.autoreply.backlog import Backlog
from functions.autoreply.breaker import Breaker
from functions.autoreply.case import Case, Decision, Draft
from functions.autoreply.circuit_board import CircuitBoard
from functions.autoreply.config import read_policy
from functions.autoreply.desk import Desk
from functions.autoreply.replybook import ReplyPolicy
from functions.autoreply.settings import Settings
from functions.autoreply.stop_board import StopBoard
from functions.channels.contract import Outbound
from functions.common.aws import client
from functions.common.bundle import DEFAULT_PATH, BundleSource, fetch_from_s3
from functions.common.clock import system_clock
from functions.common.credentials import CredentialStore
from functions.common.dynamo_store import DynamoStore
from functions.common.outbound import PlatformHttp
from functions.common.queues import FifoQueue
from functions.common.table import Table
from functions.common.telemetry import Telemetry
from functions.common.token_lease import TokenLeases


@cache
def desk() -> Desk:
    """The reply desk, from the environment."""
    settings = Settings.read(os.environ)
    telemetry = Telemetry("autoreply")
    table = Table(client("dynamodb"), settings.table_name)
    leases = TokenLeases(table, system_clock, pause=time.sleep, new_holder=lambda: uuid.uuid4().hex, telemetry=telemetry)
    policies = BundleSource(
        Path(settings.bundle_path or DEFAULT_PATH).read_bytes(),
        read_policy,
        fetch=fetch_from_s3(client("s3"), settings.config_bucket),
        clock=system_clock,
        telemetry=telemetry,
    )
    return Desk(
        store=DynamoStore(table, shards=settings.index_shards),
        credentials=CredentialStore(client("secretsmanager"), settings.secrets_prefix, system_clock),
        policy=policies.current,
        outbound=_outbound(settings.platform_api_origin, leases),
        clock=system_clock,
        telemetry=telemetry,
        stops=StopBoard(table, system_clock).current,
        breaker=Breaker(CircuitBoard(table)),
        drafter=_drafter(settings, table, telemetry),
        backlog=_while_nobody_is_there(policies.current, Backlog(table, shards=settings.index_shards, clock=system_clock)),
    )


def _while_nobody_is_there(policy: Callable[[], ReplyPolicy], backlog: Backlog) -> Callable[[str], int | None]:
    # It is asked for by the notice that nobody is there, and by nothing else.
    def waiting(team: str) -> int | None:
        return None if policy().calendar_of(team).is_open(system_clock()) else backlog.of(team)

    return waiting


def _drafter(settings: Settings, table: Table, telemetry: Telemetry) -> Callable[[Case, Decision], Draft | None]:
    if not settings.draft_model_id:
        return lambda *_: None
    # Here, not above: nothing of it is loaded where no model is named.
    from functions.autoreply.drafting import Drafter
    from functions.common.budget import DayBudget
    from functions.common.language_model import READ_SECONDS, LanguageModel

    model = LanguageModel(client("bedrock-runtime", read_seconds=READ_SECONDS, tries=1), settings.draft_model_id)
    budget = DayBudget(table, "autoreply.drafts", settings.drafts_per_day, clock=system_clock)
    return Drafter(model, budget, telemetry, system_clock)


@cache
def queue() -> FifoQueue:
    """The queue that reply tasks come from."""
    return FifoQueue(client("sqs"), Settings.read(os.environ).replies_queue_url)


def _outbound(override: str | None, leases: TokenLeases) -> Callable[[str, str], Outbound]:
    def outbound(channel: str, message_id: str) -> Outbound:
        return PlatformHttp(channel=channel, request_id=message_id, override=override, leases=leases, clock=system_clock)

    return outbound
