"""WeCom's side of an application: encrypted webhooks, the access token, and application messages.

`EncryptedCallbacks` is what every WeCom callback shares; infra/simulators/wecom_kf.py has the other one. The vendor's five seconds and
three tries are those of an official account: its own pages were not found to say it.
https://developer.work.weixin.qq.com/document/path/90236
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode

from functions.channels.codecs import strict_xml, wx_aes
from functions.channels.codecs.wx_signature import sorted_sha1
from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Webhook, picture_in, utc_now
from infra.simulators.server import Failure

TOKEN = "/cgi-bin/gettoken"
SEND = "/cgi-bin/message/send"
TOKEN_LIFE = timedelta(seconds=7200)
MAX_TEXT_BYTES = 2048
_TASK = re.compile(r"[0-9A-Za-z_@-]{1,128}")
_ESCAPE = re.compile(rb"(?<!\\)(\\\\)*\\u[0-9a-fA-F]{4}")

Fields = dict[str, str | int]


def refusal(errcode: int) -> ApiAnswer:
    """An error as the vendor's API words it; for `failures` too."""
    return ApiAnswer(body=json.dumps({"errcode": errcode, "errmsg": f"refused with {errcode}"}).encode())


class Refused(Exception):
    """The vendor refuses a call with this code."""

    def __init__(self, errcode: int) -> None:
        super().__init__(errcode)
        self.errcode = errcode


class EncryptedCallbacks:
    """WeCom and one app of ours: how it signs and encrypts, and its access tokens."""

    channel = "wecom"
    patience = Patience(timeout=5.0, waits=(0.0, 0.0))
    welcomes_strangers = False

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._credentials = credentials
        self._now = now
        self._ids = count(1)
        self._tokens: dict[str, datetime] = {}  # until when each is good
        self._calls: dict[tuple[str, str], Callable[[ApiRequest], dict[str, Any]]] = {("GET", TOKEN): self._token}

    def handshake(self, echostr: str = "1616140317555161061", *, at: datetime | None = None) -> Webhook:
        """The console's verification call: the echo string is encrypted, and signed so."""
        query, encrypted = self._signed(echostr, at or self._now(), self._secret)
        return Webhook(method="GET", query=urlencode(query | {"echostr": encrypted}))

    def handshake_answer(self, webhook: Webhook) -> bytes:
        """What WeCom wants to hear to its call: the echo string, decrypted."""
        encrypted, receiver = dict(parse_qsl(webhook.query))["echostr"], self._receiver
        return wx_aes.decrypt(self._credentials["encoding_aes_key"], encrypted, receiver) or b""

    def expire_tokens(self) -> None:
        """Let every access token that was given out be past its time."""
        self._tokens = dict.fromkeys(self._tokens, self._now())

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this app: it bears a token of its, or asks for one."""
        asked = (request.query.get("corpid"), request.query.get("corpsecret"))
        ours = (self._credentials["corp_id"], self._credentials["corp_secret"])
        return request.query.get("access_token") in self._tokens or asked == ours

    def api(self, request: ApiRequest) -> ApiAnswer:
        """The vendor's API."""
        call = self._calls.get((request.method, request.path))
        if call is None:
            known = any(path == request.path for _, path in self._calls)
            return refusal(43002) if known else ApiAnswer(404, b"")
        try:
            return ApiAnswer(body=json.dumps({"errcode": 0, "errmsg": "ok"} | call(request)).encode())
        except Refused as refused:
            return refusal(refused.errcode)

    def post(self, fields: Fields, at: datetime, *, secret: str | None = None) -> Webhook:
        """A signed, encrypted callback. Nonce and random bytes come out of the content, so that a retry is the same bytes."""
        xml = strict_xml.document({"ToUserName": str(self._credentials["corp_id"])} | fields)
        query, encrypted = self._signed(xml, at, secret or self._secret)
        envelope: Fields = {"ToUserName": str(self._credentials["corp_id"]), "Encrypt": encrypted}
        body = strict_xml.document(envelope | self._envelope()).encode()
        return Webhook(query=urlencode(query), headers={"content-type": "text/xml"}, body=body)

    def _envelope(self) -> Fields:
        return {"AgentID": str(self._credentials.get("agent_id", ""))}

    @property
    def _secret(self) -> str:
        return str(self._credentials["token"])

    @property
    def _receiver(self) -> str:
        return str(self._credentials.get("receive_id") or self._credentials["corp_id"])

    def _signed(self, plaintext: str, at: datetime, secret: str) -> tuple[dict[str, str], str]:
        prefix = digest(plaintext)[:16].encode()
        key = self._credentials["encoding_aes_key"]
        encrypted = wx_aes.encrypt(key, plaintext.encode("utf-8", "replace"), self._receiver, prefix=prefix)
        timestamp, nonce = str(int(at.timestamp())), str(int(digest(plaintext)[:8], 16))
        signature = sorted_sha1(secret, timestamp, nonce, encrypted)
        return {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}, encrypted

    def _token(self, request: ApiRequest) -> dict[str, Any]:
        if request.query.get("corpid") != self._credentials["corp_id"]:
            raise Refused(40013)
        if request.query.get("corpsecret") != self._credentials["corp_secret"]:
            raise Refused(40001)
        now = self._now()
        token, until = next(reversed(self._tokens.items()), ("", now))
        if until <= now:
            token, until = f"{next(self._ids)}_{digest(now.isoformat(), self._secret)}", now + TOKEN_LIFE
            self._tokens[token] = until
        return {"access_token": token, "expires_in": int((until - now).total_seconds())}

    def _checked(self, request: ApiRequest) -> dict[str, Any]:
        """What is asked, once the token is good and the body is JSON as the vendor takes it."""
        token = request.query.get("access_token")
        if not token:
            raise Refused(41001)
        if token not in self._tokens:
            raise Refused(40014)
        if self._tokens[token] <= self._now():
            raise Refused(42001)
        try:
            asked = json.loads(request.body)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            raise Refused(47001)
        if _ESCAPE.search(request.body):
            raise Refused(40033)
        return asked

    def _deliver(
        self, contact: str, content: str, request: ApiRequest, titles: tuple[str, ...] = (), picture: str | None = None
    ) -> None:
        answered = request.headers.get("x-request-id")
        self.outbox.append(Delivered(self.channel, self.account, contact, content, answered, self._now(), titles, picture))


class WecomSimulator(EncryptedCallbacks):
    """WeCom and one application of ours, whose members exist from the first thing they send."""

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        super().__init__(account, credentials, now=now)
        self._members: set[str] = set()
        self._cards: set[str] = set()
        self._calls["POST", SEND] = self._send

    def person(self, number: int) -> str:
        return f"Member{number:07d}"

    def unknown(self, contact: str) -> Webhook:
        """A message of a type that nobody knows."""
        return self.message(contact, "hologram", {})

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A text."""
        return self.message(contact, "text", {"Content": text}, native_id=native_id, at=at)

    def image(
        self, contact: str, media_id: str, *, pic_url: str = "", native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A picture."""
        return self.message(contact, "image", {"PicUrl": pic_url, "MediaId": media_id}, native_id=native_id, at=at)

    def voice(self, contact: str, media_id: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A recording."""
        return self.message(contact, "voice", {"MediaId": media_id, "Format": "amr"}, native_id=native_id, at=at)

    def location(
        self, contact: str, lat: float, lon: float, label: str, *, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A place on the map."""
        fields: Fields = {"Location_X": f"{lat:.6f}", "Location_Y": f"{lon:.6f}", "Scale": 16, "Label": label}
        return self.message(contact, "location", fields, native_id=native_id, at=at)

    def message(
        self, contact: str, kind: str, fields: Fields, *, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A message of any type, with the fields that are the type's own."""
        at = at or self._now()
        self._members.add(contact)
        return self.post(self._head(contact, kind, at) | fields | {"MsgId": native_id or self._message_id(at)}, at)

    def event(self, contact: str, event: str, *, key: str = "", at: datetime | None = None) -> Webhook:
        """What a member did, other than write: `subscribe`, `enter_agent`, `LOCATION`, `click`, `view` …"""
        at = at or self._now()
        self._members.add(contact)
        return self.post(self._head(contact, "event", at) | {"Event": event, "EventKey": key}, at)

    def menu_click(self, contact: str, key: str, *, at: datetime | None = None) -> Webhook:
        """A tap on an entry of the application's menu."""
        return self.event(contact, "click", key=key, at=at)

    def tap(self, contact: str, title: str, *, task: str = "pr-task", at: datetime | None = None) -> Webhook:
        """A tap on a button of a card."""
        at = at or self._now()
        tapped: Fields = {"Event": "template_card_event", "EventKey": title, "TaskId": task, "CardType": "button_interaction"}
        return self.post(self._head(contact, "event", at) | tapped | {"ResponseCode": "response-code"}, at)

    def beside(self, contact: str) -> list[Webhook]:
        """Opened, and a finished job. WeCom tells an application neither what is read nor what it said itself."""
        at = self._now()
        job: Fields = {
            "Event": "batch_job_result",
            "JobId": "S0MrnndvRG5fadSlLwiBqiDDbM143UqTmKP3152FZk4",
            "JobType": "sync_user",
        }
        finished = self._head("sys", "event", at) | job | {"ErrCode": 0, "ErrMsg": "ok"}
        return [self.event(contact, "enter_agent"), self.post(finished, at)]

    def forged(self, contact: str, text: str) -> Webhook:
        """A text, signed with a wrong token."""
        at = self._now()
        fields = self._head(contact, "text", at) | {"Content": text, "MsgId": self._message_id(at)}
        return self.post(fields, at, secret=f"not-{self._secret}")

    def stale(self, contact: str, text: str) -> Webhook:
        """A text, signed an hour ago."""
        return self.text(contact, text, at=self._now() - timedelta(hours=1))

    def _head(self, contact: str, kind: str, at: datetime) -> Fields:
        return {
            "FromUserName": contact,
            "CreateTime": int(at.timestamp()),
            "MsgType": kind,
            "AgentID": int(self._credentials["agent_id"]),
        }

    def _message_id(self, at: datetime) -> str:
        return f"{int(at.timestamp())}{next(self._ids):07d}"

    def _send(self, request: ApiRequest) -> dict[str, Any]:
        asked = self._checked(request)
        if asked.get("agentid") != self._credentials["agent_id"]:
            raise Refused(40056)
        content, titles, picture = self._said(asked)
        contact = str(asked.get("touser", ""))
        if contact not in self._members and not self.welcomes_strangers:
            return {"invaliduser": contact}
        # The vendor cuts off what is too long, and says nothing.
        self._deliver(contact, content.encode()[:MAX_TEXT_BYTES].decode("utf-8", "ignore"), request, titles, picture)
        return {"msgid": f"msg-{next(self._ids)}"}

    def _said(self, asked: Mapping[str, Any]) -> tuple[str, tuple[str, ...], str | None]:
        """The words, the buttons, the picture. The vendor takes other types too; this simulator does not."""
        kind, inner = asked.get("msgtype"), asked.get(str(asked.get("msgtype")))
        if kind == "news":
            picture = picture_in(asked)
            if picture is None:
                raise Refused(44003)
            return "", (), picture
        if kind == "template_card" and isinstance(inner, dict):
            return *self._card(inner), None
        content = inner.get("content") if kind == "text" and isinstance(inner, dict) else None
        if kind != "text":
            raise Refused(40008)
        if not isinstance(content, str) or not content:
            raise Refused(44004)
        return content, (), None

    def _card(self, card: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        task, text = str(card.get("task_id") or ""), card.get("sub_title_text")
        titles = tuple(str(button.get("text") or "") for button in card.get("button_list", ()) if button.get("key"))
        if card.get("card_type") != "button_interaction" or not isinstance(text, str) or not 0 < len(text) <= 112:
            raise Refused(42014)
        if not _TASK.fullmatch(task) or task in self._cards or not 0 < len(titles) <= 6 or not all(titles):
            raise Refused(42014)
        self._cards.add(task)
        return text, titles


def digest(*parts: str) -> str:
    """Hex that stands for the parts."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


SIMULATOR = WecomSimulator
