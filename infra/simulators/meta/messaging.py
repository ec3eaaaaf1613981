"""Messenger's and Instagram's side: items of `entry[].messaging[]`, and the Send API with its window.

https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events
https://developers.facebook.com/docs/messenger-platform/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import count
from types import MappingProxyType
from typing import Any

from infra.simulators.contract import ApiRequest, Now, Patience, Webhook, utc_now
from infra.simulators.meta.graph import MetaApp, Refused, refusal

NOTHING: Mapping[str, Any] = MappingProxyType({})


class MessagingSimulator(MetaApp):
    """One page or professional account. Subclasses name their object, their account and the length of a text."""

    object_name: str
    # Twenty seconds (Meta's own FAQ); then, unverified, ever more rarely for a day and a half; the steps are invented.
    patience = Patience(timeout=20.0, waits=(0, 60, 300, 1800, 7200, 21_600, 36_000, 57_600))

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        super().__init__(account, credentials, now=now)
        self._ids = count(1)

    def person(self, number: int) -> str:
        """An id that is unique to our account."""
        return f"{24_000_000_000_000_000 + number}"

    def texts(self, pairs: Sequence[tuple[str, str]]) -> Webhook:
        """A batch of texts of several people."""
        return self.batch([self.item(contact, {"text": text}) for contact, text in pairs])

    def unknown(self, contact: str) -> Webhook:
        """A message of a kind that nobody knows."""
        return self.attachment(contact, "hologram", {})

    def text(
        self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None, **more: Any
    ) -> Webhook:
        """A text; `more` are further fields of the message, such as `quick_reply`, `reply_to` or `referral`."""
        return self.batch([self.item(contact, {"text": text, **more}, native_id=native_id, at=at)])

    def image(
        self, contact: str, url: str, *, caption: str | None = None, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A picture, with or without words."""
        said: dict[str, Any] = {"attachments": [{"type": "image", "payload": {"url": url}}]}
        return self.batch([self.item(contact, said | ({"text": caption} if caption else {}), native_id=native_id, at=at)])

    def attachment(
        self, contact: str, kind: str, payload: Mapping[str, Any], *, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A message of one attachment of any type."""
        said = {"attachments": [{"type": kind, "payload": dict(payload)}]}
        return self.batch([self.item(contact, said, native_id=native_id, at=at)])

    def postback(
        self,
        contact: str,
        title: str,
        payload: str,
        *,
        referral: Mapping[str, Any] = NOTHING,
        native_id: str | None = None,
        at: datetime | None = None,
    ) -> Webhook:
        """A tap on a button, on an ice breaker or on Get Started."""
        at = at or self._now()
        tap = {"mid": native_id or self._mid(at), "title": title, "payload": payload}
        return self.event(contact, "postback", tap | ({"referral": dict(referral)} if referral else {}), at=at)

    def event(self, contact: str, name: str, content: Any, *, at: datetime | None = None) -> Webhook:
        """What is no message: `read`, `delivery`, `reaction`, `referral`, `optin` …"""
        at = at or self._now()
        self._hear(contact, at)
        return self.batch([self._between(contact, self._our_id(), at) | {name: content}])

    def echo(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """Our own message to a person, told back to us."""
        at = at or self._now()
        said = {"mid": native_id or self._mid(at), "text": text, "is_echo": True, "app_id": 1517776481860111}
        return self.batch([self._between(self._our_id(), contact, at) | {"message": said}])

    def beside(self, contact: str) -> list[Webhook]:
        """Our own message, delivered, read, an emoji put on it."""
        seen = {"mids": ["m_1"], "watermark": _ms(self._now())}
        emoji = {"mid": "m_1", "action": "react", "reaction": "love", "emoji": "❤"}
        events = {"delivery": seen, "read": {"watermark": seen["watermark"]}, "reaction": emoji}
        return [self.echo(contact, "您好"), *(self.event(contact, name, about) for name, about in events.items())]

    def standby(self, contact: str, text: str) -> Webhook:
        """A message of a conversation that another app has."""
        item = self.item(contact, {"text": text})
        return self.webhook({"object": self.object_name, "entry": [self._entry([]) | {"standby": [item]}]})

    def batch(self, items: Sequence[Any], *, at: datetime | None = None) -> Webhook:
        """Several items in one entry; items may be anything, to have bad ones among the good."""
        return self.webhook({"object": self.object_name, "entry": [self._entry(items, at)]})

    def item(
        self, contact: str, said: Mapping[str, Any], *, native_id: str | None = None, at: datetime | None = None
    ) -> dict[str, Any]:
        """One message of a batch."""
        at = at or self._now()
        self._hear(contact, at)
        return self._between(contact, self._our_id(), at) | {"message": {"mid": native_id or self._mid(at), **said}}

    def forged(self, contact: str, text: str) -> Webhook:
        """A text, signed with another app's secret."""
        item = self._between(contact, self._our_id(), self._now()) | {"message": {"mid": "m_forged", "text": text}}
        return self.webhook({"object": self.object_name, "entry": [self._entry([item])]}, secret="not the secret of this app")

    def _entry(self, items: Sequence[Any], at: datetime | None = None) -> dict[str, Any]:
        return {"id": self._our_id(), "time": _ms(at or self._now()), "messaging": list(items)}

    def _between(self, sender: str, recipient: str, at: datetime) -> dict[str, Any]:
        return {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": _ms(at)}

    def _mid(self, at: datetime) -> str:
        return "m_" + sha256(f"{self.account} {at} {next(self._ids)}".encode()).hexdigest()

    def _send(self, said: Any, request: ApiRequest) -> dict[str, Any]:
        contact, message = said["recipient"]["id"], said["message"]
        image = message["attachment"]["payload"]["url"] if "attachment" in message else None
        text, titles = message.get("text", ""), tuple(reply["title"] for reply in message.get("quick_replies", ()))
        self._welcome(contact, request.headers.get("x-request-id"))
        if contact not in self._heard:
            raise Refused(refusal(400, 100, "No matching user found", subcode=2018001))
        if any(len(title) > 20 for title in titles) or len(titles) > 13:
            raise Refused(refusal(400, 100, "Invalid quick replies"))
        if image is None and (not isinstance(text, str) or not text or self._too_long(text)):
            raise Refused(refusal(400, 100, "Length of param message[text] must be less than or equal to the limit"))
        if not self._in_window(contact):
            raise Refused(refusal(400, 10, "This message is sent outside of allowed window.", subcode=2018278))
        self._deliver(contact, text, request, titles, image)
        return {"recipient_id": contact, "message_id": self._mid(self._now())}

    def _too_long(self, text: str) -> bool:
        return len(text) > 2000


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
