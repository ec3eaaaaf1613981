"""The address under test: webhooks go in, answers come out, and a local stack shows what it stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.simulators.contract import Patience, Webhook
from infra.simulators.delivery import Attempt, deliver

if TYPE_CHECKING:
    from urllib3 import PoolManager

DRAIN_SECONDS = 60


class AddressUnreachable(Exception):
    """Nobody answers at the address; the message names it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Webhooks of one account go to `{url}/webhooks/{channel}/{account}`. `is_local`: the stack's own endpoints are there to ask."""

    http: PoolManager
    url: str
    channel: str
    account: str
    timeout: float
    is_local: bool

    def send(self, webhook: Webhook) -> Attempt:
        """One delivery; `AddressUnreachable` when there is no answer at all."""
        once = Patience(timeout=self.timeout, waits=())
        (attempt,) = deliver(webhook, f"{self.url}/webhooks/{self.channel}/{self.account}", once, http=self.http).attempts
        if attempt.status is None:
            raise AddressUnreachable(f"{self.url} does not answer ({attempt.fault})")
        return attempt

    def drain(self) -> None:
        """Wait until the local stack's queues are empty; elsewhere nothing."""
        if self.is_local:
            self.http.request("POST", f"{self.url}/_local/drain?timeout={DRAIN_SECONDS}", timeout=DRAIN_SECONDS + 5)

    def stored(self) -> list[dict[str, Any]] | None:
        """The account's messages, once the queues are empty; None where nobody can be asked."""
        if not self.is_local:
            return None
        self.drain()
        answer = self.http.request("GET", f"{self.url}/_local/messages", timeout=30)
        messages: list[dict[str, Any]] = json.loads(answer.data)["messages"]
        return [message for message in messages if (message["channel"], message["account"]) == (self.channel, self.account)]


def address(http: PoolManager, url: str, channel: str, account: str, timeout: float) -> Address:
    """The address, asked whether it is a local stack; `AddressUnreachable` when it does not answer."""
    from urllib3.exceptions import HTTPError

    try:
        asked = http.request("GET", f"{url.rstrip('/')}/_local/queues", timeout=5, retries=False)
    except HTTPError as error:
        raise AddressUnreachable(f"{url} does not answer ({type(error).__name__})") from None
    return Address(http, url.rstrip("/"), channel, account, timeout, is_local=asked.status == 200)
