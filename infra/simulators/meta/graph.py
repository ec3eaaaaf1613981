"""What Meta's platforms have in common: the app that signs, the console's handshake, and Graph with its way to refuse.

Signing follows Meta's description and shares no code with the channels.
https://developers.facebook.com/docs/graph-api/webhooks/getting-started
https://developers.facebook.com/docs/messenger-platform/error-codes
"""

from __future__ import annotations

import hmac
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Webhook, utc_now
from infra.simulators.server import Failure

WINDOW = timedelta(hours=24)


def refusal(status: int, code: int, message: str, *, subcode: int | None = None) -> ApiAnswer:
    """An error as Graph words it; for `failures` too."""
    error: dict[str, Any] = {"message": f"(#{code}) {message}", "type": "OAuthException", "code": code, "fbtrace_id": "Atrace"}
    return ApiAnswer(status, json.dumps({"error": error | ({"error_subcode": subcode} if subcode else {})}).encode())


class Refused(Exception):
    """Graph refuses a call."""

    def __init__(self, answer: ApiAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class MetaApp(ABC):
    """One app with one account of ours: what a subclass's platform sends is signed here, and its sends are checked here."""

    channel: str
    welcomes_strangers = False

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._credentials = credentials
        self._now = now
        self._heard: dict[str, datetime] = {}
        self._answered: set[str | None] = set()

    def handshake(self, challenge: str = "1158201444", *, verify_token: str | None = None) -> Webhook:
        """The console's verification call."""
        token = verify_token or self._credentials["verify_token"]
        asked = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token}
        return Webhook(method="GET", query=urlencode(asked))

    def handshake_answer(self, webhook: Webhook) -> bytes:
        """What Meta wants to hear to its call: the challenge, as it is."""
        return dict(parse_qsl(webhook.query))["hub.challenge"].encode()

    def webhook(self, body: Any, *, secret: str | None = None) -> Webhook:
        """Any JSON value, or bytes, as a signed webhook; `secret` signs with another than the app's."""
        # Meta escapes what is not ASCII, and slashes: the signature covers the bytes as they are.
        raw = body if isinstance(body, bytes) else json.dumps(body).replace("/", "\\/").encode()
        mac = hmac.digest((secret or self._credentials["app_secret"]).encode(), raw, "sha256").hex()
        headers = {
            "content-type": "application/json",
            "user-agent": "facebookexternalua",
            "x-hub-signature-256": f"sha256={mac}",
        }
        return Webhook(headers=headers, body=raw)

    def stale(self, contact: str, text: str) -> Webhook | None:  # noqa: ARG002
        """None: Meta signs no time."""
        return None

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account."""
        return request.path == self._path()

    def api(self, request: ApiRequest) -> ApiAnswer:
        """Graph, as far as it sends a message."""
        try:
            self._authorise(request)
            return ApiAnswer(body=json.dumps(self._send(json.loads(request.body), request)).encode())
        except Refused as refused:
            return refused.answer
        except (ValueError, KeyError, TypeError, AttributeError):
            return refusal(400, 100, "Invalid parameter")

    @abstractmethod
    def _send(self, said: Any, request: ApiRequest) -> dict[str, Any]:
        """Take one message, or `Refused`."""

    @abstractmethod
    def _our_id(self) -> str:
        """The page's, account's or number's id."""

    def _path(self) -> str:
        return f"/{self._credentials.get('graph_version', 'v24.0')}/{self._our_id()}/messages"

    def _authorise(self, request: ApiRequest) -> None:
        if not self.owns(request) or request.method != "POST":
            raise Refused(refusal(400, 100, "Unsupported request", subcode=33))
        token = self._credentials.get("access_token")
        if not token or request.headers.get("authorization") != f"Bearer {token}":
            raise Refused(refusal(401, 190, "Invalid OAuth access token."))
        proof = hmac.digest(self._credentials["app_secret"].encode(), token.encode(), "sha256").hex()
        if self._credentials.get("appsecret_proof") and request.query.get("appsecret_proof") != proof:
            raise Refused(refusal(400, 100, "API calls from the server require an appsecret_proof argument"))

    def _hear(self, contact: str, at: datetime) -> None:
        self._heard[contact] = max(at, self._heard.get(contact, at))

    def _welcome(self, contact: str, answered: str | None) -> None:
        """An answer to a message that this simulator did not send: somebody signed the webhook by hand, and the person did write."""
        if self.welcomes_strangers and answered not in self._answered:
            self._answered.add(answered)
            self._hear(contact, self._now())

    def _in_window(self, contact: str) -> bool:
        return contact in self._heard and self._now() - self._heard[contact] <= WINDOW

    def _deliver(
        self, contact: str, text: str, request: ApiRequest, buttons: tuple[str, ...] = (), image: str | None = None
    ) -> None:
        answered = request.headers.get("x-request-id")
        self.outbox.append(Delivered(self.channel, self.account, contact, text, answered, self._now(), buttons, image))
