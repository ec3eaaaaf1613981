"""Feishu's side of a bot: events encrypted and signed or plain, tenant access tokens and the reply API.

Encryption and signature share no code with the channel. What the vendor answers to a second request with the same uuid its page does not
say, only that no second message is sent: here it is told the first message's id.
https://open.feishu.cn/document/server-docs/im-v1/message/reply
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Webhook, utc_now
from infra.simulators.forms.feishu import Refused, said
from infra.simulators.server import Failure

TOKEN = "/open-apis/auth/v3/tenant_access_token/internal"
MESSAGES = "/open-apis/im/v1/messages/"
TENANT = "2ed263bf32cf1651"
TOKEN_LIFE, TOKEN_OVERLAP = timedelta(hours=2), timedelta(minutes=30)
UUID_LIFE = timedelta(hours=1)
MAX_BODY = 150 * 1024
_NAMED = re.compile(r"om_([0-9a-z]+)_[0-9]+")


def refusal(code: int, status: int = 400) -> ApiAnswer:
    """An error as Feishu's API words it; for `failures` too."""
    return ApiAnswer(status, json.dumps({"code": code, "msg": f"refused with {code}", "error": {"log_id": "log"}}).encode())


class FeishuSimulator:
    """Feishu and one app of ours, in the mode of its credentials."""

    channel = "feishu"
    # Three seconds; then after 15 s, 5 min, 1 h and 6 h.
    patience = Patience(timeout=3.0, waits=(15.0, 300.0, 3600.0, 21_600.0), signing="presumably signed anew")
    welcomes_strangers = False

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._credentials = credentials
        self._now = now
        self._ids = count(1)
        self._chats: dict[str, str] = {}  # by message id: whom an answer reaches
        self._challenges: dict[bytes, str] = {}
        self._tokens: dict[str, datetime] = {}
        self._uuids: dict[str, tuple[str, datetime]] = {}

    def person(self, number: int) -> str:
        """The open_id of the number-th person."""
        return f"ou_7d8a6e6df7621556ce0d21922b67{number:04x}"

    # What Feishu sends.

    def handshake(self, challenge: str = "ajls384kdjx98XX", *, token: str | None = None) -> Webhook:
        """The console's verification call: encrypted where events are, and never signed."""
        said = {"challenge": challenge, "token": token or self._credentials["verification_token"], "type": "url_verification"}
        body = self._written(said)
        self._challenges[body] = challenge
        return Webhook(headers={"content-type": "application/json"}, body=body)

    def handshake_answer(self, webhook: Webhook) -> bytes:
        """What the console wants to hear."""
        return json.dumps({"challenge": self._challenges[webhook.body]}).encode()

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        return self.message(contact, "text", {"text": text}, native_id=native_id, at=at)

    def image(self, contact: str, image_key: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A picture."""
        return self.message(contact, "image", {"image_key": image_key}, native_id=native_id, at=at)

    def unknown(self, contact: str) -> Webhook:
        """A message of a kind that the documentation does not have."""
        return self.message(contact, "hologram", {"hologram_key": "h"})

    def message(
        self,
        contact: str,
        kind: str,
        content: Any,
        *,
        native_id: str | None = None,
        at: datetime | None = None,
        chat: str | None = None,
        **more: Any,
    ) -> Webhook:
        """A message of any type, in a chat with the bot or in the group `chat`; `more` are further fields of the message."""
        at = at or self._now()
        native_id = native_id or f"om_{contact.removeprefix('ou_')}_{int(at.timestamp() * 1000)}{next(self._ids)}"
        self._chats[native_id] = chat or contact
        said = {
            "message_id": native_id,
            "create_time": str(int(at.timestamp() * 1000)),
            "chat_id": chat or f"oc_{sha256(contact.encode()).hexdigest()[:32]}",
            "chat_type": "group" if chat else "p2p",
            "message_type": kind,
            "content": content if isinstance(content, str) else json.dumps(content, ensure_ascii=False),
            **more,
        }
        ids = {"open_id": contact, "union_id": f"on_{contact[3:]}", "user_id": None}
        sender = {"sender_id": ids, "sender_type": "user", "tenant_key": TENANT}
        return self.event("im.message.receive_v1", {"sender": sender, "message": said}, at=at)

    def event(self, kind: str, event: Mapping[str, Any], *, at: datetime | None = None) -> Webhook:
        """Any event of version 2.0: `im.message.message_read_v1`, `im.message.recalled_v1` …"""
        at = at or self._now()
        header = {
            "event_id": sha256(repr((kind, event)).encode()).hexdigest()[:32],
            "event_type": kind,
            "create_time": str(int(at.timestamp() * 1000)),
            "token": self._credentials["verification_token"],
            "app_id": self._credentials["app_id"],
            "tenant_key": TENANT,
        }
        return self.webhook({"schema": "2.0", "header": header, "event": dict(event)}, at=at)

    def tap(self, contact: str, card: str, value: Any, *, event: str | None = None, at: datetime | None = None) -> Webhook:
        """A tap on a button of a card of ours: `value` is the button's."""
        at, chat = at or self._now(), f"oc_{sha256(contact.encode()).hexdigest()[:32]}"
        self._chats.setdefault(card, contact)
        header = {
            "event_id": event or f"tap-{next(self._ids)}",
            "event_type": "card.action.trigger",
            "create_time": str(int(at.timestamp() * 1_000_000)),
            "token": self._credentials["verification_token"],
            "app_id": self._credentials["app_id"],
            "tenant_key": TENANT,
        }
        operator = {"tenant_key": TENANT, "open_id": contact, "union_id": f"on_{contact[3:]}"}
        tapped = {"operator": operator, "token": "c-update", "action": {"value": value, "tag": "button"}, "host": "im_message"}
        context = {"open_message_id": card, "open_chat_id": chat}
        return self.webhook({"schema": "2.0", "header": header, "event": {**tapped, "context": context}}, at=at)

    def beside(self, contact: str) -> list[Webhook]:
        """Read, and taken back. Of what a bot itself says Feishu tells it nothing."""
        read = {"reader": {"reader_id": {"open_id": contact}, "read_time": "1609484183000"}, "message_id_list": ["om_sent1"]}
        gone = {"message_id": "om_1", "chat_id": "oc_1", "recall_time": "1609484183000", "recall_type": "message_owner"}
        return [self.event("im.message.message_read_v1", read), self.event("im.message.recalled_v1", gone)]

    def text_v1(self, contact: str, text: str, *, native_id: str = "om_v1", at: datetime | None = None) -> Webhook:
        """A text in the older shape of events."""
        at = at or self._now()
        self._chats[native_id] = contact
        said = {
            "type": "message",
            "app_id": self._credentials["app_id"],
            "tenant_key": TENANT,
            "open_id": contact,
            "employee_id": "a1b2",
            "open_message_id": native_id,
            "open_chat_id": "oc_v1",
            "chat_type": "private",
            "msg_type": "text",
            "text": text,
        }
        outer = {"uuid": f"uuid-{native_id}", "token": self._credentials["verification_token"], "type": "event_callback"}
        return self.webhook(outer | {"ts": f"{at.timestamp():.6f}", "event": said}, at=at)

    def webhook(self, said: Any, *, at: datetime | None = None) -> Webhook:
        """Any JSON value, encrypted and signed in the account's mode."""
        return self.signed_anew(Webhook(headers={"content-type": "application/json"}, body=self._written(said)), at)

    def signed_anew(self, webhook: Webhook, at: datetime | None = None, *, key: str | None = None) -> Webhook:
        """The same webhook as a try at another time; plain ones are not signed."""
        if self._credentials["mode"] == "plain":
            return webhook
        timestamp, nonce = str(int((at or self._now()).timestamp())), sha256(webhook.body).hexdigest()[:10]
        key = key or self._credentials["encrypt_key"]
        signature = sha256(f"{timestamp}{nonce}{key}".encode() + webhook.body).hexdigest()
        signed = {"X-Lark-Signature": signature, "X-Lark-Request-Timestamp": timestamp, "X-Lark-Request-Nonce": nonce}
        return replace(webhook, headers={**webhook.headers, **signed})

    def forged(self, contact: str, text: str) -> Webhook:
        webhook = self.text(contact, text)
        if self._credentials["mode"] == "plain":
            token = str(self._credentials["verification_token"]).encode()
            return replace(webhook, body=webhook.body.replace(token, b"not-" + token))
        return self.signed_anew(webhook, key=f"not-{self._credentials['encrypt_key']}")

    def downgraded(self, contact: str, text: str) -> Webhook | None:
        """As an app without an Encrypt Key sends it, with the right token; None for such an app: there is nothing weaker."""
        plain = FeishuSimulator(self.account, {**self._credentials, "mode": "plain"}, now=self._now)
        return None if self._credentials["mode"] == "plain" else plain.text(contact, text)

    def stale(self, contact: str, text: str) -> Webhook | None:
        if self._credentials["mode"] == "plain":
            return None
        return self.text(contact, text, at=self._now() - timedelta(hours=1))

    # What Feishu is asked.

    def expire_tokens(self) -> None:
        """Let every token that was given out be past its time."""
        self._tokens = dict.fromkeys(self._tokens, self._now())

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this app: it names its id, or bears a token of its."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return token in self._tokens or f'"{self._credentials["app_id"]}"'.encode() in request.body

    def api(self, request: ApiRequest) -> ApiAnswer:
        try:
            asked = _parsed(request)
            if request.path == TOKEN:
                return self._give_token(asked)
            native_id = request.path.removeprefix(MESSAGES).removesuffix("/reply")
            if request.path != f"{MESSAGES}{native_id}/reply":
                return ApiAnswer(404, b"404 page not found", {"content-type": "text/plain"})
            self._check_token(request.headers.get("authorization", ""))
            return self._reply(native_id, asked, request.headers.get("x-request-id"))
        except Refused as refused:
            return refusal(refused.code, refused.status)

    def _give_token(self, asked: Mapping[str, Any]) -> ApiAnswer:
        if (asked.get("app_id"), asked.get("app_secret")) != (self._credentials["app_id"], self._credentials["app_secret"]):
            raise Refused(10014, 200)  # app secret invalid
        now = self._now()
        token, until = next(reversed(self._tokens.items()), ("", now))
        if until - now < TOKEN_OVERLAP:
            token, until = f"t-{self._credentials['app_id']}-{next(self._ids)}", now + TOKEN_LIFE
            self._tokens[token] = until
        expire = int((until - now).total_seconds())
        return ApiAnswer(body=json.dumps({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": expire}).encode())

    def _check_token(self, authorization: str) -> None:
        if not authorization.startswith("Bearer "):
            raise Refused(99991661)
        until = self._tokens.get(authorization.removeprefix("Bearer "))
        if until is None or until <= self._now():
            raise Refused(99991663)

    def _reply(self, native_id: str, asked: Mapping[str, Any], answered: str | None) -> ApiAnswer:
        uuid, now = str(asked.get("uuid") or ""), self._now()
        text, titles = said(asked)
        if self.welcomes_strangers:
            # Our own ids of messages name the person; the vendor's do not, and the API is not told.
            named = _NAMED.fullmatch(native_id)
            self._chats.setdefault(native_id, f"ou_{named[1]}" if named else "by hand")
        if native_id not in self._chats or len(uuid) > 50:
            raise Refused(230001)  # parameters
        sent, until = self._uuids.get(uuid, ("", now))
        if not uuid or until <= now:
            sent = f"om_sent{next(self._ids)}"
            self._uuids[uuid] = (sent, now + UUID_LIFE)
            self.outbox.append(Delivered(self.channel, self.account, self._chats[native_id], text, answered, now, titles))
        return ApiAnswer(
            body=json.dumps({"code": 0, "msg": "success", "data": {"message_id": sent, "msg_type": "text"}}).encode()
        )

    # How Feishu writes.

    def _written(self, said: Any) -> bytes:
        raw = said if isinstance(said, bytes) else json.dumps(said, ensure_ascii=False).encode()
        if self._credentials["mode"] == "plain":
            return raw
        return json.dumps({"encrypt": encrypted(str(self._credentials["encrypt_key"]), raw)}).encode()


def encrypted(encrypt_key: str, clear: bytes, iv: bytes | None = None) -> str:
    """Base64 of the IV and the ciphertext. Without an `iv` it comes out of the content, so that a retry is the same bytes."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    iv = iv or sha256(clear).digest()[:16]
    padding = 16 - len(clear) % 16
    encryptor = Cipher(AES(sha256(encrypt_key.encode()).digest()), CBC(iv)).encryptor()
    return b64encode(iv + encryptor.update(clear + bytes([padding]) * padding) + encryptor.finalize()).decode()


def _parsed(request: ApiRequest) -> dict[str, Any]:
    try:
        parsed = json.loads(request.body)
    except ValueError:
        parsed = None
    if request.method != "POST" or not isinstance(parsed, dict):
        raise Refused(9499)  # bad request
    if len(request.body) > MAX_BODY:
        raise Refused(230025)  # longer than 150 KB
    return parsed


SIMULATOR = FeishuSimulator
