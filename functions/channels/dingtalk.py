"""DingTalk robots (钉钉机器人) in HTTP mode: one JSON message per webhook, answered through the session webhook that came with it.

The signature covers the time and nothing else: **not the body**. Whoever sees one pair of headers may write in anybody's name until ingest
has seen that signature or `max_age_seconds` have passed, and may name a session webhook of his own: only hosts of dingtalk.com, over
HTTPS, are believed. Two messages of the same millisecond have the same signature, and of those only the first is taken.

https://open.dingtalk.com/document/isvapp/receive-message
https://open.dingtalk.com/document/robots/custom-robot-access
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr

from functions.channels.codecs import dingtalk_markdown, dingtalk_messages, json_fields, leased_send, platform_time, strict_json
from functions.channels.codecs.constant_time import fresh, same, unix_time
from functions.channels.codecs.dingtalk_messages import Said
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.contract import (
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

JSON = {"content-type": "application/json"}
# The vendor limits the body of an answer to 20,000 bytes; JSON may make two of one.
MAX_TEXT_BYTES = 9000

_HOST = re.compile(r"([a-z0-9-]{1,63}\.){1,4}dingtalk\.com(:443)?")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_OUTCOMES: dict[int, Outcome] = {
    0: "sent",
    -1: "transient",
    130101: "rate_limited",  # more than twenty in a minute
    300001: "window_closed",  # the session is gone
}


class DingtalkCredentials(Credentials):
    """`app_key` and `app_secret` (also called client id and secret) of the robot's app. The vendor's own limit of age is an hour."""

    app_key: Annotated[str, Field(min_length=1)]
    app_secret: Annotated[SecretStr, Field(min_length=8)]
    max_age_seconds: Annotated[int, Field(ge=60, le=3600)] = 3600


class Dingtalk:
    """The channel `dingtalk`."""

    channel = "dingtalk"
    credentials: type[Credentials] = DingtalkCredentials
    idempotent_send = False
    max_text = MAX_TEXT_BYTES
    max_text_unit: TextUnit = "bytes"
    shows = replace(dingtalk_markdown.SHOWS, only=dingtalk_markdown.shown)

    def verify(self, request: RawRequest, credentials: DingtalkCredentials, now: datetime) -> Verified | Rejected:
        timestamp, theirs = request.headers.get("timestamp"), request.headers.get("sign")
        if request.method != "POST":
            return Rejected("method")
        if not timestamp or not theirs:
            return Rejected("no_signature")
        ours = sign(credentials.app_secret, timestamp)
        if not same(ours, theirs):
            return Rejected("bad_signature")
        if not fresh(unix_time(timestamp, milliseconds=True), now, timedelta(seconds=credentials.max_age_seconds)):
            return Rejected("stale")
        verification = Verification(scheme="dingtalk", body_signed=False, timestamped=True)
        return Verified(request, credentials, verification, replay_key=ours)

    def decode(self, verified: Verified, account: str) -> Payload:
        return Payload(verified, account, strict_json.parse_object(verified.request.body))

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return None

    def parse(self, payload: Payload) -> ParseResult:
        fields: Fields = payload.body
        try:
            if json_fields.required_id(fields, "senderId") == json_fields.optional_id(fields, "chatbotUserId"):
                return ParseResult(ignored=(Ignored("echo", json_fields.optional_id(fields, "msgId")),))
            return ParseResult(messages=(_message(dingtalk_messages.said(fields), fields, payload),))
        except FieldUnreadable as fault:
            return ParseResult(errors=(ItemError(fault.reason, fault.where),))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        return HttpAnswer(200, "")

    def send(self, reply: OutgoingReply, credentials: DingtalkCredentials, outbound: Outbound) -> SendResult:
        if reply.not_after and outbound.now() > reply.not_after:
            return SendResult(outcome="window_closed", code="too_late")
        webhook = session_webhook(reply.token)
        if webhook is None:
            return SendResult(outcome="invalid", code="no_session_webhook")
        text = _CONTROL.sub("", reply.text)
        if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
            return SendResult(outcome="invalid", code="too_long")
        url = f"{outbound.origin(f'https://{webhook.hostname}')}{webhook.path}?{webhook.query}"
        said = dingtalk_markdown.written(reply, text)
        body = strict_json.written(said)
        return leased_send.post(outbound, url, JSON, body, _outcome)


def sign(secret: SecretStr, timestamp: str) -> str:
    """The `sign` header: base64 HMAC-SHA256, under the secret, of the time in milliseconds and the secret itself."""
    key = secret.get_secret_value().encode()
    return b64encode(hmac.digest(key, timestamp.encode("utf-8", "surrogatepass") + b"\n" + key, sha256)).decode()


def session_webhook(url: str | None) -> SplitResult | None:
    """The parts of a session webhook, or None when it is none of DingTalk's: anybody may have written it (trap T16)."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    # The whole of what stands between // and /: no user, no other port, no character that two parsers may read in two ways.
    known = _HOST.fullmatch(parts.netloc.lower())
    return parts if parts.scheme == "https" and known and parts.path.startswith("/") else None


def _message(said: Said, fields: Fields, payload: Payload) -> Message:
    contact, native_id = json_fields.required_id(fields, "senderId"), json_fields.required_id(fields, "msgId")
    request = payload.verified.request
    sent_at = platform_time.believable(_time(fields, "createAt"), request.received_at)
    return Message(
        message_id=keys.message_id("dingtalk", payload.account, contact, sent_at, native_id),
        channel="dingtalk",
        account=payload.account,
        contact=Contact(
            primary=contact, ids=_ids(contact, fields, payload), name=json_fields.text(fields, "senderNick", limit=200)
        ),
        kind=said.kind,
        raw_kind=said.raw_kind,
        native_id=native_id,
        text=said.text,
        attachments=said.attachments,
        mentions=_mentioned(fields),
        reply_to=said.reply_to,
        conversation_kind="group" if str(fields.get("conversationType")) == "2" else "dm",
        thread_id=json_fields.optional_id(fields, "conversationId"),
        sent_at=sent_at,
        time_precision="ms" if sent_at else "none",
        received_at=request.received_at,
        reply=_window(fields, min(sent_at or request.received_at, request.received_at)),
        verification=payload.verified.verification,
    )


def _ids(contact: str, fields: Fields, payload: Payload) -> tuple[ContactId, ...]:
    staff = json_fields.optional_id(fields, "senderStaffId")
    corp = json_fields.optional_id(fields, "senderCorpId") or ""
    sender = ContactId(kind="sender_id", value=contact, scope=payload.verified.credentials.app_key)
    return (sender, ContactId(kind="staff_id", value=staff, scope=corp)) if staff else (sender,)


def _mentioned(fields: Fields) -> tuple[str, ...]:
    found = (json_fields.optional_id(user, "dingtalkId") for user in json_fields.rows(fields, "atUsers"))
    return tuple(mentioned for mentioned in found if mentioned)


def _window(fields: Fields, sent_at: datetime) -> ReplyWindow:
    url, until = json_fields.url(fields, "sessionWebhook"), _time(fields, "sessionWebhookExpiredTime")
    # A webhook that is good for more than a day is none of the vendor's.
    if session_webhook(url) is None or until is None or until - sent_at > timedelta(days=1):
        return ReplyWindow(mode="none")
    return ReplyWindow(mode="token", token=url, expires_at=until)


def _time(fields: Mapping[str, Any], name: str) -> datetime | None:
    return unix_time(json_fields.optional_id(fields, name), milliseconds=True)


def _outcome(answer: HttpResult) -> SendResult:
    try:
        errcode = strict_json.parse_object(answer.body).get("errcode") if answer.status == 200 else None
    except MalformedPayload:
        errcode = None
    if type(errcode) is not int:
        return SendResult(outcome="unknown", code=f"http_{answer.status}")
    outcome = _OUTCOMES.get(errcode, "invalid")
    return SendResult(outcome=outcome, code=str(errcode), retry_after=60.0 if outcome == "rate_limited" else None)


ADAPTER = Dingtalk()
