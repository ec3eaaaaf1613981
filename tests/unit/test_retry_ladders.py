"""Every try of a vendor's ladder at its own moment: it is taken then, and it is the same message."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from functions.channels import registry
from functions.channels.contract import PullingAdapter, RawRequest, Verified
from functions.ingest.gateway_event import query_pairs
from infra.simulators.contract import Webhook
from infra.simulators.registry import simulator_class
from tests.fakes.house import ACCOUNTS
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

PLACES = [(channel, account) for channel in sorted(ACCOUNTS) for account in ACCOUNTS[channel]]


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


def tries(channel: str, account: str, *, signed_anew: bool = True) -> list[tuple[timedelta, str | None]]:
    """The age of each try and the id of the message that it would leave; None where it is refused."""
    settings, clock = ACCOUNTS[channel][account], Clock()
    adapter, simulator = registry.adapter(channel), simulator_class(channel)(account, settings, now=clock)
    credentials = adapter.credentials.model_validate(settings)
    first: Webhook = simulator.text(simulator.person(1), "每次重试都是同一条", at=NOW)
    anew = getattr(simulator, "signed_anew", None)
    found: list[tuple[timedelta, str | None]] = []
    for age in simulator.patience.ages:
        clock.now = NOW + age
        again = age and anew and signed_anew and "anew" in simulator.patience.signing
        webhook = anew(first) if again else first
        found.append((age, message_id(adapter, account, webhook, credentials, simulator, clock.now)))
    return found


def message_id(adapter: Any, account: str, webhook: Webhook, credentials: Any, simulator: Any, now: datetime) -> str | None:
    headers = {name.lower(): value for name, value in webhook.headers.items()}
    path = f"/webhooks/{adapter.channel}/{account}"
    request = RawRequest(
        webhook.method, path, query_pairs(webhook.query), webhook.query, headers, webhook.body, "192.0.2.1", now
    )
    verified = adapter.verify(request, credentials, now)
    if not isinstance(verified, Verified):
        return None
    result = adapter.parse(adapter.decode(verified, account))
    if result.pulls:
        result = cast("PullingAdapter", adapter).pull(result.pulls[0], None, credentials, SimulatedPlatform(simulator)).result
    (message,) = result.messages
    return str(message.message_id)


@pytest.mark.parametrize(("channel", "account"), PLACES)
def test_each_try_is_taken_when_it_comes_and_is_the_same_message(channel: str, account: str) -> None:
    found = tries(channel, account)
    ids = {each for _, each in found}
    assert None not in ids and len(ids) == 1, found
    ages = [age for age, _ in found]
    assert ages == sorted(ages) and ages[0] == timedelta()


@pytest.mark.parametrize("channel", ["feishu", "slack", "generic", "tiktok_business"])
def test_the_first_tries_signature_does_not_last_for_the_whole_ladder(channel: str) -> None:
    (_, first), *_, (_, last) = tries(channel, "demo", signed_anew=False)
    assert first is not None and last is None
