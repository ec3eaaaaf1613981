"""DingTalk's side of a robot: messages signed by time, and the session webhooks through which it is answered.

The vendor's pages name neither a time-out nor retries; here it waits five seconds and does not try again. No two webhooks bear the same
millisecond, so none is taken for a replay of another.
https://open.dingtalk.com/document/isvapp/receive-message
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import digest as hmac_digest
from itertools import count
from typing import Any
from urllib.parse import unquote

from functions.common.clock import to_ms
from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Webhook, utc_now
from infra.simulators.server import Failure

SESSION = "/robot/sendBySession"
SESSION_LIFE = timedelta(minutes=90)
MAX_BODY = 20_000
PER_MINUTE = 20
_PICTURE = re.compile(r"!\[[^\]]*\]\((https?://[^\s()]+)\)")
_SAYS = re.compile(r"\[([^\]]+)\]\(dtmd://dingtalkclient/sendMessage\?content=([^\s()]+)\)")
ROBOT = "$:LWCP_v1:$robot"

Fields = dict[str, Any]


def refusal(errcode: int) -> ApiAnswer:
    """An error as the vendor's API words it; for `failures` too."""
    return ApiAnswer(body=json.dumps({"errcode": errcode, "errmsg": f"refused with {errcode}"}).encode())


class DingtalkSimulator:
    """DingTalk and one robot of ours. People exist from the first thing they send."""

    channel = "dingtalk"
    patience = Patience(timeout=5.0, waits=())
    welcomes_strangers = False

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._credentials = credentials
        self._now = now
        self._ids = count(1)
        self._last_stamp = 0
        self._stamps: dict[str, int] = {}  # of messages that are sent again
        self._sessions: dict[str, tuple[str, datetime]] = {}

    def person(self, number: int) -> str:
        return f"$:LWCP_v1:$demo{number:07d}"

    def unknown(self, contact: str) -> Webhook:
        """A message of a type that nobody knows."""
        return self.content(contact, "hologram", {})

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A text to the robot alone."""
        return self.message(contact, "text", {"text": {"content": text}}, native_id=native_id, at=at)

    def in_group(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A text in a group that names the robot: the space behind the name stays."""
        group = {"conversationType": "2", "conversationTitle": "客户群", "conversationId": "cidGROUP==", "isInAtList": True}
        mentioned = {"atUsers": [{"dingtalkId": ROBOT}]}
        return self.message(contact, "text", {"text": {"content": f" {text}"}} | group | mentioned, native_id=native_id, at=at)

    def content(
        self, contact: str, kind: str, content: Fields, *, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A picture, a recording, a film, a file, rich text."""
        return self.message(contact, kind, {"content": content}, native_id=native_id, at=at)

    def echo(self, text: str) -> Webhook:
        """What the robot itself said."""
        return self.message(ROBOT, "text", {"text": {"content": text}})

    def message(
        self, contact: str, kind: str, more: Fields, *, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A message of any type."""
        at = at or self._now()
        native_id = native_id or f"msg{next(self._ids):08d}=="
        # The session says whose it is, so that a simulator that welcomes strangers can answer another one's.
        whose = urlsafe_b64encode(contact.encode("utf-8", "replace")).decode()
        session = f"{sha256(f'{self.account}{whose}{native_id}'.encode()).hexdigest()[:16]}.{whose}"
        self._sessions[session] = (contact, at + SESSION_LIFE)
        fields = {
            "msgtype": kind,
            "msgId": native_id,
            "createAt": to_ms(at),
            "conversationId": "cidDM==",
            "conversationType": "1",
            "senderId": contact,
            "senderStaffId": f"staff-{len(contact)}",
            "senderNick": "小明",
            "senderCorpId": "dingcorp",
            "chatbotUserId": ROBOT,
            "sessionWebhook": f"https://oapi.dingtalk.com{SESSION}?session={session}",
            "sessionWebhookExpiredTime": to_ms(at + SESSION_LIFE),
        }
        return self.signed(fields | more, self._stamp(native_id, at))

    def forged(self, contact: str, text: str) -> Webhook:
        """A text, signed with a wrong secret."""
        headers = self._headers(to_ms(self._now()), f"not-{self._credentials['app_secret']}")
        return replace(self.text(contact, text), headers=headers)

    def stale(self, contact: str, text: str) -> Webhook:
        """A text, signed an hour and a second ago: the vendor's own limit is the hour."""
        return self.text(contact, text, at=self._now() - timedelta(hours=1, seconds=1))

    def replayed(self, captured: Webhook, contact: str, text: str) -> Webhook:
        """An attacker's: the headers of a captured webhook, with a body of the attacker's own."""
        return replace(captured, body=self.text(contact, text).body)

    def signed(self, fields: Any, stamp: int | None = None) -> Webhook:
        """Any body, rightly signed."""
        headers = self._headers(stamp or self._stamp(None, self._now()), str(self._credentials["app_secret"]))
        return Webhook(headers=headers, body=json.dumps(fields, ensure_ascii=True).encode())

    def expire_sessions(self) -> None:
        """Forget every session webhook."""
        self._sessions.clear()

    def owns(self, request: ApiRequest) -> bool:
        """Whether a session webhook is one of this account's."""
        return request.query.get("session") in self._sessions

    def api(self, request: ApiRequest) -> ApiAnswer:
        """The session webhook."""
        if request.path != SESSION or request.method != "POST":
            return ApiAnswer(404, b"")
        contact, until = self._session(request.query.get("session", ""))
        if until <= self._now():
            return refusal(300001)
        if len(request.body) > MAX_BODY:
            return refusal(460101)
        lately = [sent for sent in self.outbox if self._now() - sent.at < timedelta(minutes=1)]
        if len(lately) >= PER_MINUTE:
            return refusal(130101)
        said = _content(request.body)
        if said is None:
            return refusal(40035)
        text, titles, picture = said
        answered = request.headers.get("x-request-id")
        self.outbox.append(Delivered(self.channel, self.account, contact, text, answered, self._now(), titles, picture))
        return ApiAnswer(body=b'{"errcode":0,"errmsg":"ok"}')

    def _session(self, session: str) -> tuple[str, datetime]:
        if self.welcomes_strangers and session not in self._sessions:
            return urlsafe_b64decode(session.partition(".")[2]).decode(), self._now() + SESSION_LIFE
        return self._sessions.get(session, ("", self._now()))

    def _stamp(self, native_id: str | None, at: datetime) -> int:
        if native_id is not None and native_id in self._stamps:
            return self._stamps[native_id]
        stamp = to_ms(at)
        if abs(self._last_stamp - stamp) < 1000:
            stamp = max(stamp, self._last_stamp + 1)
        self._last_stamp = stamp
        if native_id is not None:
            self._stamps[native_id] = stamp
        return stamp

    def _headers(self, stamp: int, secret: str) -> dict[str, str]:
        mac = hmac_digest(secret.encode(), f"{stamp}\n{secret}".encode(), "sha256")
        return {
            "content-type": "application/json; charset=utf-8",
            "timestamp": str(stamp),
            "sign": b64encode(mac).decode(),
        }


def _content(body: bytes) -> tuple[str, tuple[str, ...], str | None] | None:
    """Words, buttons and picture of a text or of markdown, as a person sees them; None for what DingTalk would refuse."""
    try:
        asked = json.loads(body)
        text = asked["text"]["content"] if asked["msgtype"] == "text" else asked["markdown"]["text"]
        titled = asked["msgtype"] == "text" or (asked["msgtype"] == "markdown" and bool(asked["markdown"]["title"]))
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(text, str) or not text or not titled:
        return None
    if asked["msgtype"] == "text":
        return text, (), None
    picture = _PICTURE.fullmatch(text)
    words = "\n".join(line for line in text.split("\n\n") if not _SAYS.fullmatch(line))
    taps = tuple(match[1] for match in _SAYS.finditer(text) if unquote(match[2]) == match[1])
    return ("", (), picture[1]) if picture else (words, taps, None)


SIMULATOR = DingtalkSimulator
