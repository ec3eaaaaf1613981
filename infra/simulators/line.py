"""LINE and one official account of ours: batches of events, one-use reply tokens, push messages with retry keys and a monthly quota.

The vendor publishes neither how often nor when it redelivers (nor redelivers at all unless told to); the steps here are invented.
https://developers.line.biz/en/reference/messaging-api/
https://developers.line.biz/en/docs/messaging-api/receiving-messages/#redelivered-webhooks
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Simulator, Webhook, utc_now
from infra.simulators.server import Failure

DESTINATION = "U" + "0" * 32
TOKEN_LIFE = timedelta(minutes=1)
STATELESS = timedelta(minutes=15)
MAX_TEXT = 5000


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> ApiAnswer:
    """An error as LINE's API words it; for `failures` too."""
    said = json.dumps({"message": message}).encode()
    return ApiAnswer(status, said, {"content-type": "application/json", **(headers or {})})


@dataclass(slots=True)
class ReplyToken:
    """For whom, until when, and whether it is still to be used."""

    contact: str
    until: datetime
    used: bool = field(default=False)


class Refused(Exception):
    """LINE refuses a call."""

    def __init__(self, answer: ApiAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class LineSimulator:
    """A contact is a user id, or a group's id where `group` is said. `quota`: push messages left this month."""

    channel = "line"
    patience = Patience(timeout=2.0, waits=(60, 300, 1800, 3600), signing="signed anew")
    welcomes_strangers = False

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self.quota = 200
        self._credentials = credentials
        self._now = now
        self._ids = count(1)
        self._friends: set[str] = set()
        self._tokens: dict[str, ReplyToken] = {}
        self._pushed: dict[str, str] = {}  # retry key → the message's id
        self._access: dict[str, datetime] = {}

    # What LINE sends.

    def person(self, number: int) -> str:
        return f"U{number:032x}"

    def texts(self, pairs: Sequence[tuple[str, str]]) -> Webhook:
        """A batch of texts of several people."""
        return self.batch([self.item(contact, {"type": "text", "text": text}) for contact, text in pairs])

    def unknown(self, contact: str) -> Webhook:
        """A message of a type that nobody knows."""
        return self.message(contact, {"type": "hologram"})

    def text(
        self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None, **more: Any
    ) -> Webhook:
        """A text; `more` are further fields of the event (`mode`, `source`)."""
        return self.batch([self.item(contact, {"type": "text", "text": text}, native_id=native_id, at=at, **more)])

    def message(
        self, contact: str, said: Mapping[str, Any], *, native_id: str | None = None, at: datetime | None = None, **more: Any
    ) -> Webhook:
        """A message of any type."""
        return self.batch([self.item(contact, said, native_id=native_id, at=at, **more)])

    def image(self, contact: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A picture, to be fetched by the message's id."""
        said = {"type": "image", "contentProvider": {"type": "line"}}
        return self.message(contact, said, native_id=native_id, at=at)

    def item(
        self, contact: str, said: Mapping[str, Any], *, native_id: str | None = None, at: datetime | None = None, **more: Any
    ) -> dict[str, Any]:
        """One message event of a batch."""
        at = at or self._now()
        native_id = native_id or str(460_000_000_000_000_000 + next(self._ids))
        message = {"id": native_id, "quoteToken": "q", **said}
        return self.event_item(contact, "message", at=at, key=native_id, message=message, **more)

    def postback(self, contact: str, data: str, *, at: datetime | None = None, **more: Any) -> Webhook:
        """A tap on a button or a menu."""
        return self.event(contact, "postback", at=at, postback={"data": data}, **more)

    def event(self, contact: str, kind: str, *, at: datetime | None = None, **more: Any) -> Webhook:
        """Any other event: `follow`, `unfollow`, `unsend`, `join` …"""
        return self.batch([self.event_item(contact, kind, at=at or self._now(), key=str(next(self._ids)), **more)])

    def beside(self, contact: str) -> list[Webhook]:
        """Taken back, seen to its end, delivered (notification messages alone). LINE tells neither what is read nor our own words."""
        events: dict[str, Any] = {
            "unsend": {"messageId": "1"},
            "videoPlayComplete": {"trackingId": "t"},
            "delivery": {"data": "hash"},
        }
        return [self.event(contact, kind, **{kind: about}) for kind, about in events.items()]

    def event_item(self, contact: str, kind: str, *, at: datetime, key: str, **more: Any) -> dict[str, Any]:
        """One event of a batch. Its ids come out of `key`, so that a retry has the same."""
        token = _digest(self.account, kind, key, "token")[:32]
        self._friends.add(contact)
        self._tokens.setdefault(token, ReplyToken(contact, at + TOKEN_LIFE))
        return {
            "type": kind,
            "mode": "active",
            "timestamp": int(at.timestamp() * 1000),
            "source": {"type": "user", "userId": contact},
            "webhookEventId": _digest(self.account, kind, key)[:26].upper(),
            "deliveryContext": {"isRedelivery": False},
            "replyToken": token,
            **more,
        }

    def batch(self, events: Sequence[Any]) -> Webhook:
        """Several events in one webhook; events may be anything, to have bad ones among the good."""
        return self.webhook({"destination": DESTINATION, "events": list(events)})

    def console_check(self) -> Webhook:
        """The console's Verify button: no events."""
        return self.batch([])

    def redelivered(self, webhook: Webhook) -> Webhook:
        """The same webhook as LINE sends it again, marked as such."""
        body = json.loads(webhook.body)
        for event in body["events"]:
            event["deliveryContext"]["isRedelivery"] = True
        return self.webhook(body)

    def signed_anew(self, webhook: Webhook) -> Webhook:
        """A later try: the mark of a redelivery stands in the body, so its signature is another."""
        return self.redelivered(webhook)

    def webhook(self, body: Any, *, secret: str | None = None) -> Webhook:
        """Any JSON value, or bytes, as a signed webhook; `secret` signs with another than the channel's."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        mac = hmac.digest((secret or self._credentials["channel_secret"]).encode(), raw, "sha256")
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "LineBotWebhook/2.0",
            "x-line-signature": b64encode(mac).decode(),
        }
        return Webhook(headers=headers, body=raw)

    def forged(self, contact: str, text: str) -> Webhook:
        return self.webhook(self.text(contact, text).body, secret="not the secret of this channel")

    def stale(self, contact: str, text: str) -> Webhook | None:  # noqa: ARG002
        return None  # LINE signs no time

    # What LINE is asked.

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account: it bears its token, or asks for one with its secret."""
        secret = str(self._credentials["channel_secret"]).encode()
        return self._authorised(request) or secret in request.body

    def api(self, request: ApiRequest) -> ApiAnswer:
        call = {
            "/v2/bot/message/reply": self._reply,
            "/v2/bot/message/push": self._push,
            "/oauth2/v3/token": self._issue,
        }.get(request.path)
        if call is None or request.method != "POST":
            return refusal(404, "Not found")
        try:
            return ApiAnswer(body=json.dumps(call(request)).encode())
        except Refused as refused:
            return refused.answer
        except (ValueError, KeyError, TypeError, IndexError):
            return refusal(400, "The request body has 1 error(s)")

    def _issue(self, request: ApiRequest) -> dict[str, Any]:
        asked = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        ours = (self._credentials.get("channel_id"), self._credentials["channel_secret"])
        if (asked["client_id"], asked["client_secret"]) != ours or asked["grant_type"] != "client_credentials":
            raise Refused(refusal(400, "invalid_client"))
        token = _digest(self.account, str(next(self._ids)), "access")
        self._access[token] = self._now() + STATELESS
        return {"token_type": "Bearer", "access_token": token, "expires_in": int(STATELESS.total_seconds())}

    def _reply(self, request: ApiRequest) -> dict[str, Any]:
        said = self._said(request)
        if "x-line-retry-key" in request.headers:
            raise Refused(refusal(400, "The retry key is not accepted here"))
        token = self._tokens.get(said["replyToken"])
        if token is None or token.used or token.until < self._now():
            raise Refused(refusal(400, "Invalid reply token"))
        token.used = True
        return self._sent(token.contact, said["messages"], request.headers.get("x-request-id"))

    def _push(self, request: ApiRequest) -> dict[str, Any]:
        said, key = self._said(request), request.headers.get("x-line-retry-key", "")
        if key in self._pushed:
            known = {"x-line-accepted-request-id": "accepted"}
            raise Refused(refusal(409, "The retry key is already accepted", known))
        if said["to"] not in self._friends and not self.welcomes_strangers:
            raise Refused(refusal(400, "Failed to send messages"))
        if self.quota <= 0:
            raise Refused(refusal(429, "You have reached your monthly limit."))
        sent = self._sent(said["to"], said["messages"], request.headers.get("x-request-id"))
        self.quota -= 1
        self._pushed[key or _digest(str(next(self._ids)))] = sent["sentMessages"][0]["id"]
        return sent

    def _said(self, request: ApiRequest) -> Any:
        if not self._authorised(request):
            raise Refused(refusal(401, "Authentication failed due to the following reason: invalid token."))
        said = json.loads(request.body)
        message = said["messages"][0]
        if message["type"] == "image" and message["originalContentUrl"].startswith("https://") and message["previewImageUrl"]:
            return said
        if message["type"] != "text" or not 0 < len(message["text"].encode("utf-16-le")) // 2 <= MAX_TEXT:
            raise Refused(refusal(400, "The request body has 1 error(s)"))
        if any(not 0 < len(title) <= 20 for title in _titles(message)) or len(_titles(message)) > 13:
            raise Refused(refusal(400, "The request body has 1 error(s)"))
        return said

    def _sent(self, contact: str, messages: Sequence[Mapping[str, Any]], answered: str | None) -> dict[str, Any]:
        first = messages[0]
        text, image = first.get("text", ""), first.get("originalContentUrl")
        self.outbox.append(Delivered(self.channel, self.account, contact, text, answered, self._now(), _titles(first), image))
        return {"sentMessages": [{"id": str(470_000_000_000_000_000 + next(self._ids)), "quoteToken": "q"}]}

    def _authorised(self, request: ApiRequest) -> bool:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        lasting = self._credentials.get("channel_access_token")
        return bool(token) and (token == lasting or self._access.get(token, self._now()) > self._now())


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()


def _titles(message: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(item["action"]["label"] for item in message.get("quickReply", {}).get("items", ()))


SIMULATOR: type[Simulator] = LineSimulator
