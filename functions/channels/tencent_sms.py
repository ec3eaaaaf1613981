"""SMS replies by way of Tencent Cloud: one unsigned JSON object per message, answered by SendSms where a template allows it.

Nothing signs the callback (its field `sign` is the sign in front of an SMS), so the URL in the console ends in `?token=…`; and nothing
numbers it, so number, time and text stand for an id. What people are sent must fit a sign and a template that the vendor has approved:
the reply's text goes into the template's one variable. Without a template the channel only receives.

https://cloud.tencent.com/document/product/382/5809
https://cloud.tencent.com/document/product/382/55981
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, SecretStr, model_validator

from functions.channels.codecs import json_fields, phone, sms_callback, strict_json, tc3
from functions.channels.codecs.constant_time import unix_time
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
    Outcome,
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

HOST = "sms.tencentcloudapi.com"
VERSION = "2021-01-11"

# https://cloud.tencent.com/document/product/382/55981, in seconds
LIMITED = {
    "RequestLimitExceeded": 1.0,
    "LimitExceeded.PhoneNumberThirtySecondLimit": 30.0,
    "LimitExceeded.DeliveryFrequencyLimit": 60.0,
    "LimitExceeded.PhoneNumberOneHourLimit": 3600.0,
}
CLOSED = frozenset(
    {
        "LimitExceeded.PhoneNumberDailyLimit",
        "LimitExceeded.PhoneNumberSameContentDailyLimit",
        "FailedOperation.PhoneNumberInBlacklist",
    }
)


class TencentSmsCredentials(CallbackCredentials):
    """`token` stands in the callback URL. The five fields of sending come together or not at all.

    The template has one variable, {1}; `template_param_max` is how many characters it was approved for: six, unless agreed otherwise.
    """

    secret_id: str | None = Field(None, pattern=r"^[0-9A-Za-z]{8,64}\z")
    secret_key: SecretStr | None = Field(None, min_length=8)
    sms_sdk_app_id: str | None = Field(None, pattern=r"^[0-9]{6,20}\z")
    sign_name: str | None = Field(None, min_length=2, max_length=40)
    template_id: str | None = Field(None, pattern=r"^[0-9]{1,20}\z")
    template_param_max: int = Field(6, ge=1, le=500)
    region: str = Field("ap-guangzhou", pattern=r"^[a-z]{2,8}-[a-z]{2,20}(-[0-9])?\z")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = (self.secret_id, self.secret_key, self.sms_sdk_app_id, self.sign_name, self.template_id)
        if any(given) and not all(given):
            raise ValueError("sending needs secret_id, secret_key, sms_sdk_app_id, sign_name and template_id")
        return self


class TencentSms:
    """The channel `tencent_sms`."""

    channel = "tencent_sms"
    credentials: type[Credentials] = TencentSmsCredentials
    idempotent_send = False
    max_text = 500  # a whole template; an account's own limit is usually far lower
    max_text_unit: TextUnit = "characters"
    shows = Shows(parts=False)

    def verify(self, request: RawRequest, credentials: TencentSmsCredentials, now: datetime) -> Verified | Rejected:
        return sms_callback.verify(request, credentials)

    def decode(self, verified: Verified, account: str) -> Payload:
        said = strict_json.parse(verified.request.body)
        # A message comes alone; receipts come in an array, to the same URL where the console was given only one.
        items = said if isinstance(said, list) else [said]
        if not isinstance(said, list | dict) or len(items) > MAX_ITEMS:
            raise MalformedPayload("neither a message nor receipts")
        return Payload(verified, account, items)

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return None

    def parse(self, payload: Payload) -> ParseResult:
        return sms_callback.parse(payload, payload.body, _read)

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        return HttpAnswer(200, '{"result":0,"errmsg":"OK"}', "application/json; charset=utf-8")

    def send(self, reply: OutgoingReply, credentials: TencentSmsCredentials, outbound: Outbound) -> SendResult:
        if credentials.secret_key is None:
            return SendResult(outcome="window_closed", code="receive_only")
        if len(reply.text) > credentials.template_param_max:
            return SendResult(outcome="invalid", code="too_long")
        body = _body(reply, credentials)
        headers = tc3.signed_headers(
            host=HOST,
            action="SendSms",
            version=VERSION,
            region=credentials.region,
            body=body,
            secret_id=credentials.secret_id or "",
            secret_key=credentials.secret_key.get_secret_value(),
            at=outbound.now(),
        )
        return post(outbound, f"{outbound.origin(f'https://{HOST}')}/", headers, body, _outcome)


def _read(item: Fields, payload: Payload) -> Message | Ignored:
    if "report_status" in item:
        return Ignored("receipt", json_fields.optional_id(item, "sid"))
    return _message(item, payload)


def _message(item: Fields, payload: Payload) -> Message:
    request, credentials = payload.verified.request, payload.verified.credentials
    country = json_fields.required_id(item, "nationcode")
    mobile = phone.checked(json_fields.required_id(item, "mobile"), "mobile")
    full = phone.e164(mobile, country)
    contact = full or mobile
    said = json_fields.text(item, "text")
    time = json_fields.required_id(item, "time")
    sent_at = believable(unix_time(time.partition(".")[0]), request.received_at)
    return Message(
        message_id=keys.message_id("tencent_sms", payload.account, contact, sent_at, country, mobile, time, said or ""),
        channel="tencent_sms",
        account=payload.account,
        contact=Contact(
            primary=contact,
            ids=(ContactId(kind="phone_e164", value=full) if full else ContactId(kind="uid", value=mobile, scope=country),),
        ),
        kind="text",
        text=said,
        # The extended code that the person answered: it tells one campaign's replies from another's.
        thread_id=json_fields.optional_id(item, "extend"),
        sent_at=sent_at,
        time_precision="s" if sent_at else "none",
        received_at=request.received_at,
        reply=ReplyWindow(mode="open" if credentials.secret_key and full else "none"),
        verification=payload.verified.verification,
    )


def _body(reply: OutgoingReply, credentials: TencentSmsCredentials) -> bytes:
    asked = {
        "PhoneNumberSet": [reply.contact],
        "SmsSdkAppId": credentials.sms_sdk_app_id,
        "SignName": credentials.sign_name,
        "TemplateId": credentials.template_id,
        "TemplateParamSet": [reply.text],
        "SessionContext": reply.message_id,  # comes back in the answer; it does not make the call idempotent
    }
    return strict_json.written(asked)


def _outcome(answer: HttpResult) -> SendResult:
    try:
        said = json_fields.table(strict_json.parse_object(answer.body), "Response")
    except MalformedPayload:
        said = {}
    sent: Fields = next(iter(json_fields.rows(said, "SendStatusSet")), {})
    code = json_fields.loggable(json_fields.table(said, "Error").get("Code") or sent.get("Code") or str(answer.status))
    if code == "Ok" and 200 <= answer.status < 300:
        return SendResult(outcome="sent", provider_id=json_fields.optional_id(sent, "SerialNo"), code=code)
    if code in LIMITED or answer.status == 429:
        return SendResult(outcome="rate_limited", code=code, retry_after=LIMITED.get(code, 60.0))
    return SendResult(outcome=_refusal(code, answer.status, bool(said)), code=code)


def _refusal(code: str, status: int, readable: bool) -> Outcome:
    if code.startswith("InternalError") or status >= 500 or not readable:
        return "unknown"
    return "window_closed" if code in CLOSED else "invalid"


ADAPTER = TencentSms()
