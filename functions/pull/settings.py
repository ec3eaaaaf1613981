"""What pull is told by its environment."""

from __future__ import annotations

from pydantic import Field

from functions.common import settings


class Settings(settings.Settings):
    """`secrets_prefix`: what stands before `<channel>/<account>` in the names of the accounts' secrets.

    `platform_api_origin` asks simulators mounted there instead of the platforms, in local runs only.
    """

    table_name: str
    inbound_queue_url: str
    pulls_queue_url: str
    secrets_prefix: str
    platform_api_origin: str | None = Field(None, pattern=r"^https?://")
