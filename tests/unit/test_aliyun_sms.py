"""The channel `aliyun_sms`: an unsigned callback behind a token, batches, Beijing's time, and replies by an approved template."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.channels.aliyun_sms import ADAPTER, AliyunSmsCredentials
from functions.channels.contract import Ignored, NoAnswer, OutgoingReply, RawRequest, Rejected, Unreachable, Verified
from functions.common.message import ContactId, ReplyWindow
from functions.common.outbound import PlatformHttp
from infra.simulators.aliyun_sms import AliyunSmsSimulator, refusal
from infra.simulators.contract import ApiAnswer, ApiRequest, Webhook
from infra.simulators.delivery import Attempt
from infra.simulators.server import PlatformServer
from tests.fakes.signed_webhook import Desk, secrets_kept
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

TOKEN = "kq3VYw7m0bRz9sXc1Ud_pL"
RECEIVING: dict[str, Any] = {"token": TOKEN}
SENDING = {
    "access_key_id": "LTAI4testkey",
    "access_key_secret": "a-secret-of-aliyun",
    "sign_name": "示例商店",
    "template_code": "SMS_154950909",
    "template_param": "content",
}
SMS = Desk(ADAPTER, RECEIVING, AliyunSmsSimulator)
FULL = Desk(ADAPTER, RECEIVING | SENDING, AliyunSmsSimulator)
ANN = "13800138000"


# --- verification


@pytest.mark.parametrize(
    "query", ["", "token=", "token=x", f"Token={TOKEN}", f"token={TOKEN[:-1]}", "token=%C3%A9", f"token=x&token={TOKEN}"]
)
def test_only_the_token_opens_the_door(query):
    webhook = replace(SMS.simulator().text(ANN, "hi"), query=query)
    assert SMS.verify(webhook) == Rejected("bad_token", 403)


def test_a_forged_webhook_is_refused_and_no_stale_one_exists():
    sim = SMS.simulator()
    assert SMS.verify(sim.forged(ANN, "hi")) == Rejected("bad_token", 403)
    assert SMS.verify(replace(sim.text(ANN, "hi"), method="GET")) == Rejected("method", 403)
    assert sim.stale(ANN, "hi") is None


def test_an_address_that_is_not_listed_is_refused_even_with_the_token():
    webhook = SMS.simulator().text(ANN, "hi")
    assert SMS.verify(webhook, allowed_ips=["198.51.100.0/24"]) == Rejected("address", 403)
    assert isinstance(SMS.verify(webhook, allowed_ips=["192.0.2.0/24"]), Verified)


def test_two_tokens_are_valid_while_one_is_rotated():
    webhook = SMS.simulator().text(ANN, "hi")
    newer, older = SMS.credentials(token="Zr8nQ2v_x7Lk0PwYb4Ts1E"), SMS.credentials()
    accepted = [isinstance(ADAPTER.verify(SMS.request(webhook), each, NOW), Verified) for each in (newer, older)]
    assert accepted == [False, True]


# --- what a message is


def test_a_text_becomes_a_message():
    message = SMS.message(SMS.simulator().text(ANN, "退货", native_id="9007199254740993"))
    assert (message.kind, message.text, message.native_id, message.thread_id) == ("text", "退货", "9007199254740993", "1234")
    assert (message.sent_at, message.time_precision) == (NOW, "s")
    assert (message.contact.primary, message.contact.ids) == (ANN, (ContactId(kind="phone_e164", value="+8613800138000"),))
    assert message.reply == ReplyWindow(mode="none")
    assert (message.verification.body_signed, message.verification.timestamped) == (False, False)
    assert FULL.message(FULL.simulator().text(ANN, "hi")).reply == ReplyWindow(mode="open")


def test_a_sequence_number_and_its_text_are_the_same_message():
    sim = SMS.simulator()
    item = sim.item(ANN, "hi")
    as_number, as_text = (SMS.message(sim.batch([item | {"sequence_id": each}])) for each in (1234567890, "1234567890"))
    assert as_number.message_id == as_text.message_id
    assert as_number.message_id != SMS.message(sim.batch([item | {"sequence_id": 1234567891}])).message_id


@pytest.mark.parametrize("time", ["2026-11-22 16:00:00", "20261122160000"])
def test_a_time_without_a_zone_is_beijings(time):
    sim = SMS.simulator()
    assert SMS.message(sim.batch([sim.item(ANN, "hi") | {"send_time": time}])).sent_at == NOW


@pytest.mark.parametrize(
    "time", ["", None, 5, "2026-13-01 00:00:00", "9999-12-31 23:59:59", "0000-00-00 00:00:00", "²" * 14, "yesterday"]
)
def test_an_absurd_time_is_not_believed(time):
    sim = SMS.simulator()
    message = SMS.message(sim.batch([sim.item(ANN, "hi") | {"send_time": time}]))
    assert (message.sent_at, message.time_precision) == (None, "none")


@pytest.mark.parametrize(
    ("number", "kind", "value"),
    [
        ("+8613800138000", "phone_e164", "+8613800138000"),
        ("008613800138000", "phone_e164", "+8613800138000"),
        ("8613800138000", "phone_e164", "+8613800138000"),
        ("0085212345678", "phone_e164", "+85212345678"),
        ("10086", "uid", "10086"),
    ],
)
def test_a_number_in_any_spelling_has_one_international_form(number, kind, value):
    (contact_id,) = SMS.message(SMS.simulator().text(number, "hi")).contact.ids
    assert (contact_id.kind, contact_id.value) == (kind, value)


def test_a_bad_item_spares_its_siblings_and_receipts_are_ignored():
    sim = SMS.simulator()
    good, receipt = sim.item(ANN, "hi"), json.loads(sim.receipt("90009^0").body)[0]
    bad = [5, {}, good | {"phone_number": "abc"}, good | {"sequence_id": None}, good | {"sequence_id": True}]
    result = SMS.parse(sim.batch([bad[0], good, *bad[1:], receipt]))
    assert (len(result.messages), result.ignored) == (1, (Ignored("receipt", "90009^0"),))
    assert [e.where for e in result.errors] == ["0", "2.phone_number", "3.phone_number", "4.sequence_id", "5.sequence_id"]


def test_a_duplicate_inside_one_batch_has_the_same_id():
    sim = SMS.simulator()
    item = sim.item(ANN, "hi")
    one, other = SMS.parse(sim.batch([item, item])).messages
    assert one.message_id == other.message_id


def test_several_people_write_in_one_call():
    messages = SMS.parse(SMS.simulator().texts([(ANN, "一"), ("13900139000", "二")])).messages
    assert [(m.contact.primary, m.text) for m in messages] == [(ANN, "一"), ("13900139000", "二")]


def test_the_acknowledgement_is_the_vendors_own_word_for_word():
    answer = SMS.acknowledged(SMS.simulator().text(ANN, "hi"))
    assert (answer.status, answer.body) == (200, '{"code":0,"msg":"接收成功"}')
    attempt = Attempt(at=NOW, status=answer.status, body=answer.body.encode())
    assert not SMS.simulator().tried_again(attempt)
    assert SMS.simulator().tried_again(replace(attempt, body=b"ok"))


# --- sending

REPLY = OutgoingReply(message_id="conv.0.h", native_id="1", contact=ANN, text="您好，已为您登记 & 处理")


def send(sim: AliyunSmsSimulator, text: str = REPLY.text, fault: Exception | None = None, **changed: Any):
    platform = SimulatedPlatform(sim, fault=fault)
    return ADAPTER.send(replace(REPLY, text=text), FULL.credentials(**changed), platform)


def test_a_reply_fills_the_templates_variable():
    sim = FULL.simulator()
    result = send(sim)
    assert (result.outcome, result.code) == ("sent", "OK")
    assert result.provider_id
    assert [(d.contact, d.text) for d in sim.outbox] == [(ANN, REPLY.text)]


def test_without_a_template_the_channel_only_receives():
    result = ADAPTER.send(REPLY, SMS.credentials(), SimulatedPlatform(FULL.simulator()))
    assert (result.outcome, result.code) == ("window_closed", "receive_only")


def test_the_secret_and_the_text_stay_out_of_the_logs(caplog):
    caplog.set_level(logging.DEBUG)
    platform = SimulatedPlatform(FULL.simulator())
    result = ADAPTER.send(REPLY, FULL.credentials(), platform)
    assert secrets_kept(result, SENDING["access_key_secret"], REPLY.text, ANN)
    assert caplog.text == ""
    assert SENDING["access_key_secret"] not in repr(platform.asked) + repr(FULL.credentials())


def test_a_nonce_is_not_used_twice():
    sim = FULL.simulator()
    platform = SimulatedPlatform(sim)
    assert ADAPTER.send(REPLY, FULL.credentials(), platform).outcome == "sent"
    assert ADAPTER.send(replace(REPLY, message_id="conv.0.i"), FULL.credentials(), platform).outcome == "sent"
    nonces = [asked.headers["x-acs-signature-nonce"] for asked in platform.asked]
    assert len(set(nonces)) == 2
    assert ADAPTER.send(REPLY, FULL.credentials(), platform).code == "SignatureNonceUsed"


def test_the_signature_survives_real_http():
    sim = FULL.simulator()
    platforms = PlatformServer([sim])
    platforms.start()
    try:
        http = PlatformHttp(channel="aliyun_sms", request_id="m", override=platforms.origin, leases=None, clock=lambda: NOW)
        assert ADAPTER.send(REPLY, FULL.credentials(), http).outcome == "sent"
    finally:
        platforms.stop()
    assert [(d.text, d.in_reply_to) for d in sim.outbox] == [(REPLY.text, "m")]


@pytest.mark.parametrize(
    ("answer", "outcome", "code", "retry_after"),
    [
        (refusal("isv.BUSINESS_LIMIT_CONTROL"), "rate_limited", "isv.BUSINESS_LIMIT_CONTROL", 60.0),
        (refusal("Throttling.User", status=400), "rate_limited", "Throttling.User", 60.0),
        (refusal("isv.MOBILE_IN_BLACK"), "window_closed", "isv.MOBILE_IN_BLACK", None),
        (refusal("isv.MOBILE_NUMBER_ILLEGAL"), "invalid", "isv.MOBILE_NUMBER_ILLEGAL", None),
        (refusal("isv.AMOUNT_NOT_ENOUGH"), "invalid", "isv.AMOUNT_NOT_ENOUGH", None),
        (refusal("SignatureDoesNotMatch", status=400), "invalid", "SignatureDoesNotMatch", None),
        (refusal("isp.SYSTEM_ERROR"), "unknown", "isp.SYSTEM_ERROR", None),
        (refusal("InternalError", status=500), "unknown", "InternalError", None),
        (ApiAnswer(502, b"<html>"), "unknown", "502", None),
        (ApiAnswer(429, b""), "rate_limited", "429", 60.0),
        (ApiAnswer(200, b"[]"), "unknown", "200", None),
        (ApiAnswer(200, b'{"Code": "a b"}'), "invalid", "unnamed", None),
    ],
)
def test_every_answer_of_the_vendor_has_an_outcome(answer, outcome, code, retry_after):
    sim = FULL.simulator()
    sim.failures.append(answer)
    result = send(sim)
    assert (result.outcome, result.code, result.retry_after) == (outcome, code, retry_after)


def test_the_vendors_refusals_are_met():
    assert send(FULL.simulator(), "好" * 36).code == "too_long"
    assert send(FULL.simulator(template_param_max=10), "好" * 35).code == "isv.PARAM_LENGTH_LIMIT"
    assert send(FULL.simulator(), "https://x.example").code == "isv.PARAM_NOT_SUPPORT_URL"
    assert send(FULL.simulator(), template_code="SMS_1").code == "isv.SMS_TEMPLATE_ILLEGAL"
    assert send(FULL.simulator(), access_key_secret="another-secret").code == "SignatureDoesNotMatch"
    assert send(FULL.simulator(), access_key_id="LTAIanother").code == "InvalidAccessKeyId.NotFound"
    sim = FULL.simulator()
    sim.opted_out.add(ANN)
    assert send(sim).outcome == "window_closed"
    assert sim.outbox == []


def test_no_connection_is_worth_another_try_and_no_answer_is_not():
    assert send(FULL.simulator(), fault=Unreachable()).outcome == "transient"
    assert send(FULL.simulator(), fault=NoAnswer()).outcome == "unknown"
    assert ADAPTER.idempotent_send is False


def test_the_simulator_knows_one_method_only():
    sim = FULL.simulator()
    platform = SimulatedPlatform(sim)
    ADAPTER.send(REPLY, FULL.credentials(), platform)
    asked = platform.asked[0]
    other = ApiRequest("POST", "/", asked.query, {**asked.headers, "x-acs-action": "QuerySendDetails"}, b"")
    assert json.loads(sim.api(other).body)["Code"] == "InvalidAction.NotFound"


@pytest.mark.parametrize(
    "change",
    [
        {"token": "weak"},
        {"token": ""},
        {"allowed_ips": ["everyone"]},
        {"access_key_id": "LTAI4testkey"},
        {**SENDING, "template_code": "154950909"},
        {**SENDING, "template_param": "${content}"},
        {**SENDING, "access_key_id": "a,SignedHeaders=x"},
        {"tokn": TOKEN},
    ],
)
def test_credentials_that_would_weaken_a_check_are_refused(change):
    with pytest.raises(ValidationError):
        AliyunSmsCredentials.model_validate(RECEIVING | change)


# --- bad input

values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.text(), max_size=2)
NAMES = ["phone_number", "content", "send_time", "sequence_id", "dest_code", "sign_name", "biz_id", "err_code"]
items = st.dictionaries(st.sampled_from(NAMES), values | st.sampled_from([ANN, "1", "2026-11-22 16:00:00"]))


@given(method=st.sampled_from(["GET", "POST"]), query=st.text(), body=st.binary(max_size=50), address=st.text(max_size=20))
def test_verification_never_raises_and_never_accepts_an_unknown_token(method, query, body, address):
    came = RawRequest(method, "/webhooks/aliyun_sms/demo", (("token", query),), query, {}, body, address, NOW)
    assert isinstance(ADAPTER.verify(came, SMS.credentials(allowed_ips=["0.0.0.0/0"]), NOW), Rejected)


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.lists(items | values, min_size=1, max_size=5).map(lambda v: json.dumps(v).encode()))
def test_whatever_bears_the_token_is_read_or_malformed(body):
    SMS.survives(SMS.as_verified(body))


def test_depth_and_a_crowd_are_refused():
    for body in (b"[" * 100_000, b"{}", b'"x"', b"[" + b"1," * 1000 + b"1]", b""):
        assert SMS.survives(SMS.as_verified(body)) is None
    webhook = Webhook(query=urlencode({"token": TOKEN}), body=b"[]")
    assert SMS.parse(webhook).messages == ()


def test_a_message_from_the_day_before_is_still_timed():
    message = SMS.message(SMS.simulator().text(ANN, "hi", at=NOW - timedelta(days=1)))
    assert message.sent_at == NOW - timedelta(days=1)
