"""A Slack app: JSON events, and taps, forms and commands as forms, all signed over time and raw body; replies by chat.postMessage.

A direct message is answered in its conversation, anything else in its thread. `client_msg_id` is for Slack's own clients only, says
Slack (github.com/slackapi/java-slack-sdk/issues/852): the send is not idempotent, and channel and time name a message.

https://docs.slack.dev/authentication/verifying-requests-from-slack
https://docs.slack.dev/apis/events-api
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr

from functions.channels.codecs import form, hmac_raw_body, json_fields, slack_content, strict_json
from functions.channels.codecs.constant_time import fresh, unix_time
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.codecs.leased_send import post
from functions.channels.codecs.platform_time import believable
from functions.channels.codecs.slack_content import Tap
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
from functions.common.errors import MalformedPayload
from functions.common.message import Contact, ContactId, Message, ReplyTo, ReplyWindow, Verification

API = "https://slack.com"
TOLERANCE = timedelta(minutes=5)
MAX_TEXT = 40_000  # Slack cuts what is longer
RETRY_AFTER = 30.0  # seconds, where a 429 names none
MAX_CHALLENGE = 1000

LIMITED = frozenset({"ratelimited", "rate_limited"})
# Slack says of these that part of the operation may have succeeded.
DOUBTFUL = frozenset({"internal_error", "fatal_error", "service_unavailable"})

_TOKEN = re.compile(r"xox[a-z.]{1,8}-[A-Za-z0-9-]{8,400}")
_TIME = re.compile(r"[0-9]{9,11}\.[0-9]{1,6}")
_ADDRESS = re.compile(r"([CDG][A-Z0-9]{2,20})(?:/([0-9]{9,11}\.[0-9]{1,6}))?")
_CHANNEL = re.compile(r"[CDG][A-Z0-9]{2,20}")
_SECONDS = re.compile(r"[0-9]{1,5}")


def _well_formed(token: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError("not a token as Slack gives it")
    return token


class SlackCredentials(Credentials):
    """`signing_secret` of the app, `bot_token` (`xoxb-…`) of its installation. Without a token the channel only receives."""

    signing_secret: SecretStr = Field(min_length=16)
    bot_token: Annotated[SecretStr, AfterValidator(_well_formed)] | None = None


class Slack:
    """The channel `slack`."""

    channel = "slack"
    credentials: type[Credentials] = SlackCredentials
    idempotent_send = False
    max_text = MAX_TEXT
    max_text_unit: TextUnit = "characters"
    shows = Shows(image=True, buttons=5, button_title=75, text_beside_buttons=3000)

    def verify(self, request: RawRequest, credentials: SlackCredentials, now: datetime) -> Verified | Rejected:
        timestamp = request.headers.get("x-slack-request-timestamp")
        theirs = request.headers.get("x-slack-signature")
        if request.method != "POST":
            return Rejected("method")
        if not timestamp or not theirs:
            return Rejected("no_signature")
        signed = f"v0:{timestamp}:".encode("utf-8", "surrogatepass") + request.body
        if not hmac_raw_body.holds(theirs, credentials.signing_secret.get_secret_value(), signed, prefix="v0="):
            return Rejected("bad_signature")
        if not fresh(unix_time(timestamp), now, TOLERANCE):
            return Rejected("stale")
        return Verified(request, credentials, Verification(scheme="slack-v0", body_signed=True, timestamped=True))

    def decode(self, verified: Verified, account: str) -> Payload:
        body = verified.request.body
        if body[:1] == b"{":
            return Payload(verified, account, strict_json.parse_object(body))
        fields = dict(reversed(form.parse(body)))  # the first of a name's values
        if "payload" in fields:
            return Payload(verified, account, strict_json.parse_object(fields["payload"].encode("utf-8", "replace")))
        if not fields:
            raise MalformedPayload("neither JSON nor a form")
        return Payload(verified, account, fields)

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        if payload.body.get("type") != "url_verification":
            return None
        challenge = payload.body.get("challenge")
        if not isinstance(challenge, str) or not 0 < len(challenge) <= MAX_CHALLENGE:
            raise MalformedPayload("challenge")
        return HttpAnswer(200, json.dumps({"challenge": challenge}), "application/json")

    def parse(self, payload: Payload) -> ParseResult:
        said: Fields = payload.body
        if said.get("type") == "event_callback":
            return _event(said, payload)
        if "ssl_check" in said:
            return ParseResult(ignored=(Ignored("ssl_check"),))
        return _interaction(said, payload)

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        # Whatever stood here would be shown to who gave a command, or taken for an error of a form.
        return HttpAnswer(200, "")

    def send(self, reply: OutgoingReply, credentials: SlackCredentials, outbound: Outbound) -> SendResult:
        if credentials.bot_token is None:
            return SendResult(outcome="window_closed", code="receive_only")
        text = slack_content.escaped(reply.text or reply.image_url or "")
        if len(text) > MAX_TEXT:
            return SendResult(outcome="invalid", code="too_long")
        headers = {
            "authorization": f"Bearer {credentials.bot_token.get_secret_value()}",
            "content-type": "application/json; charset=utf-8",
        }
        return post(outbound, f"{outbound.origin(API)}/api/chat.postMessage", headers, _reply_body(reply, text), _outcome)


def _event(said: Fields, payload: Payload) -> ParseResult:
    event, event_id = json_fields.table(said, "event"), json_fields.optional_id(said, "event_id")
    grants = json_fields.rows(said, "authorizations")
    own = tuple(str(grant.get("user_id")) for grant in grants if grant.get("is_bot") is True)
    why = slack_content.ignored(event, own)
    if why:
        return ParseResult(ignored=(Ignored(why, event_id),))
    try:
        return ParseResult(messages=(_message(event, said, payload),))
    except FieldUnreadable as fault:
        return ParseResult(errors=(ItemError(fault.reason, f"event.{fault.where}"),))


def _interaction(said: Fields, payload: Payload) -> ParseResult:
    messages: list[Message] = []
    errors: list[ItemError] = []
    for place, tap in enumerate(slack_content.taps(said)):
        try:
            if isinstance(tap, FieldUnreadable):
                raise tap
            messages.append(_tap_message(tap, said, payload))
        except FieldUnreadable as fault:
            errors.append(ItemError(fault.reason, f"{place}.{fault.where}"))
    ignored = () if messages or errors else (Ignored(json_fields.loggable(said.get("type"))),)
    return ParseResult(messages=tuple(messages), ignored=ignored, errors=tuple(errors))


def _message(event: Fields, said: Fields, payload: Payload) -> Message:
    # Channel and time name a message; one that mentions us comes as two events.
    channel, at = json_fields.required_id(event, "channel"), json_fields.required_id(event, "ts")
    contact = _contact({"id": event.get("user")}, event.get("team") or said.get("team_id"))
    raw, files = json_fields.text(event, "text", MAX_TEXT), slack_content.attachments(event)
    thread = json_fields.optional_id(event, "thread_ts")
    direct = event.get("channel_type") == "im" or channel.startswith("D")
    request, (kind, raw_kind) = payload.verified.request, slack_content.kind(event, files)
    sent_at = _moment(at, request.received_at)
    return Message(
        message_id=keys.message_id("slack", payload.account, contact.primary, sent_at, channel, at),
        channel="slack",
        account=payload.account,
        contact=contact,
        kind=kind,
        raw_kind=raw_kind,
        native_id=at,
        native_event_id=json_fields.optional_id(said, "event_id"),
        text=slack_content.plain(raw),
        attachments=files,
        mentions=slack_content.mentions(raw),
        reply_to=ReplyTo(native_id=thread) if thread and thread != at else None,
        conversation_kind="dm" if direct else "group" if event.get("channel_type") in ("mpim", "group") else "channel",
        thread_id=thread,
        sent_at=sent_at,
        time_precision="ms" if sent_at else "none",
        received_at=request.received_at,
        # In a direct conversation the answer follows the question; elsewhere it goes under it.
        reply=_window(payload, channel, thread if direct else thread or at),
        is_redelivery="x-slack-retry-num" in request.headers,
        verification=payload.verified.verification,
    )


def _tap_message(tap: Tap, said: Fields, payload: Payload) -> Message:
    team = json_fields.table(said, "team").get("id") or said.get("team_id")
    contact, received_at = _contact(tap.user, team), payload.verified.request.received_at
    sent_at = _moment(tap.at, received_at)
    return Message(
        message_id=keys.message_id("slack", payload.account, contact.primary, sent_at, *tap.identity),
        channel="slack",
        account=payload.account,
        contact=contact,
        kind="interactive",
        native_id=tap.identity[1],
        text=tap.text,
        interactive=tap.interactive,
        reply_to=ReplyTo(native_id=tap.replied) if tap.replied else None,
        conversation_kind="dm" if not tap.channel or tap.channel.startswith("D") else "channel",
        sent_at=sent_at,
        time_precision="ms" if sent_at else "none",
        received_at=received_at,
        # A command may be given where the app is not: then only the person can be written to.
        reply=_window(payload, tap.channel if tap.replied else None, tap.replied),
        verification=payload.verified.verification,
    )


def _contact(user: Fields, team: Any) -> Contact:
    user_id = json_fields.required_id(user, "id")
    scope = team if isinstance(team, str) and len(team) <= json_fields.MAX_ID else ""
    name = json_fields.text(user, "name", 200) or json_fields.text(user, "username", 200)
    return Contact(primary=user_id, ids=(ContactId(kind="user_id", value=user_id, scope=scope),), name=name)


def _moment(at: str | None, received_at: datetime) -> datetime | None:
    """The time of Slack's `1355517523.000005`, to the millisecond."""
    if at is None or not _TIME.fullmatch(at):
        return None
    whole, _, fraction = at.partition(".")
    return believable(unix_time(f"{whole}{fraction[:3]:0<3}", milliseconds=True), received_at)


def _window(payload: Payload, channel: str | None, thread: str | None) -> ReplyWindow:
    if payload.verified.credentials.bot_token is None:
        return ReplyWindow(mode="none")
    if channel is None or not _CHANNEL.fullmatch(channel):
        return ReplyWindow(mode="open")
    return ReplyWindow(mode="open", token=f"{channel}/{thread}" if thread else channel)


def _reply_body(reply: OutgoingReply, text: str) -> bytes:
    match = _ADDRESS.fullmatch(reply.token or "")
    channel, thread = match.groups() if match else (reply.contact, None)  # a person's id opens the direct conversation
    said: dict[str, Any] = {"channel": channel, "text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
    if reply.image_url or reply.buttons:
        said["blocks"] = slack_content.blocks(reply.text, reply.buttons, reply.image_url)
    return json.dumps(said | ({"thread_ts": thread} if thread else {}), ensure_ascii=False).encode("utf-8", "replace")


def _outcome(answer: HttpResult) -> SendResult:
    said = strict_json.answered(answer.body)
    code = json_fields.loggable(said.get("error") or str(answer.status))
    if said.get("ok") is True:
        return SendResult(outcome="sent", provider_id=json_fields.optional_id(said, "ts"), code=code)
    if answer.status == 429 or code in LIMITED:
        wait = answer.headers.get("retry-after") or ""
        return SendResult(
            outcome="rate_limited", code=code, retry_after=float(wait) if _SECONDS.fullmatch(wait) else RETRY_AFTER
        )
    if code in DOUBTFUL or not said or answer.status >= 500:
        return SendResult(outcome="unknown", code=code)
    return SendResult(outcome="invalid", code=code)  # a revoked token too: there is none to fetch anew


ADAPTER = Slack()
