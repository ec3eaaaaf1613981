"""Weibo's fan service (微博粉丝服务平台): one JSON message per webhook, answered through the business reply API.

The signature covers the app's secret, time and nonce but **not the body**: whoever sees one query string may write in a follower's name
until ingest has seen that signature or its time has passed. There is no mode that signs more. Weibo gives a message no id.
The vendor's pages are of 2014 to 2017; whether new apps are still admitted is not verified.

https://open.weibo.com/wiki/Messages_api_start
https://open.weibo.com/wiki/C/2/messages/reply/biz-en
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from pydantic import Field, SecretStr

from functions.channels.codecs import json_fields, leased_send, picture_card, strict_json, weibo_messages
from functions.channels.codecs.constant_time import fresh, same, unix_time
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.codecs.platform_time import believable
from functions.channels.codecs.weibo_messages import Said
from functions.channels.codecs.wx_signature import sorted_sha1
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
    Shows,
    TextUnit,
    Verified,
)
from functions.common import keys
from functions.common.errors import MalformedPayload
from functions.common.message import Contact, ContactId, Message, ReplyWindow, Verification

if TYPE_CHECKING:
    from datetime import datetime

API = "https://c.api.weibo.com"
FORM = {"content-type": "application/x-www-form-urlencoded"}
# The vendor names no tolerance; this one is ours.
TOLERANCE = timedelta(minutes=5)
# A message, a follow or a tap on the menu opens 48 hours without a limit in number; a mention opens them for one reply.
WINDOW, MENTION_REPLIES = timedelta(hours=48), 1

_ECHOSTR = re.compile(r"[A-Za-z0-9+/=_-]{1,128}")
# https://open.weibo.com/wiki/Error_code. No page lists what a closed window is answered with: such a code is `invalid` here.
_OUTCOMES: dict[int, Outcome] = {
    10001: "unknown",  # system error
    10002: "transient",  # service unavailable
    10003: "unknown",  # remote service error
    10009: "transient",  # too many pending tasks
    10010: "unknown",  # job expired
    10011: "unknown",  # RPC error
    10022: "rate_limited",  # by IP address
    10023: "rate_limited",  # by user
    10024: "rate_limited",  # by user, for this API
}
RETRY_AFTER = 600.0  # seconds; the vendor counts by the hour and names no rest


class WeiboCredentials(Credentials):
    """`app_secret` signs webhooks. Without an `access_token` (from the console's developer mode) the channel only receives.

    `uid` is the account's own id: where it is given, what is meant for another account, or comes from this one, is ignored.
    """

    app_secret: Annotated[SecretStr, Field(min_length=8)]
    access_token: Annotated[SecretStr, Field(min_length=8)] | None = None
    uid: Annotated[str, Field(pattern=r"^[0-9]{1,20}\z")] | None = None


class Weibo:
    """The channel `weibo`."""

    channel = "weibo"
    credentials: type[Credentials] = WeiboCredentials
    idempotent_send = False
    max_text = 300
    max_text_unit: TextUnit = "characters"
    shows = Shows(image=True)

    def verify(self, request: RawRequest, credentials: WeiboCredentials, now: datetime) -> Verified | Rejected:
        if request.method not in ("GET", "POST"):
            return Rejected("method")
        timestamp, nonce, theirs = (request.parameter(name) for name in ("timestamp", "nonce", "signature"))
        if not timestamp or not nonce or not theirs:
            return Rejected("no_signature")
        ours = sorted_sha1(credentials.app_secret.get_secret_value(), timestamp, nonce)
        if not same(ours, theirs):
            return Rejected("bad_signature")
        if not fresh(unix_time(timestamp, milliseconds=True), now, TOLERANCE):
            return Rejected("stale")
        # The signature, not (timestamp, nonce): bytes moved from the one to the other would make a new pair of the same signature.
        verification = Verification(scheme="weibo-sorted-sha1", body_signed=False, timestamped=True)
        return Verified(request, credentials, verification, replay_key=ours)

    def decode(self, verified: Verified, account: str) -> Payload:
        request = verified.request
        if request.method == "GET":
            return Payload(verified, account, {"echostr": _echostr(request)})
        return Payload(verified, account, strict_json.parse_object(request.body))

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return HttpAnswer(200, payload.body["echostr"]) if payload.verified.request.method == "GET" else None

    def parse(self, payload: Payload) -> ParseResult:
        fields: Fields = payload.body
        reason = _not_ours(fields, payload.verified.credentials.uid)
        if reason:
            return ParseResult(ignored=(Ignored(reason),))
        try:
            said = weibo_messages.said(fields)
            if said is None:
                return ParseResult(ignored=(Ignored(weibo_messages.event_name(fields)),))
            return ParseResult(messages=(_message(said, fields, payload),))
        except FieldUnreadable as fault:
            return ParseResult(errors=(ItemError(fault.reason, fault.where),))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        # An empty answer is taken as heard, and not tried again.
        return HttpAnswer(200, "")

    def send(self, reply: OutgoingReply, credentials: WeiboCredentials, outbound: Outbound) -> SendResult:
        token = credentials.access_token
        if token is None:
            return SendResult(outcome="window_closed", code="receive_only")
        if reply.not_after and outbound.now() > reply.not_after:
            return SendResult(outcome="window_closed", code="too_late")
        if len(reply.text) > self.max_text:
            return SendResult(outcome="invalid", code="too_long")
        said = {
            # In the body: a token in the URL would stand in the logs of whatever lies between.
            "access_token": token.get_secret_value(),
            "type": "articles" if reply.image_url else "text",
            "data": json.dumps(
                picture_card.article(reply.image_url) if reply.image_url else {"text": reply.text}, ensure_ascii=False
            ),
            "receiver_id": reply.contact,
        }
        url = f"{outbound.origin(API)}/2/messages/reply/biz.json"
        return leased_send.post(outbound, url, FORM, urlencode(said, errors="replace").encode(), _result)


def _echostr(request: RawRequest) -> str:
    # It is not signed, and it is sent back: nothing that a browser could take for a page.
    echostr = request.parameter("echostr") or ""
    if not _ECHOSTR.fullmatch(echostr):
        raise MalformedPayload("echostr")
    return echostr


def _not_ours(fields: Fields, uid: str | None) -> str | None:
    if uid is None:
        return None
    if json_fields.optional_id(fields, "sender_id") == uid:
        return "echo"
    return None if json_fields.optional_id(fields, "receiver_id") in (uid, None) else "another_account"


def _message(said: Said, fields: Fields, payload: Payload) -> Message:
    contact, received_at = json_fields.required_id(fields, "sender_id"), payload.verified.request.received_at
    sent_at = believable(weibo_messages.created_at(fields), received_at)
    uid = ContactId(kind="uid", value=contact, scope="weibo")
    return Message(
        message_id=keys.message_id("weibo", payload.account, contact, sent_at, *weibo_messages.identity(fields)),
        channel="weibo",
        account=payload.account,
        contact=Contact(primary=contact, ids=(uid,)),
        kind=said.kind,
        raw_kind=said.raw_kind,
        native_id=said.native_id,
        text=said.text,
        attachments=(said.attachment,) if said.attachment else (),
        location=said.location,
        interactive=said.interactive,
        conversation_kind="channel" if said.public else "dm",
        sent_at=sent_at,
        time_precision="s" if sent_at else "none",
        received_at=received_at,
        reply=_window(said, min(sent_at or received_at, received_at), payload.verified.credentials),
        verification=payload.verified.verification,
    )


def _window(said: Said, since: datetime, credentials: WeiboCredentials) -> ReplyWindow:
    if credentials.access_token is None:
        return ReplyWindow(mode="none")
    return ReplyWindow(mode="window", expires_at=since + WINDOW, max_replies=MENTION_REPLIES if said.public else None)


def _result(answer: HttpResult) -> SendResult:
    said = strict_json.answered(answer.body)
    errcode = json_fields.count(said, "error_code")
    if errcode is None:
        sent = answer.status == 200 and said.get("result") is not False and bool(said)
        return SendResult(outcome="sent" if sent else "unknown", code=str(answer.status))
    # A refused token (213xx) stays refused: the console gives out another, and a person must fetch it.
    outcome = _OUTCOMES.get(errcode, "invalid")
    return SendResult(outcome=outcome, code=str(errcode), retry_after=RETRY_AFTER if outcome == "rate_limited" else None)


ADAPTER = Weibo()
