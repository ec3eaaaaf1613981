"""WeCom's callbacks, for both channels, and an application's messages. wechatpy signs where it can; the vectors are the vendor's."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from wechatpy.enterprise import parse_message
from wechatpy.enterprise.crypto import WeChatCrypto

from functions.channels.codecs import wx_aes
from functions.channels.codecs.wx_signature import sorted_sha1
from functions.channels.contract import Ignored, ItemError, ParseResult, Payload, RawRequest, Rejected, Verified
from functions.common import wire
from functions.common.clock import from_ms
from functions.common.errors import MalformedPayload
from functions.common.message import ContactId, Interactive, Link, Location
from infra.simulators.contract import Webhook
from tests.fakes.simulated_platform import NOW
from tests.fakes.wecom_accounts import (
    ADAPTERS,
    CORP,
    KEY,
    TIMESTAMP,
    TOKEN,
    app_credentials,
    app_simulator,
    changed,
    kf_credentials,
    kf_simulator,
    only,
    parse,
    signed_by_wechatpy,
    verify,
)

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "signatures.json"
BOTH = pytest.mark.parametrize("channel", ["wecom", "wecom_kf"])
ANN = "ZhangSan"
TEXT = f"""<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><FromUserName><![CDATA[{ANN}]]></FromUserName>
<CreateTime>{TIMESTAMP}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[发票 & <b>]]></Content>
<MsgId>4561255354251345929</MsgId><AgentID>218</AgentID></xml>"""


def vectors() -> list[dict[str, Any]]:
    if not VECTORS.exists():
        pytest.skip("the shared signature vectors are not on this machine")
    return [v for v in json.loads(VECTORS.read_text()) if v["channel"] == "wecom"]


def simulator(channel: str) -> Any:
    return app_simulator() if channel == "wecom" else kf_simulator()


# --- signature and encryption ---------------------------------------------------------------------------------------------------


def test_the_vendors_vectors_are_reproduced() -> None:
    for vector in vectors():
        given_, expected = vector["given"], vector["expect"]
        encrypted = given_.get("echostr") or given_["encrypt"]
        signature = sorted_sha1(given_["token"], given_["timestamp"], given_["nonce"], encrypted)
        assert signature == expected["msg_signature"]
        plaintext = wx_aes.decrypt(given_["encoding_aes_key"], encrypted, given_["receive_id"])
        if "answer" in expected:
            assert plaintext == expected["answer"].encode()
        if "plaintext_contains" in expected:
            assert plaintext is not None and expected["plaintext_contains"].encode() in plaintext


def test_the_vendors_samples_are_verified_and_read_as_they_came() -> None:
    """Handshake and message of the vendor's own sample, at the time when they were made."""
    for vector in vectors():
        given_ = vector["given"]
        query = {name: given_[name] for name in ("timestamp", "nonce")} | {"msg_signature": vector["expect"]["msg_signature"]}
        now = from_ms(int(given_["timestamp"]) * 1000)
        settings = {
            "token": given_["token"],
            "encoding_aes_key": given_["encoding_aes_key"],
            "corp_id": given_["receive_id"],
        }
        if "encrypt" in given_:
            body = f"<xml><ToUserName>x</ToUserName><Encrypt><![CDATA[{given_['encrypt']}]]></Encrypt></xml>".encode()
            webhook = Webhook(query=urlencode(query), body=body)
            verified = verify(webhook, now=now, **settings)
            assert isinstance(verified, Verified)
            message = only(ADAPTERS["wecom"].parse(ADAPTERS["wecom"].decode(verified, "demo")))
            assert (message.native_id, message.text, message.kind) == ("4561255354251345929", "hello", "text")
        else:
            webhook = Webhook("GET", urlencode(query | {"echostr": given_["echostr"]}))
            verified = verify(webhook, now=now, **settings)
            assert isinstance(verified, Verified)
            if "answer" in vector["expect"]:
                answer = ADAPTERS["wecom"].handshake(ADAPTERS["wecom"].decode(verified, "demo"))
                assert answer is not None and answer.body == vector["expect"]["answer"]


@BOTH
def test_the_handshake_is_answered_decrypted_plain_and_whole(channel: str) -> None:
    webhook = simulator(channel).handshake("1616140317555161061")
    verified = verify(webhook, channel)
    assert isinstance(verified, Verified)
    answer = ADAPTERS[channel].handshake(ADAPTERS[channel].decode(verified, "demo"))
    assert (answer.status, answer.body, answer.content_type) == (200, "1616140317555161061", "text/plain; charset=utf-8")
    assert simulator(channel).handshake_answer(webhook) == b"1616140317555161061"


def test_an_echo_string_whose_plus_signs_were_sent_raw_is_the_same() -> None:
    webhook = app_simulator().handshake()
    raw = webhook.query.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
    assert isinstance(verify(replace(webhook, query=raw)), Verified)


@BOTH
def test_a_handshake_that_could_be_a_page_is_malformed(channel: str) -> None:
    verified = verify(simulator(channel).handshake("<script>"), channel)
    assert isinstance(verified, Verified)
    with pytest.raises(MalformedPayload):
        ADAPTERS[channel].decode(verified, "demo")


def test_wechatpy_reads_what_the_simulator_sends() -> None:
    webhook = app_simulator().text(ANN, "你好 ]]> <b>", native_id="24536724921474012")
    query = dict(parse_qsl(webhook.query))
    xml = WeChatCrypto(TOKEN, KEY, CORP).decrypt_message(
        webhook.body.decode(), query["msg_signature"], query["timestamp"], query["nonce"]
    )
    message = parse_message(xml)
    assert (message.type, message.source, message.content, message.agent) == ("text", ANN, "你好 ]]> <b>", 218)
    assert message.id == 24536724921474012


@BOTH
def test_wechatpy_checks_the_simulators_handshake(channel: str) -> None:
    query = dict(parse_qsl(simulator(channel).handshake("123").query))
    crypto = WeChatCrypto(TOKEN, KEY, CORP)
    assert crypto.check_signature(query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"]) == "123"


@BOTH
@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"msg_signature": None}, "no_signature"),
        ({"timestamp": None}, "no_signature"),
        ({"nonce": None}, "no_signature"),
        ({"msg_signature": ""}, "no_signature"),
        ({"msg_signature": "é"}, "bad_signature"),
        ({"msg_signature": "0" * 40}, "bad_signature"),
        ({"timestamp": str(int(TIMESTAMP) + 1)}, "bad_signature"),
        ({"nonce": "1"}, "bad_signature"),
    ],
)
def test_what_is_not_signed_is_rejected(channel: str, parameters: dict[str, Any], reason: str) -> None:
    assert verify(changed(simulator(channel).text("wm1", "x"), **parameters), channel) == Rejected(reason)


@BOTH
def test_another_token_another_corp_and_another_body_are_rejected_alike(channel: str) -> None:
    webhook = simulator(channel).text("wm1", "x")
    other = simulator(channel).text("wm1", "y")
    assert verify(simulator(channel).forged("wm1", "x"), channel) == Rejected("bad_signature")
    assert verify(webhook, channel, corp_id="ww-other") == Rejected("bad_signature")
    assert verify(webhook, channel, encoding_aes_key="A" * 43) == Rejected("bad_signature")
    assert verify(replace(webhook, body=other.body), channel) == Rejected("bad_signature")


@BOTH
@pytest.mark.parametrize("body", [b"", TEXT.encode(), b"<xml/>", b"{}", b'{"encrypt":"x"}', b"\xff"])
def test_there_is_no_plain_mode_whatever_the_body_says(channel: str, body: bytes) -> None:
    assert verify(replace(simulator(channel).text("wm1", "x"), body=body), channel) in (
        Rejected("no_signature"),
        Rejected("bad_signature"),
    )


@BOTH
def test_a_signature_of_another_time_is_stale(channel: str) -> None:
    assert verify(simulator(channel).stale("wm1", "x"), channel) == Rejected("stale")
    webhook = simulator(channel).text("wm1", "x")
    for minutes in (-6, 6):
        assert verify(webhook, channel, NOW + timedelta(minutes=minutes)) == Rejected("stale")
    assert isinstance(verify(webhook, channel, NOW + timedelta(minutes=5)), Verified)


@BOTH
def test_other_methods_are_rejected(channel: str) -> None:
    assert verify(replace(simulator(channel).text("wm1", "x"), method="PUT"), channel) == Rejected("method")


def test_a_third_partys_app_is_addressed_by_its_suite() -> None:
    webhook = signed_by_wechatpy(TEXT, corp="wwSUITE")
    assert verify(webhook) == Rejected("bad_signature")
    assert only(parse(webhook, receive_id="wwSUITE")).contact.ids == (ContactId(kind="user_id", value=ANN, scope=CORP),)


def test_a_json_callback_is_read_where_it_is_configured() -> None:
    said = json.dumps({"FromUserName": ANN, "CreateTime": int(TIMESTAMP), "MsgType": "text", "Content": "你好", "MsgId": 7})
    encrypted = wx_aes.encrypt(KEY, said.encode(), CORP, prefix=b"0123456789abcdef")
    signature = sorted_sha1(TOKEN, TIMESTAMP, "n", encrypted)
    body = json.dumps({"tousername": CORP, "encrypt": encrypted, "agentid": "218"}).encode()
    webhook = Webhook(query=urlencode({"msg_signature": signature, "timestamp": TIMESTAMP, "nonce": "n"}), body=body)
    assert verify(webhook) == Rejected("no_signature")
    message = only(parse(webhook, callback_format="json"))
    assert (message.text, message.native_id) == ("你好", "7")
    assert verify(signed_by_wechatpy(TEXT), callback_format="json") == Rejected("no_signature")


def test_both_ways_of_verifying_say_that_body_and_time_are_signed() -> None:
    verified = verify(app_simulator().text(ANN, "x"))
    assert isinstance(verified, Verified) and verified.replay_key is None
    assert verified.verification.body_signed and verified.verification.timestamped


@pytest.mark.parametrize("key", ["", "short", "A" * 44, "A" * 42 + "!"])
def test_an_unusable_key_is_refused_without_being_quoted(key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        app_credentials(encoding_aes_key=key)
    assert not key or key not in str(refused.value)


def test_secrets_are_not_in_a_repr() -> None:
    said = repr(app_credentials()) + repr(kf_credentials())
    assert not any(secret in said for secret in (TOKEN, KEY, "s3cr3t"))


# --- an application's messages --------------------------------------------------------------------------------------------------


def test_text_is_read_whole() -> None:
    sent = NOW - timedelta(seconds=30)
    message = only(parse(app_simulator().text(ANN, "要发票\n谢谢 ]]> 😀", native_id="42", at=sent)))
    assert (message.channel, message.account, message.kind, message.text) == ("wecom", "demo", "text", "要发票\n谢谢 ]]> 😀")
    assert message.contact.primary == ANN and message.contact.ids == (ContactId(kind="user_id", value=ANN, scope=CORP),)
    assert (message.sent_at, message.time_precision, message.received_at) == (sent, "s", NOW)
    assert (message.reply.mode, message.reply.expires_at) == ("open", None)
    assert wire.read_inbound(wire.dumps(wire.Inbound(message=message))).message == message


def test_a_time_that_cannot_be_true_is_no_time() -> None:
    message = only(parse(app_simulator().message(ANN, "text", {"Content": "x", "CreateTime": "99999999999"})))
    assert (message.sent_at, message.time_precision) == (None, "none")


def test_what_is_told_to_a_suite_is_ignored_by_name_and_acknowledged() -> None:
    ticket = app_simulator().post({"SuiteId": "s", "InfoType": "suite_ticket", "SuiteTicket": "t"}, NOW)
    assert parse(ticket) == ParseResult(ignored=(Ignored("suite_ticket"),))


def test_the_message_that_wechatpy_signs_is_the_same() -> None:
    message = only(parse(signed_by_wechatpy(TEXT)))
    assert (message.text, message.native_id) == ("发票 & <b>", "4561255354251345929")


def test_media_location_and_links() -> None:
    sim = app_simulator()
    image = only(parse(sim.image(ANN, "media-1", pic_url="http://p.qpic.cn/1")))
    (picture,) = image.attachments
    assert (picture.media_id, picture.url, picture.url_expires_at) == ("media-1", "http://p.qpic.cn/1", NOW + timedelta(days=3))
    voice = only(parse(sim.voice(ANN, "media-2")))
    assert voice.attachments[0].mime == "audio/amr"
    video = only(parse(sim.message(ANN, "video", {"MediaId": "media-3", "ThumbMediaId": "t"})))
    assert video.kind == "video"
    place = only(parse(sim.location(ANN, 23.134521, -113.358803, "天河区")))
    assert place.location == Location(lat=23.134521, lon=-113.358803, label="天河区")
    link = only(
        parse(sim.message(ANN, "link", {"Title": "标题", "Description": "", "Url": "https://example.org/", "PicUrl": ""}))
    )
    assert link.link == Link(url="https://example.org/", title="标题")


def test_a_tap_on_the_menu_is_a_message_though_it_is_written_small() -> None:
    message = only(parse(app_simulator().menu_click(ANN, "HOURS")))
    assert (message.kind, message.interactive) == ("interactive", Interactive(type="menu", payload="HOURS"))


@pytest.mark.parametrize("event", ["subscribe", "enter_agent", "LOCATION", "view", "batch_job_result", "kf_msg_or_event"])
def test_other_events_are_ignored_by_name(event: str) -> None:
    assert parse(app_simulator().event(ANN, event)) == ParseResult(ignored=(Ignored(event),))


def test_an_unknown_type_is_kept_as_unsupported() -> None:
    message = only(parse(app_simulator().unknown(ANN)))
    assert (message.kind, message.raw_kind) == ("unsupported", "hologram")


def test_an_unreadable_message_names_the_field() -> None:
    webhook = signed_by_wechatpy("<xml><MsgType>text</MsgType><Content>x</Content></xml>")
    assert parse(webhook) == ParseResult(errors=(ItemError("missing", "FromUserName"),))


def test_a_redelivery_has_the_same_id_and_another_message_has_not() -> None:
    sim = app_simulator()
    ids = [only(parse(sim.text(ANN, "a", native_id=n, at=NOW))).message_id for n in ("1", "1", "2")]
    assert ids[0] == ids[1] != ids[2]


@BOTH
def test_the_platform_hears_success(channel: str) -> None:
    verified = verify(simulator(channel).text("wm1", "x"), channel)
    assert isinstance(verified, Verified)
    payload = ADAPTERS[channel].decode(verified, "demo")
    answer = ADAPTERS[channel].acknowledge(payload, ADAPTERS[channel].parse(payload))
    assert (answer.status, answer.body) == (200, "success")


# --- arbitrary input ------------------------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=60)
NAMES = st.sampled_from(["MsgType", "Event", "OpenKfId", "Token", "FromUserName", "CreateTime", "MsgId", "Content", "MediaId"])
WORDS = st.sampled_from(["text", "event", "click", "image", "location", "kf_msg_or_event", TIMESTAMP, "9" * 14, "wk1"])


@BOTH
@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    query=st.dictionaries(st.sampled_from(["msg_signature", "timestamp", "nonce", "echostr", "x"]), TEXTS),
    body=st.binary(max_size=200),
)
def test_arbitrary_requests_are_rejected(channel: str, method: str, query: dict[str, str], body: bytes) -> None:
    raw = "&".join(f"{name}={quote(value.encode('utf-8', 'surrogatepass'))}" for name, value in query.items())
    for format_ in ("xml", "json"):
        assert isinstance(verify(Webhook(method, raw, {}, body), channel, callback_format=format_), Rejected)


@BOTH
@given(
    plaintext=st.one_of(st.binary(max_size=200), st.sampled_from([b"<a>" * 500, b"{" * 500, b'{"MsgType":[1]}', b'"\\ud800"']))
)
def test_signed_but_absurd_payloads_are_malformed_or_counted_once(channel: str, plaintext: bytes) -> None:
    encrypted = wx_aes.encrypt(KEY, plaintext, CORP, prefix=b"0" * 16)
    signature = sorted_sha1(TOKEN, TIMESTAMP, "n", encrypted)
    query = urlencode({"msg_signature": signature, "timestamp": TIMESTAMP, "nonce": "n"})
    envelopes = {"xml": f"<xml><Encrypt>{encrypted}</Encrypt></xml>", "json": json.dumps({"encrypt": encrypted})}
    for format_, body in envelopes.items():
        with suppress(MalformedPayload):
            result = parse(Webhook(query=query, body=body.encode()), channel, callback_format=format_)
            assert len(result.messages) + len(result.ignored) + len(result.errors) + len(result.pulls) == 1


@BOTH
@given(fields=st.dictionaries(NAMES, st.one_of(WORDS, st.text())))
def test_parsing_accounts_for_every_webhook_once(channel: str, fields: dict[str, str]) -> None:
    request = RawRequest("POST", "/", (("msg_signature", "s"),), "", {}, b"", "", NOW)
    credentials = app_credentials() if channel == "wecom" else kf_credentials()
    verified = Verified(request, credentials, _verification())
    result = ADAPTERS[channel].parse(Payload(verified, "demo", fields))
    assert len(result.messages) + len(result.ignored) + len(result.errors) + len(result.pulls) == 1
    for message in result.messages:
        assert wire.read_inbound(wire.dumps(wire.Inbound(message=message)))
    for task in result.pulls:
        assert wire.read_pull_task(wire.dumps(task)).source == task.source


def _verification() -> Any:
    verified = verify(app_simulator().text(ANN, "x"))
    assert isinstance(verified, Verified)
    return verified.verification


def test_ciphertext_with_a_pad_between_seventeen_and_thirty_two_is_read() -> None:
    for length in range(33):
        webhook = app_simulator().text(ANN, "x" * length + "y", native_id=str(length))
        assert only(parse(webhook)).text == "x" * length + "y"
