"""QQ's message API: access tokens, texts, cards with buttons, pictures, and what its codes mean.

A reply's `msg_seq` is made of its words and its place, so that a second try of the same one is refused as a duplicate.
https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/send.html
https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/send-receive/rich-media.html
https://bot.q.qq.com/wiki/develop/api-v2/server-inter/message/trans/msg-btn.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from functions.channels.codecs import json_fields, leased_send, markdown_text, plain_form, strict_json
from functions.channels.contract import AccessToken, HttpResult, Outbound, Outcome, OutgoingReply, SendResult, Shows
from functions.common.message import Message

API = "https://api.sgroup.qq.com"
ACCOUNT_API = "https://bots.qq.com"
JSON = "application/json"
TEXT, MARKDOWN, MEDIA = 0, 2, 7
IMAGE = 1
SAYS = 2  # a button that writes its words into the conversation
ANYBODY = 2
KEYBOARD = "keyboard"
ROWS = 5
SHOWS = Shows(image=True, buttons=10, button_title=20, text_beside_buttons=750)
PICTURES = Shows(image=True)

# https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/error-trace/openapi.html and the pages of the two message APIs.
_OUTCOMES: dict[int, Outcome] = {
    40054005: "duplicate",  # msg_id and msg_seq have been seen
    304023: "sent",  # taken, a person looks at it first
    304024: "sent",
    304027: "window_closed",  # the message answered is too old
    304103: "window_closed",
    40034005: "window_closed",
    40034128: "window_closed",  # too old, or answered too often
    40054004: "window_closed",  # no friend any more
    40054013: "window_closed",  # does not want our messages
    11241: "auth_expired",
    11243: "auth_expired",
    11242: "transient",  # the platform's own fault, by the vendor's word worth another try
    11252: "transient",
    50055001: "transient",
    50055002: "transient",
    22009: "rate_limited",
    20028: "rate_limited",
}
RETRY_AFTER = 60.0  # seconds; the vendor names none


def shown(message: Message) -> Shows:
    """Pictures everywhere; buttons where the account says that QQ lets it make its own (内邀)."""
    return SHOWS if (message.reply.token or "").startswith(KEYBOARD) else PICTURES


def place(reply: OutgoingReply) -> str:
    """Where an answer goes, as the path names it: to a person, or into the group that the reply token names."""
    group = (reply.token or "").removeprefix(KEYBOARD).strip()
    where, whose = ("groups", group) if group else ("users", reply.contact)
    return f"/v2/{where}/{quote(whose, safe='', errors='replace')}"


def post(outbound: Outbound, token: str, reply: OutgoingReply) -> SendResult:
    """Send a text, a card, or a picture, which QQ fetches before it is sent."""
    headers = {"content-type": JSON, "authorization": f"QQBot {token}"}
    to = f"{outbound.origin(API)}{place(reply)}"
    said = _written(reply)
    if reply.image_url:
        fetched = leased_send.post(outbound, f"{to}/files", headers, _file(reply.image_url), _fetched)
        if fetched.code == "no_answer":
            return replace(fetched, outcome="transient")  # it was only to be fetched
        if fetched.provider_id is None:
            return fetched
        said = {"msg_type": MEDIA, "media": {"file_info": fetched.provider_id}}
    body = strict_json.written({**said, "msg_id": reply.native_id, "msg_seq": _sequence(reply)})
    return leased_send.post(outbound, f"{to}/messages", headers, body, _result)


def _file(url: str) -> bytes:
    # srv_send_msg would send it at once, unprompted.
    return strict_json.written({"file_type": IMAGE, "url": url, "srv_send_msg": False})


def _fetched(answer: HttpResult) -> SendResult:
    """`provider_id` is what QQ calls the file for a while."""
    info = strict_json.answered(answer.body).get("file_info")
    if 200 <= answer.status < 300 and isinstance(info, str) and info:
        return SendResult(outcome="sent", provider_id=info)
    refused = replace(_result(answer), provider_id=None)
    # Whatever QQ has fetched, nothing has been sent.
    return replace(refused, outcome="transient") if refused.outcome in ("sent", "duplicate", "unknown") else refused


def _written(reply: OutgoingReply) -> dict[str, Any]:
    if not reply.buttons or not markdown_text.reads_as_itself(reply.text):
        return {"msg_type": TEXT, "content": plain_form.in_words(reply.text, reply.buttons)}
    buttons = [_button(str(number), title) for number, title in enumerate(reply.buttons, start=1)]
    across = -(-len(buttons) // ROWS)
    rows = [{"buttons": buttons[first : first + across]} for first in range(0, len(buttons), across)]
    return {"msg_type": MARKDOWN, "markdown": {"content": reply.text}, "keyboard": {"content": {"rows": rows}}}


def _button(number: str, title: str) -> dict[str, Any]:
    """Whoever taps it says its title: at once in a conversation with the bot alone, after a look in a group."""
    action = {"type": SAYS, "permission": {"type": ANYBODY}, "data": title, "enter": True, "unsupport_tips": title}
    return {"id": number, "render_data": {"label": title, "visited_label": title, "style": 1}, "action": action}


def _sequence(reply: OutgoingReply) -> int:
    """The same for every try of a part, in whatever form; another for another answer to the message. An unsigned 32-bit number to QQ."""
    return plain_form.fingerprint(reply) & 0x7FFFFFFF or 1


def fetch_token(app_id: str, app_secret: str, outbound: Outbound) -> AccessToken:
    """A new token, which QQ gives out in the old one's last minute; both are good for that minute.

    https://bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/api-use.html
    """
    asked = strict_json.written({"appId": app_id, "clientSecret": app_secret})
    url = f"{outbound.origin(ACCOUNT_API)}/app/getAppAccessToken"
    answer = outbound.request("POST", url, headers={"content-type": JSON}, body=asked)
    given = strict_json.answered(answer.body)
    token, expires_in = given.get("access_token"), json_fields.count(given, "expires_in")  # in digits, as text
    if isinstance(token, str) and token and expires_in:
        return AccessToken(token, expires_in)
    raise leased_send.TokenRefused(_result(answer))


def _result(answer: HttpResult) -> SendResult:
    fields = strict_json.answered(answer.body)
    code = json_fields.count(fields, "code") or json_fields.count(fields, "err_code")
    provider_id = json_fields.optional_id(fields, "id")
    outcome: Outcome
    if code:
        outcome = _OUTCOMES.get(code) or _by_status(answer.status, "invalid")
    elif 200 <= answer.status < 300:
        outcome = "sent" if provider_id else "unknown"
    else:
        outcome = _by_status(answer.status, "unknown")
    retry_after = RETRY_AFTER if outcome == "rate_limited" else None
    said = str(code or f"http_{answer.status}")
    return SendResult(outcome=outcome, code=said, provider_id=provider_id, retry_after=retry_after)


def _by_status(status: int, otherwise: Outcome) -> Outcome:
    named: dict[int, Outcome] = {401: "auth_expired", 429: "rate_limited"}
    if status >= 500:
        return "unknown"
    return named.get(status, "invalid" if 400 <= status < 500 else otherwise)
