"""WeCom's API: the access token of an app, and what an `errcode` means.

https://developer.work.weixin.qq.com/document/path/91039
https://developer.work.weixin.qq.com/document/path/90313
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from functions.channels.codecs import strict_json, wx_answers
from functions.channels.codecs.leased_send import TokenRefused
from functions.channels.codecs.wecom_callback import WecomCredentials
from functions.channels.contract import AccessToken, HttpResult, Outbound, Outcome, SendResult
from functions.common import keys

API = "https://qyapi.weixin.qq.com"
JSON = {"content-type": "application/json"}
# UTF-8 bytes of one text. Of an app's the vendor cuts off the rest, of 微信客服's it refuses it.
MAX_TEXT_BYTES = 2048

_OUTCOMES: dict[int, Outcome] = {
    0: "sent",
    -1: "transient",
    40014: "auth_expired",
    42001: "auth_expired",
    45009: "rate_limited",
    45033: "rate_limited",  # too many calls at once
    95001: "window_closed",  # five texts since the customer's last message
    95013: "window_closed",  # the session has ended
    95018: "window_closed",  # a person has taken the session over, or it has ended
}
_RETRY_AFTER = {45009: 60.0, 45033: 5.0}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def app(credentials: WecomCredentials) -> str:
    """Whose token it is: a corp has one per secret, that of an application or of 微信客服."""
    return keys.app("wecom", credentials.corp_id, credentials.corp_secret.get_secret_value())


def fetch_token(credentials: WecomCredentials, outbound: Outbound) -> AccessToken:
    """The app's token; asking again gives the same one while it is good. The vendor takes the secret in the URL only.

    `TokenRefused`, `Unreachable` or `NoAnswer` when there is none.
    """
    secret = quote(credentials.corp_secret.get_secret_value(), safe="")
    url = f"{outbound.origin(API)}/cgi-bin/gettoken?corpid={quote(credentials.corp_id, safe='')}&corpsecret={secret}"
    answer = outbound.request("GET", url, headers={}, body=b"")
    fields = wx_answers.fields(answer)
    token, expires_in = fields.get("access_token"), fields.get("expires_in")
    if isinstance(token, str) and token and type(expires_in) is int:
        return AccessToken(token, expires_in)
    raise TokenRefused(result(answer))


def url(path: str, token: str, outbound: Outbound) -> str:
    """Where a call with this token goes."""
    return f"{outbound.origin(API)}{path}?access_token={quote(token, safe='')}"


def body(asked: dict[str, Any]) -> bytes:
    """JSON as the vendor takes it: it refuses \\uXXXX (40033), so characters go out as themselves."""
    return strict_json.written(asked)


def sendable(text: str) -> str | None:
    """The text without what JSON could only escape; None when it is too long."""
    plain = _CONTROL.sub("", text)
    return plain if len(plain.encode("utf-8", "replace")) <= MAX_TEXT_BYTES else None


def result(answer: HttpResult) -> SendResult:
    """What became of a call: `unknown` when the answer does not say, `invalid` for a code that has no entry here."""
    fields = wx_answers.fields(answer)
    errcode, given = fields.get("errcode"), fields.get("msgid")
    if type(errcode) is not int:
        return SendResult(outcome="unknown", code=f"http_{answer.status}")
    return SendResult(
        outcome=_OUTCOMES.get(errcode, "invalid"),
        code=str(errcode),
        retry_after=_RETRY_AFTER.get(errcode),
        provider_id=given if isinstance(given, str) and errcode == 0 else None,
    )
