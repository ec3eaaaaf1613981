"""Douyin (抖音开放平台): private messages to a business account, signed with SHA-1 over secret and body.

Douyin signs no time, so an old webhook cannot be told from a new one by its signature; it is the same message and is stored once. A
message names no picture's address: `needs_download` means that the media API must be asked. Douyin retries, does not keep order, and
ends the subscription of an address that keeps failing: what is verified and meant for somebody else is ignored, not refused.

How a reply is sent, and how long and how often it may be, stands on pages that could not be read: path, body, scenes, windows and
counts are fields of the credentials. Their defaults are what public code uses and quotes from those pages.

https://developer.open-douyin.com/docs/resource/zh-CN/dop/develop/webhooks/summarize
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

from pydantic import AfterValidator, Field, SecretStr

from functions.channels.codecs import douyin_events, json_fields, leased_send, strict_json
from functions.channels.codecs.constant_time import same
from functions.channels.codecs.douyin_events import Said
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.codecs.sha_concat import digest
from functions.channels.codecs.timestamp import SentAt, closes_at, sent_at
from functions.channels.contract import (
    TEXT_ONLY,
    AccessToken,
    Credentials,
    HttpAnswer,
    HttpResult,
    Ignored,
    ItemError,
    Outbound,
    Outcome,
    OutgoingReply,
    ParseResult,
    Payload,
    RawRequest,
    Rejected,
    SendResult,
    TextUnit,
    Verified,
)
from functions.common import keys
from functions.common.errors import MalformedPayload
from functions.common.message import Contact, ContactId, Message, ReplyWindow, Verification

if TYPE_CHECKING:
    from datetime import datetime

API = "https://open.douyin.com"
JSON = "application/json"
HANDSHAKE = "verify_webhook"
SEND_BODY: dict[str, Any] = {
    "msg_id": "{msg_id}",
    "conversation_id": "{conversation_id}",
    "to_user_id": "{to_user_id}",
    "scene": "{scene}",
    "content": {"msg_type": 1, "text": {"text": "{text}"}},
}

# https://developer.open-douyin.com/docs/resource/zh-CN/dop/develop/openapi/status-code/ ; those from 28003070 on are from public code.
_OUTCOMES: dict[int, Outcome] = {
    0: "sent",
    28001005: "transient",  # busy
    2100004: "transient",
    28001006: "unknown",  # a call behind the API failed
    28001008: "auth_expired",
    2190002: "auth_expired",
    2190008: "auth_expired",
    28003017: "rate_limited",  # the day's quota
    2190001: "rate_limited",
    28003018: "rate_limited",
    28003070: "window_closed",  # too many since the person last wrote
    28003080: "window_closed",
    28003081: "window_closed",  # more than a day since the person last wrote
}
_RETRY_AFTER = {28003017: 3600.0, 2190001: 3600.0, 28003018: 60.0}  # seconds


def _says_text(body: dict[str, Any]) -> dict[str, Any]:
    if '"{text}"' not in json.dumps(body):
        raise ValueError("no {text} in it")
    return body


class DouyinCredentials(Credentials):
    """`open_id` is that of the business account; without its `refresh_token` (of 30 days) the channel only receives.

    In `send_body`, a text that is `{msg_id}`, `{conversation_id}`, `{to_user_id}`, `{scene}` or `{text}` stands for what it names.
    """

    client_key: Annotated[str, Field(min_length=1)]
    client_secret: Annotated[SecretStr, Field(min_length=8)]
    open_id: Annotated[str, Field(min_length=1)]
    refresh_token: SecretStr | None = None
    reply_hours: Annotated[int, Field(ge=1, le=720)] = 24
    reply_count: Annotated[int, Field(ge=1)] = 6
    reply_scene: Annotated[str, Field(pattern=r"^[a-z0-9_.]{1,64}\z")] = "im_reply_msg"
    enter_seconds: Annotated[int, Field(ge=1, le=86_400)] = 30
    enter_count: Annotated[int, Field(ge=1)] = 3
    enter_scene: Annotated[str, Field(pattern=r"^[a-z0-9_.]{1,64}\z")] = "im_enter_direct_msg"
    send_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_-]{1,32}){1,8}/?\z")] = "/im/send/msg/"
    send_body: Annotated[dict[str, Any], AfterValidator(_says_text)] = SEND_BODY


class Douyin:
    """The channel `douyin`. Its `max_text` is what public code keeps to; no page that could be read names a limit."""

    channel = "douyin"
    credentials: type[Credentials] = DouyinCredentials
    idempotent_send = False
    max_text = 1000
    max_text_unit: TextUnit = "characters"
    shows = TEXT_ONLY

    def verify(self, request: RawRequest, credentials: DouyinCredentials, now: datetime) -> Verified | Rejected:
        theirs = request.headers.get("x-douyin-signature")
        if request.method != "POST":
            return Rejected("method")
        if not theirs:
            return Rejected("no_signature")
        if not same(digest("sha1", credentials.client_secret.get_secret_value(), request.body), theirs):
            return Rejected("bad_signature")
        return Verified(request, credentials, Verification(scheme="douyin-sha1", body_signed=True, timestamped=False))

    def decode(self, verified: Verified, account: str) -> Payload:
        # The whole body or nothing: the signature alone could be extended over a second, forged event behind the first (trap T4).
        return Payload(verified, account, strict_json.parse_object(verified.request.body))

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        if payload.body.get("event") != HANDSHAKE:
            return None
        try:
            challenge = douyin_events.opened(payload.body, "content").get("challenge")
        except FieldUnreadable as fault:
            raise MalformedPayload(str(fault)) from None
        if not douyin_events.is_challenge(challenge):
            raise MalformedPayload("challenge")
        # A number comes back as a number.
        return HttpAnswer(200, json.dumps({"challenge": challenge}, separators=(",", ":")), JSON)

    def parse(self, payload: Payload) -> ParseResult:
        fields: Fields = payload.body
        event, native_id = json_fields.loggable(fields.get("event")), payload.verified.request.headers.get("msg-id")
        if event not in (douyin_events.RECEIVED, douyin_events.ENTERED):
            return ParseResult(ignored=(douyin_events.seen(Ignored(event, native_id), payload),))
        try:
            content = douyin_events.opened(fields, "content")
            said = douyin_events.said(event, content)
            reason = _not_ours(fields, content, payload.verified.credentials)
            if said is None or reason:
                return ParseResult(ignored=(Ignored(reason or event, native_id),))
            return ParseResult(messages=(_message(said, fields, content, payload),))
        except FieldUnreadable as fault:
            return ParseResult(errors=(ItemError(fault.reason, fault.where),))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        return HttpAnswer(200, "{}", JSON)

    def send(self, reply: OutgoingReply, credentials: DouyinCredentials, outbound: Outbound) -> SendResult:
        if credentials.refresh_token is None:
            return SendResult(outcome="window_closed", code="receive_only")
        if reply.not_after and outbound.now() > reply.not_after:
            return SendResult(outcome="window_closed", code="too_late")
        scene, _, conversation = (reply.token or "").partition(" ")
        if not conversation or not reply.native_id:
            return SendResult(outcome="invalid", code="no_conversation")
        if len(reply.text) > self.max_text:
            return SendResult(outcome="invalid", code="too_long")
        said = {"msg_id": reply.native_id, "conversation_id": conversation, "to_user_id": reply.contact}
        body = strict_json.written(douyin_events.filled(credentials.send_body, {**said, "scene": scene, "text": reply.text}))
        url = f"{outbound.origin(API)}{credentials.send_path}?open_id={quote(credentials.open_id, safe='')}"

        def post(token: str) -> SendResult:
            return leased_send.post(outbound, url, {"content-type": JSON, "access-token": token}, body, _result)

        app = keys.app("douyin", credentials.client_key, credentials.open_id)  # it is the account that gives an app its token
        return leased_send.send(outbound, app, lambda: _fetch_token(credentials, outbound), post)


def _not_ours(fields: Fields, content: Fields, credentials: DouyinCredentials) -> str | None:
    """Why a message is none to us: our own, or one to another account of the same app. Both come to the same address."""
    if (
        json_fields.optional_id(fields, "from_user_id") == credentials.open_id
        or content.get("source") == credentials.client_key
    ):
        return "echo"
    return None if json_fields.optional_id(fields, "to_user_id") == credentials.open_id else "another_account"


def _message(said: Said, fields: Fields, content: Fields, payload: Payload) -> Message:
    contact, request = json_fields.required_id(fields, "from_user_id"), payload.verified.request
    native_id = json_fields.required_id(content, "server_message_id")
    sent = sent_at(content.get("create_time"), request.received_at)
    conversation = json_fields.optional_id(content, "conversation_short_id")
    return Message(
        message_id=keys.message_id("douyin", payload.account, contact, sent.at, native_id),
        channel="douyin",
        account=payload.account,
        contact=_contact(contact, content, payload.verified.credentials),
        kind=said.kind,
        raw_kind=said.raw_kind,
        native_id=native_id,
        native_event_id=(request.headers.get("msg-id") or "")[: json_fields.MAX_ID] or None,
        text=said.text,
        attachments=(said.attachment,) if said.attachment else (),
        sticker=said.sticker,
        interactive=said.interactive,
        referral=said.referral,
        thread_id=conversation,
        sent_at=sent.at,
        time_precision=sent.precision,
        received_at=request.received_at,
        reply=_window(said, conversation, sent, payload.verified),
        verification=payload.verified.verification,
    )


def _contact(open_id: str, content: Fields, credentials: DouyinCredentials) -> Contact:
    profile = douyin_events.profile(content, open_id)
    return Contact(
        primary=open_id,
        # The same person has another open_id with every other app.
        ids=(ContactId(kind="open_id", value=open_id, scope=credentials.client_key),),
        name=json_fields.text(profile, "nick_name", 200),
        avatar_url=json_fields.url(profile, "avatar"),
        # Another app's key: a machine wrote it.
        is_bot=bool(json_fields.text(content, "source", 100)),
    )


def _window(said: Said, conversation: str | None, sent: SentAt, verified: Verified) -> ReplyWindow:
    """The reply must name the conversation and the scene, so both are the window's token."""
    credentials: DouyinCredentials = verified.credentials
    if credentials.refresh_token is None:
        return ReplyWindow(mode="none")
    if said.entered:
        scene, window, count = credentials.enter_scene, timedelta(seconds=credentials.enter_seconds), credentials.enter_count
    else:
        scene, window, count = credentials.reply_scene, timedelta(hours=credentials.reply_hours), credentials.reply_count
    return ReplyWindow(
        mode="window",
        token=f"{scene} {conversation}" if conversation else None,
        expires_at=closes_at(sent, verified.request.received_at, window),
        max_replies=count,
    )


def _fetch_token(credentials: DouyinCredentials, outbound: Outbound) -> AccessToken:
    """A new access token (of 15 days) for the account's refresh token, which stays good.

    https://developer.open-douyin.com/docs/resource/zh-CN/dop/develop/openapi/account-permission/refresh-access-token
    """
    refresh_token = credentials.refresh_token.get_secret_value() if credentials.refresh_token else ""
    asked = {"client_key": credentials.client_key, "grant_type": "refresh_token", "refresh_token": refresh_token}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    url = f"{outbound.origin(API)}/oauth/refresh_token/"
    answer = outbound.request("POST", url, headers=headers, body=urlencode(asked).encode())
    given = json_fields.table(strict_json.answered(answer.body), "data")
    token, expires_in = given.get("access_token"), json_fields.count(given, "expires_in")
    if isinstance(token, str) and token and expires_in:
        return AccessToken(token, expires_in)
    raise leased_send.TokenRefused(_result(answer))


def _result(answer: HttpResult) -> SendResult:
    """The code stands in `extra` or in `data`, and in newer APIs in `err_no`."""
    fields = strict_json.answered(answer.body)
    extra, data = json_fields.table(fields, "extra"), json_fields.table(fields, "data")
    found = [json_fields.count(extra, "error_code"), json_fields.count(data, "error_code"), json_fields.count(fields, "err_no")]
    codes = [code for code in found if code is not None]
    if not codes:
        return SendResult(outcome="unknown", code=f"http_{answer.status}")
    code = next((code for code in codes if code), 0)
    outcome, retry_after = _OUTCOMES.get(code, "invalid"), _RETRY_AFTER.get(code)
    provider_id = json_fields.optional_id(fields, "msg_id") or json_fields.optional_id(data, "msg_id")
    return SendResult(outcome=outcome, code=str(code), provider_id=provider_id, retry_after=retry_after)


ADAPTER = Douyin()
