"""The real collaborators of ingest, built once per process."""

from __future__ import annotations

import os
from functools import cache

from functions.common.aws import client
from functions.common.clock import system_clock
from functions.common.credentials import CredentialStore
from functions.common.queues import FifoQueue
from functions.common.telemetry import Telemetry
from functions.ingest.replay import ReplayMemory
from functions.ingest.service import Counter
from functions.ingest.settings import Settings

# Platforms hang up after three to five seconds and send again: better a quick 503 than a late answer. The queue has a try of its own.
DEADLINE = {"read_seconds": 1, "tries": 1}


@cache
def counter() -> Counter:
    """The post room's counter, from the environment."""
    settings = Settings.read(os.environ)
    return Counter(
        credentials=CredentialStore(client("secretsmanager", **DEADLINE), settings.secrets_prefix, system_clock),
        queue=FifoQueue(client("sqs", **DEADLINE), settings.inbound_queue_url),
        pulls=FifoQueue(client("sqs", **DEADLINE), settings.pulls_queue_url),
        replays=ReplayMemory(),
        clock=system_clock,
        telemetry=Telemetry("ingest"),
    )
