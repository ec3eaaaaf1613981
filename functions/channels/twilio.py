"""SMS and WhatsApp by way of Twilio: form-encoded webhooks signed over the public URL, replies by REST.

The credential decides how webhooks are signed: with `shared_key` by HMAC-SHA256, without it by HMAC-SHA1 with the auth token;
the header `X-Twilio-Webhooks-Signature-Settings` only repeats it and is not asked. Twilio gives a message no time, and takes no
idempotency key. By default it tries a webhook again only when it could not connect, so give it the URL with `#rc=5&rp=all`.
It blocks numbers that texted STOP by itself (error 21610).
https://www.twilio.com/docs/messaging/guides/webhook-request
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode, urlsplit

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from functions.channels.codecs import form, strict_json, twilio_fields
from functions.channels.codecs.constant_time import same
from functions.channels.codecs.twilio_fields import WHATSAPP
from functions.channels.codecs.url_params_hmac import signature, signed_urls
from functions.channels.contract import (
    Credentials,
    HttpAnswer,
    HttpResult,
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
from functions.common.errors import MalformedPayload
from functions.common.message import Verification

if TYPE_CHECKING:
    from datetime import datetime

API = "https://api.twilio.com"
RETRY_AFTER = 5.0  # seconds, where a 429 names none

# https://www.twilio.com/docs/api/errors: the number texted STOP; WhatsApp's window is closed.
CLOSED = frozenset({"21610", "63016"})
# Too many calls; too many messages waiting. Neither was taken: https://www.twilio.com/docs/api/errors/20429
LIMITED = frozenset({"20429", "21611"})


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http(s) URL")
    return value


class TwilioCredentials(Credentials):
    """`from` is our number, with or without `whatsapp:`; `public_url` the URL in Twilio's console, or the part before /webhooks.

    `mms`: the number sends pictures, which few outside of the US, Canada and Australia do. WhatsApp always takes them.
    """

    model_config = ConfigDict(populate_by_name=True)

    account_sid: str = Field(pattern=r"^AC[0-9A-Za-z]{1,62}\z")
    auth_token: SecretStr = Field(min_length=8)
    sender: str = Field(alias="from", pattern=r"^(whatsapp:)?(\+[1-9][0-9]{4,14}|[0-9]{3,8})\z")
    public_url: Annotated[str, AfterValidator(_http_url)]
    shared_key: SecretStr | None = Field(None, min_length=8)
    mms: bool = False

    @property
    def number(self) -> str:
        """Our number without a channel's prefix."""
        return self.sender.removeprefix(WHATSAPP)


class Twilio:
    """The channel `twilio`."""

    channel = "twilio"
    credentials: type[Credentials] = TwilioCredentials
    idempotent_send = False
    max_text = 1600
    max_text_unit: TextUnit = "characters"
    shows = Shows(image=True, only=twilio_fields.shown)

    def verify(self, request: RawRequest, credentials: TwilioCredentials, now: datetime) -> Verified | Rejected:
        theirs = request.headers.get("x-twilio-signature")
        if request.method != "POST":
            return Rejected("method", 403)
        if not theirs:
            return Rejected("no_signature", 403)
        try:
            fields = _signed_fields(request)
        except MalformedPayload:
            return Rejected("unreadable", 403)
        keyed = credentials.shared_key is not None
        secret = (credentials.shared_key or credentials.auth_token).get_secret_value()
        urls = signed_urls(credentials.public_url, request.path, request.raw_query)
        if not any(same(signature(secret, url, fields, "sha256" if keyed else "sha1"), theirs) for url in urls):
            return Rejected("bad_signature", 403)
        scheme = "twilio-hmac-sha256" if keyed else "twilio-hmac-sha1"
        return Verified(request, credentials, Verification(scheme=scheme, body_signed=True, timestamped=False))

    def decode(self, verified: Verified, account: str) -> Payload:
        body = verified.request.body
        if _body_hash(verified.request) is not None:
            said = strict_json.parse_object(body)
            return Payload(verified, account, {name: value for name, value in said.items() if isinstance(value, str)})
        return Payload(verified, account, dict(reversed(form.parse(body))))  # the first of a name's values

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return None

    def parse(self, payload: Payload) -> ParseResult:
        fields: twilio_fields.Fields = payload.body
        verified, credentials = payload.verified, payload.verified.credentials
        if fields.get("AccountSid") != credentials.account_sid:
            return ParseResult(errors=(ItemError("another_account", "AccountSid"),))
        ignored = twilio_fields.ignored(fields, credentials.number)
        if ignored:
            return ParseResult(ignored=(ignored,))
        try:
            message = twilio_fields.message(
                fields,
                account=payload.account,
                number=credentials.number,
                mms=credentials.mms,
                request=verified.request,
                verification=verified.verification,
            )
        except MalformedPayload as error:
            return ParseResult(errors=(ItemError("unreadable", str(error)),))
        return ParseResult(messages=(message,))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        # An empty TwiML document: nothing is to be sent in answer here and now.
        return HttpAnswer(200, "<Response/>", "text/xml; charset=utf-8")

    def send(self, reply: OutgoingReply, credentials: TwilioCredentials, outbound: Outbound) -> SendResult:
        if len(reply.text) > self.max_text:
            return SendResult(outcome="invalid", code="too_long")
        prefix = WHATSAPP if reply.contact.startswith(WHATSAPP) else ""
        said = {"To": reply.contact, "From": prefix + credentials.number}
        said |= {"MediaUrl": reply.image_url} if reply.image_url else {"Body": reply.text}
        pair = f"{credentials.account_sid}:{credentials.auth_token.get_secret_value()}"
        headers = {
            "authorization": "Basic " + b64encode(pair.encode("utf-8", "surrogatepass")).decode(),
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
        }
        url = f"{outbound.origin(API)}/2010-04-01/Accounts/{credentials.account_sid}/Messages.json"
        try:
            answer = outbound.request("POST", url, headers=headers, body=urlencode(said, errors="replace").encode())
        except Unreachable:
            return SendResult(outcome="transient", code="unreachable")
        except NoAnswer:
            return SendResult(outcome="unknown", code="no_answer")
        return _outcome(answer)


def _body_hash(request: RawRequest) -> str | None:
    """The digest that stands for a JSON body in the signed URL; None for a form."""
    return request.parameter("bodySHA256")


def _signed_fields(request: RawRequest) -> form.Fields:
    expected = _body_hash(request)
    if expected is None:
        return form.parse(request.body)
    if not same(sha256(request.body).hexdigest(), expected):
        raise MalformedPayload("bodySHA256")
    return ()


def _outcome(answer: HttpResult) -> SendResult:
    said = strict_json.answered(answer.body)
    code = str(said.get("code") or answer.status)[:16]
    if 200 <= answer.status < 300:
        sid = said.get("sid")
        return SendResult(outcome="sent", provider_id=sid if isinstance(sid, str) else None, code=code)
    if answer.status == 429 or code in LIMITED:
        return SendResult(outcome="rate_limited", code=code, retry_after=_seconds(answer.headers.get("retry-after")))
    if not 400 <= answer.status < 500:
        return SendResult(outcome="unknown", code=code)
    # A refused password (20003) stays refused: there is no token to fetch anew.
    return SendResult(outcome="window_closed" if code in CLOSED else "invalid", code=code)


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and re.fullmatch(r"[0-9]{1,5}", retry_after) else RETRY_AFTER


ADAPTER = Twilio()
