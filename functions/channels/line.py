"""LINE official accounts: batches of events, answered by reply token while it is fresh and by push message after that.

`X-Line-Signature` covers the body and no time. The console's Verify button sends no events and wants a 200. LINE redelivers (where that
is switched on) with `isRedelivery` set, the same ids and the same token. An event in `standby` belongs to another module that has the
conversation: it is stored and not answered. https://developers.line.biz/en/docs/messaging-api/receiving-messages/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import Field, SecretStr

from functions.channels.codecs import batch, leased_send, line_messages, line_sending, strict_json
from functions.channels.codecs.batch import Item, Outcome, listed
from functions.channels.codecs.hmac_raw_body import holds
from functions.channels.codecs.json_fields import Fields, FieldUnreadable, optional_id, required_id, table
from functions.channels.codecs.line_messages import Place, Said
from functions.channels.codecs.text_parts import size
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
    Shows,
    TextUnit,
    Verified,
)
from functions.common import keys
from functions.common.clock import from_ms
from functions.common.message import Message, ReplyWindow, Verification

SIGNED = Verification(scheme="line-hmac-sha256", body_signed=True, timestamped=False)
# LINE speaks of one minute from the receipt; our own way takes some of it.
FRESH = timedelta(seconds=45)


class LineCredentials(Credentials):
    """`channel_access_token` is the console's long-lived one; without it a stateless one is fetched for `channel_id`.

    With neither the channel only receives. `push` false: replies only, none against the monthly quota. Ids are unique within `provider_id`.
    """

    channel_secret: SecretStr = Field(min_length=16)
    channel_id: str | None = Field(None, pattern=r"^[0-9]{1,20}\z")
    channel_access_token: SecretStr | None = Field(None, min_length=16)
    provider_id: str = Field("", max_length=64)
    push: bool = True


class Line:
    """The channel `line`. A reply by token cannot be repeated safely, so neither is a send whose outcome is unknown."""

    channel = "line"
    credentials: type[Credentials] = LineCredentials
    idempotent_send = False
    max_text = 5000
    max_text_unit: TextUnit = "utf16"
    shows = Shows(image=True, buttons=13, button_title=20)

    def verify(self, request: RawRequest, credentials: LineCredentials, now: datetime) -> Verified | Rejected:
        theirs = request.headers.get("x-line-signature")
        if request.method != "POST":
            return Rejected("method")
        if not theirs:
            return Rejected("no_signature")
        if not holds(theirs, credentials.channel_secret.get_secret_value(), request.body, encoding="base64"):
            return Rejected("bad_signature")
        return Verified(request, credentials, SIGNED)

    def decode(self, verified: Verified, account: str) -> Payload:
        return Payload(verified, account, strict_json.parse_object(verified.request.body))

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return None  # the console's call is a webhook without events

    def parse(self, payload: Payload) -> ParseResult:
        return batch.result(_outcomes(payload))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        return HttpAnswer(200, "OK")

    def send(self, reply: OutgoingReply, credentials: LineCredentials, outbound: Outbound) -> SendResult:
        if not _sends(credentials):
            return SendResult(outcome="window_closed", code="receive_only")
        if reply.not_after and outbound.now() > reply.not_after:
            return SendResult(outcome="window_closed", code="too_late")
        # LINE counts UTF-16 units: most emoji are two.
        if size(reply.text, self.max_text_unit) > self.max_text:
            return SendResult(outcome="invalid", code="too_long")
        if credentials.channel_access_token:
            return _send(reply, credentials, credentials.channel_access_token.get_secret_value(), outbound)
        return leased_send.send(
            outbound,
            keys.app("line", credentials.channel_id or ""),
            lambda: _fetch_token(credentials, outbound),
            lambda token: _send(reply, credentials, token, outbound),
        )


def _sends(credentials: LineCredentials) -> bool:
    return credentials.channel_access_token is not None or credentials.channel_id is not None


def _send(reply: OutgoingReply, credentials: LineCredentials, token: str, outbound: Outbound) -> SendResult:
    """By token while it may be good, by push otherwise; a token that LINE refuses has sent nothing."""
    # The token is good for one call, and a long answer's first part has used it.
    if reply.token and not reply.part and (_fresh(reply, outbound.now()) or not credentials.push):
        result = line_sending.reply(reply, token, outbound)
        if result.code != line_sending.INVALID_TOKEN:
            return result
    if not credentials.push:
        return SendResult(outcome="window_closed", code=line_sending.INVALID_TOKEN)
    return line_sending.push(reply, token, outbound)


def _fresh(reply: OutgoingReply, now: datetime) -> bool:
    try:
        return now - from_ms(int(keys.split(reply.message_id).ts13)) <= FRESH
    except keys.NotAMessageId:
        return False


def _fetch_token(credentials: LineCredentials, outbound: Outbound) -> AccessToken:
    return line_sending.fetch_token(credentials.channel_id or "", credentials.channel_secret.get_secret_value(), outbound)


def _outcomes(payload: Payload) -> Iterator[Outcome]:
    if "events" not in payload.body:
        yield ItemError("missing", "events")
    for item in listed(payload.body, "events", "events"):
        yield item if isinstance(item, ItemError) else _outcome(item, payload)


def _outcome(item: Item, payload: Payload) -> Outcome:
    where, event = item
    try:
        said = line_messages.said(event)
        if said is None:
            return Ignored(line_messages.event_name(event), optional_id(event, "webhookEventId"))
        found = line_messages.place(event, payload.account, payload.verified.credentials.provider_id)
        return _message(event, said, found, payload)
    except FieldUnreadable as fault:
        return ItemError(fault.reason, f"{where}.{fault.where}")


def _message(event: Fields, said: Said, place: Place, payload: Payload) -> Message:
    request = payload.verified.request
    sent = sent_at(event.get("timestamp"), request.received_at)
    event_id = optional_id(event, "webhookEventId")
    identity = said.native_id or required_id(event, "webhookEventId")
    return Message(
        message_id=keys.message_id("line", payload.account, place.contact.primary, sent.at, identity),
        channel="line",
        account=payload.account,
        contact=place.contact,
        kind=said.kind,
        raw_kind=said.raw_kind,
        native_id=said.native_id,
        native_event_id=event_id,
        text=said.text,
        attachments=said.attachments,
        location=said.location,
        sticker=said.sticker,
        interactive=said.interactive,
        mentions=said.mentions,
        reply_to=said.reply_to,
        conversation_kind="group" if place.group else "dm",
        thread_id=place.group,
        sent_at=sent.at,
        time_precision=sent.precision,
        received_at=request.received_at,
        reply=_window(event, payload),
        verification=payload.verified.verification,
        is_redelivery=table(event, "deliveryContext").get("isRedelivery") is True,
    )


def _window(event: Fields, payload: Payload) -> ReplyWindow:
    """A push message needs no token, so with `push` the window stays open when the token has gone."""
    credentials, token = payload.verified.credentials, optional_id(event, "replyToken")
    if event.get("mode") == "standby" or not _sends(credentials):
        return ReplyWindow(mode="none")
    if credentials.push:
        return ReplyWindow(mode="token" if token else "open", token=token)
    closes = payload.verified.request.received_at + timedelta(minutes=1)
    return ReplyWindow(mode="token", token=token, expires_at=closes, max_replies=1) if token else ReplyWindow(mode="none")


ADAPTER = Line()
