from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from wechatpy import parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.exceptions import InvalidSignatureException
from wechatpy.utils import check_signature

from infra.simulators.contract import ApiAnswer, ApiRequest, Webhook
from infra.simulators.wechat_oa import SIMULATOR, WechatOaSimulator

TOKEN, KEY, APP_ID = "demo-token", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7"
ACCOUNT = {"app_id": APP_ID, "app_secret": "s3cr3t", "token": TOKEN, "encoding_aes_key": KEY}
ANN = "oAnn-0123456789"
MODES = ("plain", "safe")


class Platform:
    """A simulator whose clock a test can turn, and its API by name."""

    def __init__(self, mode: str = "safe") -> None:
        self.now = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
        self.wechat = WechatOaSimulator("demo", ACCOUNT | {"mode": mode}, now=lambda: self.now)

    def call(self, path: str, body: bytes, method: str = "POST", **query: str) -> ApiAnswer:
        return self.wechat.api(ApiRequest(method, path, query, {"x-request-id": "m1"}, body))

    def token(self, **changed: Any) -> dict[str, Any]:
        asked = {"grant_type": "client_credential", "appid": APP_ID, "secret": "s3cr3t"} | changed
        return dict(json.loads(self.call("/cgi-bin/stable_token", json.dumps(asked).encode()).body))

    def send(self, contact: str = ANN, text: Any = "您好", token: str | None = None, **changed: Any) -> int:
        message = {"touser": contact, "msgtype": "text", "text": {"content": text}} | changed
        return self.send_raw(json.dumps(message, ensure_ascii=False).encode(), token)

    def send_raw(self, body: bytes, token: str | None = None) -> int:
        token = self.token()["access_token"] if token is None else token
        return int(json.loads(self.call("/cgi-bin/message/custom/send", body, access_token=token).body)["errcode"])


def opened_by_wechatpy(webhook: Webhook, mode: str) -> Any:
    """The message as another implementation verifies and reads it."""
    query = dict(parse_qsl(webhook.query))
    check_signature(TOKEN, query["signature"], query["timestamp"], query["nonce"])
    xml = webhook.body.decode()
    if mode == "safe":
        xml = WeChatCrypto(TOKEN, KEY, APP_ID).decrypt_message(xml, query["msg_signature"], query["timestamp"], query["nonce"])
    return parse_message(xml)


# --- webhooks -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_wechatpy_accepts_and_reads_the_webhooks(mode: str) -> None:
    wechat = Platform(mode).wechat
    text = opened_by_wechatpy(wechat.text(ANN, "你好 ]]> <b>", native_id="24536724921474012"), mode)
    assert (text.type, text.source, text.content, text.id) == ("text", ANN, "你好 ]]> <b>", 24536724921474012)
    image = opened_by_wechatpy(wechat.image(ANN, "media-1", pic_url="http://mmbiz.qpic.cn/1"), mode)
    assert (image.type, image.media_id, image.image) == ("image", "media-1", "http://mmbiz.qpic.cn/1")
    voice = opened_by_wechatpy(wechat.voice(ANN, "media-2", recognition="我要投诉"), mode)
    assert (voice.type, voice.media_id, voice.recognition) == ("voice", "media-2", "我要投诉")
    video = opened_by_wechatpy(wechat.video(ANN, "media-3"), mode)
    assert (video.type, video.media_id) == ("video", "media-3")
    place = opened_by_wechatpy(wechat.location(ANN, 23.1, 113.3, "天河区"), mode)
    assert (place.type, place.location, place.label) == ("location", ("23.100000", "113.300000"), "天河区")
    link = opened_by_wechatpy(wechat.link(ANN, "https://example.org/", "标题"), mode)
    assert (link.type, link.url, link.title) == ("link", "https://example.org/", "标题")
    click = opened_by_wechatpy(wechat.menu_click(ANN, "HOURS"), mode)
    assert (click.type, click.event, click.key) == ("event", "click", "HOURS")
    follow = opened_by_wechatpy(wechat.event(ANN, "subscribe"), mode)
    assert follow.event == "subscribe"


@pytest.mark.parametrize("mode", MODES)
def test_wechatpy_accepts_the_handshake(mode: str) -> None:
    webhook = Platform(mode).wechat.handshake("123")
    query = dict(parse_qsl(webhook.query))
    check_signature(TOKEN, query["signature"], query["timestamp"], query["nonce"])
    assert (webhook.method, query["echostr"], webhook.body) == ("GET", "123", b"")


@pytest.mark.parametrize("mode", MODES)
def test_wechatpy_refuses_the_forgery(mode: str) -> None:
    with pytest.raises(InvalidSignatureException):
        opened_by_wechatpy(Platform(mode).wechat.forged(ANN, "hello"), mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_retry_is_the_same_bytes(mode: str) -> None:
    platform = Platform(mode)
    first, again, other = (platform.wechat.text(ANN, "hello", native_id=i, at=platform.now) for i in ("1", "1", "2"))
    assert first == again != other


def test_messages_without_an_id_of_their_own_get_different_ones() -> None:
    wechat = Platform("plain").wechat
    assert len({wechat.text(ANN, "hello").body for _ in range(5)}) == 5


def test_stale_was_rightly_signed_an_hour_ago() -> None:
    platform = Platform()
    webhook = platform.wechat.stale(ANN, "hello")
    opened_by_wechatpy(webhook, "safe")
    assert int(dict(parse_qsl(webhook.query))["timestamp"]) == int(platform.now.timestamp()) - 3600


def test_a_replay_has_the_captured_signature_and_a_body_of_its_own() -> None:
    wechat = Platform("plain").wechat
    captured = wechat.text(ANN, "hello")
    attack = wechat.replayed(captured, "oEve", "转账")
    assert attack.query == captured.query
    assert opened_by_wechatpy(attack, "plain").source == "oEve"


def test_the_vendor_waits_five_seconds_and_tries_three_times_at_once() -> None:
    assert (SIMULATOR.patience.timeout, SIMULATOR.patience.waits) == (5.0, (0.0, 0.0))


# --- access tokens --------------------------------------------------------------------------------------------------------------


def test_a_stable_token_stays_the_same_until_its_last_five_minutes() -> None:
    platform = Platform()
    first = platform.token()
    assert first["expires_in"] == 7200
    platform.now += timedelta(minutes=114)
    assert platform.token() == first | {"expires_in": 360}
    platform.now += timedelta(minutes=1)
    second = platform.token()
    assert second["access_token"] != first["access_token"]
    platform.wechat.text(ANN, "hello")
    assert [platform.send(token=each["access_token"]) for each in (first, second)] == [0, 0]
    platform.now += timedelta(minutes=5)
    assert [platform.send(token=each["access_token"]) for each in (first, second)] == [42001, 0]


def test_a_forced_token_invalidates_the_last_one() -> None:
    platform = Platform()
    platform.wechat.text(ANN, "hello")
    first = platform.token()["access_token"]
    second = platform.token(force_refresh=True)["access_token"]
    assert [platform.send(token=token) for token in (first, second)] == [40001, 0]


def test_after_a_revocation_another_token_is_given() -> None:
    platform = Platform()
    first = platform.token()["access_token"]
    platform.wechat.revoke_tokens()
    assert platform.token()["access_token"] != first


@pytest.mark.parametrize(
    ("wrong", "errcode"), [({"grant_type": "code"}, 40002), ({"appid": "wx0"}, 40013), ({"secret": "wrong"}, 40125)]
)
def test_a_token_needs_the_right_secret(wrong: dict[str, str], errcode: int) -> None:
    answer = Platform().token(**wrong)
    assert answer["errcode"] == errcode
    assert "access_token" not in answer


# --- sends ----------------------------------------------------------------------------------------------------------------------


def test_a_send_fills_the_outbox() -> None:
    platform = Platform()
    platform.wechat.text(ANN, "hello")
    assert platform.send(text="您好") == 0
    (delivered,) = platform.wechat.outbox
    assert (delivered.channel, delivered.account, delivered.contact, delivered.text) == ("wechat_oa", "demo", ANN, "您好")
    assert (delivered.in_reply_to, delivered.at) == ("m1", platform.now)


def test_a_send_without_a_good_token_is_refused() -> None:
    platform = Platform()
    platform.wechat.text(ANN, "hello")
    assert platform.send(token="") == 41001
    assert platform.send(token="made-up") == 40001
    old = platform.token()["access_token"]
    platform.wechat.expire_tokens()
    assert platform.send(token=old) == 42001
    assert not platform.wechat.outbox


def test_a_person_who_never_wrote_is_unknown() -> None:
    platform = Platform()
    platform.wechat.forged("oEve", "hello")
    assert platform.send("oEve") == 40003


def test_the_window_closes_48_hours_after_the_last_message() -> None:
    platform = Platform()
    platform.wechat.text(ANN, "hello")
    platform.now += timedelta(hours=48)
    assert platform.send() == 0
    platform.now += timedelta(seconds=1)
    assert platform.send() == 45015
    platform.wechat.text(ANN, "hello again")
    assert platform.send() == 0


def test_a_message_allows_five_replies_and_the_next_message_five_more() -> None:
    platform = Platform()
    platform.wechat.text(ANN, "hello")
    assert [platform.send() for _ in range(6)] == [0] * 5 + [45047]
    platform.wechat.text(ANN, "hello again")
    assert platform.send() == 0


def test_a_message_from_before_takes_nothing_away() -> None:
    platform = Platform()
    platform.wechat.text(ANN, "hello")
    platform.wechat.stale(ANN, "from before")
    platform.now += timedelta(hours=48)
    assert platform.send() == 0


@pytest.mark.parametrize("event", ["CLICK", "subscribe", "SCAN"])
def test_a_tap_a_follow_and_a_scan_allow_three_replies_within_a_minute(event: str) -> None:
    platform = Platform()
    platform.wechat.event(ANN, event)
    assert [platform.send() for _ in range(4)] == [0, 0, 0, 45047]
    platform.now += timedelta(seconds=61)
    assert platform.send() == 45015


def test_who_left_cannot_be_written_to() -> None:
    platform = Platform()
    platform.wechat.text(ANN, "hello")
    platform.wechat.event(ANN, "unsubscribe")
    assert platform.send() == 45015


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"", 47001),
        (b"not json", 47001),
        (b"[]", 47001),
        (b"\xff", 47001),
        (rb'{"touser": "oAnn-0123456789", "msgtype": "text", "text": {"content": "\u4f60"}}', 40033),
        (b'{"touser": "oAnn-0123456789", "msgtype": "text", "text": {"content": ""}}', 44004),
        (b'{"touser": "oAnn-0123456789", "msgtype": "text", "text": "hi"}', 44004),
        (b'{"touser": "oAnn-0123456789", "msgtype": "image"}', 40008),
        (b'{"touser": "oAnn-0123456789", "msgtype": "text", "text": {"content": "' + b"x" * 2049 + b'"}}', 45002),
        (rb'{"touser": "oAnn-0123456789", "msgtype": "text", "text": {"content": "C:\\users"}}', 0),
    ],
)
def test_a_send_that_is_not_well_formed_is_refused(body: bytes, errcode: int) -> None:
    platform = Platform()
    platform.wechat.text(ANN, "hello")
    assert platform.send_raw(body) == errcode
    assert len(platform.wechat.outbox) == (errcode == 0)


def test_other_paths_and_methods_are_refused() -> None:
    platform = Platform()
    assert platform.call("/cgi-bin/menu/get", b"{}").status == 404
    assert json.loads(platform.call("/cgi-bin/message/custom/send", b"", method="GET").body)["errcode"] == 43002


def test_a_call_is_known_by_its_token_or_the_accounts_id() -> None:
    platform = Platform()
    token = platform.token()["access_token"]
    owned = [
        platform.wechat.owns(ApiRequest("POST", path, query, {}, body))
        for path, query, body in (
            ("/cgi-bin/stable_token", {}, f'{{"appid": "{APP_ID}"}}'.encode()),
            ("/cgi-bin/stable_token", {}, b'{"appid": "wx0"}'),
            ("/cgi-bin/message/custom/send", {"access_token": token}, b"{}"),
            ("/cgi-bin/message/custom/send", {"access_token": "another's"}, b"{}"),
        )
    ]
    assert owned == [True, False, True, False]
