"""QQ's side of a bot: signed events, the console's verification call, access tokens and the message API.

Signing shares no code with the channel. Which ladder QQ retries on, its pages do not say; here it is three tries. Codes are those of the
message API's pages.
https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/send.html
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from itertools import count
from typing import Any

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Webhook, utc_now
from infra.simulators.delivery import Attempt
from infra.simulators.forms.qq import Files, Refused, said
from infra.simulators.server import Failure

TOKEN = "/app/getAppAccessToken"
BEIJING = timezone(timedelta(hours=8))
TOKEN_LIFE, TOKEN_OVERLAP = timedelta(seconds=7200), timedelta(seconds=60)
REPLIES = 5


def refusal(code: int, status: int = 400) -> ApiAnswer:
    """An error as QQ's API words it; for `failures` too."""
    return ApiAnswer(status, json.dumps({"message": f"refused with {code}", "code": code, "trace_id": "trace"}).encode())


@dataclass(slots=True)
class Heard:
    """A message of a person: where (`users/…` or `groups/…`) and until when it may be answered, and with what it was."""

    place: str
    until: datetime
    sequences: set[int] = field(default_factory=set)


class QqSimulator:
    """QQ and one bot of ours."""

    channel = "qq"
    patience = Patience(timeout=3.0, waits=(1.0, 5.0), signing="presumably signed anew")
    welcomes_strangers = False

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._app_id, self._secret = str(credentials["app_id"]), str(credentials["app_secret"])
        self._now = now
        self._ids = count(1)
        self._heard: dict[str, Heard] = {}
        self._tokens: dict[str, datetime] = {}
        self._keyboard = bool(credentials.get("keyboard"))
        self._files = Files()

    def person(self, number: int) -> str:
        """The openid of the number-th person."""
        return f"E4F4AEA33253A2797FB897C5{number:08X}"

    # What QQ sends.

    def handshake(
        self, plain_token: str = "Arq0D5A61EgUu4OxUvOp", *, at: datetime | None = None, signed: bool = False
    ) -> Webhook:
        """The console's verification call, without a signature as in the vendor's example, or with one."""
        asked = {"plain_token": plain_token, "event_ts": str(int((at or self._now()).timestamp()))}
        webhook = self._webhook({"d": asked, "op": 13})
        return self.signed_anew(webhook, at) if signed else webhook

    def handshake_answer(self, webhook: Webhook) -> bytes:
        """What the console wants to hear."""
        asked = json.loads(webhook.body)["d"]
        signature = self._sign(self._secret, (asked["event_ts"] + asked["plain_token"]).encode())
        return json.dumps({"plain_token": asked["plain_token"], "signature": signature}).encode()

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        return self.message(contact, {"content": text}, native_id=native_id, at=at)

    def files(
        self, contact: str, files: Sequence[Mapping[str, Any]], *, text: str = "", native_id: str | None = None
    ) -> Webhook:
        """Pictures, recordings, films or files, with or without words."""
        return self.message(contact, {"content": text, "attachments": list(files)}, native_id=native_id)

    def image(self, contact: str, url: str, *, text: str = "", native_id: str | None = None) -> Webhook:
        """A picture."""
        picture = {"content_type": "image/jpeg", "filename": "1.jpg", "height": 640, "width": 480, "size": 1024, "url": url}
        return self.files(contact, [picture], text=text, native_id=native_id)

    def unknown(self, contact: str) -> Webhook:
        """A message of a kind that the documentation does not have."""
        return self.message(contact, {"content": "", "message_type": 177, "hologram": {"id": "1"}})

    def message(
        self, contact: str, fields: Mapping[str, Any], *, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A message in a chat with the bot."""
        said = {"author": {"id": contact, "user_openid": contact, "union_openid": f"U{contact}"}, **fields}
        return self._event(
            "C2C_MESSAGE_CREATE", said, place=f"users/{contact}", window=timedelta(minutes=60), native_id=native_id, at=at
        )

    def at_group(
        self, contact: str, group: str, text: str, *, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """The bot's name in a group, and what was said to it."""
        said = {"author": {"id": contact, "member_openid": contact}, "content": f" {text}", "group_openid": group}
        return self._event(
            "GROUP_AT_MESSAGE_CREATE", said, place=f"groups/{group}", window=timedelta(minutes=5), native_id=native_id, at=at
        )

    def guild(self, contact: str, event: str, text: str, *, is_bot: bool = False, native_id: str | None = None) -> Webhook:
        """A message in a guild: `DIRECT_MESSAGE_CREATE`, `AT_MESSAGE_CREATE` or `MESSAGE_CREATE`."""
        author = {"avatar": "http://thirdqq.qlogo.cn/0", "bot": is_bot, "id": contact, "username": "小明"}
        said = {"author": author, "channel_id": "100010", "guild_id": "18700000000001", "content": text, "seq": 101}
        return self._event(event, said, place="", window=timedelta(minutes=5), native_id=native_id)

    def event(self, event: str, fields: Mapping[str, Any]) -> Webhook:
        """Any other event: `FRIEND_ADD`, `C2C_MSG_REJECT`, `GROUP_ADD_ROBOT` …"""
        said = {"op": 0, "s": next(self._ids), "t": event, "id": f"{event}:{next(self._ids)}", "d": dict(fields)}
        return self.signed_anew(self._webhook(said))

    def beside(self, contact: str) -> list[Webhook]:
        """Whether the person takes unprompted messages, and a friend. QQ tells a bot neither what is read nor what it said itself."""
        who = {"openid": contact, "timestamp": int(self._now().timestamp())}
        return [self.event(name, who) for name in ("FRIEND_ADD", "C2C_MSG_REJECT", "C2C_MSG_RECEIVE")]

    def webhook(self, said: Any, *, at: datetime | None = None) -> Webhook:
        """Any JSON value, signed."""
        return self.signed_anew(self._webhook(said), at)

    def signed_anew(self, webhook: Webhook, at: datetime | None = None, *, secret: str | None = None) -> Webhook:
        """The same webhook as a try at another time."""
        timestamp = str(int((at or self._now()).timestamp()))
        signature = self._sign(secret or self._secret, timestamp.encode() + webhook.body)
        signed = {"X-Signature-Ed25519": signature, "X-Signature-Timestamp": timestamp}
        return replace(webhook, headers={**webhook.headers, **signed})

    def forged(self, contact: str, text: str) -> Webhook:
        return self.signed_anew(self.text(contact, text), secret=f"not-{self._secret}")

    def stale(self, contact: str, text: str) -> Webhook:
        return self.text(contact, text, at=self._now() - timedelta(hours=1))

    def tried_again(self, attempt: Attempt) -> bool:
        """Whether QQ tries again: on anything but a 2xx, and on an acknowledgement that asks for it."""
        try:
            return not attempt.accepted or json.loads(attempt.body).get("d") == 1
        except (ValueError, AttributeError):
            return True

    # What QQ is asked.

    def expire_tokens(self) -> None:
        """Let every token that was given out be past its time."""
        self._tokens = dict.fromkeys(self._tokens, self._now())

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this bot: it names its app id, or bears a token of its."""
        token = request.headers.get("authorization", "").removeprefix("QQBot ")
        return token in self._tokens or f'"{self._app_id}"'.encode() in request.body

    def api(self, request: ApiRequest) -> ApiAnswer:
        if request.method != "POST":
            return refusal(405, 405)
        try:
            asked = _parsed(request.body)
            if request.path == TOKEN:
                return self._give_token(asked)
            place, _, call = request.path.removeprefix("/v2/").rpartition("/")
            if place.partition("/")[0] not in ("users", "groups") or call not in ("messages", "files"):
                raise Refused(404, 404)
            self._check_token(request.headers.get("authorization", ""))
            if call == "files":
                return ApiAnswer(body=json.dumps(self._files.fetch(place, asked)).encode())
            return self._send(place, asked, request.headers.get("x-request-id"))
        except Refused as refused:
            return refusal(refused.code, refused.status)

    def _give_token(self, asked: Mapping[str, Any]) -> ApiAnswer:
        if asked.get("appId") != self._app_id or asked.get("clientSecret") != self._secret:
            raise Refused(100007, 200)  # "appid invalid", with 200
        now = self._now()
        token, until = next(reversed(self._tokens.items()), ("", now))
        if until - now <= TOKEN_OVERLAP:
            token, until = f"token-{self._app_id}-{next(self._ids)}", now + TOKEN_LIFE
            self._tokens[token] = until
        # In digits, as text: so the vendor's example has it.
        life = str(int((until - now).total_seconds()))
        return ApiAnswer(body=json.dumps({"access_token": token, "expires_in": life}).encode())

    def _check_token(self, authorization: str) -> None:
        if not authorization.startswith("QQBot "):
            raise Refused(11241, 401)
        until = self._tokens.get(authorization.removeprefix("QQBot "))
        if until is None or until <= self._now():
            raise Refused(11243, 401)

    def _send(self, place: str, asked: Mapping[str, Any], answered: str | None) -> ApiAnswer:
        native_id, sequence = asked.get("msg_id"), asked.get("msg_seq", 1)
        text, titles, picture = said(place, asked, self._files, keyboard=self._keyboard)
        if not native_id:
            raise Refused(40034105)  # nothing unprompted, since 2025-04-21
        self._use(str(native_id), place, sequence)
        contact = place.partition("/")[2]
        self.outbox.append(Delivered(self.channel, self.account, contact, text, answered, self._now(), titles, picture))
        now = self._now().astimezone(BEIJING).isoformat(timespec="seconds")
        return ApiAnswer(body=json.dumps({"id": f"ROBOT1.0_sent{next(self._ids)}!", "timestamp": now}).encode())

    def _use(self, native_id: str, place: str, sequence: Any) -> None:
        if self.welcomes_strangers:
            self._heard.setdefault(native_id, Heard(place, self._now() + timedelta(minutes=5)))
        heard = self._heard.get(native_id)
        if heard is None or heard.place != place or type(sequence) is not int or not 0 < sequence < 2**32:
            raise Refused(40034024)  # msg_id is none, or another's
        if sequence in heard.sequences:
            raise Refused(40054005)  # seen before
        if heard.until < self._now() or len(heard.sequences) >= REPLIES:
            raise Refused(40034128)  # out of time, or of count
        heard.sequences.add(sequence)

    # How QQ writes and signs.

    def _event(
        self,
        event: str,
        fields: Mapping[str, Any],
        *,
        place: str,
        window: timedelta,
        native_id: str | None,
        at: datetime | None = None,
    ) -> Webhook:
        at = at or self._now()
        native_id = native_id or f"ROBOT1.0_{next(self._ids)}.{sha256(repr(fields).encode()).hexdigest()[:24]}!!"
        self._heard[native_id] = Heard(place, at + window)
        written = at.astimezone(BEIJING).isoformat(timespec="seconds")
        said = {
            "op": 0,
            "s": 42,
            "t": event,
            "id": f"{event}:{native_id[-12:]}",
            "d": {"id": native_id, "timestamp": written, **fields},
        }
        return self.signed_anew(self._webhook(said), at)

    def _webhook(self, said: Any) -> Webhook:
        raw = said if isinstance(said, bytes) else json.dumps(said, ensure_ascii=False).encode()
        headers = {"content-type": "application/json", "User-Agent": "QQBot-Callback", "X-Bot-Appid": self._app_id}
        return Webhook(headers=headers, body=raw)

    def _sign(self, secret: str, message: bytes) -> str:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        seed = secret.encode()
        while len(seed) < 32:
            seed += seed
        return Ed25519PrivateKey.from_private_bytes(seed[:32]).sign(message).hex()


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise Refused(12002)  # request body
    return parsed


SIMULATOR = QqSimulator
