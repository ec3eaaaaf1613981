"""One account of Twilio's, and the short ways in: a webhook as a request, verified, read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from functions.channels.contract import ParseResult, RawRequest, Rejected, Verified
from functions.channels.twilio import ADAPTER, TwilioCredentials
from functions.common.message import Message
from infra.simulators.contract import Webhook
from infra.simulators.twilio import TwilioSimulator
from tests.fakes.simulated_platform import NOW

PATH = "/webhooks/twilio/demo"
PUBLIC = "https://postroom.example"
SETTINGS: dict[str, Any] = {
    "account_sid": "AC" + "0" * 32,
    "auth_token": "a-token-that-is-no-secret",
    "from": "+15005550006",
    "public_url": PUBLIC,
}
CREDENTIALS = TwilioCredentials.model_validate(SETTINGS)
SMS, WHATSAPP = "+8613800138000", "whatsapp:+8613800138000"


def simulator(**changes: Any) -> TwilioSimulator:
    return TwilioSimulator("demo", SETTINGS | changes, now=lambda: NOW)


def request(webhook: Webhook, **changes: Any) -> RawRequest:
    query = tuple(parse_qsl(webhook.query, keep_blank_values=True))
    came = RawRequest(webhook.method, PATH, query, webhook.query, webhook.headers, webhook.body, "192.0.2.1", NOW)
    return replace(came, **changes)


def verify(came: RawRequest, **changes: Any) -> Verified | Rejected:
    return ADAPTER.verify(came, TwilioCredentials.model_validate(SETTINGS | changes), NOW)


def parse(webhook: Webhook) -> ParseResult:
    verified = verify(request(webhook))
    assert isinstance(verified, Verified), verified
    return ADAPTER.parse(ADAPTER.decode(verified, "demo"))


def message(webhook: Webhook) -> Message:
    result = parse(webhook)
    assert (len(result.messages), result.ignored, result.errors) == (1, (), ())
    return result.messages[0]
