"""Feishu's message API: the token, the reply, and what its codes mean.

https://open.feishu.cn/document/server-docs/im-v1/message/reply
https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from functions.channels.codecs import json_fields, leased_send, plain_form, strict_json
from functions.channels.contract import TEXT_ONLY, AccessToken, HttpResult, Outbound, Outcome, OutgoingReply, SendResult, Shows
from functions.common.message import Message

JSON = "application/json; charset=utf-8"
UUID_LENGTH = 50
CARDS = "cards"
# A card may have 30 KB, as JSON.
SHOWS = Shows(buttons=10, button_title=20, text_beside_buttons=6000)
RETRY_AFTER = 5.0  # seconds, where the answer names none

# A text may name people by <at user_id="…">: a reply of ours never does.
_AT = re.compile(r"<(?=/?at\b)", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SECONDS = re.compile(r"[0-9]{1,5}")
_OUTCOMES: dict[int, Outcome] = {
    0: "sent",
    99991661: "auth_expired",
    99991663: "auth_expired",
    99991664: "auth_expired",
    99991671: "auth_expired",
    99991400: "rate_limited",
    230020: "rate_limited",
    230049: "unknown",  # the same uuid is being sent just now
    230002: "window_closed",  # the bot is not in the group
    230013: "window_closed",  # the person may not use the bot
    230018: "window_closed",  # nobody may speak in the group
}


def plain(text: str) -> str:
    """The text without what Feishu would read as a mention, and without control characters."""
    return _AT.sub("＜", _CONTROL.sub("", text))


def post(outbound: Outbound, origin: str, token: str, reply: OutgoingReply, text: str) -> SendResult:
    """Answer the message. Requests with the same uuid succeed at most once within an hour."""
    url = f"{origin}/open-apis/im/v1/messages/{quote(reply.native_id or '', safe='', errors='replace')}/reply"
    headers = {"content-type": JSON, "authorization": f"Bearer {token}"}
    kind, content = ("interactive", _card(reply, text)) if reply.buttons else ("text", {"text": text})
    body = _json({"content": _json(content), "msg_type": kind, "uuid": _uuid(reply)})
    return leased_send.post(outbound, url, headers, body.encode("utf-8", "replace"), _result)


def shown(message: Message) -> Shows:
    """Buttons where the account says that taps on cards are called back. A picture would have to be uploaded."""
    return SHOWS if (message.reply.token or "").startswith(CARDS) else TEXT_ONLY


def _card(reply: OutgoingReply, text: str) -> dict[str, Any]:
    """https://open.feishu.cn/document/feishu-cards/card-json-structure"""
    # It comes back with the tap, which does not say what kind of conversation the card stands in.
    where = "group" if reply.token == f"{CARDS} group" else "p2p"
    buttons = [
        {
            "tag": "button",
            "text": {"tag": "plain_text", "content": title},
            "type": "default",
            "value": {"say": title, "chat": where},
        }
        for title in reply.buttons
    ]
    words = {"tag": "div", "text": {"tag": "plain_text", "content": text}}
    return {"config": {"wide_screen_mode": True}, "elements": [words, {"tag": "action", "actions": buttons}]}


def fetch_token(outbound: Outbound, origin: str, app_id: str, app_secret: str) -> AccessToken:
    """A tenant access token. Within its last half hour a new one is given out, and both are good.

    https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal
    """
    url = f"{origin}/open-apis/auth/v3/tenant_access_token/internal"
    asked = _json({"app_id": app_id, "app_secret": app_secret}).encode("utf-8", "replace")
    answer = outbound.request("POST", url, headers={"content-type": JSON}, body=asked)
    given = strict_json.answered(answer.body)
    token, expire = given.get("tenant_access_token"), json_fields.count(given, "expire")
    if isinstance(token, str) and token and expire:
        return AccessToken(token, expire)
    raise leased_send.TokenRefused(_result(answer))


def _uuid(reply: OutgoingReply) -> str:
    """The same for every try of a part, in whatever form; another for another answer to the same message. At most 50 characters."""
    return f"{reply.message_id}.{plain_form.fingerprint(reply):08x}"[-UUID_LENGTH:]


def _result(answer: HttpResult) -> SendResult:
    fields = strict_json.answered(answer.body)
    code = json_fields.count(fields, "code")
    outcome = _outcome(answer.status, code)
    return SendResult(
        outcome=outcome,
        code=f"http_{answer.status}" if code is None else str(code),
        provider_id=json_fields.optional_id(json_fields.table(fields, "data"), "message_id"),
        retry_after=_rest(answer) if outcome == "rate_limited" else None,
    )


def _outcome(status: int, code: int | None) -> Outcome:
    if code in _OUTCOMES:
        return _OUTCOMES[code]
    if status == 429:
        return "rate_limited"
    return "unknown" if code is None or status >= 500 else "invalid"


def _rest(answer: HttpResult) -> float:
    """https://open.feishu.cn/document/server-docs/api-call-guide/frequency-control"""
    reset = answer.headers.get("x-ogw-ratelimit-reset", "")
    return float(reset) if _SECONDS.fullmatch(reset) else RETRY_AFTER


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
