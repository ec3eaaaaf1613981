"""What the APIs of WeChat and its relatives answer: HTTP 200 and a JSON object whose `errcode` says what happened.

https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html
"""

from __future__ import annotations

from typing import Any

from functions.channels.codecs import strict_json
from functions.channels.contract import HttpResult, Outcome, SendResult

_OUTCOMES: dict[int, Outcome] = {
    0: "sent",
    -1: "transient",
    40001: "auth_expired",
    40014: "auth_expired",
    42001: "auth_expired",
    45009: "rate_limited",
    45011: "rate_limited",
    45015: "window_closed",
    45047: "window_closed",
}
# Seconds. 45011 counts by the minute; 45009 by the day, but the operator may have the count cleared.
_RETRY_AFTER = {45011: 60.0, 45009: 3600.0}


def fields(answer: HttpResult) -> dict[str, Any]:
    """The answer's JSON object; empty when it is none, or comes from something in between that failed."""
    if answer.status != 200:
        return {}
    return strict_json.answered(answer.body)


def result(answer: HttpResult) -> SendResult:
    """What became of a send: `unknown` when the answer does not say, `invalid` for a code that has no entry here."""
    errcode = fields(answer).get("errcode")
    if type(errcode) is not int:
        return SendResult(outcome="unknown", code=f"http_{answer.status}")
    return SendResult(outcome=_OUTCOMES.get(errcode, "invalid"), code=str(errcode), retry_after=_RETRY_AFTER.get(errcode))
