"""Any system of yours that speaks JSON, signed by Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

The body is one message or a list of them under `messages` (docs/channels.md has the fields). Replies are POSTed to the account's
`reply_url`, signed the same way; `webhook-id` is their idempotency key. https://github.com/standard-webhooks/standard-webhooks
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, ValidationError

from functions.channels.codecs import sightings, strict_json
from functions.channels.codecs.constant_time import fresh, same, unix_time
from functions.channels.contract import (
    Credentials,
    HttpAnswer,
    Ignored,
    ItemError,
    NoAnswer,
    Outbound,
    OutgoingReply,
    ParseResult,
    Payload,
    RawRequest,
    Rejected,
    SendResult,
    Shows,
    TextUnit,
    Unreachable,
    Verified,
)
from functions.common import keys
from functions.common.message import (
    Attachment,
    Contact,
    ContactId,
    Kind,
    Message,
    Referral,
    ReplyTo,
    ReplyWindow,
    Verification,
)

TOLERANCE = timedelta(minutes=5)
MAX_TEXT = 20_000
_SECONDS = re.compile(r"[0-9]{1,5}")


def _id(value: Any) -> Any:
    # Ids are strings with us, whatever the sender's JSON makes of them.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("beyond the years 1 to 9999") from None


def _secret_bytes(secret: str) -> bytes:
    return b64decode(secret.removeprefix("whsec_"), validate=True)


def _usable(secret: SecretStr) -> SecretStr:
    if len(_secret_bytes(secret.get_secret_value())) < 16:
        raise ValueError("a secret must hold at least 16 bytes")
    return secret


Id = Annotated[str, BeforeValidator(_id), Field(min_length=1, max_length=256)]
# DynamoDB keeps 38 digits; nobody's file has more than 2^53 bytes.
Count = Annotated[int, Field(ge=0, le=2**53)]
Utc = Annotated[datetime, AfterValidator(_utc)]


class GenericCredentials(Credentials):
    """`secret`: `whsec_` and base64. Without a `reply_url` the channel only receives."""

    secret: Annotated[SecretStr, AfterValidator(_usable)]
    reply_url: str | None = None


class _Contact(BaseModel):
    id: Id
    name: str | None = Field(None, max_length=200)
    locale: str | None = Field(None, max_length=35)
    is_bot: bool = False


class _Attachment(BaseModel):
    kind: str = Field("file", max_length=32)
    url: str | None = Field(None, max_length=4096)
    url_expires_at: Utc | None = None
    media_id: Id | None = None
    mime: str | None = None
    size: Count | None = None
    filename: str | None = Field(None, max_length=255)
    caption: str | None = None
    duration_ms: Count | None = None


class _ReplyTo(BaseModel):
    id: Id | None = None
    text: str | None = None


class _Referral(BaseModel):
    source: str = "ad"
    ad_id: Id | None = None
    campaign_id: Id | None = None
    creative_id: Id | None = None
    advertiser_id: Id | None = None
    source_url: str | None = None
    headline: str | None = None
    click_id: Id | None = None
    ref: str | None = None


class _Item(BaseModel):
    id: Id
    contact: _Contact
    text: str | None = Field(None, max_length=MAX_TEXT)
    kind: str | None = Field(None, max_length=64)
    attachments: list[_Attachment] = Field(default_factory=list, max_length=50)
    reply_to: _ReplyTo | Id | None = None
    referral: _Referral | None = None
    sent_at: Utc | None = None
    # Not a message: somebody answered the contact elsewhere, or the contact took the message of this id back.
    event: Literal["answered", "recalled"] | None = None


class Generic:
    """The channel `generic`."""

    channel = "generic"
    credentials: type[Credentials] = GenericCredentials
    idempotent_send = True
    max_text = MAX_TEXT
    max_text_unit: TextUnit = "characters"
    shows = Shows(image=True, buttons=10, button_title=80)

    def verify(self, request: RawRequest, credentials: GenericCredentials, now: datetime) -> Verified | Rejected:
        webhook_id = request.headers.get("webhook-id")
        timestamp = request.headers.get("webhook-timestamp")
        signatures = request.headers.get("webhook-signature")
        if request.method != "POST":
            return Rejected("method")
        if not webhook_id or not timestamp or not signatures:
            return Rejected("no_signature")
        expected = sign(credentials.secret, webhook_id, timestamp, request.body)
        if not any(same(expected, candidate) for candidate in signatures.split(" ")[:10]):
            return Rejected("bad_signature")
        if not fresh(unix_time(timestamp), now, TOLERANCE):
            return Rejected("stale")
        return Verified(request, credentials, Verification(scheme="standard-webhooks", body_signed=True, timestamped=True))

    def decode(self, verified: Verified, account: str) -> Payload:
        return Payload(verified, account, strict_json.parse_object(verified.request.body))

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return None

    def parse(self, payload: Payload) -> ParseResult:
        messages: list[Message] = []
        ignored: list[Ignored] = []
        errors: list[ItemError] = []
        listed = payload.body.get("messages", [payload.body])
        if not isinstance(listed, list):
            return ParseResult(errors=(ItemError("not a list", "messages"),))
        for place, raw in enumerate(listed):
            try:
                item = _Item.model_validate(raw)
                if item.event:
                    ignored.append(_seen(item, payload))
                else:
                    messages.append(_message(item, payload))
            except ValidationError as error:
                first = error.errors(include_input=False, include_url=False)[0]
                where = ".".join(map(str, ("messages", place, *first["loc"])))
                errors.append(ItemError(first["type"], where))
        return ParseResult(messages=tuple(messages), ignored=tuple(ignored), errors=tuple(errors))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        answer = {"accepted": len(result.messages), "ignored": len(result.ignored), "rejected": len(result.errors)}
        return HttpAnswer(202, json.dumps(answer), "application/json")

    def send(self, reply: OutgoingReply, credentials: GenericCredentials, outbound: Outbound) -> SendResult:
        if not credentials.reply_url:
            return SendResult(outcome="window_closed", code="receive_only")
        if len(reply.text) > self.max_text:
            return SendResult(outcome="invalid", code="too_long")
        body = _reply_body(reply)
        webhook_id = f"reply_{reply.key}"
        timestamp = str(int(outbound.now().timestamp()))
        headers = {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(credentials.secret, webhook_id, timestamp, body),
        }
        try:
            answer = outbound.request("POST", credentials.reply_url, headers=headers, body=body)
        except Unreachable:
            return SendResult(outcome="transient", code="unreachable")
        except NoAnswer:
            return SendResult(outcome="unknown", code="no_answer")
        return _outcome(answer.status, answer.headers.get("retry-after"))


def sign(secret: SecretStr, webhook_id: str, timestamp: str, body: bytes) -> str:
    """The `v1` signature of Standard Webhooks, base64 HMAC-SHA256 over `id.timestamp.body`, with its prefix."""
    signed = f"{webhook_id}.{timestamp}.".encode("utf-8", "surrogatepass") + body
    digest = hmac.new(_secret_bytes(secret.get_secret_value()), signed, sha256).digest()
    return "v1," + b64encode(digest).decode()


def _message(item: _Item, payload: Payload) -> Message:
    contact, request = item.contact, payload.verified.request
    kind, raw_kind = _kind(item)
    quoted = item.reply_to if isinstance(item.reply_to, _ReplyTo) else _ReplyTo(id=item.reply_to)
    return Message(
        message_id=keys.message_id("generic", payload.account, contact.id, item.sent_at, item.id),
        channel="generic",
        account=payload.account,
        contact=Contact(
            primary=contact.id,
            ids=(ContactId(kind="uid", value=contact.id, scope=payload.account),),
            name=contact.name,
            locale=contact.locale,
            is_bot=contact.is_bot,
        ),
        kind=kind,
        raw_kind=raw_kind,
        native_id=item.id,
        native_event_id=request.headers.get("webhook-id"),
        text=item.text,
        attachments=tuple(Attachment(**a.model_dump(), needs_download=a.url_expires_at is not None) for a in item.attachments),
        reply_to=ReplyTo(native_id=quoted.id, text=quoted.text) if item.reply_to else None,
        referral=Referral(**item.referral.model_dump()) if item.referral else None,
        sent_at=item.sent_at,
        time_precision="ms" if item.sent_at else "none",
        received_at=request.received_at,
        reply=ReplyWindow(mode="open" if payload.verified.credentials.reply_url else "none"),
        verification=payload.verified.verification,
    )


def _seen(item: _Item, payload: Payload) -> Ignored:
    place, at = ("generic", payload.account, item.contact.id), payload.verified.request.received_at
    if item.event == "answered":
        return sightings.answered(Ignored("echo", item.id), place, item.id, item.text, at)
    return sightings.recalled(Ignored("recalled", item.id), place, item.id, at)


def _kind(item: _Item) -> tuple[Kind, str | None]:
    if item.kind is None:
        named = item.attachments[0].kind if item.attachments else "text"
        named = "mixed" if item.attachments and item.text else named
    else:
        named = item.kind
    return (named, None) if named in get_args(Kind) else ("unsupported", named)  # type: ignore[return-value]


def _reply_body(reply: OutgoingReply) -> bytes:
    said = {
        "id": f"reply_{reply.key}",
        "contact": {"id": reply.contact},
        "text": reply.text,
        "in_reply_to": reply.native_id,
        **({"buttons": list(reply.buttons)} if reply.buttons else {}),
        **({"image_url": reply.image_url} if reply.image_url else {}),
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def _outcome(status: int, retry_after: str | None) -> SendResult:
    code = str(status)
    if 200 <= status < 300:
        return SendResult(outcome="sent", code=code)
    if status == 409:
        return SendResult(outcome="duplicate", code=code)
    if status == 429:
        seconds = float(retry_after) if retry_after and _SECONDS.fullmatch(retry_after) else 60.0
        return SendResult(outcome="rate_limited", code=code, retry_after=seconds)
    # Sending again is safe: the receiver knows our webhook-id.
    return SendResult(outcome="invalid" if 400 <= status < 500 else "unknown", code=code)


ADAPTER = Generic()
