"""A system of one's own that speaks Standard Webhooks, or a platform as the account's `signature` and `fields` describe it, and the
receiver of its replies, on `POST /replies/{account}`.

Signing and checking follow the specification's text and share no code with the channel.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from infra.simulators import custom
from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Simulator, Webhook, utc_now
from infra.simulators.delivery import Attempt
from infra.simulators.server import Failure

TOLERANCE = 300  # seconds


class GenericSimulator:
    """One account of the channel `generic`.

    A webhook's `at` is the time of the message and, unless `signed_at` differs, that of the attempt too. Each try of the
    specification's ladder is signed anew: `deliver(lambda: simulator.signed_anew(webhook), ...)`.
    """

    channel = "generic"
    welcomes_strangers = True  # a system of our own keeps no windows
    patience = Patience(timeout=20.0, waits=(5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400), signing="signed anew")

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._secret: str | None = credentials.get("secret")
        self._signature: Mapping[str, Any] | None = credentials.get("signature")
        self._fields: Mapping[str, Any] | None = credentials.get("fields")
        self._now = now
        self._seen: set[str] = set()

    def person(self, number: int) -> str:
        return f"user-{number:07d}"

    def texts(self, pairs: Sequence[tuple[str, str]]) -> Webhook | None:
        """A batch of texts of several people; None where a webhook holds one message."""
        items = [self.item(contact, text=text) for contact, text in pairs]
        if self._fields is None:
            return self.batch(items)
        body = custom.enveloped(self._fields, items)
        return None if body is None else self.webhook(body, f"batch_{uuid4().hex}")

    def unknown(self, contact: str) -> Webhook | None:
        """A message of a kind that this channel does not know; None where messages name no kind."""
        if self._fields is not None and "kind" not in self._fields:
            return None
        return self.text(contact, "", kind="hologram")

    def text(
        self,
        contact: str,
        text: str,
        *,
        native_id: str | None = None,
        at: datetime | None = None,
        signed_at: datetime | None = None,
        **more: Any,
    ) -> Webhook:
        """A text; `more` are further fields of the item, such as `reply_to` or `referral`."""
        item = self.item(contact, text=text, native_id=native_id, at=at, **more)
        body = item if self._fields is None else custom.enveloped(self._fields, [item])
        return self.webhook(body, f"msg_{item['id']}", signed_at or at)

    def image(
        self,
        contact: str,
        url: str,
        *,
        caption: str | None = None,
        native_id: str | None = None,
        at: datetime | None = None,
    ) -> Webhook:
        """A picture behind a link, with or without words."""
        picture = {"kind": "image", "url": url, "mime": "image/jpeg"}
        item = self.item(contact, text=caption, native_id=native_id, at=at, attachments=[picture])
        return self.webhook(item, f"msg_{item['id']}", at)

    def beside(self, contact: str) -> list[Webhook]:
        """Our format's own events: somebody answered elsewhere, the contact took a message back. A configured platform's are its own."""
        if self._fields is not None:
            return []
        return [self.text(contact, "我来处理", event="answered"), self.text(contact, "", event="recalled")]

    def batch(self, items: Sequence[Any], *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """Several items in one webhook; items may be anything, to have bad ones among the good."""
        return self.webhook({"messages": list(items)}, f"batch_{native_id or uuid4().hex}", at)

    def item(
        self,
        contact: str,
        *,
        text: str | None = None,
        native_id: str | None = None,
        at: datetime | None = None,
        name: str | None = None,
        locale: str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """One item of a batch."""
        person = {"id": contact, "name": name, "locale": locale}
        item = {
            "id": native_id or uuid4().hex,
            "contact": {key: value for key, value in person.items() if value is not None},
            "text": text,
            "sent_at": (at or self._now()).isoformat(timespec="milliseconds"),
            **more,
        }
        return {key: value for key, value in item.items() if value is not None}

    def webhook(self, body: Any, webhook_id: str, signed_at: datetime | None = None) -> Webhook:
        """Any JSON value as a signed webhook."""
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        headers = {"content-type": "application/json", "webhook-id": webhook_id}
        return self.signed_anew(Webhook(headers=headers, body=raw), signed_at)

    def signed_anew(self, webhook: Webhook, at: datetime | None = None) -> Webhook:
        """The same webhook as a try at another time."""
        if self._signature is not None:
            given = webhook.headers
            signed = custom.signed_headers(self._signature, webhook.body, given["webhook-id"], at or self._now())
            return replace(webhook, headers={**given, **signed})
        timestamp = str(int((at or self._now()).timestamp()))
        assert self._secret is not None, "an account without a signature has a secret"
        signature = _signature(self._secret, webhook.headers["webhook-id"], timestamp, webhook.body)
        return replace(webhook, headers={**webhook.headers, "webhook-timestamp": timestamp, "webhook-signature": signature})

    def forged(self, contact: str, text: str) -> Webhook:
        webhook = self.text(contact, text)
        if self._signature is not None:
            signed = custom.signed_headers(self._signature, webhook.body, "msg_forged", self._now(), forged=True)
            return replace(webhook, headers={**webhook.headers, **signed})
        wrong = "whsec_" + b64encode(b"not the secret of this account").decode()
        given = webhook.headers
        signature = _signature(wrong, given["webhook-id"], given["webhook-timestamp"], webhook.body)
        return replace(webhook, headers={**given, "webhook-signature": signature})

    def stale(self, contact: str, text: str) -> Webhook | None:
        if self._signature is not None and not custom.is_timed(self._signature):
            return None
        return self.text(contact, text, at=self._now() - timedelta(hours=1))

    def tried_again(self, attempt: Attempt) -> bool:
        """The specification's rule: anything but a 2xx, unless the receiver is gone for good (410)."""
        return not attempt.accepted and attempt.status != 410

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account."""
        return request.path == f"/replies/{self.account}"

    def api(self, request: ApiRequest) -> ApiAnswer:
        if not self.owns(request) or request.method != "POST":
            return _said(404, "no such endpoint")
        if not self._authentic(request):
            return _said(401, "signature")
        try:
            reply = json.loads(request.body)
            contact, text = reply["contact"]["id"], reply["text"]
            buttons, image = tuple(reply.get("buttons", ())), reply.get("image_url")
        except (ValueError, KeyError, TypeError):
            return _said(400, "not a reply")
        webhook_id = request.headers["webhook-id"]
        if webhook_id in self._seen:
            return _said(200, "known")
        self._seen.add(webhook_id)
        in_reply_to = request.headers.get("x-request-id") or webhook_id.removeprefix("reply_")
        self.outbox.append(Delivered(self.channel, self.account, contact, text, in_reply_to, self._now(), buttons, image))
        return _said(202, "accepted")

    def _authentic(self, request: ApiRequest) -> bool:
        given = [request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")]
        webhook_id, timestamp, signatures = given
        # Without a secret the account only receives.
        if self._secret is None or not all(given) or not (timestamp.isascii() and timestamp.isdecimal()):
            return False
        expected = _signature(self._secret, webhook_id, timestamp, request.body)
        fresh = abs(self._now().timestamp() - int(timestamp)) <= TOLERANCE
        return fresh and any(hmac.compare_digest(expected.encode(), one.encode()) for one in signatures.split(" "))


def _signature(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
    key = b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, b".".join((webhook_id.encode(), timestamp.encode(), body)), "sha256")
    return f"v1,{b64encode(mac).decode()}"


def _said(status: int, what: str) -> ApiAnswer:
    return ApiAnswer(status, json.dumps({"status": what}).encode())


SIMULATOR: type[Simulator] = GenericSimulator
