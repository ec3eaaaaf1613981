"""What each channel supports, found by doing: its simulator writes, its adapter reads, and the message says the rest.

`python -m infra.conformance.matrix` writes the table into docs/channels.md; a test fails when it stands there otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from functions.channels import registry
from functions.channels.contract import Adapter, ParseResult, PullingAdapter, RawRequest, Verified
from functions.common.message import Message
from infra.cli.bundle import CONFIG
from infra.conformance.direct import Direct
from infra.conformance.durations import spoken
from infra.conformance.evidence import EVIDENCE
from infra.local.accounts import read_accounts
from infra.simulators.contract import Patience, Webhook, utc_now
from infra.simulators.registry import simulator_class

COLUMNS = (
    "channel",
    "receives",
    "sends",
    "handshake",
    "signature",
    "body signed",
    "replay window",
    "vendor's tries",
    "told beside messages",
    "reply window and quota",
    "longest text",
    "verified against",
)
REPLAYED_AFTER = (timedelta(days=2), timedelta(days=30))  # a time that is checked at all is too old by then
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
    message, replay = _heard(channel, simulator, credentials)
    evidence = EVIDENCE[channel]
    return (
        f"`{channel}`",
        ", ".join(evidence.receives),
        _sends(message, adapter, evidence.terms),
        "yes" if hasattr(simulator, "handshake") else "–",
        message.verification.scheme,
        "yes" if message.verification.body_signed else "no",
        replay,
        _tries(simulator.patience),
        _beside(channel, simulator_class(channel)("demo", credentials), credentials),
        _window(message),
        f"{adapter.max_text} {adapter.max_text_unit}" if adapter.max_text else "–",
        evidence.independent,
    )


def _heard(channel: str, simulator: Any, credentials: dict[str, Any]) -> tuple[Message, str]:
    adapter, now = registry.adapter(channel), utc_now()
    ours = adapter.credentials.model_validate(credentials)
    request = _request(channel, simulator.text(simulator.person(1), "你好"), now)
    verified = adapter.verify(request, ours, now)
    assert isinstance(verified, Verified), f"{channel}: {verified.reason}"
    (message,) = _read(adapter, verified, simulator).messages
    return message, _replay(lambda age: isinstance(adapter.verify(request, ours, now + age), Verified), verified)


def _tries(patience: Patience) -> str:
    tries = len(patience.ages)
    return f"{tries} in {spoken(patience.ages[-1])}; {patience.signing}" if tries > 1 else "1"


def _beside(channel: str, simulator: Any, credentials: dict[str, Any]) -> str:
    """The names under which what the platform tells beside messages is ignored and counted."""
    adapter = registry.adapter(channel)
    ours = adapter.credentials.model_validate(credentials)
    found: list[str] = []
    for webhook in simulator.beside(simulator.person(1)) if hasattr(simulator, "beside") else ():
        now = utc_now()
        verified = adapter.verify(_request(channel, webhook, now), ours, now)
        assert isinstance(verified, Verified), f"{channel}: {verified.reason}"
        result = _read(adapter, verified, simulator)
        assert not result.messages and not result.errors, f"{channel}: {result}"
        found += [f"`{item.kind}`" for item in result.ignored]
    return ", ".join(dict.fromkeys(found)) or "–"


def _read(adapter: Adapter, verified: Verified, simulator: Any) -> ParseResult:
    result = adapter.parse(adapter.decode(verified, "demo"))
    if not result.pulls:
        return result
    return cast("PullingAdapter", adapter).pull(result.pulls[0], None, verified.credentials, Direct(simulator)).result


def _replay(accepted: Callable[[timedelta], bool], verified: Verified) -> str:
    """For how long the same webhook would be accepted again, found by setting the clock forward."""
    once = ", once per body" if verified.replay_key else ""
    if all(accepted(age) for age in REPLAYED_AFTER):
        return f"no limit{once}"
    good, bad = 0, round(REPLAYED_AFTER[0] / timedelta(minutes=1))
    while bad - good > 1:
        middle = (good + bad) // 2
        # Half a minute less: what was signed is rounded to a second, now and then to the past.
        good, bad = (middle, bad) if accepted(timedelta(minutes=middle, seconds=-30)) else (good, middle)
    return _duration(timedelta(minutes=good)) + once


def _request(channel: str, webhook: Webhook, now: datetime) -> RawRequest:
    from functions.ingest.gateway_event import query_pairs

    headers = {name.lower(): value for name, value in webhook.headers.items()}
    path = f"/webhooks/{channel}/demo"
    return RawRequest(webhook.method, path, query_pairs(webhook.query), webhook.query, headers, webhook.body, "192.0.2.1", now)


def _sends(message: Message, adapter: Adapter, terms: str) -> str:
    if message.reply.mode == "none":
        return "receives only"
    shows = ["text", *(["pictures"] if adapter.shows.image else [])]
    shows += [f"{adapter.shows.buttons} buttons"] if adapter.shows.buttons else []
    said = ", ".join(shows) + (f" ({terms})" if terms else "")
    return said + ("; by idempotency key" if adapter.idempotent_send else "")


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
