"""What autoreply is told by its environment."""

from __future__ import annotations

from pydantic import Field

from functions.common import settings


class Settings(settings.Settings):
    """`secrets_prefix`: what stands before `<channel>/<account>` in the names of the accounts' secrets.

    Without `draft_model_id` no language model is asked, else `drafts_per_day` times a day at most.

    `bundle_path` names a default bundle other than the one in the zip; `platform_api_origin` sends every reply to simulators mounted
    there, in local runs only.
    """

    table_name: str
    replies_queue_url: str
    index_shards: int = Field(ge=1, le=1000)
    secrets_prefix: str
    config_bucket: str
    bundle_path: str | None = None
    draft_model_id: str | None = None
    drafts_per_day: int = Field(200, ge=0)
    platform_api_origin: str | None = Field(None, pattern=r"^https?://")
