"""WhatsApp by Meta's Cloud API: messages to one business number, answered through Graph.

Batches mix messages and statuses. WhatsApp tries a webhook again for up to seven days. A free text is taken for 24 hours after the
person's last message; outside of them only approved templates are, which nothing here sends.
https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview
https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from functions.channels.codecs import batch, json_fields, meta_graph, meta_webhook, sightings, whatsapp_messages
from functions.channels.codecs.batch import Item, Outcome, listed
from functions.channels.codecs.json_fields import Fields, FieldUnreadable, loggable, optional_id, required_id, table
from functions.channels.codecs.meta_webhook import AccountId, MetaCredentials
from functions.channels.codecs.timestamp import closes_at, sent_at
from functions.channels.codecs.whatsapp_contacts import Listed, Sender, sender
from functions.channels.codecs.whatsapp_contacts import listed as listed_contacts
from functions.channels.contract import (
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
from functions.common.message import Message, ReplyWindow

WINDOW = timedelta(hours=24)
# How long the ids of media in webhooks are good. https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media/
MEDIA_KEPT = timedelta(days=7)
# Lists of `value` that hold no message of a person to us: what of ours they are is the kind that is counted.
_OTHERS = {"statuses": "receipt", "message_echoes": "echo", "calls": "call", "user_preferences": "preference"}


class WhatsappCredentials(MetaCredentials):
    """`phone_number_id` is Graph's id of our number, not the number; `access_token` a system user's token."""

    phone_number_id: AccountId


class Whatsapp:
    """The channel `whatsapp`."""

    channel = "whatsapp"
    credentials: type[Credentials] = WhatsappCredentials
    idempotent_send = False
    max_text = 4096
    max_text_unit: TextUnit = "characters"
    shows = Shows(image=True, buttons=3, button_title=20, text_beside_buttons=1024)

    def verify(self, request: RawRequest, credentials: WhatsappCredentials, now: datetime) -> Verified | Rejected:
        return meta_webhook.verify(request, credentials)

    def decode(self, verified: Verified, account: str) -> Payload:
        return meta_webhook.decode(verified, account)

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return meta_webhook.handshake(payload)

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        return meta_webhook.acknowledgement()

    def parse(self, payload: Payload) -> ParseResult:
        foreign = meta_webhook.foreign(payload.body, "whatsapp_business_account")
        if foreign:
            return ParseResult(ignored=(foreign,))
        entries = meta_webhook.entries(payload.body)
        return batch.result(outcome for entry in entries for outcome in _entry(entry, payload))

    def send(self, reply: OutgoingReply, credentials: WhatsappCredentials, outbound: Outbound) -> SendResult:
        if reply.not_after and outbound.now() > reply.not_after:
            return SendResult(outcome="window_closed", code="too_late")
        if len(reply.text) > self.max_text:
            return SendResult(outcome="invalid", code="too_long")
        return meta_graph.post(f"{credentials.phone_number_id}/messages", _body(reply), credentials, outbound)


def _body(reply: OutgoingReply) -> dict[str, Any]:
    """The reply's token is the person's phone number where there is one; else the contact is one, or a BSUID."""
    number = reply.token or (reply.contact if reply.contact.isdecimal() else None)
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **({"to": number} if number else {"recipient": reply.contact}),
        **_content(reply),
    }


def _content(reply: OutgoingReply) -> dict[str, Any]:
    """https://developers.facebook.com/docs/whatsapp/cloud-api/messages/interactive-reply-buttons-messages"""
    if reply.image_url:
        return {"type": "image", "image": {"link": reply.image_url}}
    if not reply.buttons:
        return {"type": "text", "text": {"preview_url": False, "body": reply.text}}
    buttons = [{"type": "reply", "reply": {"id": f"b{place}", "title": title}} for place, title in enumerate(reply.buttons)]
    return {
        "type": "interactive",
        "interactive": {"type": "button", "body": {"text": reply.text}, "action": {"buttons": buttons}},
    }


def _entry(entry: Item | ItemError, payload: Payload) -> Iterator[Outcome]:
    if isinstance(entry, ItemError):
        yield entry
        return
    where, node = entry
    scope = optional_id(node, "id") or ""
    for change in listed(node, "changes", f"{where}.changes"):
        if isinstance(change, ItemError):
            yield change
        else:
            yield from _change(*change, scope, payload)


def _change(where: str, change: Fields, scope: str, payload: Payload) -> Iterator[Outcome]:
    value = table(change, "value")
    ours = optional_id(table(value, "metadata"), "phone_number_id")
    if ours is not None and ours != payload.verified.credentials.phone_number_id:
        yield Ignored("another_account", ours)
        return
    if not any(name in value for name in ("messages", *_OTHERS)):
        # Templates, alerts, errors of the account: there is nobody to answer.
        yield Ignored("error" if "errors" in value else loggable(change.get("field")))
        return
    contacts = listed_contacts(value)
    for message in listed(value, "messages", f"{where}.value.messages"):
        yield message if isinstance(message, ItemError) else _outcome(message, contacts, scope, payload)
    for name, kind in _OTHERS.items():
        for other in listed(value, name, f"{where}.value.{name}"):
            yield other if isinstance(other, ItemError) else _seen(kind, other[1], payload)


def _seen(kind: str, item: Fields, payload: Payload) -> Ignored:
    ignored, at = Ignored(kind, optional_id(item, "id")), payload.verified.request.received_at
    if kind != "echo":
        return ignored
    text = json_fields.text(table(item, "text"), "body")
    place = ("whatsapp", payload.account, optional_id(item, "to"))
    return sightings.answered(ignored, place, ignored.native_id, text, at)


def _outcome(item: Item, contacts: Listed, scope: str, payload: Payload) -> Outcome:
    where, message = item
    try:
        event = whatsapp_messages.event(message)
        if event:
            return Ignored(event, optional_id(message, "id"))
        return _message(message, sender(message, contacts, scope), payload)
    except FieldUnreadable as fault:
        return ItemError(fault.reason, f"{where}.{fault.where}")


def _message(message: Fields, who: Sender, payload: Payload) -> Message:
    request, wamid = payload.verified.request, required_id(message, "id")
    sent, said = sent_at(message.get("timestamp"), request.received_at), whatsapp_messages.said(message)
    group = optional_id(message, "group_id")
    return Message(
        message_id=keys.message_id("whatsapp", payload.account, who.contact.primary, sent.at, wamid),
        channel="whatsapp",
        account=payload.account,
        contact=who.contact,
        kind=said.kind,
        raw_kind=said.raw_kind,
        native_id=wamid,
        text=said.text,
        attachments=tuple(
            replace(each, url_expires_at=closes_at(sent, request.received_at, MEDIA_KEPT)) for each in said.attachments
        ),
        location=said.location,
        sticker=said.sticker,
        interactive=said.interactive,
        link=said.link,
        reply_to=said.reply_to or whatsapp_messages.quoted(message),
        referral=whatsapp_messages.referral(message),
        conversation_kind="group" if group else "dm",
        thread_id=group,
        sent_at=sent.at,
        time_precision=sent.precision,
        received_at=request.received_at,
        reply=_window(closes_at(sent, request.received_at, WINDOW), who, group, payload),
        verification=payload.verified.verification,
    )


def _window(closes: datetime, who: Sender, group: str | None, payload: Payload) -> ReplyWindow:
    # A reply to what was said in a group would reach one person, out of context.
    if group or payload.verified.credentials.access_token is None:
        return ReplyWindow(mode="none")
    number = who.number if who.number != who.contact.primary else None
    return ReplyWindow(mode="window", expires_at=closes, token=number)


ADAPTER = Whatsapp()
