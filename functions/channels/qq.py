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
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from zlib import crc32

from pydantic import Field, SecretStr

from functions.channels.codecs import ed25519, json_fields, leased_send, qq_events, strict_json
from functions.channels.codecs.constant_time import fresh, same, unix_time
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.codecs.platform_time import believable
from functions.channels.codecs.qq_events import Place
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
from functions.common.message import Contact, Message, ReplyWindow, Verification

if TYPE_CHECKING:
    from datetime import datetime

API = "https://api.sgroup.qq.com"
ACCOUNT_API = "https://bots.qq.com"
JSON = "application/json"
EVENT, ACKNOWLEDGEMENT, VALIDATION = 0, 12, 13
GUILD = "guild"

_HEX = re.compile(r"[0-9a-fA-F]{128}")
_EVENT_TS = re.compile(r"[0-9]{1,12}")
_PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
# https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/error-trace/openapi.html and the pages of the two message APIs.
_OUTCOMES: dict[int, Outcome] = {
    40054005: "duplicate",  # msg_id and msg_seq have been seen
    304023: "sent",  # taken, a person looks at it first
    304024: "sent",
    304027: "window_closed",  # the message answered is too old
    304103: "window_closed",
    40034005: "window_closed",
    40034128: "window_closed",  # too old, or answered too often
    40054004: "window_closed",  # no friend any more
    40054013: "window_closed",  # does not want our messages
    11241: "auth_expired",
    11243: "auth_expired",
    11242: "transient",  # the platform's own fault, by the vendor's word worth another try
    11252: "transient",
    50055001: "transient",
    50055002: "transient",
    22009: "rate_limited",
    20028: "rate_limited",
}
RETRY_AFTER = 60.0  # seconds; the vendor names none


class QqCredentials(Credentials):
    """`app_secret` (the console's AppSecret, "Bot Secret" elsewhere) signs webhooks and buys access tokens.

    `tolerance_seconds` is ours, the vendor has none. Whether a later try of a webhook bears a later time is not known: if the log shows
    retries refused as `stale`, raise it. A webhook that comes twice is stored once in any case. `open_platform` is our name for the
    owner whose bots share union_openids: accounts that name the same one share their contacts.
    """

    app_id: Annotated[str, Field(pattern=r"^[0-9]{1,20}\z")]
    app_secret: Annotated[SecretStr, Field(min_length=8)]
    tolerance_seconds: Annotated[int, Field(ge=30, le=86_400)] = 300
    open_platform: str = Field("", max_length=64)


class Qq:
    """The channel `qq`. `max_text` is ours: the vendor names no limit, only a code for a text beyond it (40054007)."""

    channel = "qq"
    credentials: type[Credentials] = QqCredentials
    idempotent_send = True
    max_text = 1000
    max_text_unit: TextUnit = "characters"
    shows = TEXT_ONLY

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
        where, whose = ("groups", reply.token) if reply.token else ("users", reply.contact)
        url = f"{outbound.origin(API)}/v2/{where}/{quote(whose, safe='', errors='replace')}/messages"
        body = _json({"content": reply.text, "msg_type": 0, "msg_id": reply.native_id, "msg_seq": _sequence(reply)})

        def post(token: str) -> SendResult:
            return leased_send.post(outbound, url, {"content-type": JSON, "authorization": f"QQBot {token}"}, body, _result)

        return leased_send.send(outbound, keys.app("qq", credentials.app_id), lambda: _fetch_token(credentials, outbound), post)


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
        reply=_window(place, group, min(sent_at or request.received_at, request.received_at)),
        verification=payload.verified.verification,
    )


def _window(place: Place, group: str | None, since: datetime) -> ReplyWindow:
    """A passive reply names the message, and the group it stands in."""
    if not place.replies:
        return ReplyWindow(mode="none", token=GUILD)
    return ReplyWindow(mode="passive", token=group, expires_at=since + place.window, max_replies=place.replies)


def _sequence(reply: OutgoingReply) -> int:
    """The same for every try of a text, another for another text in answer to the same message. An unsigned 32-bit number to QQ."""
    return crc32(reply.text.encode("utf-8", "surrogatepass"), reply.part) & 0x7FFFFFFF or 1


def _fetch_token(credentials: QqCredentials, outbound: Outbound) -> AccessToken:
    """A new token, which QQ gives out in the old one's last minute; both are good for that minute.

    https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/api-use.html
    """
    asked = _json({"appId": credentials.app_id, "clientSecret": credentials.app_secret.get_secret_value()})
    url = f"{outbound.origin(ACCOUNT_API)}/app/getAppAccessToken"
    answer = outbound.request("POST", url, headers={"content-type": JSON}, body=asked)
    given = _fields(answer)
    token, expires_in = given.get("access_token"), json_fields.count(given, "expires_in")  # in digits, as text
    if isinstance(token, str) and token and expires_in:
        return AccessToken(token, expires_in)
    raise leased_send.TokenRefused(_result(answer))


def _fields(answer: HttpResult) -> Fields:
    try:
        return strict_json.parse_object(answer.body)
    except MalformedPayload:
        return {}


def _result(answer: HttpResult) -> SendResult:
    fields = _fields(answer)
    code = json_fields.count(fields, "code") or json_fields.count(fields, "err_code")
    provider_id = json_fields.optional_id(fields, "id")
    outcome: Outcome
    if code:
        outcome = _OUTCOMES.get(code) or _by_status(answer.status, "invalid")
    elif 200 <= answer.status < 300:
        outcome = "sent" if provider_id else "unknown"
    else:
        outcome = _by_status(answer.status, "unknown")
    retry_after = RETRY_AFTER if outcome == "rate_limited" else None
    said = str(code or f"http_{answer.status}")
    return SendResult(outcome=outcome, code=said, provider_id=provider_id, retry_after=retry_after)


def _by_status(status: int, otherwise: Outcome) -> Outcome:
    named: dict[int, Outcome] = {401: "auth_expired", 429: "rate_limited"}
    if status >= 500:
        return "unknown"
    return named.get(status, "invalid" if 400 <= status < 500 else otherwise)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


ADAPTER = Qq()
