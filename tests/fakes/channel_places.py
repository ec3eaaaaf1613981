"""Every account of every channel with its simulator, and what ingest would make of a webhook there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from functions.channels import registry
from functions.channels.contract import ParseResult, Payload, RawRequest, Verified
from functions.common.errors import MalformedPayload
from functions.common.wire import Inbound, dumps, read_inbound
from functions.ingest.gateway_event import query_pairs
from functions.ingest.service import MAX_BODY
from infra.simulators.contract import Webhook
from infra.simulators.registry import simulator_class
from tests.fakes.house import ACCOUNTS
from tests.fakes.simulated_platform import NOW

PLACES = [(channel, account) for channel in sorted(ACCOUNTS) for account in ACCOUNTS[channel]]

# What stands on a button that was tapped, where a tap is an event of its own.
TAPS: dict[str, tuple[Any, ...]] = {"wecom": ("退货",), "feishu": ("om_1", {"say": "退货", "chat": "group"})}


class Desk:
    """One account of a channel with its simulator."""

    def __init__(self, place: tuple[str, str]) -> None:
        self.channel, self.account = place
        settings_ = ACCOUNTS[self.channel][self.account]
        self.adapter: Any = registry.adapter(self.channel)
        self.credentials = self.adapter.credentials.model_validate(settings_)
        self.simulator: Any = simulator_class(self.channel)(self.account, settings_, now=lambda: NOW)

    def text(self, words: str = "你好") -> Webhook:
        webhook: Webhook = self.simulator.text(self.simulator.person(1), words)
        return webhook

    def webhooks(self) -> list[Webhook]:
        """One of each sort that the simulator makes by itself."""
        person = self.simulator.person(1)
        batch = (
            self.simulator.texts([(person, "一"), (self.simulator.person(2), "二")])
            if hasattr(self.simulator, "texts")
            else None
        )
        odd = self.simulator.unknown(person) if hasattr(self.simulator, "unknown") else None
        tap = self.simulator.tap(person, *TAPS[self.channel]) if self.channel in TAPS else None
        return [found for found in (self.text(), batch, odd, tap) if found is not None]

    def request(self, webhook: Webhook, **changes: Any) -> RawRequest:
        headers = {name.lower(): value for name, value in webhook.headers.items()}
        path = f"/webhooks/{self.channel}/{self.account}"
        came = RawRequest(
            webhook.method, path, query_pairs(webhook.query), webhook.query, headers, webhook.body, "192.0.2.1", NOW
        )
        return replace(came, **changes)

    def verified(self, webhook: Webhook) -> Verified:
        outcome = self.adapter.verify(self.request(webhook), self.credentials, NOW)
        assert isinstance(outcome, Verified), outcome
        return outcome

    def read(self, verified: Verified) -> ParseResult | None:
        """What ingest makes of a verified webhook; None when it is malformed or a handshake."""
        try:
            return self.parsed(self.adapter.decode(verified, self.account))
        except MalformedPayload:
            return None

    def parsed(self, payload: Payload) -> ParseResult | None:
        if self.adapter.handshake(payload) is not None:
            return None
        result: ParseResult = self.adapter.parse(payload)
        for message in result.messages:
            assert read_inbound(dumps(Inbound(message=message))).message.message_id == message.message_id
        assert 200 <= self.adapter.acknowledge(payload, result).status < 300
        return result


# Bodies of about so many times a few bytes, each of a shape that costs some reader most.
WORST: dict[str, Callable[[int], bytes]] = {
    "brackets": lambda n: b"[" * n,
    "objects": lambda n: b'{"a":' * n,
    "fields": lambda n: b"a=b&" * n,
    "elements": lambda n: b"<xml>" + b"<a>b</a>" * n + b"</xml>",
    "surrogates": lambda n: b'{"text":"' + b"\\ud83d" * n + b'"}',
    "spaces": lambda n: b'{"text":"' + b" " * n + b'"}',
    "nothings": lambda n: b"[" + b"{}," * n + b"{}]",
    "numbers": lambda n: b'{"events":[' + b"1," * n + b"1]}",
    "entries": lambda n: b'{"object":"page","entry":[' + b'{"messaging":[{}]},' * n + b"{}]}",
    # As many as may be, and not one more.
    "most entries": lambda n: (
        b'{"object":"page","entry":['
        + b'{"messaging":[{}]},' * min(n, 990)
        + b'{"messaging":['
        + b"{}," * min(n, 990)
        + b"{}]}]}"
        + b" " * n * 42
    ),
    "most nests": lambda n: (
        b'{"object":"whatsapp_business_account","entry":['
        + b'{"changes":[{"value":{"messages":[{}]}}]},' * min(n, 900)
        + b"{}]}"
        + b" " * n * 42
    ),
    "messages": lambda n: b'{"messages":[' + b"{}," * n + b"{}]}",
}


def largest(shape: str) -> bytes:
    """The largest body of a shape that ingest takes, or nearly."""
    make = WORST[shape]
    return make(MAX_BODY * 1000 // len(make(1000)) - 100)
