"""What ingest is told by its environment."""

from __future__ import annotations

from functions.common import settings


class Settings(settings.Settings):
    """`secrets_prefix`: what stands before `<channel>/<account>` in the names of the accounts' secrets."""

    inbound_queue_url: str
    pulls_queue_url: str
    secrets_prefix: str
