"""WeChat's side of an official account: webhooks in plain or safe mode, the stable token and the customer-service send API.

People exist from the first thing they send; each thing opens the window that the vendor's quota names for it. Whether the vendor tries
again after an answer that is not 2xx its pages do not say; here it does, as after none.
https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode

from functions.channels.codecs import strict_xml, wx_aes
from functions.channels.codecs.wx_signature import sorted_sha1
from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Webhook, picture_in, said_in, utc_now
from infra.simulators.server import Failure
from infra.simulators.wechat.windows import Refused, Windows

SEND = "/cgi-bin/message/custom/send"
STABLE_TOKEN = "/cgi-bin/stable_token"
ORIGINAL_ID = "gh_0123456789ab"
TOKEN_LIFE = timedelta(seconds=7200)
# In the last five minutes of a stable token the vendor gives out the next one, and takes both.
TOKEN_OVERLAP = timedelta(minutes=5)
MAX_TEXT_BYTES = 2048
_ESCAPE = re.compile(rb"(?<!\\)(\\\\)*\\u[0-9a-fA-F]{4}")

Fields = dict[str, str | int]


def refusal(errcode: int) -> ApiAnswer:
    """An error as the vendor's API words it; for `failures` too."""
    return ApiAnswer(body=json.dumps({"errcode": errcode, "errmsg": f"refused with {errcode}"}).encode())


class WechatOaSimulator:
    """WeChat and one official account of ours."""

    channel = "wechat_oa"
    # Five seconds, three tries in all, one at once after the other.
    patience = Patience(timeout=5.0, waits=(0.0, 0.0))
    welcomes_strangers = False

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._credentials = credentials
        self._now = now
        self._ids = count(1)
        self._windows = Windows()
        self._answered: set[str | None] = set()
        self._tokens: dict[str, datetime] = {}  # until when each is good, in the order of issue

    # What WeChat sends.

    def handshake(self, echostr: str = "5837397576500011341", *, at: datetime | None = None) -> Webhook:
        """The console's verification call: plain in both modes."""
        query = self._query(self._token, at or self._now(), echostr)
        return Webhook(method="GET", query=urlencode(query | {"echostr": echostr}))

    def handshake_answer(self, webhook: Webhook) -> bytes:
        """What WeChat wants to hear to its call: the echo string, as it is."""
        return dict(parse_qsl(webhook.query))["echostr"].encode()

    def person(self, number: int) -> str:
        return f"oDemo{number:023d}"

    def unknown(self, contact: str) -> Webhook:
        """A message of a type that nobody knows."""
        return self.message(contact, "hologram", {})

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        return self.message(contact, "text", {"Content": text}, native_id=native_id, at=at)

    def image(
        self, contact: str, media_id: str, *, pic_url: str = "", native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A picture."""
        return self.message(contact, "image", {"PicUrl": pic_url, "MediaId": media_id}, native_id=native_id, at=at)

    def voice(
        self, contact: str, media_id: str, *, recognition: str = "", native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A recording; `recognition` is what the vendor's speech recognition understood."""
        fields: Fields = {"MediaId": media_id, "Format": "amr", "Recognition": recognition}
        return self.message(contact, "voice", fields, native_id=native_id, at=at)

    def video(self, contact: str, media_id: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A film."""
        return self.message(contact, "video", {"MediaId": media_id, "ThumbMediaId": "thumb"}, native_id=native_id, at=at)

    def location(
        self, contact: str, lat: float, lon: float, label: str, *, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A place on the map."""
        fields: Fields = {"Location_X": f"{lat:.6f}", "Location_Y": f"{lon:.6f}", "Scale": 16, "Label": label}
        return self.message(contact, "location", fields, native_id=native_id, at=at)

    def link(self, contact: str, url: str, title: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A shared page."""
        return self.message(contact, "link", {"Title": title, "Description": "", "Url": url}, native_id=native_id, at=at)

    def message(
        self, contact: str, kind: str, fields: Fields, *, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A message of any type, with the fields that are the type's own."""
        at = at or self._now()
        self._windows.open(contact, "message", at, timedelta(hours=48), 5)
        return self._post(contact, kind, fields | {"MsgId": native_id or self._message_id(at)}, at)

    def event(self, contact: str, event: str, *, key: str = "", at: datetime | None = None) -> Webhook:
        """What a person did, other than write: `subscribe`, `unsubscribe`, `SCAN`, `VIEW`, `CLICK` …"""
        at = at or self._now()
        if event in ("CLICK", "subscribe", "SCAN"):
            self._windows.open(contact, event, at, timedelta(minutes=1), 3)
        if event == "unsubscribe":
            self._windows.close(contact)
        return self._post(contact, "event", {"Event": event, "EventKey": key}, at)

    def job_finished(self, contact: str, event: str, status: str = "success", *, at: datetime | None = None) -> Webhook:
        """What became of a template message to a person (`TEMPLATESENDJOBFINISH`) or of a mass send (`MASSSENDJOBFINISH`)."""
        fields: Fields = {"Event": event, "MsgID": 200163836, "Status": status}
        return self._post(contact, "event", fields, at or self._now())

    def beside(self, contact: str) -> list[Webhook]:
        """Finished jobs, a page opened, the account left. WeChat tells neither what is read nor what the account itself said."""
        jobs = [
            self.job_finished(contact, "TEMPLATESENDJOBFINISH"),
            self.job_finished("oHelper", "MASSSENDJOBFINISH", "send success"),
        ]
        return [*jobs, self.event(contact, "VIEW", key="http://e/"), self.event(contact, "unsubscribe")]

    def menu_click(self, contact: str, key: str, *, at: datetime | None = None) -> Webhook:
        """A tap on an entry of the account's menu."""
        return self.event(contact, "CLICK", key=key, at=at)

    def forged(self, contact: str, text: str) -> Webhook:
        at = self._now()
        fields: Fields = {"Content": text, "MsgId": self._message_id(at)}
        return self._post(contact, "text", fields, at, token=f"not-{self._token}")

    def downgraded(self, contact: str, text: str) -> Webhook | None:
        """As an account in plain mode sends it, rightly signed; None in plain mode: there is nothing weaker."""
        plain = WechatOaSimulator(self.account, {**self._credentials, "mode": "plain"}, now=self._now)
        return None if self._credentials["mode"] == "plain" else plain.text(contact, text)

    def stale(self, contact: str, text: str) -> Webhook:
        return self.text(contact, text, at=self._now() - timedelta(hours=1))

    def replayed(self, captured: Webhook, contact: str, text: str) -> Webhook:
        """An attacker's: the query string of a captured webhook, with a body of the attacker's own."""
        fields: Fields = {"Content": text, "MsgId": self._message_id(self._now())}
        return replace(captured, body=self._xml(contact, "text", fields, self._now()).encode())

    # What WeChat is asked.

    def expire_tokens(self) -> None:
        """Let every token that was given out be past its time."""
        self._tokens = dict.fromkeys(self._tokens, self._now())

    def revoke_tokens(self) -> None:
        """Forget every token that was given out, as when somebody had a new one forced."""
        self._tokens.clear()

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account: it names the account's id, or bears a token of its."""
        return request.query.get("access_token") in self._tokens or self._credentials["app_id"].encode() in request.body

    def api(self, request: ApiRequest) -> ApiAnswer:
        call = {SEND: self._send, STABLE_TOKEN: self._stable_token}.get(request.path)
        if call is None:
            return ApiAnswer(404, b"")
        if request.method != "POST":
            return refusal(43002)
        try:
            return ApiAnswer(body=json.dumps(call(request)).encode())
        except Refused as refused:
            return refusal(refused.errcode)

    def _stable_token(self, request: ApiRequest) -> dict[str, Any]:
        asked = _parsed(request.body)
        if asked.get("grant_type") != "client_credential":
            raise Refused(40002)  # grant_type
        if asked.get("appid") != self._credentials["app_id"]:
            raise Refused(40013)  # appid
        if asked.get("secret") != self._credentials["app_secret"]:
            raise Refused(40125)  # secret
        now = self._now()
        if asked.get("force_refresh") is True:
            self._tokens.clear()
        token, until = next(reversed(self._tokens.items()), ("", now))
        if until - now <= TOKEN_OVERLAP:
            token, until = f"{next(self._ids)}_{_digest(now.isoformat(), self._token)}", now + TOKEN_LIFE
            self._tokens[token] = until
        return {"access_token": token, "expires_in": int((until - now).total_seconds())}

    def _send(self, request: ApiRequest) -> dict[str, Any]:
        self._check_token(request.query.get("access_token"))
        asked = _parsed(request.body)
        contact, (content, titles) = str(asked.get("touser", "")), said_in(asked)
        picture = picture_in(asked)
        if asked.get("msgtype") not in ("text", "msgmenu", "news"):  # the vendor takes other types too; this simulator does not
            raise Refused(40008)
        answered = request.headers.get("x-request-id")
        self._welcome(contact, answered)
        if not self._windows.knows(contact):
            raise Refused(40003)  # openid
        if asked.get("msgtype") == "news":
            content = ""
            if picture is None:
                raise Refused(44003)  # empty news data
        elif not isinstance(content, str) or not content:
            raise Refused(44004)  # empty content
        if len(content.encode()) > MAX_TEXT_BYTES:
            raise Refused(45002)  # content too long
        self._windows.use(contact, self._now())
        self.outbox.append(Delivered(self.channel, self.account, contact, content, answered, self._now(), titles, picture))
        return {"errcode": 0, "errmsg": "ok"}

    def _check_token(self, token: str | None) -> None:
        if not token:
            raise Refused(41001)  # no access_token
        if token not in self._tokens:
            raise Refused(40001)  # access_token invalid or not the latest
        if self._tokens[token] <= self._now():
            raise Refused(42001)  # access_token expired

    def _welcome(self, contact: str, answered: str | None) -> None:
        """An answer to a message that this simulator did not send: somebody signed the webhook by hand, and the person did write."""
        if self.welcomes_strangers and answered not in self._answered:
            self._answered.add(answered)
            self._windows.open(contact, "message", self._now(), timedelta(hours=48), 5)

    # How WeChat writes and signs.

    @property
    def _token(self) -> str:
        return str(self._credentials["token"])

    def _message_id(self, at: datetime) -> str:
        return f"{int(at.timestamp())}{next(self._ids):07d}"

    def _xml(self, contact: str, kind: str, fields: Fields, at: datetime) -> str:
        head: Fields = {"ToUserName": ORIGINAL_ID, "FromUserName": contact, "CreateTime": int(at.timestamp()), "MsgType": kind}
        return strict_xml.document(head | fields)

    def _post(self, contact: str, kind: str, fields: Fields, at: datetime, *, token: str | None = None) -> Webhook:
        token = token or self._token
        xml = self._xml(contact, kind, fields, at)
        query = self._query(token, at, xml) | {"openid": contact}
        if self._credentials["mode"] == "safe":
            encrypted = self._encrypt(xml)
            signature = sorted_sha1(token, query["timestamp"], query["nonce"], encrypted)
            query |= {"encrypt_type": "aes", "msg_signature": signature}
            xml = strict_xml.document({"ToUserName": ORIGINAL_ID, "Encrypt": encrypted})
        return Webhook(query=urlencode(query), headers={"content-type": "text/xml"}, body=xml.encode())

    def _query(self, token: str, at: datetime, signed_for: str) -> dict[str, str]:
        """Nonce and random bytes come out of the content, so that a retry is the same bytes."""
        timestamp, nonce = str(int(at.timestamp())), str(int(_digest(signed_for)[:8], 16))
        return {"signature": sorted_sha1(token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce}

    def _encrypt(self, xml: str) -> str:
        prefix = _digest(xml)[:16].encode()
        return wx_aes.encrypt(self._credentials["encoding_aes_key"], xml.encode(), self._credentials["app_id"], prefix=prefix)


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise Refused(47001)  # not a JSON object
    if _ESCAPE.search(body):
        raise Refused(40033)  # \uXXXX in the request
    return parsed


SIMULATOR = WechatOaSimulator
