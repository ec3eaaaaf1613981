"""Sending by the Graph API, and what its answers mean for a reply.

The token goes into a header, never into the URL. Graph takes no idempotency key, so an answer that does not plainly say that nothing was
sent is `unknown`: of code 1 Meta itself writes that the messages may all have gone out, and code 2 is as vague.
https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
https://developers.facebook.com/docs/messenger-platform/error-codes
"""

from __future__ import annotations

import re

from functions.channels.codecs import leased_send, strict_json
from functions.channels.codecs.hmac_raw_body import signature
from functions.channels.codecs.json_fields import Fields, optional_id, rows, table
from functions.channels.codecs.meta_webhook import MetaCredentials
from functions.channels.contract import HttpResult, Outbound, Outcome, SendResult

RECEIVE_ONLY = SendResult(outcome="window_closed", code="receive_only")
RETRY_AFTER = 60.0  # seconds; Graph names none
PAIR_RETRY_AFTER = 6.0  # one message in six seconds to one person

_SECONDS = re.compile(r"[0-9]{1,5}")
# Outside the 24 hours: Messenger and Instagram (code 10 with these subcodes), WhatsApp (131047). 2534022 is Instagram's, unverified.
_CLOSED_SUBCODES = frozenset({"2018278", "2018065", "2534022"})
_OUTCOMES: dict[str, Outcome] = {
    "131047": "window_closed",
    "0": "auth_expired",
    "102": "auth_expired",
    "190": "auth_expired",
    "4": "rate_limited",
    "17": "rate_limited",
    "32": "rate_limited",
    "613": "rate_limited",
    "80006": "rate_limited",
    "80007": "rate_limited",
    "130429": "rate_limited",
    "131048": "rate_limited",
    "131056": "rate_limited",
    "1200": "transient",
    "131016": "transient",
    "131057": "transient",
    "133004": "transient",
    "1": "unknown",
    "2": "unknown",
    "131000": "unknown",
}


def post(path: str, said: Fields, credentials: MetaCredentials, outbound: Outbound) -> SendResult:
    """POST a message to `/{version}/{path}`; `RECEIVE_ONLY` for an account without a token."""
    if credentials.access_token is None:
        return RECEIVE_ONLY
    token = credentials.access_token.get_secret_value()
    url = f"{outbound.origin(credentials.graph_origin)}/{credentials.graph_version}/{path}"
    if credentials.appsecret_proof:
        # Of use to nobody without the token. https://developers.facebook.com/docs/graph-api/guides/secure-requests
        url += f"?appsecret_proof={signature(credentials.app_secret.get_secret_value(), token.encode())}"
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return leased_send.post(outbound, url, headers, strict_json.written(said), outcome)


def outcome(answer: HttpResult) -> SendResult:
    """What became of a send, by the error's code and subcode; by the HTTP status where there is no error in the answer."""
    said = strict_json.answered(answer.body)
    error = table(said, "error")
    if not error:
        return _by_status(answer, said)
    code, subcode = optional_id(error, "code") or str(answer.status), optional_id(error, "error_subcode")
    found = "window_closed" if subcode in _CLOSED_SUBCODES else _OUTCOMES.get(code)
    if found is None:
        found = "rate_limited" if answer.status == 429 else "invalid" if 400 <= answer.status < 500 else "unknown"
    named = f"{code}.{subcode}" if subcode and subcode != "0" else code
    wait = _retry_after(answer, code) if found == "rate_limited" else None
    return SendResult(outcome=found, code=named[:32], retry_after=wait)


def _by_status(answer: HttpResult, said: Fields) -> SendResult:
    code = str(answer.status)
    if 200 <= answer.status < 300:
        sent = next(iter(rows(said, "messages")), {})
        return SendResult(outcome="sent", provider_id=optional_id(said, "message_id") or optional_id(sent, "id"), code=code)
    if answer.status == 429:
        return SendResult(outcome="rate_limited", code=code, retry_after=_retry_after(answer, None))
    return SendResult(outcome="invalid" if 400 <= answer.status < 500 else "unknown", code=code)


def _retry_after(answer: HttpResult, code: str | None) -> float:
    named = answer.headers.get("retry-after", "")
    if _SECONDS.fullmatch(named):
        return float(named)
    return PAIR_RETRY_AFTER if code == "131056" else RETRY_AFTER
