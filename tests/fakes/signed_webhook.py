"""A simulator's webhook as the request that an adapter sees, and the short ways through the adapter."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from functions.channels.contract import (
    AccessToken,
    Adapter,
    HttpAnswer,
    ParseResult,
    Payload,
    RawRequest,
    Rejected,
    SendResult,
    Verified,
)
from functions.common import wire
from functions.common.errors import MalformedPayload
from functions.common.message import Message, Verification
from infra.simulators.contract import ApiAnswer, Simulator, Webhook
from tests.fakes.simulated_platform import NOW, SimulatedPlatform


class Desk:
    """One account of ours on one platform: its adapter, its credentials, its simulator."""

    def __init__(self, adapter: Adapter, settings: dict[str, Any], simulator: type[Any]) -> None:
        self.adapter, self.settings, self._simulator = adapter, settings, simulator

    def credentials(self, **changed: Any) -> Any:
        return self.adapter.credentials.model_validate({**self.settings, **changed})

    def simulator(self, **changed: Any) -> Any:
        return self._simulator("demo", {**self.settings, **changed}, now=lambda: NOW)

    def request(self, webhook: Webhook, **changed: Any) -> RawRequest:
        query = tuple(parse_qsl(webhook.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in webhook.headers.items()}
        path = f"/webhooks/{self.adapter.channel}/demo"
        came = RawRequest(webhook.method, path, query, webhook.query, headers, webhook.body, "192.0.2.1", NOW)
        return replace(came, **changed)

    def verify(self, webhook: Webhook, now: datetime = NOW, **changed: Any) -> Verified | Rejected:
        return self.adapter.verify(self.request(webhook), self.credentials(**changed), now)

    def verified(self, webhook: Webhook, **changed: Any) -> Verified:
        found = self.verify(webhook, **changed)
        assert isinstance(found, Verified), found
        return found

    def payload(self, webhook: Webhook, **changed: Any) -> Payload:
        return self.adapter.decode(self.verified(webhook, **changed), "demo")

    def parse(self, webhook: Webhook, **changed: Any) -> ParseResult:
        return self.adapter.parse(self.payload(webhook, **changed))

    def message(self, webhook: Webhook, **changed: Any) -> Message:
        result = self.parse(webhook, **changed)
        assert not result.ignored and not result.errors, result
        (message,) = result.messages
        return message

    def greeting(self, webhook: Webhook, **changed: Any) -> HttpAnswer | None:
        return self.adapter.handshake(self.payload(webhook, **changed))

    def acknowledged(self, webhook: Webhook) -> HttpAnswer:
        payload = self.payload(webhook)
        return self.adapter.acknowledge(payload, self.adapter.parse(payload))

    def as_verified(self, body: bytes, scheme: str = "test", **changed: Any) -> Verified:
        """Any bytes, as if the signature had held."""
        verification = Verification(scheme=scheme, body_signed=True, timestamped=True)
        return Verified(self.request(Webhook(body=body)), self.credentials(**changed), verification)

    def survives(self, verified: Verified) -> ParseResult | None:
        """Decode and parse whatever it is: a result whose messages fit on the queue, or None for a malformed payload."""
        try:
            payload = self.adapter.decode(verified, "demo")
            greeting = self.adapter.handshake(payload)
            result = self.adapter.parse(payload)
        except MalformedPayload:
            return None
        assert greeting is None or len(greeting.body) < 2000
        self.adapter.acknowledge(payload, result)
        assert len(result.messages) + len(result.ignored) + len(result.errors) >= 1
        for message in result.messages:
            assert wire.read_inbound(wire.dumps(wire.Inbound(message=message)))
        return result


class Leased(SimulatedPlatform):
    """A platform whose access token is kept until it is forgotten."""

    def __init__(self, sim: Simulator, *, token: str | None = None, fault: Exception | None = None) -> None:
        super().__init__(sim, fault=fault)
        self.token = token
        self.forgotten: list[str] = []

    def access_token(self, app: str, fetch: Any) -> str:
        if self.token is None:
            fetched: AccessToken = fetch()
            self.token = fetched.value
        return self.token

    def forget_token(self, app: str, token: str) -> None:
        self.forgotten.append(token)
        self.token = None


def answering(sim: Any, *answers: ApiAnswer, token: str | None = "T") -> Leased:
    """A platform that gives these answers, whatever it is asked."""
    sim.failures.extend(answers)
    return Leased(sim, token=token)


def secrets_kept(result: SendResult, *secrets: str) -> bool:
    """Whether a result tells none of the secrets."""
    return not any(secret in repr(result) for secret in secrets)
