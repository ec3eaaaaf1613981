from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.channels import registry
from functions.channels.codecs import strict_xml, wx_aes
from functions.channels.codecs.wx_signature import sorted_sha1
from functions.channels.contract import (
    RawRequest,
    Rejected,
    Verified,
)
from functions.channels.wechat_oa import ADAPTER, WechatOaCredentials
from functions.common.errors import MalformedPayload
from infra.simulators.contract import Webhook
from tests.fakes.simulated_platform import NOW
from tests.fakes.wechat_oa_account import (
    ACCOUNT,
    ANN,
    APP_ID,
    KEY,
    MODES,
    TEXT,
    TIMESTAMP,
    TOKEN,
    changed,
    credentials,
    only,
    parse,
    signed_by_wechatpy,
    simulator,
    verify,
)

# --- verification ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_webhook_that_wechatpy_signed_is_accepted_and_read(mode: str) -> None:
    message = only(parse(signed_by_wechatpy(TEXT, mode), mode))
    assert message.text == "你好，<b>发票</b> & 物流？"
    assert message.native_id == "24536724921474012"


@pytest.mark.parametrize(("mode", "body_signed"), [("plain", False), ("safe", True)])
def test_verification_says_how_far_the_webhook_can_be_trusted(mode: str, body_signed: bool) -> None:
    verified = verify(signed_by_wechatpy(TEXT, mode), mode)
    assert isinstance(verified, Verified)
    assert verified.verification.body_signed is body_signed
    assert verified.verification.timestamped
    assert (verified.replay_key is None) is body_signed


def test_one_plain_signature_has_one_replay_key_however_its_parts_are_cut() -> None:
    # The parts are hashed unmarked: a zero moved from the nonce to the timestamp makes another pair with the same signature.
    captured = signed_by_wechatpy(TEXT, "plain", nonce="000")
    recut = changed(captured, nonce="00", timestamp="0" + TIMESTAMP)
    first, second = verify(captured, "plain"), verify(recut, "plain")
    assert isinstance(first, Verified)
    assert isinstance(second, Verified)
    assert first.replay_key == second.replay_key


def test_a_captured_query_string_is_known_again_under_another_body() -> None:
    sim = simulator("plain")
    captured = sim.text(ANN, "hello")
    honest, attack = verify(captured, "plain"), verify(sim.replayed(captured, "oEve", "转账"), "plain")
    assert isinstance(honest, Verified)
    assert isinstance(attack, Verified)  # nothing in it shows the attack: the key does
    assert honest.replay_key == attack.replay_key is not None
    assert honest.request.body != attack.request.body


def test_a_captured_query_string_is_worth_nothing_in_safe_mode() -> None:
    sim = simulator("safe")
    captured = sim.text(ANN, "hello")
    assert verify(sim.replayed(captured, "oEve", "转账")) == Rejected("no_signature")
    encrypted_elsewhere = Webhook(query=captured.query, body=sim.text(ANN, "something else").body)
    assert verify(encrypted_elsewhere) == Rejected("bad_signature")


@pytest.mark.parametrize("parameters", [{}, {"encrypt_type": None}, {"encrypt_type": "raw"}, {"encrypt_type": ""}])
def test_a_plain_webhook_is_no_way_around_safe_mode(parameters: dict[str, str | None]) -> None:
    rejected = verify(changed(signed_by_wechatpy(TEXT, "plain"), **parameters), "safe")
    assert isinstance(rejected, Rejected)


@pytest.mark.parametrize("with_aes", [True, False])
def test_a_plain_body_in_the_dress_of_safe_mode_is_rejected(with_aes: bool) -> None:
    plain = signed_by_wechatpy(TEXT, "plain")
    signature = dict(parse_qsl(plain.query))["signature"]
    dressed = changed(plain, encrypt_type="aes", msg_signature=signature if with_aes else None)
    assert isinstance(verify(dressed, "safe"), Rejected)


@pytest.mark.parametrize("encrypt_type", ["aes", "", "AES", "rot13"])
def test_plain_mode_takes_nothing_that_says_to_be_encrypted(encrypt_type: str) -> None:
    assert verify(changed(signed_by_wechatpy(TEXT, "plain"), encrypt_type=encrypt_type), "plain") == Rejected("mode")
    assert verify(signed_by_wechatpy(TEXT, "safe"), "plain") == Rejected("mode")


def test_of_a_body_with_both_forms_safe_mode_reads_the_encrypted_one() -> None:
    safe = signed_by_wechatpy(TEXT, "safe")
    both = safe.body.replace(b"<xml>", b"<xml><FromUserName>oEve</FromUserName><MsgType>text</MsgType><Content>x</Content>", 1)
    message = only(parse(Webhook(query=safe.query, body=both)))
    assert message.contact.primary == ANN


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["timestamp", "nonce", "signature"])
@pytest.mark.parametrize("value", [None, "", "é", "0" * 40])
def test_without_each_of_its_parts_right_a_webhook_is_rejected(mode: str, name: str, value: str | None) -> None:
    name = "msg_signature" if (mode, name) == ("safe", "signature") else name
    assert isinstance(verify(changed(signed_by_wechatpy(TEXT, mode), **{name: value}), mode), Rejected)


@pytest.mark.parametrize("mode", MODES)
def test_forged_is_rejected(mode: str) -> None:
    assert verify(simulator(mode).forged(ANN, "hello"), mode) == Rejected("bad_signature")


@pytest.mark.parametrize("mode", MODES)
def test_stale_is_rejected_and_so_is_what_comes_from_the_future(mode: str) -> None:
    sim = simulator(mode)
    assert verify(sim.stale(ANN, "hello"), mode) == Rejected("stale")
    assert verify(sim.text(ANN, "hello"), mode, NOW - timedelta(seconds=301)) == Rejected("stale")
    assert isinstance(verify(sim.text(ANN, "hello"), mode, NOW + timedelta(seconds=300)), Verified)


def test_every_fault_of_the_encryption_is_answered_like_a_bad_signature() -> None:
    for encrypted in (
        "not base64",
        wx_aes.encrypt("A" * 43, TEXT.encode(), APP_ID, prefix=b"0" * 16),
        wx_aes.encrypt(KEY, TEXT.encode(), "wx0000000000000000", prefix=b"0" * 16),
        wx_aes.encrypt(KEY, TEXT.encode(), APP_ID, prefix=b"0" * 16)[:-24],
    ):
        query = {"encrypt_type": "aes", "timestamp": TIMESTAMP, "nonce": "7"}
        query["msg_signature"] = sorted_sha1(TOKEN, TIMESTAMP, "7", encrypted)
        body = strict_xml.document({"Encrypt": encrypted}).encode()
        assert verify(Webhook(query=urlencode(query), body=body)) == Rejected("bad_signature", 401)


@pytest.mark.parametrize("method", ["PUT", "HEAD", "OPTIONS", ""])
def test_other_methods_are_rejected(method: str) -> None:
    webhook = simulator().text(ANN, "hello")
    assert verify(Webhook(method, webhook.query, {}, webhook.body)) == Rejected("method")


def test_verified_holds_no_plaintext() -> None:
    assert "发票" not in repr(verify(signed_by_wechatpy(TEXT, "safe")))


@given(
    st.text(),
    st.lists(st.tuples(st.sampled_from(["timestamp", "nonce", "signature", "msg_signature"]), st.text())),
    st.binary(),
)
def test_verify_never_raises(method: str, query: list[tuple[str, str]], body: bytes) -> None:
    for mode in MODES:
        for verb, kind in ((method, "aes"), ("GET", "raw"), ("POST", "raw"), ("POST", "aes")):
            request = RawRequest(verb, "/", (*query, ("encrypt_type", kind)), "", {}, body, "", NOW)
            assert isinstance(ADAPTER.verify(request, credentials(mode), NOW), Rejected)


# --- handshake ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_handshake_is_answered_with_the_bare_echo(mode: str) -> None:
    verified = verify(simulator(mode).handshake("5837397576500011341"), mode)
    assert isinstance(verified, Verified)
    answer = ADAPTER.handshake(ADAPTER.decode(verified, "demo"))
    assert answer is not None
    assert (answer.status, answer.body, answer.content_type) == (200, "5837397576500011341", "text/plain; charset=utf-8")


@pytest.mark.parametrize("echostr", ["", "<script>alert(1)</script>", "a b", "é", "1\n", "x" * 129])
def test_an_echo_that_could_do_harm_is_malformed(echostr: str) -> None:
    verified = verify(simulator().handshake(echostr))
    assert isinstance(verified, Verified)
    with pytest.raises(MalformedPayload):
        ADAPTER.decode(verified, "demo")


def test_an_unsigned_handshake_is_rejected() -> None:
    assert verify(Webhook("GET", "echostr=1")) == Rejected("no_signature")
    assert verify(changed(simulator().handshake(), signature="0" * 40)) == Rejected("bad_signature")


def test_a_message_is_no_handshake() -> None:
    verified = verify(simulator().text(ANN, "hello"))
    assert isinstance(verified, Verified)
    assert ADAPTER.handshake(ADAPTER.decode(verified, "demo")) is None


# --- credentials ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "aes"},
        {"mode": None},
        {"encoding_aes_key": None},
        {"encoding_aes_key": KEY[:-1]},
        {"encoding_aes_key": ""},
        {"token": ""},
        {"app_id": ""},
        {"tokn": "x"},
    ],
)
def test_settings_that_would_weaken_a_check_are_refused_without_quoting_them(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        WechatOaCredentials(**(ACCOUNT | {"mode": "safe"} | wrong))
    assert "s3cr3t" not in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_plain_mode_needs_no_key_and_secrets_do_not_print() -> None:
    account = credentials("plain", encoding_aes_key=None)
    assert "s3cr3t" not in repr(account)
    assert TOKEN not in repr(account)


def test_the_channel_is_found_and_loads_no_cryptography_before_it_is_needed() -> None:
    assert registry.adapter("wechat_oa") is ADAPTER
    code = (
        "import sys, functions.channels.wechat_oa; sys.exit(any(m.startswith(('cryptography', 'boto')) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
