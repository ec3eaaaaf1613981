"""The real collaborators of pull, built once per process."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from functools import cache

from functions.channels.contract import Outbound
from functions.common.aws import client
from functions.common.clock import system_clock
from functions.common.credentials import CredentialStore
from functions.common.outbound import PlatformHttp
from functions.common.queues import FifoQueue
from functions.common.table import Table
from functions.common.telemetry import Telemetry
from functions.common.token_lease import TokenLeases
from functions.pull.cursors import Cursors
from functions.pull.service import Collector
from functions.pull.settings import Settings

# A page holds many messages, unlike the answer to a send.
MAX_PAGE = 4 * 1024 * 1024


@cache
def collector() -> Collector:
    """The collector, from the environment."""
    settings = Settings.read(os.environ)
    table, telemetry = Table(client("dynamodb"), settings.table_name), Telemetry("pull")
    leases = TokenLeases(table, system_clock, pause=time.sleep, new_holder=lambda: uuid.uuid4().hex, telemetry=telemetry)
    return Collector(
        credentials=CredentialStore(client("secretsmanager"), settings.secrets_prefix, system_clock),
        cursors=Cursors(table),
        inbound=FifoQueue(client("sqs"), settings.inbound_queue_url),
        pulls=FifoQueue(client("sqs"), settings.pulls_queue_url),
        outbound=_outbound(settings.platform_api_origin, leases),
        clock=system_clock,
        telemetry=telemetry,
    )


def _outbound(override: str | None, leases: TokenLeases) -> Callable[[str, str], Outbound]:
    def outbound(channel: str, request_id: str) -> Outbound:
        return PlatformHttp(
            channel=channel,
            request_id=request_id,
            override=override,
            leases=leases,
            clock=system_clock,
            max_answer=MAX_PAGE,
        )

    return outbound
