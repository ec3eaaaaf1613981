"""WeChat's way for a platform that copied it: the signature in the query, the JSON body encrypted, a GET that wants its `echostr` back.

What is signed is the token, the time, the nonce and the encrypted text; only what is encrypted is read.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from functions.channels.codecs import strict_json, wx_aes
from functions.channels.codecs.constant_time import fresh, same, unix_time
from functions.channels.codecs.custom_signature import Section
from functions.channels.codecs.wx_signature import sorted_sha1
from functions.channels.contract import HttpAnswer, RawRequest, Rejected
from functions.common.errors import MalformedPayload
from functions.common.message import Verification

MAX_ECHO = 256


class WechatSignature(Section):
    """`receive_id` is what stands behind the encrypted text: the app's id, as a rule. `encrypted` names the body's field."""

    scheme: Literal["wechat"]
    token: SecretStr
    encoding_aes_key: SecretStr
    receive_id: str = Field(min_length=1, max_length=128)
    encrypted: str = Field("Encrypt", max_length=64)
    tolerance_seconds: int = Field(300, ge=1, le=28_800)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not wx_aes.is_key(self.encoding_aes_key.get_secret_value()):
            raise ValueError("an EncodingAESKey is 43 characters")
        if len(self.token.get_secret_value()) < 8:
            raise ValueError("a token must have at least 8 characters")
        return self

    def checked(self, request: RawRequest, now: datetime) -> Verification | Rejected:
        """Whether the request is signed; never raises. Only a POST has messages, only a GET an `echostr`."""
        timestamp, nonce = request.parameter("timestamp"), request.parameter("nonce")
        given = request.parameter("signature" if request.method == "GET" else "msg_signature")
        if request.method not in ("GET", "POST"):
            return Rejected("method")
        parts = self._signed(request)
        if not timestamp or not nonce or not given or parts is None:
            return Rejected("no_signature")
        if not same(sorted_sha1(self.token.get_secret_value(), timestamp, nonce, *parts), given):
            return Rejected("bad_signature")
        if not fresh(unix_time(timestamp), now, timedelta(seconds=self.tolerance_seconds)):
            return Rejected("stale")
        if request.method == "POST" and self._inside(request) is None:
            return Rejected("bad_signature")
        return Verification(scheme="wechat-safe", body_signed=True, timestamped=True)

    def decoded(self, request: RawRequest) -> dict[str, Any]:
        """The JSON inside a verified POST; an empty object for a GET, which has none."""
        if request.method == "GET":
            return {}
        inside = self._inside(request)
        if inside is None:
            raise MalformedPayload("not decryptable")
        return strict_json.parse_object(inside)

    def echo(self, request: RawRequest) -> HttpAnswer | None:
        """The answer to the console's GET."""
        if request.method != "GET":
            return None
        return HttpAnswer(body=request.parameter("echostr") or "")

    def _signed(self, request: RawRequest) -> tuple[str, ...] | None:
        if request.method == "GET":
            return () if 0 < len(request.parameter("echostr") or "") <= MAX_ECHO else None
        encrypted = self._encrypted(request)
        return (encrypted,) if encrypted else None

    def _inside(self, request: RawRequest) -> bytes | None:
        return wx_aes.decrypt(self.encoding_aes_key.get_secret_value(), self._encrypted(request) or "", self.receive_id)

    def _encrypted(self, request: RawRequest) -> str | None:
        try:
            value = strict_json.parse_object(request.body).get(self.encrypted)
        except MalformedPayload:
            return None
        return value if isinstance(value, str) else None
