"""Slack and one app of ours: events and interactions signed over time and body, and chat.postMessage with its errors.

Slack waits three seconds and tries again at once, after a minute and after five, each try signed anew: `signed_anew`.
https://docs.slack.dev/apis/events-api
https://docs.slack.dev/reference/methods/chat.postMessage
"""

from __future__ import annotations

import hmac
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import urlencode

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Simulator, Webhook, utc_now
from infra.simulators.server import Failure

TEAM, BOT_USER, APP = "T0DEMO001", "U0BOT0001", "A0DEMO001"
MAX_TEXT = 40_000
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

Fields = dict[str, Any]


def refusal(error: str, status: int = 200, *, retry_after: int | None = None) -> ApiAnswer:
    """An error as the Web API words it, mostly with 200; for `failures` too."""
    headers = {"content-type": JSON} | ({"retry-after": str(retry_after)} if retry_after is not None else {})
    return ApiAnswer(status, json.dumps({"ok": False, "error": error}).encode(), headers)


class SlackSimulator:
    """One workspace. A contact is a person's user id, `U…`; their direct conversation with the app is `D…`."""

    channel = "slack"
    patience = Patience(timeout=3.0, waits=(0, 60, 300), signing="signed anew")
    welcomes_strangers = True  # an app may write to anybody of its workspace

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._secret: str = credentials["signing_secret"]
        self._token: str | None = credentials.get("bot_token")
        self._now = now
        self._ids = count(1)

    def handshake(self, challenge: str = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P") -> Webhook:
        """The console's check of the URL."""
        return self.webhook({"token": "legacy", "challenge": challenge, "type": "url_verification"})

    def handshake_answer(self, webhook: Webhook) -> bytes:
        """What the console wants to hear."""
        return json.dumps({"challenge": json.loads(webhook.body)["challenge"]}).encode()

    def person(self, number: int) -> str:
        return f"U{number:09d}"

    def unknown(self, contact: str) -> Webhook:
        """A message of blocks alone, of a kind that nobody knows."""
        return self.message(contact, {"text": "", "blocks": [{"type": "hologram", "block_id": "h1"}]})

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        return self.message(contact, {"text": text}, native_id=native_id, at=at)

    def message(
        self,
        contact: str,
        fields: Fields,
        *,
        native_id: str | None = None,
        at: datetime | None = None,
        channel: str | None = None,
        channel_type: str = "im",
    ) -> Webhook:
        """A message; `fields` are the event's own, `native_id` its `ts`."""
        ts = native_id or self._ts(at or self._now())
        channel = channel or self.direct(contact)
        event = {"type": "message", "user": contact, "ts": ts, "channel": channel, "channel_type": channel_type, "team": TEAM}
        return self.event({**event, "event_ts": ts, **fields}, event_id=f"Ev{ts.replace('.', '')}", at=at)

    def event(self, event: Fields, *, event_id: str | None = None, at: datetime | None = None) -> Webhook:
        """Any event in its envelope."""
        grant = {"team_id": TEAM, "user_id": BOT_USER, "is_bot": True, "is_enterprise_install": False}
        said = {
            "token": "legacy",
            "team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": event_id or f"Ev{next(self._ids):08d}",
            "event_time": int((at or self._now()).timestamp()),
            "authorizations": [grant],
        }
        return self.webhook(said, at=at)

    def echo(self, contact: str, text: str) -> Webhook:
        """What the app itself wrote, as Slack tells it to the app."""
        return self.message(BOT_USER, {"text": text, "bot_id": "B0BOT0001", "app_id": APP}, channel=self.direct(contact))

    def beside(self, contact: str) -> list[Webhook]:
        """What the app wrote, changed, taken back, an emoji put on it. What is read Slack does not tell."""
        where = {"channel": self.direct(contact), "channel_type": "im", "ts": self._ts(self._now()), "hidden": True}
        changed = {"type": "message", "subtype": "message_changed", "message": {"user": contact, "text": "改过的"}, **where}
        gone = {"type": "message", "subtype": "message_deleted", "deleted_ts": "1795334000.000100", **where}
        emoji = {"type": "reaction_added", "user": contact, "reaction": "thumbsup", "item": {"type": "message"}}
        return [self.echo(contact, "您好"), self.event(changed), self.event(gone), self.event(emoji)]

    def tap(self, contact: str, value: str, *, title: str = "确认", action_ts: str | None = None, **more: Any) -> Webhook:
        """A tap on a button of one of our messages; `more` are further actions' fields."""
        action = {
            "type": "button",
            "action_id": "choose",
            "block_id": "b1",
            "text": {"type": "plain_text", "text": title},
            "value": value,
            "action_ts": action_ts or self._ts(self._now()),
        }
        return self.interaction(contact, {"type": "block_actions", "actions": [action | more]})

    def interaction(self, contact: str, fields: Fields) -> Webhook:
        """Any interaction payload, which comes in a form."""
        said = {
            "user": {"id": contact, "username": contact.lower(), "name": contact.lower(), "team_id": TEAM},
            "team": {"id": TEAM, "domain": "demo"},
            "channel": {"id": self.direct(contact), "name": "directmessage"},
            "container": {"type": "message", "message_ts": "1795334000.000100"},
            "trigger_id": f"trigger.{next(self._ids)}",
            **fields,
        }
        return self.form({"payload": json.dumps(said, ensure_ascii=False)})

    def command(self, contact: str, text: str, *, command: str = "/help", native_id: str | None = None) -> Webhook:
        """A slash command, which comes as a form."""
        return self.form(
            {
                "token": "legacy",
                "team_id": TEAM,
                "channel_id": "C0GENERAL1",
                "user_id": contact,
                "user_name": contact.lower(),
                "command": command,
                "text": text,
                "response_url": "https://hooks.slack.com/commands/1234/5678",
                "trigger_id": native_id or f"trigger.{next(self._ids)}",
            }
        )

    def form(self, fields: Mapping[str, str], *, at: datetime | None = None) -> Webhook:
        """Any form, signed."""
        return self.signed_anew(Webhook(headers={"content-type": FORM}, body=urlencode(fields).encode()), at)

    def webhook(self, body: Any, *, at: datetime | None = None) -> Webhook:
        """Any JSON value or bytes, signed."""
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return self.signed_anew(Webhook(headers={"content-type": JSON}, body=raw), at)

    def signed_anew(self, webhook: Webhook, at: datetime | None = None, *, secret: str | None = None) -> Webhook:
        """The same webhook as a try at another time."""
        timestamp = str(int((at or self._now()).timestamp()))
        base = b"v0:" + timestamp.encode() + b":" + webhook.body
        mac = hmac.digest((secret or self._secret).encode(), base, "sha256").hex()
        signed = {"x-slack-request-timestamp": timestamp, "x-slack-signature": f"v0={mac}"}
        return replace(webhook, headers={**webhook.headers, **signed})

    def forged(self, contact: str, text: str) -> Webhook:
        return self.signed_anew(self.text(contact, text), secret="not the secret of this account")

    def stale(self, contact: str, text: str) -> Webhook:
        return self.text(contact, text, at=self._now() - timedelta(hours=1))

    def direct(self, contact: str) -> str:
        """The direct conversation of a person with the app."""
        return "D" + "".join(each for each in contact.upper().removeprefix("U") if each.isascii() and each.isalnum())

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account: it bears the app's token."""
        return request.headers.get("authorization") == f"Bearer {self._token}"

    def api(self, request: ApiRequest) -> ApiAnswer:
        if request.path != "/api/chat.postMessage":
            return refusal("unknown_method")
        if not self.owns(request):
            return refusal("invalid_auth" if request.headers.get("authorization") else "not_authed")
        try:
            asked = json.loads(request.body)
            channel, text = asked["channel"], asked["text"]
        except (ValueError, KeyError, TypeError):
            return refusal("invalid_json")
        checks = (
            (not text, "no_text"),
            (len(text) > MAX_TEXT, "msg_too_long"),
            (len(asked.get("blocks", ())) > 50, "invalid_blocks"),
            (channel[:1] not in "CDGU", "channel_not_found"),
        )
        refused = next((error for wrong, error in checks if wrong), None)
        if refused:
            return refusal(refused)
        shown = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        contact = f"U{channel[1:]}" if channel.startswith("D") else channel
        buttons, image = _shown_by(asked.get("blocks", ()))
        answered = request.headers.get("x-request-id")
        said = "" if image else shown  # blocks are shown in the text's stead, which is for notifications then
        self.outbox.append(Delivered(self.channel, self.account, contact, said, answered, self._now(), buttons, image))
        return ApiAnswer(body=json.dumps({"ok": True, "channel": channel, "ts": self._ts(self._now())}).encode())

    def _ts(self, at: datetime) -> str:
        return f"{int(at.timestamp())}.{next(self._ids):06d}"


def _shown_by(blocks: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], str | None]:
    """The titles of the buttons, and the picture's address."""
    elements = [element for block in blocks for element in block.get("elements", ())]
    image = next((block["image_url"] for block in blocks if block["type"] == "image"), None)
    return tuple(element["text"]["text"] for element in elements), image


SIMULATOR: type[Simulator] = SlackSimulator
