"""The channel `twilio`: what becomes of a reply, and what its account must look like."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from functions.channels.contract import NoAnswer, OutgoingReply, Unreachable, Verified
from functions.channels.twilio import ADAPTER, TwilioCredentials
from infra.simulators.contract import ApiAnswer
from infra.simulators.delivery import Attempt
from infra.simulators.twilio import refusal
from tests.fakes.simulated_platform import NOW, SimulatedPlatform
from tests.fakes.twilio_account import (
    CREDENTIALS,
    PATH,
    PUBLIC,
    SETTINGS,
    SMS,
    WHATSAPP,
    request,
    simulator,
    verify,
)

REPLY = OutgoingReply(message_id="aaaaaaaaaaaaaaaa.0000000000000.bbbbbbbbbb", native_id="SM1", contact=SMS, text="您好")


def send(twilio, contact=SMS, text="您好", fault=None):
    return ADAPTER.send(replace(REPLY, contact=contact, text=text), CREDENTIALS, SimulatedPlatform(twilio, fault=fault))


@pytest.mark.parametrize("contact", [SMS, WHATSAPP])
def test_a_reply_reaches_the_person_who_wrote(contact):
    twilio = simulator()
    result = send(twilio, contact)
    assert result.outcome == "sent"
    assert result.provider_id
    assert result.provider_id.startswith("SM")
    (delivered,) = twilio.outbox
    assert (delivered.channel, delivered.account, delivered.contact, delivered.text) == ("twilio", "demo", contact, "您好")
    assert delivered.in_reply_to == "our-message"


@pytest.mark.parametrize(
    ("answer", "outcome", "code", "retry_after"),
    [
        (refusal(429, 20429, "Too Many Requests", retry_after=7), "rate_limited", "20429", 7.0),
        (refusal(429, 20429, "Too Many Requests"), "rate_limited", "20429", 5.0),
        (ApiAnswer(429, b"", {"retry-after": "²"}), "rate_limited", "429", 5.0),
        (refusal(400, 21611, "Queue full"), "rate_limited", "21611", 5.0),
        (refusal(400, 21610, "Unsubscribed"), "window_closed", "21610", None),
        (refusal(400, 63016, "Outside the window"), "window_closed", "63016", None),
        (refusal(400, 21211, "Invalid To"), "invalid", "21211", None),
        (refusal(400, 21614, "Not a mobile number"), "invalid", "21614", None),
        (refusal(400, 21617, "Too long"), "invalid", "21617", None),
        (refusal(401, 20003, "Authenticate"), "invalid", "20003", None),
        (refusal(500, 20500, "Internal"), "unknown", "20500", None),
        (ApiAnswer(503, b"<html>"), "unknown", "503", None),
        (ApiAnswer(302, b""), "unknown", "302", None),
        (ApiAnswer(201, b"not json"), "sent", "201", None),
        (ApiAnswer(201, b'{"sid": 5}'), "sent", "201", None),
    ],
)
def test_every_answer_of_the_vendor_has_an_outcome(answer, outcome, code, retry_after):
    twilio = simulator()
    twilio.failures.append(answer)
    result = send(twilio)
    assert (result.outcome, result.code, result.retry_after) == (outcome, code, retry_after)


def test_no_connection_is_worth_another_try_and_no_answer_is_not():
    assert send(simulator(), fault=Unreachable()).outcome == "transient"
    assert send(simulator(), fault=NoAnswer()).outcome == "unknown"
    assert ADAPTER.idempotent_send is False


@pytest.mark.parametrize(
    ("contact", "text", "code"),
    [(SMS, "x" * 1601, "21617"), ("0", "hi", "21211"), (SMS, "", "21602"), ("", "hi", "21604")],
)
def test_the_simulator_refuses_what_twilio_refuses(contact, text, code, monkeypatch):
    monkeypatch.setattr(ADAPTER, "max_text", 10_000)  # which the channel itself would not let through
    twilio = simulator()
    assert send(twilio, contact, text).code == code
    assert twilio.outbox == []


def test_a_number_that_texted_stop_is_blocked_until_it_texts_start():
    twilio = simulator()
    twilio.text(SMS, " stop ")
    assert send(twilio).code == "21610"
    assert send(twilio, WHATSAPP).outcome == "sent"
    twilio.text(SMS, "START")
    assert send(twilio).outcome == "sent"


def test_whatsapps_window_closes_after_a_day():
    twilio = simulator()
    twilio.text(WHATSAPP, "hi", at=NOW - timedelta(hours=25))
    assert send(twilio, WHATSAPP).code == "63016"
    twilio.text(WHATSAPP, "hi")
    assert send(twilio, WHATSAPP).outcome == "sent"


def test_a_wrong_password_is_refused_for_good():
    assert send(simulator(auth_token="another-auth-token")).code == "20003"


def test_text_that_utf8_cannot_carry_does_not_raise():
    assert send(simulator(), text="\ud800").outcome == "sent"


def test_from_is_read_by_its_vendor_name():
    assert CREDENTIALS.number == "+15005550006"
    assert TwilioCredentials.model_validate(SETTINGS | {"from": "whatsapp:+15005550006"}).number == "+15005550006"


@pytest.mark.parametrize(
    "change",
    [
        {"auth_token": ""},
        {"shared_key": ""},
        {"public_url": "postroom.example"},
        {"public_url": "https:///webhooks"},
        {"from": "Postroom"},
        {"account_sid": "AC1/../AC2"},
        {"auth_tokn": "x" * 32},
    ],
)
def test_credentials_that_would_weaken_a_check_are_refused(change):
    with pytest.raises(ValidationError):
        TwilioCredentials.model_validate(SETTINGS | change)


def test_by_default_twilio_tries_again_only_when_it_could_not_connect():
    twilio = simulator()
    assert (twilio.patience.timeout, len(twilio.patience.waits)) == (15.0, 1)
    assert twilio.tried_again(Attempt(at=NOW, fault="connect"))
    assert not twilio.tried_again(Attempt(at=NOW, status=503))
    assert not twilio.tried_again(Attempt(at=NOW, status=200))


def test_the_urls_fragment_changes_the_retry_policy():
    twilio = simulator(public_url=PUBLIC + PATH + "#rc=3&rp=5xx,rt&rt=2000")
    assert (twilio.patience.timeout, len(twilio.patience.waits)) == (2.0, 3)
    assert [twilio.tried_again(Attempt(at=NOW, status=status)) for status in (503, 403)] == [True, False]
    assert isinstance(verify(request(twilio.text(SMS, "hi")), public_url=PUBLIC + PATH + "#rc=3"), Verified)


def test_the_password_is_sent_as_basic_authentication_and_not_in_the_url():
    platform = SimulatedPlatform(simulator())
    assert ADAPTER.send(REPLY, CREDENTIALS, platform).outcome == "sent"
    (asked,) = platform.asked
    assert SETTINGS["auth_token"] not in asked.path
    pair = b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == f"{SETTINGS['account_sid']}:{SETTINGS['auth_token']}"
