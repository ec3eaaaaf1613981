"""微信客服, WeCom's customer service: WeChat users write to one of the corp's accounts (`open_kfid`); the webhook only says that they did.

The webhook (`kf_msg_or_event`) names the account and holds a token, good for ten minutes, for `sync_msg`, which gives the messages page by
page from a cursor. It gives what the last three days hold, whatever was announced, so a lost announcement loses nothing.
Without the token the same call is allowed, under a strict limit: it is how a late pull gets through.

https://developer.work.weixin.qq.com/document/path/94670 (receiving)
https://developer.work.weixin.qq.com/document/path/94677 (sending)
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from functions.channels.codecs import (
    json_fields,
    leased_send,
    platform_time,
    sightings,
    wecom_api,
    wecom_kf_messages,
    wx_answers,
    wx_menus,
    wx_messages,
)
from functions.channels.codecs.batch import MAX_ITEMS
from functions.channels.codecs.constant_time import unix_time
from functions.channels.codecs.json_fields import FieldUnreadable
from functions.channels.codecs.wecom_callback import WecomCallback, WecomCredentials
from functions.channels.codecs.wecom_kf_messages import Said
from functions.channels.contract import (
    Credentials,
    HttpResult,
    Ignored,
    ItemError,
    Outbound,
    OutgoingReply,
    ParseResult,
    Payload,
    PulledPage,
    PullFailed,
    SendResult,
    Shows,
    TextUnit,
)
from functions.common import keys
from functions.common.message import Contact, ContactId, Message, ReplyWindow, Verification
from functions.common.wire import PullTask

SEND, SYNC = "/cgi-bin/kf/send_msg", "/cgi-bin/kf/sync_msg"
ANNOUNCEMENT = "kf_msg_or_event"
PAGE = 100  # the vendor gives up to 1000; this many texts fit what a page may weigh
VOUCHER_LIFE = timedelta(minutes=9)  # the vendor's ten, less what a call takes
INVALID_VOUCHER = "95007"
WINDOW, REPLIES = timedelta(hours=48), 5
# What is pulled comes from the vendor itself, over TLS.
PULLED = Verification(scheme="wecom-pull", body_signed=True, timestamped=True)
_OPEN_KFID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class WecomKfCredentials(WecomCredentials):
    """`corp_secret` is that of 微信客服. `duplicate_errcode`: the code for a `msgid` that was used before; no page names it."""

    duplicate_errcode: int | None = None


class WecomKf(WecomCallback):
    """The channel `wecom_kf`."""

    channel = "wecom_kf"
    credentials: type[Credentials] = WecomKfCredentials
    idempotent_send = True
    max_text = wecom_api.MAX_TEXT_BYTES
    max_text_unit: TextUnit = "bytes"
    shows = Shows(buttons=10, button_title=20, text_beside_buttons=1024)

    def parse(self, payload: Payload) -> ParseResult:
        fields = payload.body
        event = wx_messages.event_name(fields)
        if fields.get("MsgType") != "event" or event != ANNOUNCEMENT:
            return ParseResult(ignored=(Ignored(event),))
        source = fields.get("OpenKfId", "")
        if not _OPEN_KFID.fullmatch(source):
            return ParseResult(errors=(ItemError("missing", "OpenKfId"),))
        request = payload.verified.request
        task = PullTask(
            channel=self.channel,
            account=payload.account,
            source=source,
            # Not the message's own fields: two announcements of one second may not differ in them, and each must be heard.
            announcement=request.parameter("msg_signature") or "",
            announced_at=request.received_at,
            token=fields.get("Token") or None,
        )
        return ParseResult(pulls=(task,))

    def pull(self, task: PullTask, cursor: str | None, credentials: WecomKfCredentials, outbound: Outbound) -> PulledPage:
        """One page of an account's messages. A voucher that is too old, or refused, is left out."""
        asked: dict[str, Any] = {"open_kfid": task.source, "limit": PAGE, "voice_format": 0}
        if cursor:
            asked["cursor"] = cursor
        voucher = task.token if outbound.now() - task.announced_at < VOUCHER_LIFE else None
        result, answer = _call(asked | ({"token": voucher} if voucher else {}), credentials, outbound)
        if voucher and result.code == INVALID_VOUCHER:
            result, answer = _call(asked, credentials, outbound)
        if result.outcome != "sent":
            raise PullFailed(result.code)
        return _page(wx_answers.fields(answer), task, credentials, outbound.now())

    def send(self, reply: OutgoingReply, credentials: WecomKfCredentials, outbound: Outbound) -> SendResult:
        if reply.not_after and outbound.now() > reply.not_after:
            return SendResult(outcome="window_closed", code="too_late")
        if not reply.token:
            return SendResult(outcome="invalid", code="no_open_kfid")
        text = wecom_api.sendable(reply.text)
        if text is None:
            return SendResult(outcome="invalid", code="too_long")
        asked = {
            "touser": reply.contact,
            "open_kfid": reply.token,
            "msgid": keys.short_hash(reply.key, size=16),
            **(wx_menus.menu(text, reply.buttons) if reply.buttons else {"msgtype": "text", "text": {"content": text}}),
        }

        def post(token: str) -> SendResult:
            url = wecom_api.url(SEND, token, outbound)
            result = leased_send.post(outbound, url, wecom_api.JSON, wecom_api.body(asked), wecom_api.result)
            return SendResult(outcome="duplicate", code=result.code) if _is_duplicate(result, credentials) else result

        return leased_send.send(
            outbound, wecom_api.app(credentials), lambda: wecom_api.fetch_token(credentials, outbound), post
        )


def _is_duplicate(result: SendResult, credentials: WecomKfCredentials) -> bool:
    return credentials.duplicate_errcode is not None and result.code == str(credentials.duplicate_errcode)


def _call(asked: dict[str, Any], credentials: WecomKfCredentials, outbound: Outbound) -> tuple[SendResult, HttpResult]:
    """One `sync_msg`, once more when the access token turns out to be stale."""
    app = wecom_api.app(credentials)
    for _ in range(2):
        try:
            token = outbound.access_token(app, lambda: wecom_api.fetch_token(credentials, outbound))
        except leased_send.TokenRefused as refused:
            raise PullFailed(f"token_{refused.result.code}") from None
        url = wecom_api.url(SYNC, token, outbound)
        answer = outbound.request("POST", url, headers=wecom_api.JSON, body=wecom_api.body(asked))
        result = wecom_api.result(answer)
        if result.outcome != "auth_expired":
            break
        outbound.forget_token(app, token)
    return result, answer


def _page(fields: dict[str, Any], task: PullTask, credentials: WecomKfCredentials, now: datetime) -> PulledPage:
    listed = fields.get("msg_list", [])
    if not isinstance(listed, list) or len(listed) > MAX_ITEMS:
        raise PullFailed("msg_list")
    messages: list[Message] = []
    ignored: list[Ignored] = []
    errors: list[ItemError] = []
    for place, item in enumerate(listed):
        try:
            found = _item(item, task, credentials, now)
        except FieldUnreadable as fault:
            errors.append(ItemError(fault.reason, f"msg_list.{place}.{fault.where}"))
            continue
        if isinstance(found, Message):
            messages.append(found)
        else:
            ignored.append(found)
    result = ParseResult(tuple(messages), tuple(ignored), tuple(errors))
    # An empty page with more behind it is nothing unusual: the cursor counts.
    more = fields.get("has_more") in (1, True)
    return PulledPage(result=result, next_cursor=json_fields.optional_id(fields, "next_cursor"), has_more=more)


def _item(item: Any, task: PullTask, credentials: WecomKfCredentials, now: datetime) -> Message | Ignored:
    if not isinstance(item, dict):
        raise FieldUnreadable("not an object", "")
    said = wecom_kf_messages.said(item)
    if isinstance(said, Ignored):
        if said.kind != "servicer":
            return said
        contact = json_fields.optional_id(item, "external_userid")
        return sightings.answered(said, (task.channel, task.account, contact), said.native_id, None, now)
    whose = json_fields.table(item, "event") if said.entered else item  # an event names customer and account inside
    contact, native_id = json_fields.required_id(whose, "external_userid"), json_fields.required_id(item, "msgid")
    open_kfid = json_fields.optional_id(whose, "open_kfid") or task.source
    sent_at = platform_time.believable(unix_time(json_fields.optional_id(item, "send_time")), now)
    return Message(
        message_id=keys.message_id("wecom_kf", task.account, contact, sent_at, native_id),
        channel="wecom_kf",
        account=task.account,
        contact=Contact(primary=contact, ids=(_external(contact, credentials),)),
        kind=said.kind,
        raw_kind=said.raw_kind,
        native_id=native_id,
        native_event_id=task.announcement,
        text=said.text,
        attachments=wx_messages.kept(said.attachment, sent_at or now),
        location=said.location,
        interactive=said.interactive,
        link=said.link,
        referral=said.referral,
        thread_id=open_kfid,
        sent_at=sent_at,
        time_precision="s" if sent_at else "none",
        received_at=now,
        reply=_window(said, open_kfid, min(sent_at or now, now)),
        verification=PULLED,
    )


def _window(said: Said, open_kfid: str, since: datetime) -> ReplyWindow:
    if said.entered:
        return ReplyWindow(mode="none")
    return ReplyWindow(mode="window", token=open_kfid, expires_at=since + WINDOW, max_replies=REPLIES)


def _external(contact: str, credentials: WecomKfCredentials) -> ContactId:
    return ContactId(kind="external_userid", value=contact, scope=credentials.corp_id)


ADAPTER = WecomKf()
