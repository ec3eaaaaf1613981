"""What each channel supports, found by doing: its simulator writes, its adapter reads, and the message says the rest.

`python -m infra.conformance.matrix` writes the table into docs/channels.md; a test fails when it stands there otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from functions.channels import registry
from functions.channels.contract import PullingAdapter, RawRequest, Verified
from functions.common.message import Message
from infra.cli.bundle import CONFIG
from infra.conformance.direct import Direct
from infra.local.accounts import read_accounts
from infra.simulators.contract import Webhook, utc_now
from infra.simulators.registry import simulator_class

COLUMNS = (
    "channel",
    "handshake",
    "signature",
    "body signed",
    "time signed",
    "vendor's tries",
    "replies",
    "reply window",
    "longest text",
)
PAGE = Path(__file__).parent.parent.parent / "docs" / "channels.md"
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"


def rows() -> Iterator[tuple[str, ...]]:
    """One row per channel that has a local demo account, in order of name."""
    accounts = read_accounts(CONFIG / "channels.local.yaml")
    for channel in registry.names():
        if "demo" in accounts.get(channel, {}):
            yield _row(channel, accounts[channel]["demo"])


def markdown() -> str:
    """The table as it stands in the document."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def written(page: str) -> str:
    """The document with the table of today."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown()}\n{END}{after}"


def _row(channel: str, credentials: dict[str, Any]) -> tuple[str, ...]:
    adapter = registry.adapter(channel)
    simulator = simulator_class(channel)("demo", credentials)
    message = _heard(channel, simulator, credentials)
    limit = getattr(adapter, "max_text", None)
    return (
        f"`{channel}`",
        "yes" if hasattr(simulator, "handshake") else "–",
        message.verification.scheme,
        "yes" if message.verification.body_signed else "no",
        "yes" if message.verification.timestamped else "no",
        str(1 + len(simulator.patience.waits)),
        _replies(message, adapter.idempotent_send),
        _window(message),
        f"{limit} {getattr(adapter, 'max_text_unit', 'characters')}" if limit else "–",
    )


def _heard(channel: str, simulator: Any, credentials: dict[str, Any]) -> Message:
    adapter, now = registry.adapter(channel), utc_now()
    request = _request(channel, simulator.text(simulator.person(1), "你好"), now)
    verified = adapter.verify(request, adapter.credentials.model_validate(credentials), now)
    assert isinstance(verified, Verified), f"{channel}: {verified.reason}"
    result = adapter.parse(adapter.decode(verified, "demo"))
    if result.pulls:
        pulling = cast("PullingAdapter", adapter)
        result = pulling.pull(result.pulls[0], None, verified.credentials, Direct(simulator)).result
    (message,) = result.messages
    return message


def _request(channel: str, webhook: Webhook, now: datetime) -> RawRequest:
    from functions.ingest.gateway_event import query_pairs

    headers = {name.lower(): value for name, value in webhook.headers.items()}
    path = f"/webhooks/{channel}/demo"
    return RawRequest(webhook.method, path, query_pairs(webhook.query), webhook.query, headers, webhook.body, "192.0.2.1", now)


def _replies(message: Message, idempotent: bool) -> str:
    if message.reply.mode == "none":
        return "receives only"
    return "yes, by idempotency key" if idempotent else "yes"


def _window(message: Message) -> str:
    reply = message.reply
    if reply.mode == "none" or (reply.expires_at is None and reply.max_replies is None):
        return "–" if reply.mode == "none" else "open"
    parts = []
    if reply.expires_at is not None:
        length = reply.expires_at - (message.sent_at or message.received_at)
        parts.append(_duration(length))
    if reply.max_replies is not None:
        parts.append(f"at most {reply.max_replies}")
    return ", ".join(parts)


def _duration(length: timedelta) -> str:
    minutes = round(length / timedelta(minutes=1))
    return f"{minutes // 60} h" if minutes % 60 == 0 and minutes >= 120 else f"{minutes} min"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
