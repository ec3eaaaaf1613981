"""Douyin's side: signed events of one app and one business account, the OAuth refresh and the send API.

Webhooks follow the vendor's pages. The send API's body, its windows (24 hours and 6 replies after a message, 30 seconds and 3 after the
chat was opened) and its codes from 28003070 on are as public code has them; the vendor's own page could not be read.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha1
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Webhook, utc_now
from infra.simulators.server import Failure

SEND = "/im/send/msg/"
REFRESH = "/oauth/refresh_token/"
TOKEN_LIFE = timedelta(days=15)
SCENES = {"im_reply_msg": (timedelta(hours=24), 6), "im_enter_direct_msg": (timedelta(seconds=30), 3)}
MAX_TEXT = 1000
AD = {"adv_id": 1001, "adv_name": "示例广告主", "ad_id": 2002, "ad_name": "秋季新品", "creative_id": 3003, "promotion_id": 4004}


def refusal(code: int) -> ApiAnswer:
    """An error as the vendor's API words it; for `failures` too."""
    said = {"error_code": code, "description": f"refused with {code}"}
    return ApiAnswer(body=json.dumps({"data": said, "extra": said | {"logid": "log"}, "message": "error"}).encode())


@dataclass(slots=True)
class Opening:
    """What opened a chat: until when, and how often still, it may be answered in its scene."""

    contact: str
    scene: str
    until: datetime
    left: int


class Refused(Exception):
    """The vendor refuses a call with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class DouyinSimulator:
    """Douyin, one app and one business account of ours. `content` is text that holds JSON where `as_text` is set."""

    channel = "douyin"
    # Five seconds, three tries in all; the vendor names no wait between them.
    patience = Patience(timeout=5.0, waits=(0.0, 0.0))
    welcomes_strangers = False

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._key, self._secret = str(credentials["client_key"]), str(credentials["client_secret"])
        self._open_id, self._refresh_token = str(credentials["open_id"]), credentials.get("refresh_token")
        self._now = now
        self._ids = count(1)
        self._openings: dict[str, Opening] = {}  # by message id
        self._tokens: dict[str, datetime] = {}

    def person(self, number: int) -> str:
        """The open_id of the number-th person."""
        return f"ac6479a5-d7a6-4018-84be-c29bfc{number:06d}"

    # What Douyin sends.

    def handshake(self, challenge: int | str = 12345) -> Webhook:
        """The console's verification call: signed, without a client_key."""
        said = {"event": "verify_webhook", "client_key": "", "content": {"challenge": challenge}}
        return self._signed(json.dumps(said).encode(), "verify")

    def handshake_answer(self, webhook: Webhook) -> bytes:
        """What the console wants to hear: the challenge, a number where it was one."""
        challenge = json.loads(webhook.body)["content"]["challenge"]
        return json.dumps({"challenge": challenge}, separators=(",", ":")).encode()

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        return self.message(contact, "text", {"text": text}, native_id=native_id, at=at)

    def image(self, contact: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A picture out of the person's album: no address, the media API knows it by the message's id."""
        return self.message(contact, "user_local_image", {}, native_id=native_id, at=at)

    def emoji(self, contact: str, url: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A moving sticker."""
        picture = {"resource_type": "gif", "resource_url": url, "resource_width": 240, "resource_height": 240}
        return self.message(contact, "emoji", picture, native_id=native_id, at=at)

    def video(self, contact: str, item_id: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A shared video of Douyin's."""
        return self.message(contact, "video", {"item_id": item_id}, native_id=native_id, at=at)

    def card(self, contact: str, filled_in: Sequence[tuple[str, str]], *, native_id: str | None = None) -> Webhook:
        """A lead card with what the person filled in."""
        rows = [{"label": label, "value": value} for label, value in filled_in]
        card = {"card_id": "@card-1", "card_status": 2, "card_data": rows}
        return self.message(contact, "retain_consult_card", card, native_id=native_id)

    def unknown(self, contact: str) -> Webhook:
        """A message of a kind that the documentation does not have."""
        return self.message(contact, "hologram", {})

    def message(
        self,
        contact: str,
        kind: str,
        fields: Mapping[str, Any],
        *,
        native_id: str | None = None,
        at: datetime | None = None,
        as_text: bool = False,
    ) -> Webhook:
        """A message of any type, with the fields that are the type's own."""
        at, native_id = at or self._now(), native_id or f"@message+{next(self._ids)}=="
        self._open(native_id, contact, "im_reply_msg", at)
        content = self._content(contact, native_id, at) | {"message_type": kind, "source": "", **fields}
        return self.event("im_receive_msg", contact, self._open_id, content, as_text=as_text)

    def entered(
        self, contact: str, *, ad: Mapping[str, Any] | None = None, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A person opened the chat, from an advertisement where `ad` is given."""
        at, native_id = at or self._now(), native_id or f"@entry+{next(self._ids)}=="
        self._open(native_id, contact, "im_enter_direct_msg", at)
        content = self._content(contact, native_id, at) | {"scene_type": 1}
        if ad is not None:
            content["ad_info"] = json.dumps(ad, ensure_ascii=False)
        return self.event("im_enter_direct_msg", contact, self._open_id, content, as_text=True)

    def echo(self, contact: str, text: str, *, by_api: bool = True) -> Webhook:
        """What we ourselves sent, told back: `source` names the app that sent it."""
        content = self._content(contact, f"@echo+{next(self._ids)}==", self._now())
        content |= {"message_type": "text", "text": text, "source": self._key if by_api else ""}
        return self.event("im_send_msg", self._open_id, contact, content)

    def beside(self, contact: str) -> list[Webhook]:
        """What was sent by us through this app, what was sent in Douyin itself, read, taken back."""
        read = self._content(contact, "@read==", self._now())
        told = [self.event(name, contact, self._open_id, read) for name in ("im_message_read", "im_recall_msg")]
        return [self.echo(contact, "您好"), self.echo(contact, "我来处理", by_api=False), *told]

    def event(self, event: str, sender: str, receiver: str, content: Any, *, as_text: bool = False) -> Webhook:
        """Any event: `im_recall_msg`, `im_message_read`, `contract_authorize` …"""
        said = {
            "event": event,
            "client_key": self._key,
            "from_user_id": sender,
            "to_user_id": receiver,
            "log_id": "2023429834752345783",
        }
        body = said | {"content": json.dumps(content, ensure_ascii=False) if as_text else content}
        return self._signed(json.dumps(body, ensure_ascii=False).encode(), sha1(repr(content).encode()).hexdigest())

    def forged(self, contact: str, text: str) -> Webhook:
        webhook = self.text(contact, text)
        return self._signed(webhook.body, webhook.headers["Msg-Id"], secret=f"not-{self._secret}")

    def stale(self, contact: str, text: str) -> Webhook | None:  # noqa: ARG002  Douyin signs no time
        return None

    # What Douyin is asked.

    def expire_tokens(self) -> None:
        """Let every token that was given out be past its time."""
        self._tokens = dict.fromkeys(self._tokens, self._now())

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account: it names its open_id, or the refresh token that was given for it."""
        return request.query.get("open_id") == self._open_id or str(self._refresh_token).encode() in request.body

    def api(self, request: ApiRequest) -> ApiAnswer:
        call = {SEND: self._send, REFRESH: self._refresh}.get(request.path)
        if call is None or request.method != "POST":
            return refusal(28001017)  # unknown URI
        try:
            return call(request)
        except Refused as refused:
            return refusal(refused.code)

    def _refresh(self, request: ApiRequest) -> ApiAnswer:
        asked = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if asked.get("client_key") != self._key or asked.get("grant_type") != "refresh_token":
            raise Refused(10013)
        if not self._refresh_token or asked.get("refresh_token") != self._refresh_token:
            raise Refused(10010)
        token, until = f"act.{self._open_id}.{next(self._ids)}", self._now() + TOKEN_LIFE
        self._tokens[token] = until
        life = {"access_token": token, "expires_in": int(TOKEN_LIFE.total_seconds()), "refresh_token": self._refresh_token}
        return ApiAnswer(
            body=json.dumps({"data": life | {"error_code": 0, "open_id": self._open_id}, "message": "success"}).encode()
        )

    def _send(self, request: ApiRequest) -> ApiAnswer:
        until = self._tokens.get(request.headers.get("access-token", ""))
        if until is None:
            raise Refused(2190002)  # access_token invalid
        if until <= self._now():
            raise Refused(28001008)  # access_token expired
        if request.query.get("open_id") != self._open_id:
            raise Refused(28001015)  # open_id and token do not belong together
        asked, text = _asked(request.body)
        answered = request.headers.get("x-request-id")
        self._use(asked)
        self.outbox.append(Delivered(self.channel, self.account, asked["to_user_id"], text, answered, self._now()))
        ok = {"error_code": 0, "description": ""}
        return ApiAnswer(body=json.dumps({"data": ok, "extra": ok, "msg_id": f"@sent+{next(self._ids)}=="}).encode())

    def _use(self, asked: Mapping[str, str]) -> None:
        if self.welcomes_strangers and asked["msg_id"] not in self._openings:
            self._open(asked["msg_id"], asked["to_user_id"], asked["scene"], self._now())
        opening = self._openings.get(asked["msg_id"])
        if opening is None or (opening.contact, opening.scene) != (asked["to_user_id"], asked["scene"]):
            raise Refused(28003082)  # message and receiver do not belong together
        if opening.until < self._now():
            raise Refused(28003081)
        if not opening.left:
            raise Refused(28003070)
        opening.left -= 1

    def _open(self, native_id: str, contact: str, scene: str, at: datetime) -> None:
        window, replies = SCENES[scene]
        self._openings[native_id] = Opening(contact, scene, at + window, replies)

    # How Douyin writes and signs.

    def _content(self, contact: str, native_id: str, at: datetime) -> dict[str, Any]:
        people = [{"open_id": contact, "nick_name": "示例用户", "avatar": "https://p3.douyinpic.com/a.jpeg"}]
        people.append({"open_id": self._open_id, "nick_name": "示例商家", "avatar": ""})
        return {
            "conversation_short_id": f"@conversation+{contact[:40]}==",
            "server_message_id": native_id,
            "conversation_type": 1,
            "create_time": int(at.timestamp() * 1000),
            "user_infos": people,
        }

    def _signed(self, body: bytes, msg_id: str, *, secret: str | None = None) -> Webhook:
        signature = sha1((secret or self._secret).encode() + body).hexdigest()
        return Webhook(
            headers={"content-type": "application/json", "X-Douyin-Signature": signature, "Msg-Id": msg_id}, body=body
        )


def _asked(body: bytes) -> tuple[dict[str, str], str]:
    try:
        asked = json.loads(body)
        text = asked["content"]["text"]["text"]
        named = {name: asked[name] for name in ("msg_id", "conversation_id", "to_user_id", "scene")}
    except (ValueError, KeyError, TypeError):
        raise Refused(28001007) from None  # parameters
    valid = all(isinstance(value, str) and value for value in (text, *named.values()))
    if not valid or asked["content"].get("msg_type") != 1 or len(text) > MAX_TEXT or named["scene"] not in SCENES:
        raise Refused(28001007)
    return named, text


SIMULATOR = DouyinSimulator
