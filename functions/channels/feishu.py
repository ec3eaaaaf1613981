"""Feishu and Lark (飞书): a bot's events, encrypted and signed or plain, answered in reply to the message.

The account's `mode` decides what is accepted, never the request. With an Encrypt Key events are encrypted, and signed over the encrypted
body. Without one they bear a token and nothing else: whoever has seen one event may write in anybody's name. Prefer `encrypted`.
The console's verification call is not signed even then; it is taken when it decrypts to one that bears the right token.

https://open.feishu.cn/document/server-docs/event-subscription-guide/event-subscription-configure-/encrypt-key-encryption-configuration-case
https://open.feishu.cn/document/server-docs/im-v1/message/reply
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from functions.channels.codecs import feishu_aes, feishu_events, feishu_sending, json_fields, leased_send, strict_json
from functions.channels.codecs.constant_time import fresh, same, unix_time
from functions.channels.codecs.feishu_events import Event
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.codecs.sha_concat import digest
from functions.channels.codecs.timestamp import sent_at
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
    TextUnit,
    Verified,
)
from functions.common import keys
from functions.common.errors import MalformedPayload
from functions.common.message import Contact, ContactId, Message, ReplyTo, ReplyWindow, Verification

if TYPE_CHECKING:
    from datetime import datetime

APIS = {"feishu": "https://open.feishu.cn", "lark": "https://open.larksuite.com"}
HANDSHAKE = "url_verification"
MAX_CHALLENGE = 512


class FeishuCredentials(Credentials):
    """The app's settings. `encrypt_key` is needed in mode `encrypted` only; `domain` is `lark` outside of China.

    `tolerance_seconds` is ours, the vendor has none. Whether its retries (15 s, 5 min, 1 h, 6 h) bear the time of the retry is not known:
    if the log shows retries refused as `stale`, raise it to 28800. A webhook that comes twice is stored once in any case.
    `open_platform` is our name for the developer whose apps share union_ids: accounts that name the same one share their contacts.
    `cards`: the console calls this address back when a card's button is tapped (card.action.trigger), so buttons may be sent.
    """

    app_id: Annotated[str, Field(min_length=1)]
    app_secret: SecretStr
    verification_token: Annotated[SecretStr, Field(min_length=8)]
    encrypt_key: Annotated[SecretStr, Field(min_length=1)] | None = None
    mode: Literal["encrypted", "plain"]
    domain: Literal["feishu", "lark"] = "feishu"
    open_platform: str = Field("", max_length=64)
    tolerance_seconds: Annotated[int, Field(ge=30, le=86_400)] = 300
    cards: bool = False

    @model_validator(mode="after")
    def _decryptable(self) -> Self:
        if (self.encrypt_key is None) == (self.mode == "encrypted"):
            raise ValueError("encrypt_key belongs to mode encrypted, and only there")
        return self


class Feishu:
    """The channel `feishu`. `max_text` keeps the request below the vendor's 150 KB however much of the text JSON must escape, twice."""

    channel = "feishu"
    credentials: type[Credentials] = FeishuCredentials
    # Requests with the same uuid succeed at most once within an hour; the queue's tries end long before.
    idempotent_send = True
    max_text = 30_000
    max_text_unit: TextUnit = "bytes"
    shows = replace(feishu_sending.SHOWS, only=feishu_sending.shown)

    def verify(self, request: RawRequest, credentials: FeishuCredentials, now: datetime) -> Verified | Rejected:
        if request.method != "POST":
            return Rejected("method")
        if credentials.mode == "plain":
            return _verify_plain(request, credentials)
        return _verify_encrypted(request, credentials, now)

    def decode(self, verified: Verified, account: str) -> Payload:
        # Decrypted a second time: verify proved that it can be, but what it hands on holds no plaintext.
        event = _event(verified.request, verified.credentials)
        if event is None:
            raise MalformedPayload("not an event")
        return Payload(verified, account, event)

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        if payload.body.get("type") != HANDSHAKE:
            return None
        challenge = payload.body.get("challenge")
        if not isinstance(challenge, str) or not 0 < len(challenge) <= MAX_CHALLENGE:
            raise MalformedPayload("challenge")
        return HttpAnswer(200, json.dumps({"challenge": challenge}), feishu_sending.JSON)

    def parse(self, payload: Payload) -> ParseResult:
        event = feishu_events.event(payload.body)
        reason = _not_a_message(event, payload.verified.credentials)
        if reason:
            return ParseResult(ignored=(Ignored(reason, event.event_id),))
        try:
            return ParseResult(messages=(_message(event, payload),))
        except FieldUnreadable as fault:
            return ParseResult(errors=(ItemError(fault.reason, fault.where),))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        return HttpAnswer(200, "{}", feishu_sending.JSON)

    def send(self, reply: OutgoingReply, credentials: FeishuCredentials, outbound: Outbound) -> SendResult:
        if reply.native_id is None:
            return SendResult(outcome="invalid", code="no_message")
        text = feishu_sending.plain(reply.text)
        if len(text.encode("utf-8", "replace")) > self.max_text:
            return SendResult(outcome="invalid", code="too_long")
        origin = outbound.origin(APIS[credentials.domain])

        def fetch() -> AccessToken:
            return feishu_sending.fetch_token(outbound, origin, credentials.app_id, credentials.app_secret.get_secret_value())

        app = keys.app("feishu", credentials.app_id)
        return leased_send.send(outbound, app, fetch, lambda token: feishu_sending.post(outbound, origin, token, reply, text))


def _verify_encrypted(request: RawRequest, credentials: FeishuCredentials, now: datetime) -> Verified | Rejected:
    names = ("x-lark-signature", "x-lark-request-timestamp", "x-lark-request-nonce")
    theirs, timestamp, nonce = (request.headers.get(name) for name in names)
    if theirs is None:
        return _verify_challenge(request, credentials)
    if not timestamp or nonce is None or credentials.encrypt_key is None:
        return Rejected("no_signature")
    if not same(digest("sha256", timestamp, nonce, credentials.encrypt_key.get_secret_value(), request.body), theirs):
        return Rejected("bad_signature")
    if not fresh(unix_time(timestamp, milliseconds=len(timestamp) > 11), now, timedelta(seconds=credentials.tolerance_seconds)):
        return Rejected("stale")
    event = _event(request, credentials)
    if event is None or not _token_holds(event, credentials):
        return Rejected("bad_signature")
    return Verified(request, credentials, Verification(scheme="feishu-sha256", body_signed=True, timestamped=True))


def _verify_challenge(request: RawRequest, credentials: FeishuCredentials) -> Verified | Rejected:
    """The one thing that is taken unsigned in mode `encrypted`. One answer for all that is not it: no oracle for the padding."""
    event = _event(request, credentials)
    if event is None or event.get("type") != HANDSHAKE or not _token_holds(event, credentials):
        return Rejected("no_signature")
    return Verified(request, credentials, Verification(scheme="feishu-challenge", body_signed=False, timestamped=False))


def _verify_plain(request: RawRequest, credentials: FeishuCredentials) -> Verified | Rejected:
    event = _event(request, credentials)
    if event is None or "encrypt" in event:
        return Rejected("mode")
    if not _token_holds(event, credentials):
        return Rejected("bad_token")
    return Verified(request, credentials, Verification(scheme="feishu-token", body_signed=False, timestamped=False))


def _event(request: RawRequest, credentials: FeishuCredentials) -> dict[str, Any] | None:
    """The event in the clear, or None when the body does not hold one in the configured mode."""
    try:
        body = strict_json.parse_object(request.body)
        if credentials.encrypt_key is None:
            return body
        encrypted = body.get("encrypt")
        clear = (
            feishu_aes.decrypt(credentials.encrypt_key.get_secret_value(), encrypted) if isinstance(encrypted, str) else None
        )
        return strict_json.parse_object(clear) if clear is not None else None
    except MalformedPayload:
        return None


def _token_holds(event: Fields, credentials: FeishuCredentials) -> bool:
    return same(credentials.verification_token.get_secret_value(), feishu_events.token(event))


def _not_a_message(event: Event, credentials: FeishuCredentials) -> str | None:
    if event.kind not in feishu_events.MESSAGES:
        return event.kind
    if event.app_id not in (credentials.app_id, None):
        return "another_app"
    if event.kind == feishu_events.V2_TAP and not feishu_events.is_ours(event.message):
        return "another_card"
    # Feishu tells of people's messages only; should that change, a bot's may be our own.
    return None if event.sender_type == "user" else f"sender_{event.sender_type}"


def _message(event: Event, payload: Payload) -> Message:
    fields, received_at = event.message, payload.verified.request.received_at
    contact, native_id = json_fields.required_id(event.sender, "open_id"), json_fields.required_id(fields, "message_id")
    said, sent = feishu_events.said(fields), sent_at(fields.get("create_time"), received_at)
    parent = json_fields.optional_id(fields, "parent_id")
    kind: Literal["dm", "group"] = "dm" if fields.get("chat_type") == "p2p" else "group"
    # A card may be tapped more than once, and has one id.
    identity = native_id if event.kind != feishu_events.V2_TAP else f"tap {event.event_id}"
    return Message(
        message_id=keys.message_id("feishu", payload.account, contact, sent.at, identity),
        channel="feishu",
        account=payload.account,
        contact=Contact(primary=contact, ids=_ids(contact, event, payload.verified.credentials)),
        kind=said.kind,
        raw_kind=said.raw_kind,
        native_id=native_id,
        native_event_id=event.event_id,
        text=said.text,
        attachments=said.attachments,
        location=said.location,
        sticker=said.sticker,
        interactive=said.interactive,
        mentions=feishu_events.mentions(fields),
        reply_to=ReplyTo(native_id=parent) if parent else None,
        conversation_kind=kind,
        thread_id=json_fields.optional_id(fields, "chat_id"),
        sent_at=sent.at,
        time_precision=sent.precision,
        received_at=received_at,
        reply=ReplyWindow(mode="open", token=_shows(kind) if payload.verified.credentials.cards else None),
        verification=payload.verified.verification,
    )


def _shows(kind: str) -> str:
    """What the reply's token tells `feishu_sending`: that cards may be sent, and into what kind of conversation."""
    return feishu_sending.CARDS if kind == "dm" else f"{feishu_sending.CARDS} group"


def _ids(open_id: str, event: Event, credentials: FeishuCredentials) -> tuple[ContactId, ...]:
    """open_id is per app, user_id per tenant, union_id per developer."""
    union, user = json_fields.optional_id(event.sender, "union_id"), json_fields.optional_id(event.sender, "user_id")
    found = [ContactId(kind="open_id", value=open_id, scope=credentials.app_id)]
    if union:
        found.append(ContactId(kind="unionid", value=union, scope=credentials.open_platform))
    if user:
        found.append(ContactId(kind="user_id", value=user, scope=event.tenant or ""))
    return tuple(found)


ADAPTER = Feishu()
