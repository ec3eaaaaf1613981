"""SMS replies by way of Alibaba Cloud (SmsUp): a JSON array of messages, unsigned, answered by SendSms where a template allows it.

Nothing signs the callback, so the URL in the console ends in `?token=…`, and whoever has seen one call can make any other: list the
addresses that the vendor calls from where you know them. What people are sent must fit a sign and a template that the vendor has
approved: the reply's text goes into the template's one variable. Without a template the channel only receives.

https://help.aliyun.com/zh/sms/developer-reference/smsup-http
https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from pydantic import Field, SecretStr, model_validator

from functions.channels.codecs import acs3, json_fields, phone, sms_callback, strict_json
from functions.channels.codecs.json_fields import Fields
from functions.channels.codecs.leased_send import post
from functions.channels.codecs.platform_time import believable
from functions.channels.codecs.sms_callback import MAX_ITEMS, CallbackCredentials
from functions.channels.contract import (
    Credentials,
    HttpAnswer,
    HttpResult,
    Ignored,
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
from functions.common.errors import MalformedPayload
from functions.common.message import Contact, ContactId, Message, ReplyWindow

if TYPE_CHECKING:
    from datetime import datetime

HOST = "dysmsapi.aliyuncs.com"
VERSION = "2017-05-25"
RETRY_AFTER = (
    60.0  # seconds; the vendor's limits are per minute, hour and day, and it does not say which one was hit in its code
)

# https://help.aliyun.com/zh/sms/developer-reference/api-error-codes
LIMITED = frozenset({"isv.BUSINESS_LIMIT_CONTROL", "Throttling", "Throttling.User", "Throttling.Api"})
CLOSED = frozenset({"isv.MOBILE_IN_BLACK"})
# Nobody says whether these were carried out.
DOUBTFUL = frozenset({"isp.SYSTEM_ERROR", "InternalError", "ServiceUnavailable"})


class AliyunSmsCredentials(CallbackCredentials):
    """`token` stands in the callback URL. The five fields of sending come together or not at all.

    `template_param` is the template's one variable and `template_param_max` how many characters it was approved for.
    """

    access_key_id: str | None = Field(None, pattern=r"^[0-9A-Za-z.]{8,64}\z")
    access_key_secret: SecretStr | None = Field(None, min_length=8)
    sign_name: str | None = Field(None, min_length=2, max_length=40)
    template_code: str | None = Field(None, pattern=r"^SMS_[0-9]{1,20}\z")
    template_param: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,24}\z")
    template_param_max: int = Field(35, ge=1, le=500)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = (self.access_key_id, self.access_key_secret, self.sign_name, self.template_code, self.template_param)
        if any(given) and not all(given):
            raise ValueError("sending needs access_key_id, access_key_secret, sign_name, template_code and template_param")
        return self


class AliyunSms:
    """The channel `aliyun_sms`."""

    channel = "aliyun_sms"
    credentials: type[Credentials] = AliyunSmsCredentials
    idempotent_send = False
    max_text = 500  # a whole template; an account's own limit is usually far lower
    max_text_unit: TextUnit = "characters"
    shows = Shows(parts=False, links=False)  # isv.PARAM_NOT_SUPPORT_URL

    def verify(self, request: RawRequest, credentials: AliyunSmsCredentials, now: datetime) -> Verified | Rejected:
        return sms_callback.verify(request, credentials)

    def decode(self, verified: Verified, account: str) -> Payload:
        items = strict_json.parse(verified.request.body)
        if not isinstance(items, list) or len(items) > MAX_ITEMS:
            raise MalformedPayload("not a list of messages")
        return Payload(verified, account, items)

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return None

    def parse(self, payload: Payload) -> ParseResult:
        return sms_callback.parse(payload, payload.body, _read)

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        return HttpAnswer(200, '{"code":0,"msg":"接收成功"}', "application/json; charset=utf-8")

    def send(self, reply: OutgoingReply, credentials: AliyunSmsCredentials, outbound: Outbound) -> SendResult:
        if credentials.access_key_secret is None:
            return SendResult(outcome="window_closed", code="receive_only")
        if len(reply.text) > credentials.template_param_max:
            return SendResult(outcome="invalid", code="too_long")
        query = acs3.query_string(_parameters(reply, credentials))
        headers = acs3.signed_headers(
            host=HOST,
            action="SendSms",
            version=VERSION,
            query=query,
            body=b"",
            key_id=credentials.access_key_id or "",
            secret=credentials.access_key_secret.get_secret_value(),
            at=outbound.now(),
            nonce=_nonce(reply, outbound.now()),
        )
        # Number and text stand in the query, as the vendor has it: this URL must not be logged.
        url = f"{outbound.origin(f'https://{HOST}')}/?{query}"
        return post(outbound, url, headers | {"accept": "application/json"}, b"", _outcome)


def _read(item: Fields, payload: Payload) -> Message | Ignored:
    if "content" not in item and ("biz_id" in item or "err_code" in item):
        return Ignored("receipt", json_fields.optional_id(item, "biz_id"))
    return _message(item, payload)


def _message(item: Fields, payload: Payload) -> Message:
    request, credentials = payload.verified.request, payload.verified.credentials
    number = phone.checked(json_fields.required_id(item, "phone_number"), "phone_number")
    # A number in one version of the vendor's page and a string in another (trap T13).
    sequence = json_fields.required_id(item, "sequence_id")
    sent_at = believable(phone.beijing_time(json_fields.optional_id(item, "send_time")), request.received_at)
    return Message(
        message_id=keys.message_id("aliyun_sms", payload.account, number, sent_at, sequence),
        channel="aliyun_sms",
        account=payload.account,
        contact=Contact(primary=number, ids=_ids(number, payload.account)),
        kind="text",
        native_id=sequence,
        text=json_fields.text(item, "content"),
        # The extended code that the person answered: it tells one campaign's replies from another's.
        thread_id=json_fields.optional_id(item, "dest_code"),
        sent_at=sent_at,
        time_precision="s" if sent_at else "none",
        received_at=request.received_at,
        reply=ReplyWindow(mode="open" if credentials.access_key_secret else "none"),
        verification=payload.verified.verification,
    )


def _ids(number: str, account: str) -> tuple[ContactId, ...]:
    full = phone.e164(number)
    return (ContactId(kind="phone_e164", value=full) if full else ContactId(kind="uid", value=number, scope=account),)


def _parameters(reply: OutgoingReply, credentials: AliyunSmsCredentials) -> dict[str, str]:
    return {
        "PhoneNumbers": reply.contact,
        "SignName": credentials.sign_name or "",
        "TemplateCode": credentials.template_code or "",
        "TemplateParam": json.dumps({credentials.template_param: reply.text}, ensure_ascii=False),
        "OutId": reply.message_id,  # comes back in the receipt; it does not make the call idempotent
    }


def _nonce(reply: OutgoingReply, at: datetime) -> str:
    """Never twice: one message is not tried twice within a microsecond."""
    return sha256(f"{reply.message_id}|{at.isoformat(timespec='microseconds')}".encode()).hexdigest()[:32]


def _outcome(answer: HttpResult) -> SendResult:
    said = strict_json.answered(answer.body)
    code = json_fields.loggable(said.get("Code") or str(answer.status))
    if code == "OK" and 200 <= answer.status < 300:
        return SendResult(outcome="sent", provider_id=json_fields.optional_id(said, "BizId"), code=code)
    if code in LIMITED or answer.status == 429:
        return SendResult(outcome="rate_limited", code=code, retry_after=RETRY_AFTER)
    if code in DOUBTFUL or not said or answer.status >= 500:
        return SendResult(outcome="unknown", code=code)
    return SendResult(outcome="window_closed" if code in CLOSED else "invalid", code=code)


ADAPTER = AliyunSms()
