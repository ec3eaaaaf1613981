"""Tencent Cloud's SMS: a person's reply as one JSON object, receipts as an array, and SendSms with its signature, limits and error codes.

How often the callback is tried again the vendor's page does not say: the ladder here is a guess.
https://cloud.tencent.com/document/product/382/5809
https://cloud.tencent.com/document/product/382/55981
"""

from __future__ import annotations

import hmac
import json
import re
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from typing import Any
from urllib.parse import urlencode

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Simulator, Webhook, utc_now
from infra.simulators.delivery import Attempt
from infra.simulators.server import Failure

HOST = "sms.tencentcloudapi.com"
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")

Fields = dict[str, Any]


def refusal(code: str) -> ApiAnswer:
    """An error of the whole call; for `failures` too. The API answers 200 whatever happens."""
    return _said({"Error": {"Code": code, "Message": "refused"}})


def not_sent(code: str) -> ApiAnswer:
    """An error of the one number in the call."""
    return _said({"SendStatusSet": [{"SerialNo": "", "PhoneNumber": "", "Fee": 0, "SessionContext": "", "Code": code}]})


class TencentSmsSimulator:
    """One account. A contact is a mobile number, of the mainland unless it begins with `+`."""

    channel = "tencent_sms"
    patience = Patience(timeout=5.0, waits=(60, 300))
    welcomes_strangers = True  # an SMS may be sent to anybody

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self.opted_out: set[str] = set()
        self._credentials = credentials
        self._now = now
        self._ids = count(1)

    def person(self, number: int) -> str:
        return f"+86138{number:08d}"

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:  # noqa: ARG002
        """A reply. There is no id: two of the same words in the same second are one."""
        mobile = contact.removeprefix("+86")
        foreign = re.fullmatch(r"\+(1|852|853|886|65|60)([0-9]+)", mobile)
        country, mobile = foreign.groups() if foreign else ("86", mobile)
        time = int((at or self._now()).timestamp())
        sign = self._credentials.get("sign_name", "邮局")
        return self.webhook({"extend": "77", "mobile": mobile, "nationcode": country, "sign": sign, "text": text, "time": time})

    def receipt(self, native_id: str) -> Webhook:
        """A report on a message of ours, which comes as an array."""
        report = {"user_receive_time": "2026-11-22 16:00:03", "nationcode": "86", "mobile": "13800138000", "sid": native_id}
        return self.webhook([report | {"report_status": "SUCCESS", "errmsg": "DELIVRD", "description": "用户短信送达成功"}])

    def beside(self, contact: str) -> list[Webhook]:  # noqa: ARG002
        """A report on a message of ours; nobody tells what is read."""
        return [self.receipt("5000:1")]

    def webhook(self, body: Any, *, token: str | None = None) -> Webhook:
        """Any JSON value or bytes with the account's token, or another."""
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        query = urlencode({"token": token or self._credentials["token"]})
        return Webhook(query=query, headers={"content-type": "application/json"}, body=raw)

    def forged(self, contact: str, text: str) -> Webhook:
        return self.webhook(self.text(contact, text).body, token="not-the-token-of-this-account")

    def stale(self, contact: str, text: str) -> Webhook | None:  # noqa: ARG002
        return None  # nothing is signed, time neither

    def tried_again(self, attempt: Attempt) -> bool:
        """Anything but `result` 0 in the answer."""
        try:
            return not (attempt.accepted and json.loads(attempt.body)["result"] == 0)
        except (ValueError, KeyError, TypeError):
            return True

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account: its key signed it."""
        return f"Credential={self._credentials.get('secret_id')}/" in request.headers.get("authorization", "")

    def api(self, request: ApiRequest) -> ApiAnswer:
        headers = request.headers
        if not self.owns(request):
            return refusal("AuthFailure.SecretIdNotFound")
        if request.method != "POST" or headers.get("x-tc-action") != "SendSms":
            return refusal("InvalidAction")
        if headers.get("x-tc-version") != "2021-01-11" or not headers.get("x-tc-region"):
            return refusal("MissingParameter")
        timestamp = headers.get("x-tc-timestamp", "")
        if not timestamp.isdecimal() or abs(self._now().timestamp() - int(timestamp)) > 300:
            return refusal("AuthFailure.SignatureExpire")
        if not self._authentic(request):
            return refusal("AuthFailure.SignatureFailure")
        return self._send(request)

    def _send(self, request: ApiRequest) -> ApiAnswer:
        account = self._credentials
        try:
            asked = json.loads(request.body)
            number, text = asked["PhoneNumberSet"][0], asked["TemplateParamSet"][0]
        except (ValueError, KeyError, TypeError, IndexError):
            return refusal("InvalidParameter")
        if asked.get("SmsSdkAppId") != account["sms_sdk_app_id"]:
            return refusal("UnauthorizedOperation.SmsSdkAppIdVerifyFail")
        checks = (
            (not NUMBER.fullmatch(number), "InvalidParameterValue.IncorrectPhoneNumber"),
            (asked.get("SignName") != account["sign_name"], "FailedOperation.SignatureIncorrectOrUnapproved"),
            (asked.get("TemplateId") != account["template_id"], "FailedOperation.TemplateIncorrectOrUnapproved"),
            (len(text) > account.get("template_param_max", 6), "InvalidParameterValue.TemplateParameterLengthLimit"),
            (number in self.opted_out, "FailedOperation.PhoneNumberInBlacklist"),
        )
        refused = next((code for wrong, code in checks if wrong), None)
        if refused:
            return not_sent(refused)
        answered = request.headers.get("x-request-id")
        self.outbox.append(Delivered(self.channel, self.account, number, text, answered, self._now()))
        serial = f"5000:{next(self._ids):020d}"
        taken = {"SerialNo": serial, "PhoneNumber": number, "Fee": 1, "Code": "Ok", "Message": "send success"}
        return _said({"SendStatusSet": [taken | {"SessionContext": asked.get("SessionContext", "")}]})

    def _authentic(self, request: ApiRequest) -> bool:
        """The signature as the vendor's page has it, made anew from what came."""
        given, timestamp = request.headers, request.headers["x-tc-timestamp"]
        day = datetime.fromtimestamp(int(timestamp), UTC).strftime("%Y-%m-%d")
        canonical = (
            f"POST\n/\n\ncontent-type:{given.get('content-type')}\nhost:{given.get('host', HOST)}\n\ncontent-type;host\n"
            f"{sha256(request.body).hexdigest()}"
        )
        scope = f"{day}/sms/tc3_request"
        signed = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        key = hmac.digest(("TC3" + self._credentials["secret_key"]).encode(), day.encode(), "sha256")
        key = hmac.digest(hmac.digest(key, b"sms", "sha256"), b"tc3_request", "sha256")
        return given["authorization"].endswith(f"Signature={hmac.digest(key, signed.encode(), 'sha256').hex()}")


def _said(response: Fields) -> ApiAnswer:
    return ApiAnswer(body=json.dumps({"Response": response | {"RequestId": "a0aabda6"}}).encode())


SIMULATOR: type[Simulator] = TencentSmsSimulator
