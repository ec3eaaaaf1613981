"""QQ bots (QQ 机器人): events by webhook under Ed25519, passive replies through the message API.

The platform and the bot derive the same key pair from the bot's secret, so the bot could sign events itself. The console's verification
call (op 13) asks it to sign a text of the caller's choice, and comes without a signature of its own: answered freely, it would sign forged
events for anybody (trap T1). It signs nothing here but digits followed by letters, digits, `_` and `-`; an event begins with digits
followed by a brace. A verification call that bears a signature must bear the right one.

Only answers to messages can be sent: QQ ended unprompted ones in April 2025. A reply's `msg_seq` is its idempotency key.

https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/event-emit.html
https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/sign.html
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, SecretStr

from functions.channels.codecs import ed25519, json_fields, leased_send, qq_events, qq_sending, strict_json
from functions.channels.codecs.constant_time import fresh, same, unix_time
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.codecs.platform_time import believable
from functions.channels.codecs.qq_events import Place
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
from functions.common.message import Contact, Message, ReplyWindow, Verification

if TYPE_CHECKING:
    from datetime import datetime

JSON = "application/json"
EVENT, ACKNOWLEDGEMENT, VALIDATION = 0, 12, 13
GUILD = "guild"

_HEX = re.compile(r"[0-9a-fA-F]{128}")
_EVENT_TS = re.compile(r"[0-9]{1,12}")
_PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


class QqCredentials(Credentials):
    """`app_secret` (the console's AppSecret, "Bot Secret" elsewhere) signs webhooks and buys access tokens.

    `tolerance_seconds` is ours, the vendor has none. Whether a later try of a webhook bears a later time is not known: if the log shows
    retries refused as `stale`, raise it. A webhook that comes twice is stored once in any case. `open_platform` is our name for the
    owner whose bots share union_openids: accounts that name the same one share their contacts. `keyboard`: QQ has granted this bot markdown
    and buttons of its own making (内邀开通).
    """

    app_id: Annotated[str, Field(pattern=r"^[0-9]{1,20}\z")]
    app_secret: Annotated[SecretStr, Field(min_length=8)]
    tolerance_seconds: Annotated[int, Field(ge=30, le=86_400)] = 300
    open_platform: str = Field("", max_length=64)
    keyboard: bool = False


class Qq:
    """The channel `qq`. `max_text` is ours: the vendor names no limit, only a code for a text beyond it (40054007)."""

    channel = "qq"
    credentials: type[Credentials] = QqCredentials
    idempotent_send = True
    max_text = 1000
    max_text_unit: TextUnit = "characters"
    shows = replace(qq_sending.SHOWS, only=qq_sending.shown)

    def verify(self, request: RawRequest, credentials: QqCredentials, now: datetime) -> Verified | Rejected:
        theirs, timestamp = request.headers.get("x-signature-ed25519"), request.headers.get("x-signature-timestamp")
        if request.method != "POST":
            return Rejected("method")
        if theirs is None and timestamp is None:
            return _verify_validation(request, credentials)
        sent = unix_time(timestamp)
        if not theirs or not _HEX.fullmatch(theirs) or timestamp is None or sent is None:
            return Rejected("no_signature")
        key = ed25519.public_key(_seed(credentials))
        if not ed25519.verify(key, bytes.fromhex(theirs), timestamp.encode() + request.body):
            return Rejected("bad_signature")
        if not fresh(sent, now, timedelta(seconds=credentials.tolerance_seconds)):
            return Rejected("stale")
        return Verified(request, credentials, Verification(scheme="qq-ed25519", body_signed=True, timestamped=True))

    def decode(self, verified: Verified, account: str) -> Payload:
        return Payload(verified, account, strict_json.parse_object(verified.request.body))

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        if json_fields.count(payload.body, "op") != VALIDATION:
            return None
        asked = _validation(payload.body)
        if asked is None:
            raise MalformedPayload("op 13")
        event_ts, plain_token = asked
        signature = ed25519.sign(_seed(payload.verified.credentials), (event_ts + plain_token).encode()).hex()
        return HttpAnswer(200, json.dumps({"plain_token": plain_token, "signature": signature}), JSON)

    def parse(self, payload: Payload) -> ParseResult:
        fields: Fields = payload.body
        op, event = json_fields.count(fields, "op"), json_fields.loggable(fields.get("t"))
        place = qq_events.PLACES.get(event) if op == EVENT else None
        if place is None:
            kind = event if op == EVENT else f"op_{op}"
            return ParseResult(ignored=(Ignored(kind, json_fields.optional_id(fields, "id")),))
        try:
            return ParseResult(messages=(_message(json_fields.table(fields, "d"), place, payload),))
        except FieldUnreadable as fault:
            return ParseResult(errors=(ItemError(fault.reason, f"d.{fault.where}"),))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        # d: 1 would ask for another try.
        return HttpAnswer(200, json.dumps({"op": ACKNOWLEDGEMENT, "d": 0}), JSON)

    def send(self, reply: OutgoingReply, credentials: QqCredentials, outbound: Outbound) -> SendResult:
        if reply.token == GUILD:
            return SendResult(outcome="window_closed", code="receive_only")
        if reply.native_id is None or (reply.not_after and outbound.now() > reply.not_after):
            return SendResult(outcome="window_closed", code="too_late" if reply.native_id else "no_message")
        if len(reply.text) > self.max_text:
            return SendResult(outcome="invalid", code="too_long")
        app, secret = keys.app("qq", credentials.app_id), credentials.app_secret.get_secret_value()

        def fetch() -> AccessToken:
            return qq_sending.fetch_token(credentials.app_id, secret, outbound)

        return leased_send.send(outbound, app, fetch, lambda token: qq_sending.post(outbound, token, reply))


def _seed(credentials: QqCredentials) -> bytes:
    """The secret, repeated until it fills a seed and cut to one."""
    secret = credentials.app_secret.get_secret_value().encode("utf-8", "surrogatepass")
    return (secret * ed25519.SEED)[: ed25519.SEED]


def _verify_validation(request: RawRequest, credentials: QqCredentials) -> Verified | Rejected:
    """The console's call, which bears no signature: of the one form whose answer is worth nothing to anybody else."""
    try:
        asked = _validation(strict_json.parse_object(request.body))
    except MalformedPayload:
        asked = None
    if asked is None:
        return Rejected("no_signature")
    if not same(credentials.app_id, request.headers.get("x-bot-appid", "")):
        return Rejected("another_app")
    return Verified(request, credentials, Verification(scheme="qq-validation", body_signed=False, timestamped=False))


def _validation(fields: Fields) -> tuple[str, str] | None:
    """`event_ts` and `plain_token` of a verification call, or None when it is none, or could be made to sign an event."""
    if json_fields.count(fields, "op") != VALIDATION:
        return None
    asked = json_fields.table(fields, "d")
    event_ts, plain_token = json_fields.text(asked, "event_ts") or "", json_fields.text(asked, "plain_token") or ""
    return (event_ts, plain_token) if _EVENT_TS.fullmatch(event_ts) and _PLAIN_TOKEN.fullmatch(plain_token) else None


def _message(fields: Fields, place: Place, payload: Payload) -> Message:
    credentials, request = payload.verified.credentials, payload.verified.request
    primary, ids = qq_events.person(fields, place, credentials.app_id, credentials.open_platform)
    native_id, group = json_fields.required_id(fields, "id"), qq_events.group(fields, place)
    said, author = qq_events.said(fields), json_fields.table(fields, "author")
    sent_at = believable(qq_events.sent_at(fields), request.received_at)
    return Message(
        message_id=keys.message_id("qq", payload.account, primary, sent_at, native_id),
        channel="qq",
        account=payload.account,
        contact=Contact(
            primary=primary,
            ids=ids,
            name=json_fields.text(author, "username", 200),
            avatar_url=json_fields.url(author, "avatar"),
            is_bot=author.get("bot") is True,
        ),
        kind=said.kind,
        raw_kind=said.raw_kind,
        native_id=native_id,
        native_event_id=json_fields.optional_id(payload.body, "id"),
        text=said.text,
        attachments=said.attachments,
        mentions=said.mentions,
        reply_to=said.reply_to,
        conversation_kind=place.kind,
        thread_id=group,
        sent_at=sent_at,
        time_precision="s" if sent_at else "none",
        received_at=request.received_at,
        reply=_window(place, _address(group, credentials), min(sent_at or request.received_at, request.received_at)),
        verification=payload.verified.verification,
    )


def _address(group: str | None, credentials: QqCredentials) -> str | None:
    return " ".join(filter(None, (qq_sending.KEYBOARD if credentials.keyboard else None, group))) or None


def _window(place: Place, address: str | None, since: datetime) -> ReplyWindow:
    """A passive reply names the message, and its address is the group it stands in, behind what the bot may show there."""
    if not place.replies:
        return ReplyWindow(mode="none", token=GUILD)
    return ReplyWindow(mode="passive", token=address, expires_at=since + place.window, max_replies=place.replies)


ADAPTER = Qq()
