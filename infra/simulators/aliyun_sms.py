"""Alibaba Cloud's SMS: replies of people as JSON arrays, and SendSms with its signature, limits and error codes.

The callback's ladder is that of the vendor's present page (1, 5 and 10 minutes); an older one says ten tries within an hour.
https://help.aliyun.com/zh/sms/developer-reference/smsup-http
https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature
"""

from __future__ import annotations

import hmac
import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Simulator, Webhook, utc_now
from infra.simulators.delivery import Attempt
from infra.simulators.server import Failure

SIGNED = ("host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version")
CHINA = timezone(timedelta(hours=8))
NUMBER = re.compile(r"(\+?86)?1[3-9][0-9]{9}")

Fields = dict[str, Any]


def refusal(code: str, message: str = "refused", status: int = 200) -> ApiAnswer:
    """An error as the API words it: with 200 what the SMS service refuses, with 4xx what the gateway before it does."""
    return ApiAnswer(status, json.dumps({"Code": code, "Message": message, "RequestId": "819BE656"}).encode())


class AliyunSmsSimulator:
    """One account. A contact is a mobile number as the person's operator writes it."""

    channel = "aliyun_sms"
    patience = Patience(timeout=5.0, waits=(60, 300, 600))
    welcomes_strangers = True  # an SMS may be sent to anybody

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self.opted_out: set[str] = set()
        self._credentials = credentials
        self._now = now
        self._ids = count(1_000_000_000)
        self._nonces: set[str] = set()

    def person(self, number: int) -> str:
        return f"138{number:08d}"

    def texts(self, pairs: Sequence[tuple[str, str]]) -> Webhook:
        """A batch of texts of several people."""
        return self.batch([self.item(contact, text) for contact, text in pairs])

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        return self.batch([self.item(contact, text, native_id=native_id, at=at)])

    def item(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Fields:
        """One message of a batch."""
        return {
            "phone_number": contact,
            "send_time": (at or self._now()).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S"),
            "content": text,
            "sign_name": self._credentials.get("sign_name", "邮局"),
            "dest_code": "1234",
            "sequence_id": native_id or next(self._ids),
        }

    def batch(self, items: Sequence[Any]) -> Webhook:
        """Several messages in one call; items may be anything, to have bad ones among the good."""
        return self.webhook(json.dumps(list(items), ensure_ascii=False).encode())

    def receipt(self, native_id: str) -> Webhook:
        """A report on a message of ours."""
        times = {"send_time": "2026-11-22 16:00:00", "report_time": "2026-11-22 16:00:03"}
        said = {
            "phone_number": "13800138000",
            "success": True,
            "err_code": "DELIVERED",
            "err_msg": "用户接收成功",
            "sms_size": "1",
        }
        return self.batch([{**said, **times, "biz_id": native_id, "out_id": "1"}])

    def beside(self, contact: str) -> list[Webhook]:  # noqa: ARG002
        """A report on a message of ours; nobody tells what is read."""
        return [self.receipt("1^0")]

    def webhook(self, body: bytes, *, token: str | None = None) -> Webhook:
        """Any bytes with the account's token, or another."""
        query = urlencode({"token": token or self._credentials["token"]})
        return Webhook(query=query, headers={"content-type": "application/json;charset=utf-8"}, body=body)

    def forged(self, contact: str, text: str) -> Webhook:
        return self.webhook(self.text(contact, text).body, token="not-the-token-of-this-account")

    def stale(self, contact: str, text: str) -> Webhook | None:  # noqa: ARG002
        return None  # nothing is signed, time neither

    def tried_again(self, attempt: Attempt) -> bool:
        """The vendor looks for a number in `code`, and at nothing else in the answer."""
        try:
            return not (attempt.accepted and isinstance(json.loads(attempt.body)["code"], int))
        except (ValueError, KeyError, TypeError):
            return True

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account: its key signed it."""
        return f"Credential={self._credentials.get('access_key_id')}," in request.headers.get("authorization", "")

    def api(self, request: ApiRequest) -> ApiAnswer:
        headers = request.headers
        if not self.owns(request):
            return refusal("InvalidAccessKeyId.NotFound", status=404)
        if request.method != "POST" or headers.get("x-acs-action") != "SendSms" or headers.get("x-acs-version") != "2017-05-25":
            return refusal("InvalidAction.NotFound", status=404)
        if not self._authentic(request):
            return refusal("SignatureDoesNotMatch", status=400)
        nonce = headers["x-acs-signature-nonce"]
        if nonce in self._nonces:
            return refusal("SignatureNonceUsed", status=400)
        self._nonces.add(nonce)
        return self._send(request)

    def _send(self, request: ApiRequest) -> ApiAnswer:
        asked, account = request.query, self._credentials
        number = asked.get("PhoneNumbers", "")
        try:
            said = json.loads(asked.get("TemplateParam", ""))
            text = said[account["template_param"]]
        except (ValueError, KeyError, TypeError):
            return refusal("isv.TEMPLATE_MISSING_PARAMETERS")
        checks = (
            (not NUMBER.fullmatch(number), "isv.MOBILE_NUMBER_ILLEGAL"),
            (asked.get("SignName") != account["sign_name"], "isv.SMS_SIGNATURE_ILLEGAL"),
            (asked.get("TemplateCode") != account["template_code"], "isv.SMS_TEMPLATE_ILLEGAL"),
            (len(text) > account.get("template_param_max", 35), "isv.PARAM_LENGTH_LIMIT"),
            ("http://" in text or "https://" in text, "isv.PARAM_NOT_SUPPORT_URL"),
            (number in self.opted_out, "isv.MOBILE_IN_BLACK"),
        )
        refused = next((code for wrong, code in checks if wrong), None)
        if refused:
            return refusal(refused)
        answered = request.headers.get("x-request-id")
        self.outbox.append(Delivered(self.channel, self.account, number, text, answered, self._now()))
        taken = {"Code": "OK", "Message": "OK", "RequestId": "F655A8D5", "BizId": f"{next(self._ids)}^0"}
        return ApiAnswer(body=json.dumps(taken).encode())

    def _authentic(self, request: ApiRequest) -> bool:
        """The signature as the vendor's page has it, made anew from what came."""
        given = request.headers
        if any(not given.get(name) for name in SIGNED) or given["x-acs-content-sha256"] != sha256(request.body).hexdigest():
            return False
        query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(request.query.items()))
        canonical = "\n".join(
            (
                "POST",
                "/",
                query,
                *(f"{name}:{given[name]}" for name in SIGNED),
                "",
                ";".join(SIGNED),
                given["x-acs-content-sha256"],
            )
        )
        signed = "ACS3-HMAC-SHA256\n" + sha256(canonical.encode()).hexdigest()
        mac = hmac.digest(self._credentials["access_key_secret"].encode(), signed.encode(), "sha256").hex()
        return given["authorization"].endswith(f",Signature={mac}")


SIMULATOR: type[Simulator] = AliyunSmsSimulator
