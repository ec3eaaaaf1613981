"""An application and a 微信客服 of one corp, their simulators, and webhooks as wechatpy signs them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from wechatpy.enterprise.crypto import WeChatCrypto

from functions.channels import wecom, wecom_kf
from functions.channels.codecs import strict_xml
from functions.channels.contract import ParseResult, RawRequest, Rejected, Verified
from functions.common.message import Message
from functions.common.wire import PullTask
from functions.ingest.gateway_event import query_pairs
from infra.simulators.contract import Webhook
from infra.simulators.wecom import WecomSimulator
from infra.simulators.wecom_kf import OPEN_KFID, WecomKfSimulator
from tests.fakes.simulated_platform import NOW

__all__ = ["OPEN_KFID"]

TIMESTAMP = str(int(NOW.timestamp()))
TOKEN, KEY, CORP = "QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7"
CALLBACK: dict[str, Any] = {"corp_id": CORP, "corp_secret": "s3cr3t+/&", "token": TOKEN, "encoding_aes_key": KEY}
APP: dict[str, Any] = CALLBACK | {"agent_id": 218}
KF: dict[str, Any] = CALLBACK
ADAPTERS: dict[str, Any] = {"wecom": wecom.ADAPTER, "wecom_kf": wecom_kf.ADAPTER}


def app_credentials(**changed: Any) -> wecom.WecomAppCredentials:
    return wecom.WecomAppCredentials(**(APP | changed))


def kf_credentials(**changed: Any) -> wecom_kf.WecomKfCredentials:
    return wecom_kf.WecomKfCredentials(**(KF | changed))


def app_simulator() -> WecomSimulator:
    return WecomSimulator("demo", APP, now=lambda: NOW)


def kf_simulator(**changed: Any) -> WecomKfSimulator:
    return WecomKfSimulator("demo", KF | changed, now=lambda: NOW)


def received(webhook: Webhook, channel: str = "wecom") -> RawRequest:
    return RawRequest(
        webhook.method,
        f"/webhooks/{channel}/demo",
        query_pairs(webhook.query),
        webhook.query,
        dict(webhook.headers),
        webhook.body,
        "192.0.2.1",
        NOW,
    )


def verify(webhook: Webhook, channel: str = "wecom", now: datetime = NOW, **changed: Any) -> Verified | Rejected:
    credentials = app_credentials(**changed) if channel == "wecom" else kf_credentials(**changed)
    outcome: Verified | Rejected = ADAPTERS[channel].verify(received(webhook, channel), credentials, now)
    return outcome


def parse(webhook: Webhook, channel: str = "wecom", **changed: Any) -> ParseResult:
    verified = verify(webhook, channel, **changed)
    assert isinstance(verified, Verified), verified
    result: ParseResult = ADAPTERS[channel].parse(ADAPTERS[channel].decode(verified, "demo"))
    return result


def only(result: ParseResult) -> Message:
    assert not result.ignored and not result.errors and not result.pulls, result
    (message,) = result.messages
    return message


def announced(webhook: Webhook) -> PullTask:
    """The one pull that a webhook of 微信客服 asks for."""
    result = parse(webhook, "wecom_kf")
    assert not result.messages and not result.ignored and not result.errors, result
    (task,) = result.pulls
    return task


def changed(webhook: Webhook, **parameters: str | None) -> Webhook:
    query = dict(parse_qsl(webhook.query)) | parameters
    kept = {name: value for name, value in query.items() if value is not None}
    return Webhook(webhook.method, urlencode(kept), webhook.headers, webhook.body)


def signed_by_wechatpy(xml: str, *, nonce: str = "1372623149", timestamp: str = TIMESTAMP, corp: str = CORP) -> Webhook:
    """The vendor's webhook as another implementation makes it."""
    sealed = WeChatCrypto(TOKEN, KEY, corp).encrypt_message(xml, nonce, timestamp)
    query = {"msg_signature": strict_xml.flat(sealed.encode())["MsgSignature"], "timestamp": timestamp, "nonce": nonce}
    return Webhook(query=urlencode(query), body=sealed.encode())
