"""LINE's two ways to send, and what their answers mean.

`reply` costs nothing and takes the one-use token of an event, for about a minute; it takes no retry key. `push` counts against the plan's
monthly quota and takes `X-Line-Retry-Key`: within a day the same key sends once, and 409 says that it had.
https://developers.line.biz/en/reference/messaging-api/#send-reply-message
https://developers.line.biz/en/docs/messaging-api/retrying-api-request/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid5

from functions.channels.codecs import json_fields, leased_send, strict_json
from functions.channels.codecs.json_fields import Fields, optional_id, rows
from functions.channels.codecs.leased_send import TokenRefused
from functions.channels.contract import AccessToken, HttpResult, Outbound, Outcome, OutgoingReply, SendResult

API = "https://api.line.me"
JSON = {"content-type": "application/json"}
INVALID_TOKEN = "invalid_reply_token"  # noqa: S105  a code, not a token
RETRY_AFTER = 5.0  # seconds; limits are per second, and an answer names no time

_KEYS = UUID("6ba3cd1c-6d5f-5d9f-9d43-3a1d6d3a2c57")
_SECONDS = re.compile(r"[0-9]{1,5}")


def reply(reply: OutgoingReply, access_token: str, outbound: Outbound) -> SendResult:
    """By the event's own token. Code `invalid_reply_token`: it was used or too old, and nothing was sent."""
    said = {"replyToken": reply.token, "messages": [_message(reply)]}
    return _post("reply", said, {}, access_token, outbound)


def push(reply: OutgoingReply, access_token: str, outbound: Outbound) -> SendResult:
    """By the contact's id. When nobody can say whether it was carried out it is asked once more, under the same key."""
    said, key = {"to": reply.contact, "messages": [_message(reply)]}, {"x-line-retry-key": str(uuid5(_KEYS, reply.key))}
    first = _post("push", said, key, access_token, outbound)
    return _post("push", said, key, access_token, outbound) if first.outcome == "unknown" else first


def fetch_token(channel_id: str, channel_secret: str, outbound: Outbound) -> AccessToken:
    """A stateless channel access token, good for a quarter of an hour; asking again revokes nothing.

    https://developers.line.biz/en/reference/messaging-api/#issue-stateless-channel-access-token
    """
    asked = {"grant_type": "client_credentials", "client_id": channel_id, "client_secret": channel_secret}
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = outbound.request("POST", f"{outbound.origin(API)}/oauth2/v3/token", headers=form, body=urlencode(asked).encode())
    said = _said(answer)
    token, life = said.get("access_token"), said.get("expires_in")
    if answer.status == 200 and isinstance(token, str) and token and type(life) is int:
        return AccessToken(token, life)
    # OAuth says 400 for a wrong id or secret.
    raise TokenRefused(_outcome(answer))


def _post(way: str, said: Mapping[str, Any], headers: Mapping[str, str], token: str, outbound: Outbound) -> SendResult:
    url = f"{outbound.origin(API)}/v2/bot/message/{way}"
    body = strict_json.written(said)
    return leased_send.post(outbound, url, {**JSON, "authorization": f"Bearer {token}", **headers}, body, _outcome)


def _message(reply: OutgoingReply) -> Mapping[str, Any]:
    """A picture stands for its own preview. A button says its title; https://developers.line.biz/en/reference/messaging-api/#quick-reply"""
    if reply.image_url:
        return {"type": "image", "originalContentUrl": reply.image_url, "previewImageUrl": reply.image_url}
    said = {"type": "text", "text": reply.text}
    items = [{"type": "action", "action": {"type": "message", "label": title, "text": title}} for title in reply.buttons]
    return {**said, "quickReply": {"items": items}} if items else said


def _outcome(answer: HttpResult) -> SendResult:
    code, said = str(answer.status), _said(answer)
    if 200 <= answer.status < 300:
        return SendResult(outcome="sent", provider_id=_sent_id(said), code=code)
    if answer.status == 409:
        return SendResult(outcome="duplicate", provider_id=_sent_id(said), code=code)
    if answer.status == 429:
        return _limited(answer, said)
    if answer.status == 400 and "invalid reply token" in _words(said):
        return SendResult(outcome="invalid", code=INVALID_TOKEN)
    refused: Outcome = "auth_expired" if answer.status == 401 else "invalid"
    return SendResult(outcome=refused if 400 <= answer.status < 500 else "unknown", code=code)


def _limited(answer: HttpResult, said: Fields) -> SendResult:
    """Too many in a second, or the plan's messages of this month are used up: LINE tells the two apart in words only."""
    if "monthly limit" in _words(said):
        return SendResult(outcome="window_closed", code="monthly_limit")
    return SendResult(outcome="rate_limited", code="429", retry_after=_seconds(answer.headers.get("retry-after", "")))


def _words(said: Fields) -> str:
    return (json_fields.text(said, "message", 200) or "").lower()


def _sent_id(said: Fields) -> str | None:
    return optional_id(next(iter(rows(said, "sentMessages")), {}), "id")


def _seconds(named: str) -> float:
    return float(named) if _SECONDS.fullmatch(named) else RETRY_AFTER


def _said(answer: HttpResult) -> Fields:
    return strict_json.answered(answer.body)
