"""Any system that speaks JSON: yours, signed by Standard Webhooks, or a platform that we do not know, described by configuration.

The account's `signature` says how webhooks are signed, its `fields` where a message is in them; without these it is Standard Webhooks
(`webhook-id`, `webhook-timestamp`, `webhook-signature`) and our own format.

The body is one message or a list of them under `messages` (docs/channels.md has the fields). Replies are POSTed to the account's
`reply_url`, signed the same way; `webhook-id` is their idempotency key. https://github.com/standard-webhooks/standard-webhooks
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from functions.channels.codecs import sightings, strict_json
from functions.channels.codecs.batch import MAX_ITEMS
from functions.channels.codecs.constant_time import fresh, same, unix_time
from functions.channels.codecs.generic_item import MAX_TEXT, Item, ItemContact, ItemReplyTo
from functions.channels.codecs.platform_time import OF_ONES_OWN, believable
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
from functions.common.invalid import first_fault
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
_SECONDS = re.compile(r"[0-9]{1,5}")


def _secret_bytes(secret: str) -> bytes:
    return b64decode(secret.removeprefix("whsec_"), validate=True)


def _usable(secret: SecretStr) -> SecretStr:
    if len(_secret_bytes(secret.get_secret_value())) < 16:
        raise ValueError("a secret must hold at least 16 bytes")
    return secret


def _described(value: Any, about: ValidationInfo) -> Any:
    if value is None:
        return None
    from functions.channels.codecs import custom_account

    return custom_account.part(str(about.field_name), value)


class GenericCredentials(Credentials):
    """`secret`: `whsec_` and base64; it signs webhooks unless a `signature` says how they are, and replies always.

    Without a `reply_url` the channel only receives. `fields` says where a body that is not in our format keeps what a message needs,
    `handshake` and `answer` what the platform wants to hear. `open_platform` is the scope of contacts' `unionid`: accounts that name the
    same one share their contacts.
    """

    secret: Annotated[SecretStr, AfterValidator(_usable)] = SecretStr("")
    reply_url: str | None = None
    signature: Annotated[Any, AfterValidator(_described)] = None
    fields: Annotated[Any, AfterValidator(_described)] = None
    handshake: Annotated[Any, AfterValidator(_described)] = None
    answer: Annotated[Any, AfterValidator(_described)] = None
    open_platform: str = Field("", max_length=64)

    @model_validator(mode="after")
    def _signed_both_ways(self) -> Self:
        if not self.secret.get_secret_value() and (self.signature is None or self.reply_url):
            raise PydanticCustomError("secret_missing", "needed by webhooks without a signature of their own, and by replies")
        return self


class Generic:
    """The channel `generic`."""

    channel = "generic"
    credentials: type[Credentials] = GenericCredentials
    idempotent_send = True
    max_text = MAX_TEXT
    max_text_unit: TextUnit = "characters"
    shows = Shows(image=True, buttons=10, button_title=80)

    def verify(self, request: RawRequest, credentials: GenericCredentials, now: datetime) -> Verified | Rejected:
        outcome = (
            _standard(request, credentials, now)
            if credentials.signature is None
            else credentials.signature.checked(request, now)
        )
        return outcome if isinstance(outcome, Rejected) else Verified(request, credentials, outcome)

    def decode(self, verified: Verified, account: str) -> Payload:
        signature, request = verified.credentials.signature, verified.request
        return Payload(verified, account, signature.decoded(request) if signature else strict_json.parse_object(request.body))

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        credentials = payload.verified.credentials
        echo: HttpAnswer | None = credentials.signature.echo(payload.verified.request) if credentials.signature else None
        return echo or (credentials.handshake.answered(payload.body) if credentials.handshake else None)

    def parse(self, payload: Payload) -> ParseResult:
        messages: list[Message] = []
        ignored: list[Ignored] = []
        errors: list[ItemError] = []
        fields = payload.verified.credentials.fields
        listed = fields.items(payload.body) if fields else payload.body.get("messages", [payload.body])
        if not isinstance(listed, list) or len(listed) > MAX_ITEMS:
            reason = "too many" if isinstance(listed, list) else "not a list"
            return ParseResult(errors=(ItemError(reason, "messages"),))
        for place, raw in enumerate(listed):
            try:
                read = _read(raw, payload)
            except ValidationError as error:
                fault = first_fault(error, "messages", place)
                errors.append(ItemError(fault.kind, fault.place))
                continue
            if isinstance(read, Ignored):
                ignored.append(read)
            else:
                messages.append(read)
        return ParseResult(messages=tuple(messages), ignored=tuple(ignored), errors=tuple(errors))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        if payload.verified.credentials.answer:
            told: HttpAnswer = payload.verified.credentials.answer.http()
            return told
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


def _standard(request: RawRequest, credentials: GenericCredentials, now: datetime) -> Verification | Rejected:
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
    return Verification(scheme="standard-webhooks", body_signed=True, timestamped=True)


def sign(secret: SecretStr, webhook_id: str, timestamp: str, body: bytes) -> str:
    """The `v1` signature of Standard Webhooks, base64 HMAC-SHA256 over `id.timestamp.body`, with its prefix."""
    signed = f"{webhook_id}.{timestamp}.".encode("utf-8", "surrogatepass") + body
    digest = hmac.new(_secret_bytes(secret.get_secret_value()), signed, sha256).digest()
    return "v1," + b64encode(digest).decode()


def _read(raw: Any, payload: Payload) -> Message | Ignored:
    fields = payload.verified.credentials.fields
    if fields is None:
        item = Item.model_validate(raw)
        return _seen(item, payload) if item.event else _message(item, payload)
    return fields.ignored(raw, payload.body) or _message(
        Item.model_validate(fields.read(raw, payload.body, payload.verified.request.received_at)), payload
    )


def _ids(contact: ItemContact, payload: Payload) -> tuple[ContactId, ...]:
    own = ContactId(kind="uid", value=contact.id, scope=payload.account)
    if contact.unionid is None:
        return (own,)
    return own, ContactId(kind="unionid", value=contact.unionid, scope=payload.verified.credentials.open_platform)


def _message(item: Item, payload: Payload) -> Message:
    contact, request = item.contact, payload.verified.request
    kind, raw_kind = _kind(item)
    quoted = item.reply_to if isinstance(item.reply_to, ItemReplyTo) else ItemReplyTo(id=item.reply_to)
    sent_at = believable(item.sent_at, request.received_at, late=OF_ONES_OWN)
    return Message(
        # The same whenever it comes: what is believed of its time depends on the receipt.
        message_id=keys.message_id("generic", payload.account, contact.id, item.sent_at, item.id),
        channel="generic",
        account=payload.account,
        contact=Contact(
            primary=contact.id,
            ids=_ids(contact, payload),
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
        sent_at=sent_at,
        time_precision="ms" if sent_at else "none",
        received_at=request.received_at,
        reply=ReplyWindow(mode="open" if payload.verified.credentials.reply_url else "none"),
        verification=payload.verified.verification,
    )


def _seen(item: Item, payload: Payload) -> Ignored:
    place, at = ("generic", payload.account, item.contact.id), payload.verified.request.received_at
    if item.event == "answered":
        return sightings.answered(Ignored("echo", item.id), place, item.id, item.text, at)
    return sightings.recalled(Ignored("recalled", item.id), place, item.id, at)


def _kind(item: Item) -> tuple[Kind, str | None]:
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
    return strict_json.written(said)


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
