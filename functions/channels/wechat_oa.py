"""WeChat official accounts (公众号, 服务号): one XML message per webhook, answered through the customer-service API.

The account's `mode` decides what is accepted, never the request. In safe mode the message is encrypted and signed. In plain mode the
signature covers token, time and nonce but **not the body**: whoever sees one query string may write in a customer's name until ingest
has seen that signature or its time has passed. Prefer safe mode. (The console's third mode, 兼容, sends both forms: configure `safe`.)

https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Access_Overview.html
https://developers.weixin.qq.com/doc/offiaccount/Customer_Service/Customer_Service_Messages.html
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator

from functions.channels.codecs import (
    leased_send,
    picture_card,
    strict_json,
    strict_xml,
    wx_aes,
    wx_answers,
    wx_menus,
    wx_messages,
)
from functions.channels.codecs.constant_time import fresh, same, unix_time
from functions.channels.codecs.wx_messages import Fields, FieldUnreadable, Said
from functions.channels.codecs.wx_signature import sorted_sha1
from functions.channels.contract import (
    AccessToken,
    Credentials,
    HttpAnswer,
    Ignored,
    ItemError,
    Outbound,
    OutgoingReply,
    ParseResult,
    Payload,
    RawRequest,
    Rejected,
    SendResult,
    Shows,
    TextUnit,
    Verified,
)
from functions.common import keys
from functions.common.errors import MalformedPayload
from functions.common.message import Contact, ContactId, Message, ReplyWindow, Verification

API = "https://api.weixin.qq.com"
JSON = {"content-type": "application/json"}
# The vendor names no tolerance; this one is ours.
TOLERANCE = timedelta(minutes=5)
# UTF-8 bytes. From third parties (2047 and 2048 are both reported); the vendor's page gives no figure, its code 45002 says "too long".
MAX_TEXT_BYTES = 2048
MESSAGE_WINDOW, MESSAGE_REPLIES = timedelta(hours=48), 5
MENU_WINDOW, MENU_REPLIES = timedelta(minutes=1), 3

_ENCRYPT_TYPES = {"plain": (None, "raw"), "safe": ("aes",)}
_ECHOSTR = re.compile(r"[A-Za-z0-9+/=_-]{1,128}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


class WechatOaCredentials(Credentials):
    """The account's developer settings. `encoding_aes_key` (43 characters) is needed in safe mode only."""

    app_id: Annotated[str, Field(min_length=1)]
    app_secret: SecretStr
    token: Annotated[SecretStr, Field(min_length=3)]
    encoding_aes_key: SecretStr | None = None
    mode: Literal["plain", "safe"]

    @model_validator(mode="after")
    def _decryptable(self) -> Self:
        key = self.encoding_aes_key
        if (key is None and self.mode == "safe") or (key is not None and not wx_aes.is_key(key.get_secret_value())):
            raise ValueError("encoding_aes_key must be the 43 characters of the console")
        return self


class WechatOa:
    """The channel `wechat_oa`."""

    channel = "wechat_oa"
    credentials: type[Credentials] = WechatOaCredentials
    idempotent_send = False
    max_text = MAX_TEXT_BYTES
    max_text_unit: TextUnit = "bytes"
    shows = Shows(image=True, buttons=10, button_title=20)

    def verify(self, request: RawRequest, credentials: WechatOaCredentials, now: datetime) -> Verified | Rejected:
        if request.method not in ("GET", "POST"):
            return Rejected("method")
        # The handshake is plain and signed as in plain mode even where the mode is safe.
        if request.method == "GET":
            return _verify_plain(request, credentials, now)
        if request.parameter("encrypt_type") not in _ENCRYPT_TYPES[credentials.mode]:
            return Rejected("mode")
        return (_verify_safe if credentials.mode == "safe" else _verify_plain)(request, credentials, now)

    def decode(self, verified: Verified, account: str) -> Payload:
        request, credentials = verified.request, verified.credentials
        if request.method == "GET":
            return Payload(verified, account, {"echostr": _echostr(request)})
        body: bytes | None = request.body
        if credentials.mode == "safe":
            # Decrypted a second time: verify proved that it can be, but what it hands on holds no plaintext.
            body = _decrypted(_encrypted(request.body), credentials)
        if body is None:
            raise MalformedPayload("not decrypted")
        return Payload(verified, account, strict_xml.flat(body))

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return HttpAnswer(200, payload.body["echostr"]) if payload.verified.request.method == "GET" else None

    def parse(self, payload: Payload) -> ParseResult:
        fields: Fields = payload.body
        try:
            said = wx_messages.said(fields)
            if said is None:
                return ParseResult(ignored=(Ignored(wx_messages.event_name(fields)),))
            return ParseResult(messages=(_message(said, fields, payload),))
        except FieldUnreadable as fault:
            return ParseResult(errors=(ItemError(fault.reason, fault.where),))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        # Anything else than this word or nothing is shown to the customer as a failure of the account.
        return HttpAnswer(200, "success")

    def send(self, reply: OutgoingReply, credentials: WechatOaCredentials, outbound: Outbound) -> SendResult:
        if reply.not_after and outbound.now() > reply.not_after:
            return SendResult(outcome="window_closed", code="too_late")
        body = _reply_body(reply)
        if body is None:
            return SendResult(outcome="invalid", code="too_long")
        app = keys.app("weixin", credentials.app_id)
        return leased_send.send(
            outbound, app, lambda: _fetch_token(credentials, outbound), lambda token: _post(body, token, outbound)
        )


def _verify_plain(request: RawRequest, credentials: WechatOaCredentials, now: datetime) -> Verified | Rejected:
    refused, signature = _check(request, "signature", credentials, now)
    # The signature, not (timestamp, nonce): bytes moved from the one to the other would make a new pair of the same signature.
    verification = Verification(scheme="wechat-plain", body_signed=False, timestamped=True)
    return refused or Verified(request, credentials, verification, replay_key=signature)


def _verify_safe(request: RawRequest, credentials: WechatOaCredentials, now: datetime) -> Verified | Rejected:
    encrypted = _encrypted(request.body)
    if not encrypted:
        return Rejected("no_signature")
    refused, _ = _check(request, "msg_signature", credentials, now, encrypted)
    if not refused and _decrypted(encrypted, credentials) is None:
        return Rejected("bad_signature")
    return refused or Verified(request, credentials, Verification(scheme="wechat-safe", body_signed=True, timestamped=True))


def _check(
    request: RawRequest, name: str, credentials: WechatOaCredentials, now: datetime, *signed: str
) -> tuple[Rejected | None, str]:
    """Why the signature in parameter `name` does not hold over time, nonce and `signed` (None: it does), and the right one."""
    timestamp, nonce, theirs = (request.parameter(each) for each in ("timestamp", "nonce", name))
    if not timestamp or not nonce or not theirs:
        return Rejected("no_signature"), ""
    ours = sorted_sha1(credentials.token.get_secret_value(), timestamp, nonce, *signed)
    if not same(ours, theirs):
        return Rejected("bad_signature"), ""
    return (None if fresh(unix_time(timestamp), now, TOLERANCE) else Rejected("stale")), ours


def _encrypted(body: bytes) -> str | None:
    try:
        return strict_xml.flat(body).get("Encrypt")
    except MalformedPayload:
        return None


def _decrypted(encrypted: str | None, credentials: WechatOaCredentials) -> bytes | None:
    key = credentials.encoding_aes_key
    if key is None or encrypted is None:
        return None
    return wx_aes.decrypt(key.get_secret_value(), encrypted, credentials.app_id)


def _echostr(request: RawRequest) -> str:
    # It is not signed, and it is sent back: nothing that a browser could take for a page.
    echostr = request.parameter("echostr") or ""
    if not _ECHOSTR.fullmatch(echostr):
        raise MalformedPayload("echostr")
    return echostr


def _message(said: Said, fields: Fields, payload: Payload) -> Message:
    contact, received_at = wx_messages.required(fields, "FromUserName"), payload.verified.request.received_at
    sent_at = wx_messages.sent_at(fields, received_at)
    return Message(
        message_id=keys.message_id("wechat_oa", payload.account, contact, sent_at, *wx_messages.identity(fields)),
        channel="wechat_oa",
        account=payload.account,
        contact=Contact(primary=contact, ids=(_openid(contact, payload),)),
        kind=said.kind,
        raw_kind=said.raw_kind,
        native_id=fields.get("MsgId"),
        text=said.text,
        attachments=wx_messages.kept(said.attachment, sent_at or received_at),
        location=said.location,
        interactive=said.interactive,
        link=said.link,
        sent_at=sent_at,
        time_precision="s" if sent_at else "none",
        received_at=received_at,
        reply=_window(said, min(sent_at or received_at, received_at)),
        verification=payload.verified.verification,
    )


def _openid(contact: str, payload: Payload) -> ContactId:
    # The same person has another openid with every other account.
    return ContactId(kind="openid", value=contact, scope=payload.verified.credentials.app_id)


def _window(said: Said, since: datetime) -> ReplyWindow:
    """The vendor's quota: a message opens five replies in 48 hours; a tap on a menu, of either kind, three in a minute."""
    window, replies = (MENU_WINDOW, MENU_REPLIES) if said.from_menu else (MESSAGE_WINDOW, MESSAGE_REPLIES)
    return ReplyWindow(mode="window", expires_at=since + window, max_replies=replies)


def _reply_body(reply: OutgoingReply) -> bytes | None:
    text = _CONTROL.sub("", reply.text)
    if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        return None
    # The vendor refuses \uXXXX (40033): characters go out as themselves, and those that JSON can only write so do not go at all.
    said: dict[str, Any] = {"msgtype": "text", "text": {"content": text}}
    if reply.image_url:
        said = picture_card.news(reply.image_url)
    elif reply.buttons:
        said = wx_menus.links(text, reply.buttons)
    return strict_json.written({"touser": reply.contact, **said})


def _post(body: bytes, token: str, outbound: Outbound) -> SendResult:
    url = f"{outbound.origin(API)}/cgi-bin/message/custom/send?access_token={quote(token, safe='')}"
    return leased_send.post(outbound, url, JSON, body, wx_answers.result)


def _fetch_token(credentials: WechatOaCredentials, outbound: Outbound) -> AccessToken:
    """The vendor's *stable* token: asking again does not invalidate the one that others hold, and the secret stays out of the URL.

    The older GET /cgi-bin/token invalidates the last token at every call, so two callers would refuse each other's sends.
    https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html
    """
    asked = {
        "grant_type": "client_credential",
        "appid": credentials.app_id,
        "secret": credentials.app_secret.get_secret_value(),
    }
    answer = outbound.request(
        "POST", f"{outbound.origin(API)}/cgi-bin/stable_token", headers=JSON, body=strict_json.written(asked)
    )
    fields = wx_answers.fields(answer)
    token, expires_in = fields.get("access_token"), fields.get("expires_in")
    if isinstance(token, str) and token and type(expires_in) is int:
        return AccessToken(token, expires_in)
    # 40001 is a wrong secret here: the account's settings are at fault, not its token.
    raise leased_send.TokenRefused(wx_answers.result(answer))


ADAPTER = WechatOa()
