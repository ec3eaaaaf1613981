"""What escalate is told by its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from functions.common import settings
from functions.common.bundle import DEFAULT_PATH


class Settings(settings.Settings):
    """`index_shards`: over how many partitions the `work` index is spread; the same number for every function."""

    table_name: str
    index_shards: int = Field(ge=1, le=1000)
    escalation_bus_name: str
    inbound_dlq_url: str
    replies_dlq_url: str
    pulls_dlq_url: str
    config_bucket: str
    bundle_path: Path = DEFAULT_PATH
