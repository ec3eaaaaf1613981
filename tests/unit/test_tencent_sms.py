"""The channel `tencent_sms`: an unsigned callback behind a token, messages without an id, and replies by an approved template."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.channels.contract import Ignored, NoAnswer, OutgoingReply, RawRequest, Rejected, Unreachable, Verified
from functions.channels.tencent_sms import ADAPTER, TencentSmsCredentials
from functions.common.message import ContactId, ReplyWindow
from functions.common.outbound import PlatformHttp
from infra.simulators.contract import ApiAnswer
from infra.simulators.delivery import Attempt
from infra.simulators.server import PlatformServer
from infra.simulators.tencent_sms import TencentSmsSimulator, not_sent, refusal
from tests.fakes.signed_webhook import Desk, secrets_kept
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

TOKEN = "kq3VYw7m0bRz9sXc1Ud_pL"
RECEIVING: dict[str, Any] = {"token": TOKEN}
SENDING = {
    "secret_id": "AKIDEXAMPLE0",
    "secret_key": "a-secret-of-tencent",
    "sms_sdk_app_id": "1400006666",
    "sign_name": "示例商店",
    "template_id": "1110",
    "template_param_max": 20,
}
SMS = Desk(ADAPTER, RECEIVING, TencentSmsSimulator)
FULL = Desk(ADAPTER, RECEIVING | SENDING, TencentSmsSimulator)
ANN = "+8613800138000"
SAID = {"extend": "", "mobile": "13800138000", "nationcode": "86", "sign": "示例商店", "text": "退货", "time": 1795334400}


# --- verification


@pytest.mark.parametrize("query", ["", "token=", "token=x", f"Token={TOKEN}", f"token={TOKEN[:-1]}", f"token=x&token={TOKEN}"])
def test_only_the_token_opens_the_door(query):
    assert SMS.verify(replace(SMS.simulator().text(ANN, "hi"), query=query)) == Rejected("bad_token", 403)


def test_a_forged_webhook_is_refused_and_no_stale_one_exists():
    sim = SMS.simulator()
    assert SMS.verify(sim.forged(ANN, "hi")) == Rejected("bad_token", 403)
    assert SMS.verify(replace(sim.text(ANN, "hi"), method="GET")) == Rejected("method", 403)
    assert sim.stale(ANN, "hi") is None


def test_an_address_that_is_not_listed_is_refused_even_with_the_token():
    webhook = SMS.simulator().text(ANN, "hi")
    assert SMS.verify(webhook, allowed_ips=["2001:db8::/32"]) == Rejected("address", 403)
    assert isinstance(SMS.verify(webhook, allowed_ips=["192.0.2.1"]), Verified)


# --- what a message is


def test_a_text_becomes_a_message_without_an_id_of_its_own():
    message = SMS.message(SMS.simulator().text(ANN, "退货"))
    assert (message.kind, message.text, message.native_id, message.thread_id) == ("text", "退货", None, "77")
    assert (message.sent_at, message.time_precision) == (NOW, "s")
    assert (message.contact.primary, message.contact.ids) == (ANN, (ContactId(kind="phone_e164", value=ANN),))
    assert message.reply == ReplyWindow(mode="none")
    assert FULL.message(FULL.simulator().text(ANN, "hi")).reply == ReplyWindow(mode="open")


def test_number_time_and_text_stand_for_an_id():
    sim = SMS.simulator()
    first = SMS.message(sim.webhook(SAID)).message_id
    assert SMS.message(sim.webhook(dict(reversed(SAID.items())))).message_id == first
    for change in ({"text": "换货"}, {"time": 1795334401}, {"mobile": "13900139000"}, {"nationcode": "852"}):
        assert SMS.message(sim.webhook(SAID | change)).message_id != first
    assert SMS.message(sim.webhook(SAID | {"time": "1795334400"})).message_id == first
    assert SMS.message(sim.webhook(SAID | {"sign": "another", "extend": "5"})).message_id == first


@pytest.mark.parametrize("country", ["86", "+86", 86])
def test_a_country_may_be_a_number_or_a_text(country):
    assert SMS.message(SMS.simulator().webhook(SAID | {"nationcode": country})).contact.primary == ANN


def test_a_number_abroad_keeps_its_country():
    assert SMS.message(SMS.simulator().text("+85298765432", "hi")).contact.primary == "+85298765432"


@pytest.mark.parametrize("time", [0, -1, 10**10, 4_102_444_800, "x"])
def test_an_absurd_time_is_not_believed(time):
    message = SMS.message(SMS.simulator().webhook(SAID | {"time": time}))
    assert (message.sent_at, message.time_precision) == (None, "none")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"mobile": "abc"}, "0.mobile"),
        ({"mobile": None}, "0.mobile"),
        ({"nationcode": ""}, "0.nationcode"),
        ({"time": None}, "0.time"),
    ],
)
def test_an_unreadable_field_is_an_error_that_names_its_place(change, where):
    result = SMS.parse(SMS.simulator().webhook(SAID | change))
    assert ([e.where for e in result.errors], result.messages) == ([where], ())


def test_receipts_come_as_an_array_and_are_ignored():
    assert SMS.parse(SMS.simulator().receipt("8:xx")).ignored == (Ignored("receipt", "8:xx"),)
    mixed = SMS.parse(SMS.simulator().webhook([SAID, 5, {"report_status": "FAIL", "sid": "9"}]))
    assert (len(mixed.messages), len(mixed.ignored), len(mixed.errors)) == (1, 1, 1)


def test_the_acknowledgement_is_the_vendors_own_word_for_word():
    answer = SMS.acknowledged(SMS.simulator().text(ANN, "hi"))
    assert (answer.status, answer.body) == (200, '{"result":0,"errmsg":"OK"}')
    attempt = Attempt(at=NOW, status=answer.status, body=answer.body.encode())
    assert not SMS.simulator().tried_again(attempt)
    assert SMS.simulator().tried_again(replace(attempt, body=b'{"result":1}'))


# --- sending

REPLY = OutgoingReply(message_id="conv.0.h", native_id=None, contact=ANN, text="您好，已登记")


def send(sim: TencentSmsSimulator, text: str = REPLY.text, fault: Exception | None = None, **changed: Any):
    return ADAPTER.send(replace(REPLY, text=text), FULL.credentials(**changed), SimulatedPlatform(sim, fault=fault))


def test_a_reply_fills_the_templates_variable():
    sim = FULL.simulator()
    result = send(sim)
    assert (result.outcome, result.code) == ("sent", "Ok")
    assert result.provider_id
    assert result.provider_id.startswith("5000:")
    assert [(d.contact, d.text) for d in sim.outbox] == [(ANN, REPLY.text)]


def test_without_a_template_the_channel_only_receives():
    result = ADAPTER.send(REPLY, SMS.credentials(), SimulatedPlatform(FULL.simulator()))
    assert (result.outcome, result.code) == ("window_closed", "receive_only")


def test_the_secret_stays_out_of_the_call_and_the_logs(caplog):
    caplog.set_level(logging.DEBUG)
    platform = SimulatedPlatform(FULL.simulator())
    result = ADAPTER.send(REPLY, FULL.credentials(), platform)
    assert secrets_kept(result, SENDING["secret_key"], REPLY.text, ANN)
    assert caplog.text == ""
    assert SENDING["secret_key"] not in repr(platform.asked) + repr(FULL.credentials())


def test_the_signature_survives_real_http():
    sim = FULL.simulator()
    platforms = PlatformServer([sim])
    platforms.start()
    try:
        http = PlatformHttp(channel="tencent_sms", request_id="m", override=platforms.origin, leases=None, clock=lambda: NOW)
        assert ADAPTER.send(REPLY, FULL.credentials(), http).outcome == "sent"
    finally:
        platforms.stop()
    assert [(d.text, d.in_reply_to) for d in sim.outbox] == [(REPLY.text, "m")]


@pytest.mark.parametrize(
    ("answer", "outcome", "code", "retry_after"),
    [
        (
            not_sent("LimitExceeded.PhoneNumberThirtySecondLimit"),
            "rate_limited",
            "LimitExceeded.PhoneNumberThirtySecondLimit",
            30.0,
        ),
        (not_sent("LimitExceeded.PhoneNumberOneHourLimit"), "rate_limited", "LimitExceeded.PhoneNumberOneHourLimit", 3600.0),
        (refusal("RequestLimitExceeded"), "rate_limited", "RequestLimitExceeded", 1.0),
        (not_sent("LimitExceeded.PhoneNumberDailyLimit"), "window_closed", "LimitExceeded.PhoneNumberDailyLimit", None),
        (not_sent("FailedOperation.PhoneNumberInBlacklist"), "window_closed", "FailedOperation.PhoneNumberInBlacklist", None),
        (not_sent("InvalidParameterValue.IncorrectPhoneNumber"), "invalid", "InvalidParameterValue.IncorrectPhoneNumber", None),
        (refusal("AuthFailure.SignatureFailure"), "invalid", "AuthFailure.SignatureFailure", None),
        (refusal("InternalError.Timeout"), "unknown", "InternalError.Timeout", None),
        (ApiAnswer(503, b"<html>"), "unknown", "503", None),
        (ApiAnswer(429, b""), "rate_limited", "429", 60.0),
        (ApiAnswer(200, b'{"Response": 5}'), "unknown", "200", None),
    ],
)
def test_every_answer_of_the_vendor_has_an_outcome(answer, outcome, code, retry_after):
    sim = FULL.simulator()
    sim.failures.append(answer)
    result = send(sim)
    assert (result.outcome, result.code, result.retry_after) == (outcome, code, retry_after)


def test_the_vendors_refusals_are_met():
    assert send(FULL.simulator(), "好" * 21).code == "too_long"
    assert send(FULL.simulator(template_param_max=6), "好" * 7).code == "InvalidParameterValue.TemplateParameterLengthLimit"
    assert send(FULL.simulator(), template_id="2").code == "FailedOperation.TemplateIncorrectOrUnapproved"
    assert send(FULL.simulator(), sms_sdk_app_id="1400000000").code == "UnauthorizedOperation.SmsSdkAppIdVerifyFail"
    assert send(FULL.simulator(), secret_key="another-secret").code == "AuthFailure.SignatureFailure"
    assert send(FULL.simulator(), secret_id="AKIDANOTHER0").code == "AuthFailure.SecretIdNotFound"
    sim = FULL.simulator()
    sim.opted_out.add(ANN)
    assert send(sim).outcome == "window_closed"
    assert sim.outbox == []


def test_no_connection_is_worth_another_try_and_no_answer_is_not():
    assert send(FULL.simulator(), fault=Unreachable()).outcome == "transient"
    assert send(FULL.simulator(), fault=NoAnswer()).outcome == "unknown"
    assert ADAPTER.idempotent_send is False


def test_unless_agreed_otherwise_six_characters_are_all_that_fits():
    assert TencentSmsCredentials.model_validate(RECEIVING).template_param_max == 6


@pytest.mark.parametrize(
    "change",
    [
        {"token": "weak"},
        {"secret_id": "AKIDEXAMPLE0"},
        {**SENDING, "secret_id": "AKID/x, SignedHeaders"},
        {**SENDING, "region": "ap guangzhou"},
        {**SENDING, "template_id": "{1}"},
        {"tokn": TOKEN},
    ],
)
def test_credentials_that_would_weaken_a_check_are_refused(change):
    with pytest.raises(ValidationError):
        TencentSmsCredentials.model_validate(RECEIVING | change)


# --- bad input

values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.text(), max_size=2)
NAMES = ["mobile", "nationcode", "text", "time", "extend", "sign", "report_status", "sid"]
items = st.dictionaries(st.sampled_from(NAMES), values | st.sampled_from(["13800138000", "86", 1795334400]))


@given(method=st.sampled_from(["GET", "POST"]), query=st.text(), body=st.binary(max_size=50), address=st.text(max_size=20))
def test_verification_never_raises_and_never_accepts_an_unknown_token(method, query, body, address):
    came = RawRequest(method, "/webhooks/tencent_sms/demo", (("token", query),), query, {}, body, address, NOW)
    assert isinstance(ADAPTER.verify(came, SMS.credentials(), NOW), Rejected)


@settings(max_examples=300)
@given(
    st.binary(max_size=60) | (items | st.lists(items | values, min_size=1, max_size=4)).map(lambda v: json.dumps(v).encode())
)
def test_whatever_bears_the_token_is_read_or_malformed(body):
    SMS.survives(SMS.as_verified(body))


def test_depth_and_a_crowd_are_refused():
    for body in (b"[" * 100_000, b'"x"', b"7", b"[" + b"1," * 1000 + b"1]", b""):
        assert SMS.survives(SMS.as_verified(body)) is None
