"""Twilio: signs SMS and WhatsApp webhooks, and takes messages on a fake of its REST API with its error codes.

Signing follows Twilio's description and shares no code with the channel. Of the retry policy it knows what a URL's fragment
can say (`#rc=2&rp=5xx,ct`): https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import uuid4

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Simulator, Webhook, utc_now
from infra.simulators.delivery import Attempt
from infra.simulators.server import Failure

WHATSAPP = "whatsapp:"
WINDOW = timedelta(hours=24)
NOTHING: Mapping[str, str] = MappingProxyType({})
MAX_BODY = 1600
MEDIA_URL = re.compile(r"https?://[^/\s]+/\S*")
PHONE = re.compile(r"(whatsapp:)?\+[1-9][0-9]{4,14}")
# Twilio's default opt-out words, for SMS only: https://help.twilio.com/articles/223134027
STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
START = frozenset({"START", "YES", "UNSTOP"})


def refusal(status: int, code: int, message: str, *, retry_after: int | None = None) -> ApiAnswer:
    """An error as Twilio's API words it; for `failures` too. `retry_after` in seconds."""
    said = {"code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}
    headers = {"content-type": "application/json"} | ({"retry-after": str(retry_after)} if retry_after is not None else {})
    return ApiAnswer(status, json.dumps(said).encode(), headers)


class TwilioSimulator:
    """One number. A contact is a phone number, or one with `whatsapp:` before it. `at` is taken and not told, as by Twilio."""

    channel = "twilio"
    timeless = True
    welcomes_strangers = True  # Twilio asks only whether WhatsApp's window has closed for somebody who has written

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self.opted_out: set[str] = set()
        self._sid: str = credentials["account_sid"]
        self._token: str = credentials["auth_token"]
        self._shared_key: str | None = credentials.get("shared_key")
        self._mms = bool(credentials.get("mms"))
        self._number: str = credentials["from"].removeprefix(WHATSAPP)
        self._public_url: str = credentials["public_url"]
        self._now = now
        self._heard: dict[str, datetime] = {}
        overrides = {name: values[0] for name, values in parse_qs(urlsplit(self._public_url).fragment).items()}
        self._retry_on = frozenset(overrides.get("rp", "ct").split(","))
        self.patience = Patience(
            timeout=float(overrides.get("rt", "15000")) / 1000, waits=(0.0,) * int(overrides.get("rc", "1"))
        )

    def person(self, number: int) -> str:
        return f"+1415{number:07d}"

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        return self.message(contact, text, native_id=native_id, at=at)

    def image(self, contact: str, url: str, *, caption: str = "", native_id: str | None = None) -> Webhook:
        """A picture, which makes an SMS an MMS."""
        media = {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": "image/jpeg"}
        return self.message(contact, caption, media, native_id=native_id or f"MM{uuid4().hex}")

    def location(self, contact: str, lat: str, lon: str, *, label: str = "", native_id: str | None = None) -> Webhook:
        """A place, in degrees as WhatsApp writes them."""
        place = {"Latitude": lat, "Longitude": lon, "Label": label, "MessageType": "location"}
        return self.message(contact, "", place, native_id=native_id)

    def button(self, contact: str, title: str, payload: str, *, replied: str, native_id: str | None = None) -> Webhook:
        """A tap on a quick reply of the message `replied`."""
        tap = {
            "ButtonText": title,
            "ButtonPayload": payload,
            "MessageType": "interactive",
            "OriginalRepliedMessageSid": replied,
        }
        return self.message(contact, title, tap, native_id=native_id)

    def receipt(self, native_id: str, status: str = "delivered") -> Webhook:
        """A status callback for a message of ours."""
        said = {"MessageSid": native_id, "SmsSid": native_id, "MessageStatus": status, "SmsStatus": status}
        return self.webhook({**said, "From": self._number, "To": "+8613800000000", "AccountSid": self._sid})

    def beside(self, contact: str) -> list[Webhook]:  # noqa: ARG002
        """What became of a message of ours; `read` comes for WhatsApp alone."""
        return [self.receipt("SM" + "1" * 32, status) for status in ("sent", "delivered", "read", "undelivered")]

    def message(
        self,
        contact: str,
        text: str,
        fields: Mapping[str, str] = NOTHING,
        *,
        native_id: str | None = None,
        at: datetime | None = None,
    ) -> Webhook:
        """A message of a person, with any further fields of Twilio's."""
        self._hear(contact, text, at or self._now())
        sid = native_id or f"SM{uuid4().hex}"
        said = {
            "ToCountry": "US",
            "ToState": "",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "ToCity": "",
            "FromZip": "",
            "SmsSid": sid,
            "FromState": "",
            "SmsStatus": "received",
            "FromCity": "",
            "Body": text,
            "FromCountry": "CN",
            "To": (WHATSAPP if contact.startswith(WHATSAPP) else "") + self._number,
            "ToZip": "",
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": self._sid,
            "From": contact,
            "ApiVersion": "2010-04-01",
        }
        person = {"WaId": contact.removeprefix(f"{WHATSAPP}+"), "ReferralNumMedia": "0"} if contact.startswith(WHATSAPP) else {}
        return self.webhook({**said, **person, **fields})

    def webhook(self, fields: Mapping[str, str], *, secret: str | None = None) -> Webhook:
        """Any fields as a signed webhook; `secret` signs with another than the account's."""
        key = secret or self._shared_key or self._token
        signed = self._url() + "".join(name + fields[name] for name in sorted(fields))
        mac = hmac.digest(key.encode(), signed.encode(), "sha256" if self._shared_key else "sha1")
        headers = {
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
            "user-agent": "TwilioProxy/1.1",
            "x-twilio-signature": b64encode(mac).decode(),
        }
        if self._shared_key:
            headers["x-twilio-webhooks-signature-settings"] = "key=webhooks_sharedkey_simulated,algorithm=HMAC_SHA256"
        return Webhook(query=urlsplit(self._public_url).query, headers=headers, body=urlencode(fields).encode())

    def forged(self, contact: str, text: str) -> Webhook:
        fields = dict(parse_qsl(self.text(contact, text).body.decode(), keep_blank_values=True))
        return self.webhook(fields, secret="not the secret of this account")

    def stale(self, contact: str, text: str) -> Webhook | None:  # noqa: ARG002
        return None  # Twilio signs no time

    def tried_again(self, attempt: Attempt) -> bool:
        """The URL's retry policy; by default a webhook is tried again only when no connection could be made."""
        if attempt.accepted:
            return False
        cause = {"connect": "ct", "timeout": "rt", "broken": "rt", None: f"{(attempt.status or 0) // 100}xx"}[attempt.fault]
        return cause in self._retry_on or "all" in self._retry_on

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account."""
        return request.path == f"/2010-04-01/Accounts/{self._sid}/Messages.json"

    def api(self, request: ApiRequest) -> ApiAnswer:
        basic = b64encode(f"{self._sid}:{self._token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            return refusal(401, 20003, "Authenticate")
        if not self.owns(request) or request.method != "POST":
            return refusal(404, 20404, f"The requested resource {request.path} was not found")
        fields = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        refused = self._refused(fields)
        if refused:
            return refusal(400, *refused)
        to, text, picture = fields["To"], fields.get("Body", ""), fields.get("MediaUrl")
        answered = request.headers.get("x-request-id")
        self.outbox.append(Delivered(self.channel, self.account, to, text, answered, self._now(), image_url=picture))
        return ApiAnswer(201, json.dumps(self._taken(fields)).encode())

    def _refused(self, fields: Mapping[str, str]) -> tuple[int, str] | None:
        """Twilio's code and words. 63016 is told at once here; Twilio may also tell it in a later status callback."""
        to, sender, text = (fields.get(name, "") for name in ("To", "From", "Body"))
        heard, picture = self._heard.get(to), fields.get("MediaUrl")
        checks = (
            (not to, 21604, "A 'To' phone number is required."),
            (not sender, 21603, "A 'From' phone number is required."),
            (not text and picture is None, 21602, "Message body is required."),
            (picture is not None and not MEDIA_URL.fullmatch(picture), 21620, "Invalid media URL(s)."),
            (bool(picture) and not to.startswith(WHATSAPP) and not self._mms, 21612, "'To' and 'From' cannot exchange media."),
            (not PHONE.fullmatch(to), 21211, f"Invalid 'To' Phone Number: {to}"),
            (sender.removeprefix(WHATSAPP) != self._number, 21606, "The 'From' phone number is not yours."),
            (to.startswith(WHATSAPP) != sender.startswith(WHATSAPP), 21910, "'From' and 'To' must be of the same channel."),
            (len(text) > MAX_BODY, 21617, "The concatenated message body exceeds the 1600 character limit."),
            (to in self.opted_out, 21610, "Attempt to send to unsubscribed recipient"),
            (
                to.startswith(WHATSAPP) and heard is not None and self._now() - heard > WINDOW,
                63016,
                "Failed to send freeform message because you are outside the allowed window.",
            ),
        )
        return next(((code, message) for wrong, code, message in checks if wrong), None)

    def _taken(self, fields: Mapping[str, str]) -> dict[str, Any]:
        sid = f"SM{uuid4().hex}"
        return {
            "sid": sid,
            "account_sid": self._sid,
            "api_version": "2010-04-01",
            "body": fields.get("Body", ""),
            "date_created": format_datetime(self._now()),
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": fields["From"],
            "num_media": str(int("MediaUrl" in fields)),
            "num_segments": "1",
            "status": "queued",
            "to": fields["To"],
            "uri": f"/2010-04-01/Accounts/{self._sid}/Messages/{sid}.json",
        }

    def _hear(self, contact: str, text: str, at: datetime) -> None:
        self._heard[contact] = max(at, self._heard.get(contact, at))
        word = text.strip().upper()
        if not contact.startswith(WHATSAPP) and word in STOP:
            self.opted_out.add(contact)
        elif word in START:
            self.opted_out.discard(contact)

    def _url(self) -> str:
        """The URL as typed into Twilio's console, without its fragment."""
        url = urlsplit(self._public_url)._replace(fragment="")
        route = f"/webhooks/{self.channel}/{self.account}"
        return url.geturl() if url.path.endswith(route) else url._replace(path=url.path.rstrip("/") + route).geturl()


SIMULATOR: type[Simulator] = TwilioSimulator
