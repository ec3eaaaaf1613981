"""Weibo's side of the fan service (粉丝服务平台): signed webhooks and the business reply API.

A private message or a tap on the menu opens 48 hours without a limit in number, a mention opens them for one reply. What Weibo answers to
a reply outside of that its pages do not say: here it is 10014, "insufficient app permissions". https://open.weibo.com/wiki/Error_code
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from hashlib import sha1, sha256
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Webhook, utc_now
from infra.simulators.server import Failure

REPLY = "/2/messages/reply/biz.json"
UID = "1902538057"
BEIJING = timezone(timedelta(hours=8))
WINDOW = timedelta(hours=48)
MAX_TEXT = 300
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def refusal(code: int, status: int = 403) -> ApiAnswer:
    """An error as Weibo words it; for `failures` too."""
    said = {"request": REPLY, "error_code": code, "error": f"refused with {code}"}
    return ApiAnswer(status, json.dumps(said).encode())


@dataclass(slots=True)
class Window:
    """Until when, and how often still (None: without a limit), the account may answer a person."""

    until: datetime
    left: int | None


class Refused(Exception):
    """Weibo refuses a call with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class WeiboSimulator:
    """Weibo and one account of ours."""

    channel = "weibo"
    # Five seconds, three tries in all; the vendor names no wait between them.
    patience = Patience(timeout=5.0, waits=(0.0, 0.0))
    welcomes_strangers = False

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._secret = str(credentials["app_secret"])
        self._access_token = credentials.get("access_token")
        self._uid = str(credentials.get("uid") or UID)
        self._now = now
        self._windows: dict[str, Window] = {}
        self._nonces = count(57155157)

    def person(self, number: int) -> str:
        """The uid of the number-th person."""
        return str(2489518277 + number)

    # What Weibo sends.

    def handshake(self, echostr: str = "dnPdpTZz85", *, at: datetime | None = None) -> Webhook:
        """The console's verification call."""
        return Webhook(method="GET", query=urlencode(self._query(at or self._now()) | {"echostr": echostr}))

    def handshake_answer(self, webhook: Webhook) -> bytes:
        """What the console wants to hear: the bare echo."""
        return dict(parse_qsl(webhook.query))["echostr"].encode()

    def text(
        self,
        contact: str,
        text: str,
        *,
        native_id: str | None = None,  # noqa: ARG002  Weibo gives a message none
        at: datetime | None = None,
    ) -> Webhook:
        """A private message. `native_id` is taken and not told."""
        return self.message(contact, "text", text, {}, at=at)

    def image(self, contact: str, media_id: str, *, at: datetime | None = None) -> Webhook:
        """A picture: one id for the sender's eyes, one for the receiver's."""
        return self.message(contact, "image", "发了一张图片", {"vfid": 821804459, "tovfid": media_id}, at=at)

    def voice(self, contact: str, media_id: str, *, at: datetime | None = None) -> Webhook:
        """A recording."""
        return self.message(contact, "voice", "发了一个语音消息", {"vfid": 821804459, "tovfid": media_id}, at=at)

    def location(self, contact: str, lat: float, lon: float, *, at: datetime | None = None) -> Webhook:
        """A place on the map, in degrees as text."""
        place = {"longitude": f"{lon:.6f}", "latitude": f"{lat:.6f}"}
        return self.message(contact, "position", "我在这里: http://t.cn/zQgLLYO", place, at=at)

    def mention(self, contact: str, text: str, *, key: str = "3501756485942075", at: datetime | None = None) -> Webhook:
        """The account's name in somebody's post."""
        at = at or self._now()
        self._windows[contact] = Window(at + WINDOW, 1)
        return self._post(contact, "mention", text, {"subtype": "status", "key": key}, at)

    def event(self, contact: str, subtype: str, *, key: str | None = None, at: datetime | None = None) -> Webhook:
        """What a person did, other than write: `follow`, `unfollow`, `scan_follow`, `click`, `view` …"""
        at = at or self._now()
        if subtype in ("unfollow", "unsubscribe"):
            self._windows.pop(contact, None)
        else:
            self._windows[contact] = Window(at + WINDOW, None)
        return self._post(contact, "event", "事件消息", {"subtype": subtype} | ({"key": key} if key else {}), at)

    def beside(self, contact: str) -> list[Webhook]:
        """Follows, scans, views. Weibo tells neither what is read nor what the account itself wrote."""
        return [self.event(contact, subtype) for subtype in ("follow", "scan", "view")]

    def unknown(self, contact: str) -> Webhook:
        """A message of a kind that the documentation does not have."""
        return self.message(contact, "hologram", "一个全息图", {"url": "http://example.org/"})

    def message(self, contact: str, kind: str, text: str, data: Any, *, at: datetime | None = None) -> Webhook:
        """A private message of any type."""
        at = at or self._now()
        self._windows[contact] = Window(at + WINDOW, None)
        return self._post(contact, kind, text, data, at)

    def forged(self, contact: str, text: str) -> Webhook:
        return self._post(contact, "text", text, {}, self._now(), secret=f"not-{self._secret}")

    def stale(self, contact: str, text: str) -> Webhook:
        return self.text(contact, text, at=self._now() - timedelta(hours=1))

    def replayed(self, captured: Webhook, contact: str, text: str) -> Webhook:
        """An attacker's: the query string of a captured webhook, with a body of the attacker's own."""
        return replace(captured, body=self._body(contact, "text", text, {}, self._now()))

    # What Weibo is asked.

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account: it bears its access token."""
        return dict(parse_qsl(request.body.decode("utf-8", "replace"))).get("access_token") == self._access_token

    def api(self, request: ApiRequest) -> ApiAnswer:
        if request.path != REPLY:
            return refusal(10020, 404)
        if request.method != "POST":
            return refusal(10021, 405)
        asked = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            return self._reply(asked, request.headers.get("x-request-id"))
        except Refused as refused:
            return refusal(refused.code)

    def _reply(self, asked: Mapping[str, str], answered: str | None) -> ApiAnswer:
        if not self._access_token or asked.get("access_token") != self._access_token:
            raise Refused(21332)  # invalid access token
        contact, (text, picture) = asked.get("receiver_id", ""), _said(asked)
        if not contact.isdecimal():
            raise Refused(10017)  # parameter's value invalid
        if self.welcomes_strangers:
            self._windows.setdefault(contact, Window(self._now() + WINDOW, None))
        self._use_window(contact)
        self.outbox.append(Delivered(self.channel, self.account, contact, text, answered, self._now(), image_url=picture))
        said = {
            "result": True,
            "sender_id": int(self._uid),
            "receiver_id": int(contact),
            "type": asked["type"],
            "data": asked["data"],
        }
        return ApiAnswer(body=json.dumps(said).encode())

    def _use_window(self, contact: str) -> None:
        window = self._windows.get(contact)
        if window is None or window.until < self._now() or window.left == 0:
            raise Refused(10014)
        if window.left is not None:
            window.left -= 1

    # How Weibo writes and signs.

    def _post(self, contact: str, kind: str, text: str, data: Any, at: datetime, *, secret: str | None = None) -> Webhook:
        body = self._body(contact, kind, text, data, at)
        query = urlencode(self._query(at, body, secret))
        return Webhook(query=query, headers={"content-type": "application/json"}, body=body)

    def _body(self, contact: str, kind: str, text: str, data: Any, at: datetime) -> bytes:
        sender = int(contact) if contact.isdecimal() else contact
        said = {"type": kind, "receiver_id": int(self._uid), "sender_id": sender, "created_at": _written(at)}
        return json.dumps(said | {"text": text, "data": data}, ensure_ascii=False).encode()

    def _query(self, at: datetime, signed_for: bytes = b"", secret: str | None = None) -> dict[str, str]:
        """The nonce comes out of the content, so that a retry is the same bytes; the time is in milliseconds."""
        timestamp = str(int(at.timestamp() * 1000))
        nonce = str(int(sha256(signed_for).hexdigest()[:8], 16)) if signed_for else str(next(self._nonces))
        joined = "".join(sorted((secret or self._secret, timestamp, nonce)))
        return {"signature": sha1(joined.encode()).hexdigest(), "timestamp": timestamp, "nonce": nonce}


def _written(at: datetime) -> str:
    """`Mon Jul 16 18:09:20 +0800 2012`, whatever the machine's language."""
    there = at.astimezone(BEIJING)
    return f"{_DAYS[there.weekday()]} {_MONTHS[there.month - 1]} {there:%d %H:%M:%S} +0800 {there:%Y}"


def _said(asked: Mapping[str, str]) -> tuple[str, str | None]:
    """The text, or the picture of an article. The vendor takes positions too; this simulator does not."""
    try:
        data = json.loads(asked.get("data", ""))
        if asked.get("type") == "articles":
            return "", _picture(data["articles"])
        text = data["text"] if asked.get("type") == "text" else None
    except (ValueError, KeyError, TypeError):
        raise Refused(10017) from None
    if not isinstance(text, str) or not text or len(text) > MAX_TEXT:
        raise Refused(10017)
    return text, None


def _picture(articles: list[Mapping[str, Any]]) -> str:
    names = ("display_name", "summary", "image", "url")
    if len(articles) != 1 or not all(isinstance(articles[0][name], str) and articles[0][name] for name in names):
        raise Refused(10017)
    return str(articles[0]["image"])


SIMULATOR = WeiboSimulator
