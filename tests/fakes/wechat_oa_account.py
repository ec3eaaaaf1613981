"""One official account of ours, its simulator, and webhooks as wechatpy signs them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import WeChatSigner

from functions.channels.codecs import strict_xml
from functions.channels.contract import ParseResult, RawRequest, Rejected, Verified
from functions.channels.wechat_oa import ADAPTER, WechatOaCredentials
from functions.common.message import Message
from infra.simulators.contract import Webhook
from infra.simulators.wechat_oa import WechatOaSimulator
from tests.fakes.simulated_platform import NOW

TIMESTAMP = str(int(NOW.timestamp()))
TOKEN, KEY, APP_ID = "demo-token", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7"
ACCOUNT: dict[str, Any] = {"app_id": APP_ID, "app_secret": "s3cr3t", "token": TOKEN, "encoding_aes_key": KEY}
ANN = "oAnn-0123456789"
MODES = ("plain", "safe")


def credentials(mode: str = "safe", **changed: Any) -> WechatOaCredentials:
    return WechatOaCredentials(**(ACCOUNT | {"mode": mode} | changed))


def simulator(mode: str = "safe") -> WechatOaSimulator:
    return WechatOaSimulator("demo", ACCOUNT | {"mode": mode}, now=lambda: NOW)


def received(webhook: Webhook) -> RawRequest:
    query = tuple(parse_qsl(webhook.query, keep_blank_values=True))
    headers = dict(webhook.headers)
    return RawRequest(webhook.method, "/webhooks/wechat_oa/demo", query, webhook.query, headers, webhook.body, "192.0.2.1", NOW)


def verify(webhook: Webhook, mode: str = "safe", now: datetime = NOW) -> Verified | Rejected:
    return ADAPTER.verify(received(webhook), credentials(mode), now)


def parse(webhook: Webhook, mode: str = "safe", now: datetime = NOW) -> ParseResult:
    verified = verify(webhook, mode, now)
    assert isinstance(verified, Verified), verified
    return ADAPTER.parse(ADAPTER.decode(verified, "demo"))


def only(result: ParseResult) -> Message:
    assert not result.ignored and not result.errors, result
    (message,) = result.messages
    return message


def signed_by_wechatpy(xml: str, mode: str, nonce: str = "1372623149", timestamp: str = TIMESTAMP) -> Webhook:
    """The vendor's webhook as another implementation makes it."""
    signer = WeChatSigner()
    signer.add_data(TOKEN, timestamp, nonce)
    query = {"signature": signer.signature, "timestamp": timestamp, "nonce": nonce}
    if mode == "safe":
        xml = WeChatCrypto(TOKEN, KEY, APP_ID).encrypt_message(xml, nonce, timestamp)
        query |= {"encrypt_type": "aes", "msg_signature": strict_xml.flat(xml.encode())["MsgSignature"]}
    return Webhook(query=urlencode(query), body=xml.encode())


def changed(webhook: Webhook, **parameters: str | None) -> Webhook:
    query = dict(parse_qsl(webhook.query)) | parameters
    kept = {name: value for name, value in query.items() if value is not None}
    return Webhook(webhook.method, urlencode(kept), webhook.headers, webhook.body)


TEXT = f"""<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[{ANN}]]></FromUserName>
<CreateTime>{TIMESTAMP}</CreateTime><MsgType><![CDATA[text]]></MsgType>
<Content><![CDATA[你好，<b>发票</b> & 物流？]]></Content><MsgId>24536724921474012</MsgId></xml>"""
