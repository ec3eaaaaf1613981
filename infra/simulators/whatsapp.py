"""WhatsApp's Cloud API and one number of ours: batches of messages and statuses, people with and without a phone number.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Any

from infra.simulators.contract import ApiRequest, Now, Patience, Simulator, Webhook, utc_now
from infra.simulators.meta.graph import MetaApp, Refused, refusal

WABA = "102290129340398"
MAX_BODY = 4096


class WhatsappSimulator(MetaApp):
    """A contact is a phone number in digits, or a BSUID (`CN.1349…`) of somebody who hides the number."""

    channel = "whatsapp"
    # Ever more rarely for seven days (Meta); the single steps and the time-out are not published.
    patience = Patience(timeout=10.0, waits=(30, 120, 480, 1920, 7680, 30_720, 86_400, 172_800, 259_200))

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        super().__init__(account, credentials, now=now)
        self._ids = count(1)
        self.numbers: dict[str, str] = {}  # of people with a BSUID who do not hide theirs

    def person(self, number: int) -> str:
        return f"86138{number:08d}"

    def texts(self, pairs: Sequence[tuple[str, str]]) -> Webhook:
        """A batch of texts of several people, with a status between them."""
        items = [self.item(contact, "text", {"body": text}) for contact, text in pairs]
        return self.batch(items, statuses=[self.status("wamid.SENT")], contacts=[self.contact(who) for who, _ in pairs])

    def unknown(self, contact: str) -> Webhook:
        """A message of a type that nobody knows."""
        return self.message(contact, "hologram", {})

    def text(
        self,
        contact: str,
        text: str,
        *,
        native_id: str | None = None,
        at: datetime | None = None,
        name: str | None = None,
        **more: Any,
    ) -> Webhook:
        """A text; `more` are further fields of the message, such as `context` or `referral`."""
        return self.message(contact, "text", {"body": text}, native_id=native_id, at=at, name=name, **more)

    def image(
        self,
        contact: str,
        media_id: str,
        *,
        caption: str | None = None,
        native_id: str | None = None,
        at: datetime | None = None,
    ) -> Webhook:
        """A picture, with or without words."""
        picture = {"id": media_id, "mime_type": "image/jpeg", "sha256": "4654+8g="}
        return self.message(contact, "image", picture | ({"caption": caption} if caption else {}), native_id=native_id, at=at)

    def button(self, contact: str, title: str, button: str, *, replied: str, native_id: str | None = None) -> Webhook:
        """A tap on a button of our message `replied`."""
        tap = {"type": "button_reply", "button_reply": {"id": button, "title": title}}
        return self.message(contact, "interactive", tap, native_id=native_id, context={"from": "15550783881", "id": replied})

    def reaction(self, contact: str, emoji: str, *, to: str, native_id: str | None = None) -> Webhook:
        """An emoji on a message; none takes the last one back."""
        return self.message(contact, "reaction", {"message_id": to, "emoji": emoji}, native_id=native_id)

    def message(
        self,
        contact: str,
        kind: str,
        content: Any,
        *,
        native_id: str | None = None,
        at: datetime | None = None,
        name: str | None = None,
        **more: Any,
    ) -> Webhook:
        """A message of any type, with what the type holds; None leaves that out."""
        item = self.item(contact, kind, content, native_id=native_id, at=at, **more)
        return self.change({"contacts": [self.contact(contact, name=name)], "messages": [item]})

    def item(
        self,
        contact: str,
        kind: str,
        content: Any,
        *,
        native_id: str | None = None,
        at: datetime | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """One message of a batch."""
        at = at or self._now()
        self._hear(contact, at)
        said = {"id": native_id or self._wamid(at), "timestamp": str(int(at.timestamp())), "type": kind}
        return {**self._sender(contact), **said, **({} if content is None else {kind: content}), **more}

    def contact(self, contact: str, *, name: str | None = None) -> dict[str, Any]:
        """An entry of `contacts`: ids and the name that the person gives."""
        ids = self._sender(contact)
        known = {"wa_id": ids.get("from"), "user_id": ids.get("from_user_id")}
        return {"profile": {"name": name or "Test Name"}, **{key: value for key, value in known.items() if value}}

    def receipt(self, native_id: str, status: str = "delivered", *, contact: str = "8613800138000") -> Webhook:
        """What became of a message of ours."""
        return self.change({"statuses": [self.status(native_id, status, contact=contact)]})

    def status(self, native_id: str, status: str = "delivered", *, contact: str = "8613800138000") -> dict[str, Any]:
        """One status of a batch."""
        stamp = str(int(self._now().timestamp()))
        return {"id": native_id, "status": status, "timestamp": stamp, "recipient_id": contact}

    def echo(self, contact: str, text: str, *, native_id: str | None = None) -> Webhook:
        """A message that one of our people sent from the WhatsApp Business app."""
        at = self._now()
        sent = {"from": "15550783881", "to": contact, "id": native_id or self._wamid(at), "timestamp": str(int(at.timestamp()))}
        return self.change({"message_echoes": [sent | {"type": "text", "text": {"body": text}}]}, "smb_message_echoes")

    def beside(self, contact: str) -> list[Webhook]:
        """Sent, delivered, read, failed; and what one of our people wrote in the Business app."""
        told = [self.receipt("wamid.SENT", status, contact=contact) for status in ("sent", "delivered", "read", "failed")]
        return [*told, self.echo(contact, "我来处理")]

    def batch(self, items: Sequence[Any], *, statuses: Sequence[Any] = (), contacts: Sequence[Any] = ()) -> Webhook:
        """Several messages in one change, statuses among them; items may be anything, to have bad ones among the good."""
        value = {"contacts": list(contacts), "messages": list(items), "statuses": list(statuses)}
        return self.change({name: found for name, found in value.items() if found})

    def change(self, value: Mapping[str, Any], field: str = "messages") -> Webhook:
        """Any change as a signed webhook."""
        ours = {"display_phone_number": "15550783881", "phone_number_id": self._our_id()}
        whole = {"messaging_product": "whatsapp", "metadata": ours, **value}
        entry = {"id": WABA, "changes": [{"value": whole, "field": field}]}
        return self.webhook({"object": "whatsapp_business_account", "entry": [entry]})

    def forged(self, contact: str, text: str) -> Webhook:
        """A text, signed with another app's secret."""
        return self.webhook(self.text(contact, text).body, secret="not the secret of this app")

    def _our_id(self) -> str:
        return str(self._credentials["phone_number_id"])

    def _sender(self, contact: str) -> dict[str, str]:
        if contact.isdecimal():
            return {"from": contact}
        number = self.numbers.get(contact)
        return {"from_user_id": contact} | ({"from": number} if number else {})

    def _wamid(self, at: datetime) -> str:
        return "wamid." + sha256(f"{self.account} {at} {next(self._ids)}".encode()).hexdigest()[:48].upper()

    def _send(self, said: Any, request: ApiRequest) -> dict[str, Any]:
        asked = said.get("to") or said["recipient"]
        contact = next((bsuid for bsuid, number in self.numbers.items() if number == asked), asked)
        if said["messaging_product"] != "whatsapp" or said["type"] not in ("text", "image", "interactive"):
            raise Refused(refusal(400, 100, "Invalid parameter"))
        text, titles, image = _content(said)
        self._welcome(contact, request.headers.get("x-request-id"))
        if len(titles) > 3 or any(not 0 < len(title) <= 20 for title in titles) or (titles and len(text) > 1024):
            raise Refused(refusal(400, 131009, "Parameter value is not valid"))
        if image is None and (not isinstance(text, str) or not 0 < len(text) <= MAX_BODY):
            raise Refused(refusal(400, 100, "Param text['body'] must be at most 4096 characters long."))
        if not self._in_window(contact):
            raise Refused(refusal(400, 131047, "Re-engagement message"))
        self._deliver(contact, text, request, titles, image)
        sent = {"id": self._wamid(self._now()), "message_status": "accepted"}
        return {"messaging_product": "whatsapp", "contacts": [{"input": asked, "wa_id": asked}], "messages": [sent]}


def _content(said: Mapping[str, Any]) -> tuple[str, tuple[str, ...], str | None]:
    """Text, titles of buttons, a picture's address."""
    if said["type"] == "image":
        return "", (), said["image"]["link"]
    if said["type"] == "text":
        return said["text"]["body"], (), None
    asked = said["interactive"]
    return asked["body"]["text"], tuple(button["reply"]["title"] for button in asked["action"]["buttons"]), None


SIMULATOR: type[Simulator] = WhatsappSimulator
