"""TikTok and one business account of ours: signed events with JSON inside JSON, the send API with its window and quota.

The vendor's reference is behind a log-in; this follows what Chatwoot sends and takes, and the codes that other vendors' help pages list.
https://github.com/chatwoot/chatwoot/tree/develop/app/services/tiktok
https://developers.tiktok.com/doc/webhooks-overview/
"""

from __future__ import annotations

import hmac
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Simulator, Webhook, utc_now
from infra.simulators.server import Failure

SEND = "/open_api/v1.3/business/message/send/"
REFRESH = "/open_api/v1.3/tt_user/oauth2/refresh_token/"
WINDOW, REPLIES = timedelta(hours=48), 10
TOKEN_LIFE = timedelta(days=1)
MAX_TITLE, MAX_BUTTONS = 40, 3
MAX_TEXT = 6000


def refusal(code: int, message: str = "refused") -> ApiAnswer:
    """An error as TikTok's API words it, with HTTP 200; for `failures` too."""
    return ApiAnswer(body=json.dumps({"code": code, "message": message, "request_id": "202611220800", "data": {}}).encode())


@dataclass(slots=True)
class Window:
    """Until when, and how often still, the account may answer in a conversation."""

    contact: str
    until: datetime
    left: int


class Refused(Exception):
    """TikTok refuses a call with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class TiktokBusinessSimulator:
    """A contact is a person's open id; its conversation's id is made of it."""

    channel = "tiktok_business"
    # 72 hours, ever more rarely (TikTok's developer pages); the single steps and the time-out are not published.
    patience = Patience(timeout=5.0, waits=(10, 60, 600, 3600, 21_600, 86_400, 140_000), signing="presumably signed anew")
    welcomes_strangers = False

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._credentials = credentials
        self._now = now
        self._ids = count(1)
        self._windows: dict[str, Window] = {}
        self._answered: set[str | None] = set()
        self._tokens: dict[str, datetime] = {}

    # What TikTok sends.

    def person(self, number: int) -> str:
        return f"_000demo{number:024d}"

    def unknown(self, contact: str) -> Webhook:
        """A message of a type that nobody knows."""
        return self.message(contact, "hologram", None)

    def signed_anew(self, webhook: Webhook, at: datetime | None = None) -> Webhook:
        """The same webhook as a try at another time."""
        return self.webhook(webhook.body, at=at)

    def text(
        self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None, **more: Any
    ) -> Webhook:
        """A text; `more` are further fields of the content, such as `referenced_message_info`."""
        return self.message(contact, "text", {"body": text}, native_id=native_id, at=at, **more)

    def image(self, contact: str, media_id: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A picture, to be fetched by its id."""
        return self.message(contact, "image", {"media_id": media_id}, native_id=native_id, at=at)

    def message(
        self, contact: str, kind: str, said: Any, *, native_id: str | None = None, at: datetime | None = None, **more: Any
    ) -> Webhook:
        """A message of any type, with what the type holds; None leaves that out."""
        at = at or self._now()
        self._open(contact, at)
        content = self._content(contact, self._business(), kind=kind, said=said, native_id=native_id, at=at) | more
        return self.event("im_receive_msg", content, at=at)

    def arrival(self, contact: str, referral: Mapping[str, Any], *, at: datetime | None = None) -> Webhook:
        """A person came by an advertisement (`source` ad, `ad`) or a short link, and has not written: there is no message."""
        at = at or self._now()
        content = self._content(contact, self._business(), kind="none", said=None, native_id="none", at=at)
        told = {name: value for name, value in content.items() if name not in ("type", "message_id")}
        return self.event("im_referral_msg", told | {"referral": dict(referral)}, at=at)

    def echo(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """Our own message to a person, told back to us."""
        at = at or self._now()
        content = self._content(self._business(), contact, kind="text", said={"body": text}, native_id=native_id, at=at)
        return self.event("im_send_msg", content, at=at)

    def receipt(self, contact: str, *, at: datetime | None = None) -> Webhook:
        """A person has read what there is."""
        said = {"conversation_id": self.conversation(contact), "read": {"last_read_timestamp": 1}}
        return self.event("im_mark_read_msg", said, at=at)

    def beside(self, contact: str) -> list[Webhook]:
        """Our own message, and that the person read it."""
        return [self.echo(contact, "hello"), self.receipt(contact)]

    def event(self, name: str, content: Any, *, at: datetime | None = None, owner: str | None = None) -> Webhook:
        """Any event; `content` becomes a string of JSON unless it is a string already."""
        at = at or self._now()
        body = {
            "client_key": self._credentials["app_id"],
            "event": name,
            "create_time": int(at.timestamp()),
            "user_openid": owner or self._business(),
            "content": content if isinstance(content, str) else json.dumps(content),
        }
        return self.webhook(body, at=at)

    def webhook(self, body: Any, *, at: datetime | None = None, secret: str | None = None) -> Webhook:
        """Any JSON value, or bytes, as a signed webhook; `secret` signs with another than the app's."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        stamp = str(int((at or self._now()).timestamp()))
        key = (secret or str(self._credentials["app_secret"])).encode()
        mac = hmac.digest(key, f"{stamp}.".encode() + raw, "sha256").hex()
        return Webhook(headers={"content-type": "application/json", "tiktok-signature": f"t={stamp},s={mac}"}, body=raw)

    def conversation(self, contact: str) -> str:
        """The id of the conversation with a person."""
        return f"conv.{contact}"

    def forged(self, contact: str, text: str) -> Webhook:
        return self.webhook(self.text(contact, text).body, secret="not the secret of this app")

    def stale(self, contact: str, text: str) -> Webhook:
        return self.webhook(self.text(contact, text).body, at=self._now() - timedelta(hours=1))

    # What TikTok is asked.

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account: it names the account, or the app and its refresh token."""
        ours = {self._business(), str(self._credentials.get("refresh_token") or self._business())}
        return any(json.dumps(each).encode() in request.body for each in ours)

    def api(self, request: ApiRequest) -> ApiAnswer:
        call = {SEND: self._send, REFRESH: self._refresh}.get(request.path)
        if call is None or request.method != "POST":
            return ApiAnswer(404, b"")
        try:
            return ApiAnswer(body=json.dumps({"code": 0, "message": "OK", "data": call(request)}).encode())
        except Refused as refused:
            return refusal(refused.code)
        except (ValueError, KeyError, TypeError):
            return refusal(40002, "Invalid parameters")

    def _refresh(self, request: ApiRequest) -> dict[str, Any]:
        asked, ours = json.loads(request.body), self._credentials
        if (asked["client_id"], asked["client_secret"]) != (ours["app_id"], ours["app_secret"]):
            raise Refused(40001)
        if asked["grant_type"] != "refresh_token" or asked["refresh_token"] != ours.get("refresh_token"):
            raise Refused(40105)
        token = f"act.{next(self._ids)}.{self.account}"
        self._tokens[token] = self._now() + TOKEN_LIFE
        return {"access_token": token, "expires_in": int(TOKEN_LIFE.total_seconds()), "refresh_token": asked["refresh_token"]}

    def _send(self, request: ApiRequest) -> dict[str, Any]:
        said = json.loads(request.body)
        if not self._authorised(request.headers.get("access-token", "")):
            raise Refused(40105)
        text, titles = _said(said)
        if said["recipient_type"] != "CONVERSATION":
            raise Refused(40002)
        window = self._window(said["recipient"], request.headers.get("x-request-id"))
        if window.until < self._now() or not window.left:
            raise Refused(40064)
        window.left -= 1
        answered = request.headers.get("x-request-id")
        self.outbox.append(Delivered(self.channel, self.account, window.contact, text, answered, self._now(), titles))
        return {"message": {"message_id": f"sent-{next(self._ids)}"}}

    def _window(self, conversation: str, answered: str | None) -> Window:
        if self.welcomes_strangers and answered not in self._answered:
            # Somebody signed the webhook by hand, and the person did write.
            self._answered.add(answered)
            self._open(conversation.removeprefix("conv."), self._now(), conversation)
        if conversation not in self._windows:
            raise Refused(40007)
        return self._windows[conversation]

    def _authorised(self, token: str) -> bool:
        lasting = self._credentials.get("access_token")
        return bool(token) and (token == lasting or self._tokens.get(token, self._now()) > self._now())

    def _open(self, contact: str, at: datetime, conversation: str | None = None) -> None:
        conversation = conversation or self.conversation(contact)
        known = self._windows.get(conversation)
        if known is None or known.until <= at + WINDOW:
            self._windows[conversation] = Window(contact, at + WINDOW, REPLIES)

    def _content(
        self, sender: str, recipient: str, *, kind: str, said: Any, native_id: str | None, at: datetime
    ) -> dict[str, Any]:
        person = recipient if sender == self._business() else sender
        head = {
            "type": kind,
            "message_id": native_id or f"msg-{int(at.timestamp())}-{next(self._ids)}",
            "timestamp": int(at.timestamp() * 1000),
            "conversation_id": self.conversation(person),
            "from": f"name of {sender}",
            "from_user": {"id": sender},
            "to": f"name of {recipient}",
            "to_user": {"id": recipient},
        }
        return head | ({} if said is None else {kind: said})

    def _business(self) -> str:
        return str(self._credentials["business_id"])


def _said(asked: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The words, and the answers of a card. The vendor takes other types too; this simulator does not."""
    kind = asked["message_type"]
    card = asked["template"] if kind == "TEMPLATE" else {}
    text = card["title"] if card else asked["text"]["body"]
    titles = tuple(button["title"] for button in card.get("buttons", ()))
    answers = all(button["type"] == "REPLY" and 0 < len(button["title"]) <= 20 for button in card.get("buttons", ()))
    fits = 0 < len(text) <= (MAX_TITLE if card else MAX_TEXT) and answers and (not card or 0 < len(titles) <= MAX_BUTTONS)
    if kind not in ("TEXT", "TEMPLATE") or (card and card["type"] != "QA_BUTTON_CARD") or not fits:
        raise Refused(40002)
    return text, titles


SIMULATOR: type[Simulator] = TiktokBusinessSimulator
