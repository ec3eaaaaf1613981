"""WeCom's encrypted callbacks, which all of its webhooks are: signature over the encrypted text, then AES as in WeChat's safe mode.

There is no plain mode. Unlike an official account's, the handshake is encrypted too: the signature covers the encrypted `echostr`, and the
answer is the decrypted one. The id behind the message is the corp's, or for a third party's app its suite's.

https://developer.work.weixin.qq.com/document/path/90238
https://developer.work.weixin.qq.com/document/path/90968
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from functions.channels.codecs import strict_json, strict_xml, wx_aes
from functions.channels.codecs.constant_time import fresh, same, unix_time
from functions.channels.codecs.wx_messages import Fields
from functions.channels.codecs.wx_signature import sorted_sha1
from functions.channels.contract import Credentials, HttpAnswer, ParseResult, Payload, RawRequest, Rejected, Verified
from functions.common.errors import MalformedPayload
from functions.common.message import Verification

# The vendor names no tolerance; this one is ours.
TOLERANCE = timedelta(minutes=5)
VERIFICATION = Verification(scheme="wecom", body_signed=True, timestamped=True)
_ECHOSTR = re.compile(r"[A-Za-z0-9+/=_-]{1,128}")


class WecomCredentials(Credentials):
    """An app's settings in the console. `receive_id` is the suite id of a third party's app; others leave it out.

    `callback_format` json is for callbacks whose envelope and message are JSON; it is unverified against a real account.
    """

    corp_id: Annotated[str, Field(min_length=1)]
    corp_secret: SecretStr
    token: Annotated[SecretStr, Field(min_length=3)]
    encoding_aes_key: SecretStr
    receive_id: str | None = None
    callback_format: Literal["xml", "json"] = "xml"

    @model_validator(mode="after")
    def _decryptable(self) -> Self:
        if not wx_aes.is_key(self.encoding_aes_key.get_secret_value()):
            raise ValueError("encoding_aes_key must be the 43 characters of the console")
        return self


class WecomCallback:
    """The part of a channel that every WeCom callback shares."""

    def verify(self, request: RawRequest, credentials: WecomCredentials, now: datetime) -> Verified | Rejected:
        """Signature over the encrypted text, then time, then whether it can be decrypted and is meant for us."""
        if request.method not in ("GET", "POST"):
            return Rejected("method")
        encrypted = _encrypted(request, credentials)
        timestamp, nonce, theirs = (request.parameter(name) for name in ("timestamp", "nonce", "msg_signature"))
        if not encrypted or not timestamp or not nonce or not theirs:
            return Rejected("no_signature")
        ours = sorted_sha1(credentials.token.get_secret_value(), timestamp, nonce, encrypted)
        if not same(ours, theirs) or _decrypted(encrypted, credentials) is None:
            return Rejected("bad_signature")
        if not fresh(unix_time(timestamp), now, TOLERANCE):
            return Rejected("stale")
        return Verified(request, credentials, VERIFICATION)

    def decode(self, verified: Verified, account: str) -> Payload:
        """Decrypted a second time: verify proved that it can be, but what it hands on holds no plaintext."""
        request, credentials = verified.request, verified.credentials
        plaintext = _decrypted(_encrypted(request, credentials), credentials)
        if plaintext is None:
            raise MalformedPayload("not decrypted")
        if request.method == "GET":
            return Payload(verified, account, {"echostr": _echostr(plaintext)})
        return Payload(verified, account, _fields(plaintext, credentials))

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        """The decrypted `echostr`, as it is: no quotes, no newline."""
        return HttpAnswer(200, payload.body["echostr"]) if payload.verified.request.method == "GET" else None

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        """A 200 with this word, or with nothing."""
        return HttpAnswer(200, "success")


def _encrypted(request: RawRequest, credentials: WecomCredentials) -> str | None:
    if request.method == "GET":
        return request.parameter("echostr")
    try:
        if credentials.callback_format == "xml":
            return strict_xml.flat(request.body).get("Encrypt")
        found = strict_json.parse_object(request.body).get("encrypt")
    except MalformedPayload:
        return None
    return found if isinstance(found, str) else None


def _decrypted(encrypted: str | None, credentials: WecomCredentials) -> bytes | None:
    if encrypted is None:
        return None
    receiver = credentials.receive_id or credentials.corp_id
    return wx_aes.decrypt(credentials.encoding_aes_key.get_secret_value(), encrypted, receiver)


def _echostr(plaintext: bytes) -> str:
    # Authentic as it is, it is sent back: nothing that a browser could take for a page.
    echostr = plaintext.decode("utf-8", "replace")
    if not _ECHOSTR.fullmatch(echostr):
        raise MalformedPayload("echostr")
    return echostr


def _fields(plaintext: bytes, credentials: WecomCredentials) -> Fields:
    if credentials.callback_format == "xml":
        return strict_xml.flat(plaintext)
    said = strict_json.parse_object(plaintext)
    return {name: str(value) for name, value in said.items() if isinstance(value, str | int) and not isinstance(value, bool)}
