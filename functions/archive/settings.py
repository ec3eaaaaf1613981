"""What archive is told by its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from functions.common import settings
from functions.common.bundle import DEFAULT_PATH


class Settings(settings.Settings):
    """`index_shards`: over how many partitions the `archive` index is spread; the same number for every function.

    `export_password` is the ARN of the secret that opens the packs in `export_bucket`.
    `copy_bucket` and what follows it say where the second copy goes: nowhere, to another bucket, to another region's, or to a store of
    another kind by its endpoint and the secret with its keys. `drill_table` is the drill's own.
    `aws_lambda_function_name` is set by Lambda itself. `writers` is how many items are marked at a time.
    """

    table_name: str
    index_shards: int = Field(ge=1, le=1000)
    archive_bucket: str
    config_bucket: str
    export_bucket: str
    export_password: str
    backup_bucket: str
    drill_table: str
    copy_bucket: str | None = None
    copy_endpoint: str | None = None
    copy_region: str | None = None
    copy_secret: str | None = None
    bundle_path: Path = DEFAULT_PATH
    aws_lambda_function_name: str = "archive"
    writers: int = Field(default=8, ge=1, le=32)
