"""The channels `messenger`, `instagram` and `whatsapp`: what becomes of a reply."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

import pytest

from functions.channels.contract import NoAnswer, Unreachable
from infra.simulators.contract import ApiAnswer
from infra.simulators.meta.graph import refusal
from tests.fakes.channel_account import INSTAGRAM, MESSENGER, META, WHATSAPP
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

each = pytest.mark.parametrize("account", META, ids=lambda account: account.channel)
PERSON = "8613800138000"


def heard(account, **changes):
    simulator = account.simulator(**changes)
    simulator.text(PERSON, "hi")
    return simulator


@each
def test_a_reply_reaches_the_person_who_wrote(account):
    simulator = heard(account)
    result = account.send(SimulatedPlatform(simulator), PERSON)
    assert result.outcome == "sent"
    assert result.provider_id
    (delivered,) = simulator.outbox
    assert (delivered.channel, delivered.account, delivered.contact, delivered.text) == (
        account.channel,
        "demo",
        PERSON,
        "您好",
    )
    assert delivered.in_reply_to == "our-message"


@each
def test_the_token_is_in_a_header_and_never_in_the_url(account):
    platform = SimulatedPlatform(heard(account))
    account.send(platform, PERSON)
    (asked,) = platform.asked
    assert asked.headers["authorization"] == "Bearer an-access-token"
    assert "an-access-token" not in asked.path + str(asked.query)


@each
def test_an_app_that_demands_a_proof_gets_one(account):
    simulator = heard(account, appsecret_proof=True)
    assert account.send(SimulatedPlatform(simulator), PERSON).code == "100"
    platform = SimulatedPlatform(simulator)
    assert account.send(platform, PERSON, appsecret_proof=True).outcome == "sent"
    key, token = account.settings["app_secret"], account.settings["access_token"]
    assert platform.asked[0].query["appsecret_proof"] == hmac.new(key.encode(), token.encode(), hashlib.sha256).hexdigest()


@each
@pytest.mark.parametrize(
    ("answer", "outcome", "code", "retry_after"),
    [
        (refusal(400, 10, "outside", subcode=2018278), "window_closed", "10.2018278", None),
        (refusal(400, 10, "outside", subcode=2534022), "window_closed", "10.2534022", None),
        (refusal(403, 10, "permission"), "invalid", "10", None),
        (refusal(400, 131047, "Re-engagement message"), "window_closed", "131047", None),
        (refusal(401, 190, "expired", subcode=463), "auth_expired", "190.463", None),
        (refusal(400, 613, "Calls to this API have exceeded the rate limit"), "rate_limited", "613", 60.0),
        (refusal(400, 4, "Application request limit reached"), "rate_limited", "4", 60.0),
        (refusal(400, 130429, "Rate limit hit"), "rate_limited", "130429", 60.0),
        (refusal(400, 131056, "Pair rate limit hit"), "rate_limited", "131056", 6.0),
        (ApiAnswer(429, b"", {"retry-after": "7"}), "rate_limited", "429", 7.0),
        (ApiAnswer(429, b"", {"retry-after": "²"}), "rate_limited", "429", 60.0),
        (refusal(400, 1200, "Temporary send message failure"), "transient", "1200", None),
        (refusal(500, 131016, "Service unavailable"), "transient", "131016", None),
        (refusal(400, 551, "This person isn't available right now."), "invalid", "551", None),
        (refusal(400, 131026, "Message undeliverable"), "invalid", "131026", None),
        (refusal(400, 100, "No matching user found", subcode=2018001), "invalid", "100.2018001", None),
        (refusal(500, 1, "An unknown error occurred", subcode=1357046), "unknown", "1.1357046", None),
        (refusal(503, 2, "Service temporarily unavailable"), "unknown", "2", None),
        (refusal(500, 987654, "new"), "unknown", "987654", None),
        (ApiAnswer(502, b"<html>"), "unknown", "502", None),
        (ApiAnswer(404, b"<html>"), "invalid", "404", None),
        (ApiAnswer(400, b'{"error": {"code": [190], "error_subcode": []}}'), "invalid", "400", None),
        (ApiAnswer(200, b"not json"), "sent", "200", None),
        (ApiAnswer(200, b'{"message_id": [], "messages": [7]}'), "sent", "200", None),
    ],
)
def test_every_answer_of_the_vendor_has_an_outcome(account, answer, outcome, code, retry_after):
    simulator = heard(account)
    simulator.failures.append(answer)
    result = account.send(SimulatedPlatform(simulator), PERSON)
    assert (result.outcome, result.code, result.retry_after) == (outcome, code, retry_after)


@each
def test_no_connection_is_worth_another_try_and_no_answer_is_not(account):
    assert account.send(SimulatedPlatform(heard(account), fault=Unreachable()), PERSON).outcome == "transient"
    assert account.send(SimulatedPlatform(heard(account), fault=NoAnswer()), PERSON).outcome == "unknown"
    assert account.adapter.idempotent_send is False


@each
def test_the_window_closes_after_a_day(account):
    simulator = account.simulator()
    simulator.text(PERSON, "hi", at=NOW - timedelta(hours=25))
    assert account.send(SimulatedPlatform(simulator), PERSON).outcome == "window_closed"
    platform = SimulatedPlatform(heard(account))
    assert account.send(platform, PERSON, not_after=NOW - timedelta(seconds=1)).code == "too_late"
    assert platform.asked == []


@each
def test_a_receive_only_account_sends_nothing(account):
    platform = SimulatedPlatform(heard(account))
    result = account.send(platform, PERSON, access_token=None)
    assert (result.outcome, result.code, platform.asked) == ("window_closed", "receive_only", [])


@pytest.mark.parametrize(
    ("account", "fits", "too_long"),
    [
        (MESSENGER, "好" * 2000, "好" * 2001),
        (INSTAGRAM, "好" * 333 + "x", "好" * 334),
        (WHATSAPP, "好" * 4096, "好" * 4097),
    ],
    ids=lambda value: getattr(value, "channel", ""),
)
def test_the_vendors_length_is_kept_and_the_simulator_agrees(account, fits, too_long):
    platform = SimulatedPlatform(heard(account))
    assert account.send(platform, PERSON, too_long).code == "too_long"
    assert account.send(platform, PERSON, fits).outcome == "sent"
    assert len(platform.asked) == 1


@each
def test_a_stranger_is_refused_unless_strangers_are_welcome(account):
    simulator = account.simulator()
    assert account.send(SimulatedPlatform(simulator), PERSON).outcome in ("invalid", "window_closed")
    simulator.welcomes_strangers = True
    assert account.send(SimulatedPlatform(simulator), PERSON).outcome == "sent"


@each
def test_a_wrong_token_is_refused(account):
    assert (
        account.send(SimulatedPlatform(heard(account, access_token="another-access-token")), PERSON).outcome == "auth_expired"
    )


@each
def test_text_that_utf8_cannot_carry_does_not_raise(account):
    assert account.send(SimulatedPlatform(heard(account)), PERSON, "\ud800").outcome == "sent"


def test_version_and_origin_are_the_accounts():
    platform = SimulatedPlatform(heard(INSTAGRAM, graph_version="v25.0"))
    origins = []
    platform.origin = lambda default: origins.append(default) or default  # type: ignore[method-assign]
    INSTAGRAM.send(platform, PERSON, graph_version="v25.0", graph_origin="https://graph.instagram.com")
    assert origins == ["https://graph.instagram.com"]
    assert platform.asked[0].path == "/v25.0/17841405822304914/messages"


def test_messenger_says_that_it_responds():
    platform = SimulatedPlatform(heard(MESSENGER))
    MESSENGER.send(platform, PERSON)
    assert json.loads(platform.asked[0].body) == {
        "messaging_type": "RESPONSE",
        "recipient": {"id": PERSON},
        "message": {"text": "您好"},
    }


def test_a_person_without_a_number_is_answered_by_bsuid_and_one_with_a_number_by_number():
    simulator = WHATSAPP.simulator()
    bsuid = "CN.13491208655302741918"
    for number in (None, PERSON):
        if number:
            simulator.numbers[bsuid] = number
        said = WHATSAPP.message(simulator.text(bsuid, "hi"))
        platform = SimulatedPlatform(simulator)
        assert WHATSAPP.send(platform, said.contact.primary, token=said.reply.token).outcome == "sent"
        asked = json.loads(platform.asked[0].body)
        assert (asked.get("to"), asked.get("recipient")) == ((number, None) if number else (None, bsuid))
    assert [delivered.contact for delivered in simulator.outbox] == [bsuid, bsuid]
