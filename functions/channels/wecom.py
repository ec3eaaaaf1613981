"""WeCom applications (企业微信 自建应用, 第三方应用): one encrypted XML message per webhook, answered by an application message.

The people who write are members of the corp, not customers: those write to 微信客服, which is the channel `wecom_kf`. There is no reply
window; an application may send a member at most 30 texts a minute, and the vendor drops the rest without a word.

https://developer.work.weixin.qq.com/document/path/90239
https://developer.work.weixin.qq.com/document/path/90236
"""

from __future__ import annotations

from typing import Any

from functions.channels.codecs import json_fields, leased_send, picture_card, plain_form, wecom_api, wx_answers, wx_messages
from functions.channels.codecs.wecom_callback import WecomCallback, WecomCredentials
from functions.channels.codecs.wx_messages import Fields, FieldUnreadable, Said
from functions.channels.contract import (
    Credentials,
    HttpResult,
    Ignored,
    ItemError,
    Outbound,
    OutgoingReply,
    ParseResult,
    Payload,
    SendResult,
    Shows,
    TextUnit,
)
from functions.common import keys
from functions.common.message import Contact, ContactId, Interactive, Message, ReplyWindow

SEND = "/cgi-bin/message/send"
CARD_TEXT = 112
# What the task ids of our cards begin with: an application may have other cards.
OUR_CARDS = "pr-"


class WecomAppCredentials(WecomCredentials):
    """`agent_id` is the application's number in the console."""

    agent_id: int


class Wecom(WecomCallback):
    """The channel `wecom`."""

    channel = "wecom"
    credentials: type[Credentials] = WecomAppCredentials
    idempotent_send = False
    max_text = wecom_api.MAX_TEXT_BYTES
    max_text_unit: TextUnit = "bytes"
    # A card's buttons are ten characters wide; more text than CARD_TEXT it would cut off.
    shows = Shows(image=True, buttons=6, button_title=10, text_beside_buttons=3 * CARD_TEXT)

    def parse(self, payload: Payload) -> ParseResult:
        fields = _as_official_account(payload.body)
        if "MsgType" not in fields and "InfoType" in fields:  # to a third party's suite: a ticket, an authorisation
            return ParseResult(ignored=(Ignored(json_fields.loggable(fields["InfoType"])),))
        try:
            said = _tap(fields) or wx_messages.said(fields)
            if said is None:
                return ParseResult(ignored=(Ignored(wx_messages.event_name(fields)),))
            return ParseResult(messages=(_message(said, fields, payload),))
        except FieldUnreadable as fault:
            return ParseResult(errors=(ItemError(fault.reason, fault.where),))

    def send(self, reply: OutgoingReply, credentials: WecomAppCredentials, outbound: Outbound) -> SendResult:
        text = wecom_api.sendable(reply.text)
        if text is None:
            return SendResult(outcome="invalid", code="too_long")
        asked = {"touser": reply.contact, "agentid": credentials.agent_id, **_written(reply, text)}

        def post(token: str) -> SendResult:
            url = wecom_api.url(SEND, token, outbound)
            return leased_send.post(outbound, url, wecom_api.JSON, wecom_api.body(asked), _outcome)

        return leased_send.send(
            outbound, wecom_api.app(credentials), lambda: wecom_api.fetch_token(credentials, outbound), post
        )


def _written(reply: OutgoingReply, text: str) -> dict[str, Any]:
    """A text, a picture by its address, or a card with buttons, whose text is short."""
    if reply.image_url:
        return picture_card.news(reply.image_url)
    if not reply.buttons or len(text) > CARD_TEXT:
        return {"msgtype": "text", "text": {"content": plain_form.in_words(text, reply.buttons)}}
    buttons = [{"text": title, "key": title} for title in reply.buttons]
    # No two cards of an application may bear the same task id.
    card = {
        "card_type": "button_interaction",
        "sub_title_text": text,
        "task_id": f"{OUR_CARDS}{keys.short_hash(reply.key, size=16)}",
    }
    return {"msgtype": "template_card", "template_card": {**card, "button_list": buttons}}


def _tap(fields: Fields) -> Said | None:
    """A tap on a button of a card of ours: its key is its title. https://developer.work.weixin.qq.com/document/path/90240"""
    if fields.get("MsgType") != "event" or fields.get("Event") != "template_card_event":
        return None
    if not fields.get("TaskId", "").startswith(OUR_CARDS):
        return None
    title = fields.get("EventKey", "")[: wx_messages.MAX_ID] or None
    return Said(kind="interactive", interactive=Interactive(type="button", id=fields.get("TaskId"), title=title, payload=title))


def _as_official_account(fields: Any) -> Fields:
    # The one difference between the two vocabularies: a tap on the menu is `click` here and `CLICK` there.
    return {**fields, "Event": "CLICK"} if fields.get("Event") == "click" else fields


def _message(said: Said, fields: Fields, payload: Payload) -> Message:
    contact, received_at = wx_messages.required(fields, "FromUserName"), payload.verified.request.received_at
    sent_at = wx_messages.sent_at(fields, received_at)
    corp = payload.verified.credentials.corp_id
    return Message(
        message_id=keys.message_id("wecom", payload.account, contact, sent_at, *wx_messages.identity(fields)),
        channel="wecom",
        account=payload.account,
        contact=Contact(primary=contact, ids=(ContactId(kind="user_id", value=contact, scope=corp),)),
        kind=said.kind,
        raw_kind=said.raw_kind,
        native_id=fields.get("MsgId"),
        text=said.text,
        attachments=wx_messages.kept(said.attachment, sent_at or received_at),
        location=said.location,
        interactive=said.interactive,
        link=said.link,
        sent_at=sent_at,
        time_precision="s" if sent_at else "none",
        received_at=received_at,
        reply=ReplyWindow(mode="open"),
        verification=payload.verified.verification,
    )


def _outcome(answer: HttpResult) -> SendResult:
    result = wecom_api.result(answer)
    refused = [wx_answers.fields(answer).get(name) for name in ("invaliduser", "unlicenseduser")]
    # errcode 0 says that the call was good; who got nothing of it stands beside.
    if result.outcome == "sent" and any(refused):
        return SendResult(outcome="invalid", code="invaliduser" if refused[0] else "unlicenseduser")
    return result


ADAPTER = Wecom()
