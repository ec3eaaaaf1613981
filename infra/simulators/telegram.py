"""Telegram and one bot of ours: updates with the bot's secret in a header, and sendMessage with its limits and errors.

Telegram says of retries only that it gives up after "a reasonable amount of attempts": the ladder here is a guess.
https://core.telegram.org/bots/api#making-requests
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Any
from zlib import crc32

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Simulator, Webhook, utc_now
from infra.simulators.server import Failure

MAX_TEXT = 4096

Fields = dict[str, Any]


def refusal(error_code: int, description: str, **parameters: int) -> ApiAnswer:
    """An error as the Bot API words it; for `failures` too."""
    said: Fields = {"ok": False, "error_code": error_code, "description": description}
    return ApiAnswer(error_code, json.dumps(said | ({"parameters": parameters} if parameters else {})).encode())


class TelegramSimulator:
    """One bot. A contact is a person's numeric user id; other texts are given one, so that any text will do."""

    channel = "telegram"
    patience = Patience(timeout=60.0, waits=(1, 2, 4, 8, 16, 32, 60))
    welcomes_strangers = False  # a bot may write only to who wrote first

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self.blocked: set[str] = set()
        self._token: str = credentials["bot_token"]
        self._secret: str = credentials["secret_token"]
        self._now = now
        self._ids = count(1)
        self._chats: set[str] = set()

    def person(self, number: int) -> str:
        return str(5_000_000_000 + number)

    def unknown(self, contact: str) -> Webhook:
        """A message of a kind that nobody knows."""
        return self.message(contact, {"hologram": {"file_id": "H1"}})

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        return self.message(contact, {"text": text}, native_id=native_id, at=at)

    def image(self, contact: str, file_id: str, *, caption: str = "", native_id: str | None = None) -> Webhook:
        """A picture, in the sizes that Telegram makes of it."""
        sizes = [
            {"file_id": f"{file_id}-s", "file_unique_id": "s", "width": 90, "height": 67, "file_size": 1_200},
            {"file_id": file_id, "file_unique_id": "m", "width": 1280, "height": 960, "file_size": 210_000},
        ]
        return self.message(contact, {"photo": sizes} | ({"caption": caption} if caption else {}), native_id=native_id)

    def message(
        self,
        contact: str,
        fields: Fields,
        *,
        native_id: str | None = None,
        at: datetime | None = None,
        chat: Fields | None = None,
        kind: str = "message",
    ) -> Webhook:
        """A message of any kind, with the fields that are the kind's own; `chat` is a group's, a private one otherwise."""
        person, at = self.user(contact), at or self._now()
        where = chat or {"id": person["id"], "type": "private", "first_name": contact}
        if kind == "message":
            self._chats.add(str(where["id"]))
        message_id = int(native_id or next(self._ids))
        said = {"message_id": message_id, "from": person, "chat": where, "date": int(at.timestamp())}
        return self.update({kind: said | fields}, message_id)

    def edited(self, contact: str, text: str) -> Webhook:
        """A message that its sender changed."""
        return self.message(contact, {"text": text, "edit_date": int(self._now().timestamp())}, kind="edited_message")

    def echo(self, contact: str, text: str) -> Webhook:
        """What the owner of a business account, to which the bot is connected, writes to a customer. A bot hears nothing of its own."""
        person = self.user(contact)
        said = {"message_id": next(self._ids), "from": self.user("owner"), "date": int(self._now().timestamp()), "text": text}
        chat = {"id": person["id"], "type": "private", "first_name": contact}
        return self.update({"business_message": said | {"chat": chat, "business_connection_id": "b1"}})

    def beside(self, contact: str) -> list[Webhook]:
        """Changed, an emoji put on it, the owner's own words, the bot blocked. What is read Telegram does not tell."""
        person = self.user(contact)
        chat, at = {"id": person["id"], "type": "private"}, int(self._now().timestamp())
        emoji = [{"type": "emoji", "emoji": "👍"}]
        reaction = {"chat": chat, "message_id": 1, "user": person, "date": at, "old_reaction": [], "new_reaction": emoji}
        member = {"user": {"id": 1, "is_bot": True, "first_name": "bot"}, "status": "member"}
        blocked = {
            "chat": chat,
            "from": person,
            "date": at,
            "old_chat_member": member,
            "new_chat_member": {**member, "status": "kicked"},
        }
        told = [self.update({"message_reaction": reaction}), self.update({"my_chat_member": blocked})]
        return [self.edited(contact, "改过的"), *told, self.echo(contact, "我来处理")]

    def tap(
        self, contact: str, data: str, *, title: str = "确认", replied: int = 7, native_id: str = "4382bfdwdsb323b2d9"
    ) -> Webhook:
        """A tap on a button under one of our messages."""
        person = self.user(contact)
        self._chats.add(str(person["id"]))
        keyboard = {"inline_keyboard": [[{"text": title, "callback_data": data}]]}
        ours = {"message_id": replied, "chat": {"id": person["id"], "type": "private"}, "text": "?", "reply_markup": keyboard}
        query = {"id": native_id, "from": person, "chat_instance": "1", "message": ours, "data": data}
        return self.update({"callback_query": query})

    def update(self, fields: Fields, update_id: int | None = None) -> Webhook:
        """Any update, with the secret."""
        return self.webhook({"update_id": 10_000 + (update_id or next(self._ids)), **fields})

    def webhook(self, body: Any, *, secret: str | None = None) -> Webhook:
        """Any JSON value or bytes as a webhook; `secret` is another than the account's."""
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        headers = {"content-type": "application/json", "x-telegram-bot-api-secret-token": secret or self._secret}
        return Webhook(headers=headers, body=raw)

    def forged(self, contact: str, text: str) -> Webhook:
        return self.webhook(self.text(contact, text).body, secret="not-the-secret-of-this-account")

    def stale(self, contact: str, text: str) -> Webhook | None:  # noqa: ARG002
        return None  # nothing is signed, time neither

    def user(self, contact: str) -> Fields:
        """The user object of a contact."""
        user_id = int(contact) if contact.lstrip("-").isdecimal() else 10**9 + crc32(contact.encode())
        return {"id": user_id, "is_bot": False, "first_name": contact, "language_code": "zh-hans"}

    def owns(self, request: ApiRequest) -> bool:
        """Whether a call is for this account: it bears the bot's token."""
        return request.path.startswith(f"/bot{self._token}/")

    def api(self, request: ApiRequest) -> ApiAnswer:
        if not self.owns(request):
            return refusal(404 if "/bot" not in request.path else 401, "Unauthorized")
        method = request.path.rpartition("/")[2]
        if method not in ("sendMessage", "sendPhoto"):
            return refusal(404, "Not Found: method not found")
        try:
            asked = json.loads(request.body)
            chat, text = str(asked["chat_id"]), asked["photo" if method == "sendPhoto" else "text"]
            keys = tuple(key["text"] for row in asked.get("reply_markup", {}).get("keyboard", ()) for key in row)
        except (ValueError, KeyError, TypeError):
            return refusal(400, "Bad Request: message text is empty")
        return self._refused(chat, text) or self._taken(chat, text, keys, request, picture=method == "sendPhoto")

    def _refused(self, chat: str, text: Any) -> ApiAnswer | None:
        if not isinstance(text, str) or not text.strip():
            return refusal(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le", "replace")) // 2 > MAX_TEXT:
            return refusal(400, "Bad Request: message is too long")
        if chat in self.blocked:
            return refusal(403, "Forbidden: bot was blocked by the user")
        known = chat in self._chats or self.welcomes_strangers
        return None if known else refusal(400, "Bad Request: chat not found")

    def _taken(self, chat: str, text: str, keys: tuple[str, ...], request: ApiRequest, *, picture: bool) -> ApiAnswer:
        answered, now = request.headers.get("x-request-id"), self._now()
        said, image = ("", text) if picture else (text, None)
        self.outbox.append(Delivered(self.channel, self.account, chat, said, answered, now, keys, image))
        sent = {"message_id": next(self._ids), "chat": {"id": int(chat)}, "date": int(now.timestamp()), "text": said}
        return ApiAnswer(body=json.dumps({"ok": True, "result": sent}).encode())


SIMULATOR: type[Simulator] = TelegramSimulator
