"""The adapter that Messenger and Instagram share: they differ in names, in ids and in the length of a text.

Meta lets a machine answer for 24 hours after the person's last message. The tag `HUMAN_AGENT` stretches that to seven days for people
only, so nothing here uses it. https://developers.facebook.com/docs/messenger-platform/policy/policy-overview
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from functions.channels.codecs import batch, json_fields, meta_graph, meta_messages, meta_webhook, sightings
from functions.channels.codecs.batch import Item, Outcome, listed
from functions.channels.codecs.json_fields import Fields, FieldUnreadable, loggable, optional_id, required_id, table
from functions.channels.codecs.meta_attachments import STORY
from functions.channels.codecs.meta_webhook import MetaCredentials
from functions.channels.codecs.text_parts import size
from functions.channels.codecs.timestamp import closes_at, sent_at
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
    TextUnit,
    Verified,
)
from functions.common import keys
from functions.common.message import Contact, ContactId, Message, ReplyWindow

WINDOW = timedelta(hours=24)


class MetaMessaging(ABC):
    """A channel whose webhooks hold `entry[].messaging[]`. A subclass says what is its own."""

    channel: str
    credentials: type[Credentials]
    idempotent_send = False
    object_name: str
    id_kind: str
    max_text: int
    max_text_unit: TextUnit

    @abstractmethod
    def account_id(self, credentials: Any) -> str:
        """Our own id on the platform: the page's, or the professional account's."""

    def body(self, reply: OutgoingReply) -> dict[str, Any]:
        """The message as the Send API takes it; whoever taps a quick reply says its title.

        https://developers.facebook.com/docs/messenger-platform/send-messages/quick-replies
        """
        if reply.image_url:
            picture = {"type": "image", "payload": {"url": reply.image_url}}
            return {"recipient": {"id": reply.contact}, "message": {"attachment": picture}}
        titles = [{"content_type": "text", "title": title, "payload": title} for title in reply.buttons]
        said = {"text": reply.text, **({"quick_replies": titles} if titles else {})}
        return {"recipient": {"id": reply.contact}, "message": said}

    def verify(self, request: RawRequest, credentials: MetaCredentials, now: datetime) -> Verified | Rejected:
        """See `meta_webhook`."""
        return meta_webhook.verify(request, credentials)

    def decode(self, verified: Verified, account: str) -> Payload:
        """See `meta_webhook`."""
        return meta_webhook.decode(verified, account)

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        """See `meta_webhook`."""
        return meta_webhook.handshake(payload)

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        """See `meta_webhook`."""
        return meta_webhook.acknowledgement()

    def parse(self, payload: Payload) -> ParseResult:
        """Every item of every entry, in order."""
        foreign = meta_webhook.foreign(payload.body, self.object_name)
        if foreign:
            return ParseResult(ignored=(foreign,))
        entries = meta_webhook.entries(payload.body)
        return batch.result(outcome for entry in entries for outcome in self._entry(entry, payload))

    def send(self, reply: OutgoingReply, credentials: MetaCredentials, outbound: Outbound) -> SendResult:
        """POST /{account}/messages."""
        if reply.not_after and outbound.now() > reply.not_after:
            return SendResult(outcome="window_closed", code="too_late")
        if size(reply.text, self.max_text_unit) > self.max_text:
            return SendResult(outcome="invalid", code="too_long")
        return meta_graph.post(f"{self.account_id(credentials)}/messages", self.body(reply), credentials, outbound)

    def _entry(self, entry: Item | ItemError, payload: Payload) -> Iterator[Outcome]:
        if isinstance(entry, ItemError):
            yield entry
            return
        where, node = entry
        if optional_id(node, "id") not in (None, self.account_id(payload.verified.credentials)):
            yield Ignored("another_account", optional_id(node, "id"))
            return
        for place, item in _items(node, where):
            yield self._outcome(place, item, payload)
        for standby in listed(node, "standby", f"{where}.standby"):
            # Another app has the conversation: it answers, and it files.
            yield standby if isinstance(standby, ItemError) else Ignored("standby", _mid(standby[1]))
        for change in listed(node, "changes", f"{where}.changes"):
            yield change if isinstance(change, ItemError) else self._change(*change, payload)

    def _change(self, where: str, change: Fields, payload: Payload) -> Outcome:
        """Some of Meta's samples and of its console's test buttons wrap an item in a change; other changes are of no concern."""
        field = change.get("field")
        if field in ("messages", "messaging_postbacks") and table(change, "value"):
            return self._outcome(f"{where}.value", table(change, "value"), payload)
        return Ignored(loggable(field))

    def _outcome(self, where: str, item: Fields | ItemError, payload: Payload) -> Outcome:
        if isinstance(item, ItemError):
            return item
        try:
            ours = self.account_id(payload.verified.credentials)
            ignored = meta_messages.ignored(item, ours)
            return self._seen(ignored, item, payload) if ignored else self._message(item, ours, payload)
        except FieldUnreadable as fault:
            return ItemError(fault.reason, f"{where}.{fault.where}")

    def _seen(self, ignored: Ignored, item: Fields, payload: Payload) -> Ignored:
        at, native_id = payload.verified.request.received_at, ignored.native_id
        if ignored.kind == "echo":
            contact, text = optional_id(table(item, "recipient"), "id"), json_fields.text(table(item, "message"), "text")
            if not text:
                return ignored  # a picture bears no mark: ours and a person's look the same
            return sightings.answered(ignored, (self.channel, payload.account, contact), native_id, text, at)
        if ignored.kind == "deleted":
            contact = optional_id(table(item, "sender"), "id")
            return sightings.recalled(ignored, (self.channel, payload.account, contact), native_id, at)
        return ignored

    def _message(self, item: Fields, ours: str, payload: Payload) -> Message:
        request = payload.verified.request
        sender = required_id(table(item, "sender"), "id")
        sent = sent_at(item.get("timestamp"), request.received_at)
        said = meta_messages.said(item, closes_at(sent, request.received_at, STORY))
        sends = payload.verified.credentials.access_token is not None
        window = ReplyWindow(mode="window", expires_at=closes_at(sent, request.received_at, WINDOW))
        return Message(
            message_id=keys.message_id(self.channel, payload.account, sender, sent.at, *said.identity),
            channel=self.channel,
            account=payload.account,
            contact=Contact(primary=sender, ids=(ContactId(kind=self.id_kind, value=sender, scope=ours),)),
            kind=said.kind,
            raw_kind=said.raw_kind,
            native_id=said.native_id,
            text=said.text,
            attachments=said.attachments,
            location=said.location,
            sticker=said.sticker,
            interactive=said.interactive,
            link=said.link,
            reply_to=said.reply_to,
            referral=said.referral,
            sent_at=sent.at,
            time_precision=sent.precision,
            received_at=request.received_at,
            reply=window if sends else ReplyWindow(mode="none"),
            verification=payload.verified.verification,
        )


def _items(node: Fields, where: str) -> Iterator[tuple[str, Fields | ItemError]]:
    for item in listed(node, "messaging", f"{where}.messaging"):
        yield (item.where, item) if isinstance(item, ItemError) else item


def _mid(item: Fields) -> str | None:
    return optional_id(table(item, "message"), "mid")
