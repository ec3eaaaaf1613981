"""TikTok Business messaging: direct messages to a business account, answered through the Business API.

`Tiktok-Signature: t=…,s=…` covers time and body. `content` is JSON inside JSON. People are answered in their conversation, whose id comes
with every message. The API's reference is behind a log-in: endpoints, fields and the signature are as in Chatwoot, which runs against it;
window and quota (48 hours, ten messages) and the error codes are from other vendors' help pages.
https://github.com/chatwoot/chatwoot/blob/develop/app/services/tiktok/client.rb
https://github.com/chatwoot/chatwoot/blob/develop/app/controllers/webhooks/tiktok_controller.rb
https://documentation.qiscus.com/omnichannel-chat/tiktok-direct-message
https://help.sleekflow.io/en_US/tiktok-business-messaging/troubleshooting-your-tiktok-business-messaging-channels
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, SecretStr

from functions.channels.codecs import batch, leased_send, strict_json, tiktok_content
from functions.channels.codecs.batch import Outcome
from functions.channels.codecs.constant_time import fresh, unix_time
from functions.channels.codecs.hmac_raw_body import holds
from functions.channels.codecs.json_fields import Fields, FieldUnreadable, loggable, optional_id, required_id, table
from functions.channels.codecs.leased_send import TokenRefused
from functions.channels.codecs.tiktok_content import Said
from functions.channels.codecs.timestamp import SentAt, closes_at, sent_at
from functions.channels.contract import (
    AccessToken,
    Credentials,
    HttpAnswer,
    HttpResult,
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
from functions.channels.contract import Outcome as Sent
from functions.common import keys
from functions.common.message import Contact, ContactId, Message, ReplyWindow, Verification

API = "https://business-api.tiktok.com"
JSON = {"content-type": "application/json"}
SIGNED = Verification(scheme="tiktok-hmac-sha256", body_signed=True, timestamped=True)
WINDOW, REPLIES = timedelta(hours=48), 10
RETRY_AFTER = 60.0

_SIGNATURE = re.compile(r"t=([0-9]{1,11}),s=([0-9a-f]{64})")
_EVENTS = {"im_send_msg": "echo", "im_mark_read_msg": "receipt"}
# 40064: what may be said now has been said, or the region forbids it.
_OUTCOMES: dict[int, Sent] = {0: "sent", 40064: "window_closed", 40100: "rate_limited", 40105: "auth_expired"}

Secret = Annotated[SecretStr, Field(min_length=8)]


class TiktokBusinessCredentials(Credentials):
    """`business_id` is the account's open id. Of the tokens one or none: an `access_token` (a day), a `refresh_token` (a year).

    With neither the channel only receives. A refreshed token is leased; whether TikTok then gives another refresh token is not known,
    and it would be lost. `tolerance_seconds`: how old a signature may be (whether a retry is signed anew is not known).
    """

    app_id: str = Field(min_length=1, max_length=128)
    app_secret: Secret
    business_id: str = Field(min_length=1, max_length=256)
    access_token: Secret | None = None
    refresh_token: Secret | None = None
    tolerance_seconds: int = Field(300, ge=5, le=259_200)


class TiktokBusiness:
    """The channel `tiktok_business`."""

    channel = "tiktok_business"
    credentials: type[Credentials] = TiktokBusinessCredentials
    idempotent_send = False
    max_text = 6000
    max_text_unit: TextUnit = "characters"
    # A question of at most forty characters with one to three answers; the longest text of a card is that of its title.
    shows = Shows(buttons=3, button_title=20, text_beside_buttons=tiktok_content.CARD_TITLE)

    def verify(self, request: RawRequest, credentials: TiktokBusinessCredentials, now: datetime) -> Verified | Rejected:
        header = request.headers.get("tiktok-signature")
        if request.method != "POST":
            return Rejected("method")
        if not header:
            return Rejected("no_signature")
        match = _SIGNATURE.fullmatch(header)
        if match is None:
            return Rejected("bad_signature")
        if not holds(match[2], credentials.app_secret.get_secret_value(), match[1].encode() + b"." + request.body):
            return Rejected("bad_signature")
        if not fresh(unix_time(match[1]), now, timedelta(seconds=credentials.tolerance_seconds)):
            return Rejected("stale")
        return Verified(request, credentials, SIGNED)

    def decode(self, verified: Verified, account: str) -> Payload:
        body = strict_json.parse_object(verified.request.body)
        content = body.get("content")
        if isinstance(content, str):
            body["content"] = strict_json.parse_object(content.encode("utf-8", "replace")) if content else {}
        return Payload(verified, account, body)

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return None

    def parse(self, payload: Payload) -> ParseResult:
        try:
            return batch.result((_outcome(payload),))
        except FieldUnreadable as fault:
            return ParseResult(errors=(ItemError(fault.reason, f"content.{fault.where}"),))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        return HttpAnswer(200, "OK")

    def send(self, reply: OutgoingReply, credentials: TiktokBusinessCredentials, outbound: Outbound) -> SendResult:
        if not _sends(credentials):
            return SendResult(outcome="window_closed", code="receive_only")
        if reply.not_after and outbound.now() > reply.not_after:
            return SendResult(outcome="window_closed", code="too_late")
        if not reply.token:
            return SendResult(outcome="invalid", code="no_conversation")
        if len(reply.text) > self.max_text:
            return SendResult(outcome="invalid", code="too_long")
        if credentials.access_token:
            return _post(reply, credentials, credentials.access_token.get_secret_value(), outbound)
        return leased_send.send(
            outbound,
            keys.app("tiktok", credentials.app_id, credentials.business_id),  # it is the account that gives an app its token
            lambda: _fetch_token(credentials, outbound),
            lambda token: _post(reply, credentials, token, outbound),
        )


def _sends(credentials: TiktokBusinessCredentials) -> bool:
    return credentials.access_token is not None or credentials.refresh_token is not None


def _outcome(payload: Payload) -> Outcome:
    body, content = payload.body, table(payload.body, "content")
    event, ours = loggable(body.get("event")), payload.verified.credentials.business_id
    native_id = optional_id(content, "message_id")
    if optional_id(body, "user_openid") != ours:
        return Ignored("another_account", native_id)
    arrival = tiktok_content.arrival(content) if event == tiktok_content.ARRIVED else None
    # `im_receive_msg_eu` announces what a person in Europe wrote.
    if arrival is None and not event.startswith("im_receive_msg"):
        return Ignored(_EVENTS.get(event, event), native_id)
    if optional_id(table(content, "from_user"), "id") == ours:
        return Ignored("echo", native_id)
    return _message(content, arrival, payload)


def _message(content: Fields, arrival: Said | None, payload: Payload) -> Message:
    request, credentials = payload.verified.request, payload.verified.credentials
    person = required_id(table(content, "from_user"), "id")
    native_id = optional_id(content, "message_id") if arrival else required_id(content, "message_id")
    sent, said = sent_at(content.get("timestamp"), request.received_at), arrival or tiktok_content.said(content)
    conversation = required_id(content, "conversation_id")
    identity = native_id or f"{tiktok_content.ARRIVED} {said.referral.ad_id if said.referral else ''}"
    return Message(
        message_id=keys.message_id("tiktok_business", payload.account, person, sent.at, identity),
        channel="tiktok_business",
        account=payload.account,
        contact=Contact(
            primary=person,
            ids=(ContactId(kind="uid", value=person, scope=credentials.business_id),),
            name=tiktok_content.name(content),
        ),
        kind=said.kind,
        raw_kind=said.raw_kind,
        native_id=native_id,
        text=said.text,
        attachments=said.attachments,
        link=said.link,
        interactive=said.interactive,
        referral=said.referral,
        reply_to=said.reply_to,
        thread_id=conversation,
        sent_at=sent.at,
        time_precision=sent.precision,
        received_at=request.received_at,
        # An arrival opens no window: only what the person writes does.
        reply=_window(sent, conversation, request.received_at)
        if _sends(credentials) and not arrival
        else ReplyWindow(mode="none"),
        verification=payload.verified.verification,
    )


def _window(sent: SentAt, conversation: str, received_at: datetime) -> ReplyWindow:
    return ReplyWindow(mode="window", expires_at=closes_at(sent, received_at, WINDOW), max_replies=REPLIES, token=conversation)


def _post(reply: OutgoingReply, credentials: TiktokBusinessCredentials, token: str, outbound: Outbound) -> SendResult:
    said = {
        "business_id": credentials.business_id,
        "recipient_type": "CONVERSATION",
        "recipient": reply.token,
        **tiktok_content.written(reply.text, reply.buttons),
    }
    url = f"{outbound.origin(API)}/open_api/v1.3/business/message/send/"
    return leased_send.post(outbound, url, {**JSON, "access-token": token}, strict_json.written(said), _read)


def _fetch_token(credentials: TiktokBusinessCredentials, outbound: Outbound) -> AccessToken:
    asked = {
        "client_id": credentials.app_id,
        "client_secret": credentials.app_secret.get_secret_value(),
        "grant_type": "refresh_token",
        "refresh_token": credentials.refresh_token.get_secret_value() if credentials.refresh_token else "",
    }
    url = f"{outbound.origin(API)}/open_api/v1.3/tt_user/oauth2/refresh_token/"
    answer = outbound.request("POST", url, headers=JSON, body=strict_json.written(asked))
    given = table(strict_json.answered(answer.body), "data")
    token, life = given.get("access_token"), given.get("expires_in")
    if isinstance(token, str) and token and type(life) is int:
        return AccessToken(token, life)
    raise TokenRefused(_read(answer))


def _read(answer: HttpResult) -> SendResult:
    """TikTok answers 200 with a code of its own; any other status comes from something in between, or says nothing certain."""
    said = strict_json.answered(answer.body)
    code = said.get("code")
    if type(code) is not int:
        limited = answer.status == 429
        return SendResult(
            outcome="rate_limited" if limited else "unknown",
            code=f"http_{answer.status}",
            retry_after=RETRY_AFTER if limited else None,
        )
    # From 50000 on the fault is TikTok's own, and may have struck after the message left.
    outcome = _OUTCOMES.get(code, "invalid" if 40000 <= code < 50000 else "unknown")
    sent = optional_id(table(table(said, "data"), "message"), "message_id")
    wait = RETRY_AFTER if outcome == "rate_limited" else None
    return SendResult(outcome=outcome, code=str(code)[:16], provider_id=sent, retry_after=wait)


ADAPTER = TiktokBusiness()
