"""A Telegram bot: one update per webhook, with a static secret in a header; replies by sendMessage.

Telegram signs nothing, neither body nor time: it repeats the `secret_token` that setWebhook was given. **The bot's token stands in the URL
of every call to the API**: no URL of this channel may be logged. People who write to a business account that the bot is connected to are
received, and not answered. Telegram takes no idempotency key.

https://core.telegram.org/bots/api#setwebhook
https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, SecretStr

from functions.channels.codecs import json_fields, static_token, strict_json, telegram_content
from functions.channels.codecs.constant_time import unix_time
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.codecs.leased_send import post
from functions.channels.codecs.platform_time import believable
from functions.channels.codecs.telegram_content import Content
from functions.channels.codecs.text_parts import size
from functions.channels.contract import (
    Credentials,
    HttpAnswer,
    HttpResult,
    Ignored,
    ItemError,
    Outbound,
    OutgoingReply,
    ParseResult,
    Payload,
    RawRequest,
    Rejected,
    SendResult,
    Shows,
    TextUnit,
    Verified,
)
from functions.common import keys
from functions.common.message import (
    Contact,
    ContactId,
    Interactive,
    Message,
    ReplyTo,
    ReplyWindow,
    Verification,
)

if TYPE_CHECKING:
    from datetime import datetime

API = "https://api.telegram.org"
JSON = {"content-type": "application/json"}
MAX_TEXT = 4096
RETRY_AFTER = 5.0  # seconds, where a 429 names none
MESSAGES = ("message", "business_message")
CHAT_KINDS: dict[str, Literal["dm", "group", "channel"]] = {"private": "dm", "channel": "channel"}

_BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{20,64}")
_ADDRESS = re.compile(r"(-?[0-9]{1,20})/([0-9]{1,20})?")


def _well_formed(token: SecretStr) -> SecretStr:
    # It becomes part of a URL.
    if not _BOT_TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError("not a bot token as BotFather gives it")
    return token


class TelegramCredentials(Credentials):
    """`bot_token` from BotFather; `secret_token` of our own making, as given to setWebhook."""

    bot_token: Annotated[SecretStr, AfterValidator(_well_formed)]
    secret_token: static_token.Token

    @property
    def bot_id(self) -> str:
        """The bot's own user id, the part of its token that is no secret."""
        return self.bot_token.get_secret_value().partition(":")[0]


class Telegram:
    """The channel `telegram`."""

    channel = "telegram"
    credentials: type[Credentials] = TelegramCredentials
    idempotent_send = False
    max_text = MAX_TEXT
    max_text_unit: TextUnit = "utf16"
    shows = Shows(image=True, buttons=10, button_title=60)

    def verify(self, request: RawRequest, credentials: TelegramCredentials, now: datetime) -> Verified | Rejected:
        given = request.headers.get("x-telegram-bot-api-secret-token")
        if request.method != "POST":
            return Rejected("method", 403)
        if not given:
            return Rejected("no_token", 403)
        if not static_token.matches(given, credentials.secret_token):
            return Rejected("bad_token", 403)
        return Verified(request, credentials, Verification(scheme="static-token", body_signed=False, timestamped=False))

    def decode(self, verified: Verified, account: str) -> Payload:
        return Payload(verified, account, strict_json.parse_object(verified.request.body))

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return None

    def parse(self, payload: Payload) -> ParseResult:
        update: Fields = payload.body
        try:
            read = _read(update, payload)
        except FieldUnreadable as fault:
            return ParseResult(errors=(ItemError(fault.reason, fault.where),))
        return ParseResult(messages=(read,)) if isinstance(read, Message) else ParseResult(ignored=(read,))

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        # A method as JSON would be carried out; an empty body is none.
        return HttpAnswer(200, "")

    def send(self, reply: OutgoingReply, credentials: TelegramCredentials, outbound: Outbound) -> SendResult:
        if size(reply.text, self.max_text_unit) > MAX_TEXT:
            return SendResult(outcome="invalid", code="too_long")
        method = "sendPhoto" if reply.image_url else "sendMessage"
        url = f"{outbound.origin(API)}/bot{credentials.bot_token.get_secret_value()}/{method}"
        return post(outbound, url, JSON, _reply_body(reply), _outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a message or a tap is made of; `within` is where its native id is one of a kind, `address` where to answer."""

    content: Content
    sender: Fields
    within: str
    native_id: str
    event_id: str
    address: str | None
    quoted: ReplyTo | None


def _read(update: Fields, payload: Payload) -> Message | Ignored:
    update_id = json_fields.required_id(update, "update_id")
    if "callback_query" in update:
        return _tap(json_fields.table(update, "callback_query"), update_id, payload)
    name = next((name for name in MESSAGES if name in update), None)
    if name is None:
        # An edit, a channel's post, a membership, a reaction, a poll …
        return Ignored(json_fields.loggable(next((key for key in update if key != "update_id"), "empty")), update_id)
    fields = json_fields.table(update, name)
    why = _why_ignored(fields, payload.verified.credentials)
    if why:
        return Ignored(why, update_id)
    return _message(fields, update_id, payload)


def _why_ignored(fields: Fields, credentials: TelegramCredentials) -> str | None:
    sender, chat = json_fields.table(fields, "from"), json_fields.table(fields, "chat")
    sender_id = json_fields.optional_id(sender, "id")
    if sender_id == credentials.bot_id:
        return "echo"
    # What the owner of a business account, or a bot in the owner's name, writes to a customer.
    if "business_connection_id" in fields and sender_id != json_fields.optional_id(chat, "id"):
        return "echo"
    if sender.get("is_bot") is True:
        return "bot"
    return telegram_content.service(fields)


def _message(fields: Fields, update_id: str, payload: Payload) -> Message:
    chat = json_fields.table(fields, "chat")
    chat_id, native_id = json_fields.required_id(chat, "id"), json_fields.required_id(fields, "message_id")
    said = _Said(
        content=telegram_content.content(fields),
        sender=json_fields.table(fields, "from"),
        within=chat_id,
        native_id=native_id,
        event_id=update_id,
        address=f"{chat_id}/{native_id if chat.get('type') != 'private' else ''}",
        quoted=telegram_content.quoted(fields),
    )
    return _built(said, fields, payload)


def _tap(query: Fields, update_id: str, payload: Payload) -> Message | Ignored:
    """A tap on a button under one of our messages; of a game there is no data. The tap itself has no time."""
    tapped, query_id = json_fields.table(query, "message"), json_fields.required_id(query, "id")
    sender, chat = json_fields.table(query, "from"), json_fields.table(tapped, "chat")
    if sender.get("is_bot") is True:
        return Ignored("bot", update_id)
    data, replied = json_fields.text(query, "data", 256), json_fields.optional_id(tapped, "message_id")
    interactive = Interactive(type="button", id=data, title=telegram_content.button_title(tapped, data), payload=data)
    chat_id = json_fields.optional_id(chat, "id")
    said = _Said(
        content=Content(kind="interactive", interactive=interactive),
        sender=sender,
        within="callback",
        native_id=query_id,
        event_id=update_id,
        address=f"{chat_id}/" if chat_id else None,
        quoted=ReplyTo(native_id=replied, text=json_fields.text(tapped, "text", 1000)) if replied else None,
    )
    return _built(said, {"chat": chat}, payload)


def _built(said: _Said, fields: Fields, payload: Payload) -> Message:
    received_at = payload.verified.request.received_at
    date = json_fields.count(fields, "date")
    sent_at = believable(unix_time(None if date is None else str(date)), received_at)
    contact, content = _contact(said.sender), said.content
    closed = "business_connection_id" in fields or said.address is None
    return Message(
        message_id=keys.message_id("telegram", payload.account, contact.primary, sent_at, said.within, said.native_id),
        channel="telegram",
        account=payload.account,
        contact=contact,
        kind=content.kind,
        raw_kind=content.raw_kind,
        native_id=said.native_id,
        native_event_id=said.event_id,
        text=content.text,
        attachments=(content.attachment,) if content.attachment else (),
        location=content.location,
        sticker=content.sticker,
        interactive=content.interactive,
        mentions=telegram_content.mentions(fields),
        reply_to=said.quoted,
        referral=telegram_content.referral(content.text),
        conversation_kind=CHAT_KINDS.get(str(json_fields.table(fields, "chat").get("type")), "group"),
        thread_id=json_fields.optional_id(fields, "message_thread_id"),
        sent_at=sent_at,
        time_precision="s" if sent_at else "none",
        received_at=received_at,
        reply=ReplyWindow(mode="none") if closed else ReplyWindow(mode="open", token=said.address),
        verification=payload.verified.verification,
    )


def _contact(sender: Fields) -> Contact:
    user_id = json_fields.required_id(sender, "id")
    names = (json_fields.text(sender, name, 100) for name in ("first_name", "last_name"))
    return Contact(
        primary=user_id,
        ids=(ContactId(kind="tg_id", value=user_id),),
        name=" ".join(filter(None, names)) or None,
        locale=json_fields.text(sender, "language_code", 35),
    )


def _reply_body(reply: OutgoingReply) -> bytes:
    match = _ADDRESS.fullmatch(reply.token or "")
    chat_id, quoted = match.groups() if match else (reply.contact, None)
    said: dict[str, Any] = {"chat_id": chat_id}
    if reply.image_url:
        said["photo"] = reply.image_url
    else:
        said |= {"text": reply.text, "link_preview_options": {"is_disabled": True}}
    if reply.buttons:
        # A key says its title. https://core.telegram.org/bots/api#replykeyboardmarkup
        keyboard = [[{"text": title}] for title in reply.buttons]
        said["reply_markup"] = {"keyboard": keyboard, "one_time_keyboard": True, "resize_keyboard": True}
    if quoted:
        said["reply_parameters"] = {"message_id": int(quoted), "allow_sending_without_reply": True}
    return strict_json.written(said)


def _outcome(answer: HttpResult) -> SendResult:
    said = strict_json.answered(answer.body)
    code = str(json_fields.count(said, "error_code") or answer.status)
    if said.get("ok") is True:
        sent = json_fields.optional_id(json_fields.table(said, "result"), "message_id")
        return SendResult(outcome="sent", provider_id=sent, code=code)
    if code == "429":
        wait = json_fields.count(json_fields.table(said, "parameters"), "retry_after")
        return SendResult(outcome="rate_limited", code=code, retry_after=RETRY_AFTER if wait is None else float(wait))
    if not said or not 400 <= answer.status < 500:
        return SendResult(outcome="unknown", code=code)
    # 403: blocked by the person, or left by them. 401 and 404: the token is not, or no longer, a bot's.
    return SendResult(outcome="window_closed" if code == "403" else "invalid", code=code)


ADAPTER = Telegram()
