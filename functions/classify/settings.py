"""What classify is told by its environment."""

from __future__ import annotations

from pathlib import Path

from functions.common import bundle, settings


class Settings(settings.Settings):
    """`bundle_path`: the default bundle, when it is not the one in the zip.

    Without a model id, an endpoint or a folder nobody else is asked.
    """

    table_name: str
    index_shards: int
    replies_queue_url: str
    escalation_bus_name: str
    vault_key_id: str
    config_bucket: str
    bedrock_model_id: str | None = None
    comprehend_endpoint: str | None = None
    encoder_folder: Path | None = None
    advice_per_day: int = 1000
    bundle_path: Path = bundle.DEFAULT_PATH
