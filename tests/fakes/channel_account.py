"""One account of a channel with its simulator, and the short ways in: a webhook as a request, verified, read; a reply sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from functions.channels import registry
from functions.channels.contract import OutgoingReply, ParseResult, RawRequest, Rejected, SendResult, Verified
from functions.common.message import Message
from infra.simulators.contract import Webhook
from infra.simulators.registry import simulator_class
from tests.fakes.simulated_platform import NOW, SimulatedPlatform


class ChannelAccount:
    """The account `demo` of a channel, with these settings."""

    def __init__(self, channel: str, settings: dict[str, Any]) -> None:
        self.channel, self.settings = channel, settings
        self.adapter: Any = registry.adapter(channel)

    def credentials(self, **changes: Any) -> Any:
        return self.adapter.credentials.model_validate(self._settings(changes))

    def simulator(self, **changes: Any) -> Any:
        return simulator_class(self.channel)("demo", self._settings(changes), now=lambda: NOW)

    def request(self, webhook: Webhook, **changes: Any) -> RawRequest:
        query = tuple(parse_qsl(webhook.query, keep_blank_values=True))
        path = f"/webhooks/{self.channel}/demo"
        came = RawRequest(webhook.method, path, query, webhook.query, webhook.headers, webhook.body, "192.0.2.1", NOW)
        return replace(came, **changes)

    def verify(self, webhook: Webhook | RawRequest, **changes: Any) -> Verified | Rejected:
        came = webhook if isinstance(webhook, RawRequest) else self.request(webhook)
        outcome: Verified | Rejected = self.adapter.verify(came, self.credentials(**changes), NOW)
        return outcome

    def reason(self, webhook: Webhook | RawRequest) -> str:
        outcome = self.verify(webhook)
        assert isinstance(outcome, Rejected), outcome
        return outcome.reason

    def parse(self, webhook: Webhook | RawRequest, **changes: Any) -> ParseResult:
        verified = self.verify(webhook, **changes)
        assert isinstance(verified, Verified), verified
        result: ParseResult = self.adapter.parse(self.adapter.decode(verified, "demo"))
        return result

    def message(self, webhook: Webhook, **changes: Any) -> Message:
        result = self.parse(webhook, **changes)
        assert (len(result.messages), result.ignored, result.errors) == (1, (), ()), result
        return result.messages[0]

    def ignored(self, webhook: Webhook) -> list[tuple[str, str | None]]:
        result = self.parse(webhook)
        assert (result.messages, result.errors) == ((), ()), result
        return [(each.kind, each.native_id) for each in result.ignored]

    def errors(self, webhook: Webhook) -> list[tuple[str, str]]:
        return [(each.reason, each.where) for each in self.parse(webhook).errors]

    def send(self, platform: SimulatedPlatform, contact: str, text: str = "您好", **changes: Any) -> SendResult:
        """A reply; `changes` with the name of a field of the reply are the reply's, all others the settings'."""
        own = {name: changes.pop(name) for name in ("token", "not_after", "message_id") if name in changes}
        reply = OutgoingReply(**{"message_id": "our-message", "native_id": None, "contact": contact, "text": text} | own)
        result: SendResult = self.adapter.send(reply, self.credentials(**changes), platform)
        return result

    def _settings(self, changes: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in (self.settings | changes).items() if value is not None}


APP = {"app_secret": "1222e786b144d0e85b9f365372d93676", "verify_token": "a-verify-token", "access_token": "an-access-token"}
MESSENGER = ChannelAccount("messenger", {**APP, "page_id": "106540352242922"})
INSTAGRAM = ChannelAccount("instagram", {**APP, "instagram_account_id": "17841405822304914"})
WHATSAPP = ChannelAccount("whatsapp", {**APP, "phone_number_id": "277321005464405"})
LINE = ChannelAccount(
    "line", {"channel_secret": "a-channel-secret-of-ours", "channel_access_token": "a-long-lived-token", "provider_id": "p-1"}
)
TIKTOK = ChannelAccount(
    "tiktok_business",
    {"app_id": "7300", "app_secret": "an-app-secret", "business_id": "biz-123", "access_token": "act.a-token-of-a-day"},
)
META = (MESSENGER, INSTAGRAM, WHATSAPP)
EVERY = (*META, LINE, TIKTOK)
