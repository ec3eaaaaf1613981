"""The channel `line`: by which way a reply goes, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from functions.channels.contract import NoAnswer, Unreachable
from functions.common import keys
from infra.simulators.contract import ApiAnswer
from infra.simulators.line import refusal
from tests.fakes.channel_account import LINE
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

ANN = "U" + "a" * 32
REPLY, PUSH = "/v2/bot/message/reply", "/v2/bot/message/push"


def asked(platform):
    return [call.path for call in platform.asked]


def answer_to(simulator, *, age=timedelta(0), **changes):
    """Send an answer to a message of that age: (result, calls)."""
    said = LINE.message(simulator.text(ANN, "hi", at=NOW - age))
    platform = SimulatedPlatform(simulator)
    result = LINE.send(platform, ANN, message_id=said.message_id, token=said.reply.token, **changes)
    return result, platform


def test_a_fresh_message_is_answered_by_its_token_and_costs_no_quota():
    simulator = LINE.simulator()
    result, platform = answer_to(simulator)
    assert (result.outcome, asked(platform), simulator.quota) == ("sent", [REPLY], 200)
    (delivered,) = simulator.outbox
    assert (delivered.contact, delivered.text, delivered.in_reply_to) == (ANN, "您好", "our-message")
    assert "x-line-retry-key" not in platform.asked[0].headers


def test_an_older_message_is_answered_by_push():
    simulator = LINE.simulator()
    result, platform = answer_to(simulator, age=timedelta(minutes=5))
    assert (result.outcome, asked(platform), simulator.quota) == ("sent", [PUSH], 199)
    assert simulator.outbox[0].contact == ANN


def test_a_token_that_was_used_is_followed_by_push():
    simulator = LINE.simulator()
    said = LINE.message(simulator.text(ANN, "hi"))
    platform = SimulatedPlatform(simulator)
    for _ in range(2):
        assert LINE.send(platform, ANN, message_id=said.message_id, token=said.reply.token).outcome == "sent"
    assert asked(platform) == [REPLY, REPLY, PUSH]


def test_without_push_a_used_token_closes_the_window():
    simulator = LINE.simulator()
    result, platform = answer_to(simulator, age=timedelta(minutes=5), push=False)
    assert (result.outcome, result.code, asked(platform)) == ("window_closed", "invalid_reply_token", [REPLY])
    assert LINE.send(platform, ANN, push=False).outcome == "window_closed"


def test_a_reply_whose_outcome_is_unknown_is_not_pushed_after_it():
    simulator = LINE.simulator()
    simulator.failures.append(ApiAnswer(500, b"{}"))
    result, platform = answer_to(simulator)
    assert (result.outcome, asked(platform)) == ("unknown", [REPLY])
    assert LINE.adapter.idempotent_send is False


def test_a_push_whose_outcome_is_unknown_is_asked_again_under_the_same_key():
    simulator = LINE.simulator()
    simulator.failures.append(ApiAnswer(500, b"{}"))
    result, platform = answer_to(simulator, age=timedelta(hours=1))
    first, second = (call.headers["x-line-retry-key"] for call in platform.asked)
    assert (result.outcome, first == second, len(simulator.outbox)) == ("sent", True, 1)
    again = LINE.send(platform, ANN, message_id=LINE.message(simulator.text(ANN, "hi")).message_id)
    assert again.outcome == "sent"
    assert platform.asked[-1].headers["x-line-retry-key"] != first


def test_a_push_that_had_been_taken_is_a_duplicate():
    simulator = LINE.simulator()
    simulator.text(ANN, "hi")
    platform = SimulatedPlatform(simulator)
    assert [LINE.send(platform, ANN).outcome for _ in range(2)] == ["sent", "duplicate"]
    assert len(simulator.outbox) == 1


@pytest.mark.parametrize(
    ("answer", "outcome", "code", "retry_after"),
    [
        (refusal(429, "You have reached your monthly limit."), "window_closed", "monthly_limit", None),
        (refusal(429, "The API rate limit has been exceeded."), "rate_limited", "429", 5.0),
        (refusal(429, "x", {"retry-after": "9"}), "rate_limited", "429", 9.0),
        (refusal(401, "Authentication failed"), "auth_expired", "401", None),
        (refusal(403, "Access to this API is not available for your account"), "invalid", "403", None),
        (refusal(400, "Failed to send messages"), "invalid", "400", None),
        (ApiAnswer(400, b"[]"), "invalid", "400", None),
        (ApiAnswer(200, b"not json"), "sent", "200", None),
        (ApiAnswer(200, b'{"sentMessages": [{"id": 5}]}'), "sent", "200", None),
        (ApiAnswer(302, b""), "unknown", "302", None),
    ],
)
def test_every_answer_of_the_vendor_has_an_outcome(answer, outcome, code, retry_after):
    simulator = LINE.simulator()
    simulator.failures.extend([answer, answer])
    result, _ = answer_to(simulator, age=timedelta(hours=1))
    assert (result.outcome, result.code, result.retry_after) == (outcome, code, retry_after)


def test_the_simulators_quota_ends():
    simulator = LINE.simulator()
    simulator.quota = 1
    assert answer_to(simulator, age=timedelta(hours=1))[0].outcome == "sent"
    assert answer_to(simulator, age=timedelta(hours=2))[0].code == "monthly_limit"
    assert answer_to(simulator)[0].outcome == "sent"


def test_no_connection_is_worth_another_try_and_no_answer_is_not():
    simulator = LINE.simulator()
    assert LINE.send(SimulatedPlatform(simulator, fault=Unreachable()), ANN).outcome == "transient"
    silent = SimulatedPlatform(simulator, fault=NoAnswer())
    assert (LINE.send(silent, ANN).outcome, asked(silent)) == ("unknown", [PUSH, PUSH])


def test_the_vendors_length_is_counted_in_utf16_and_the_simulator_agrees():
    simulator = LINE.simulator()
    simulator.text(ANN, "hi")
    platform = SimulatedPlatform(simulator)
    assert LINE.send(platform, ANN, "😀" * 2501).code == "too_long"
    assert LINE.send(platform, ANN, "好" * 5001).code == "too_long"
    assert LINE.send(platform, ANN, "😀" * 2500, message_id="m-2").outcome == "sent"


def test_a_stateless_token_is_fetched_where_there_is_no_lasting_one():
    changes = {"channel_access_token": None, "channel_id": "2000000001"}
    simulator = LINE.simulator(**changes)
    result, platform = answer_to(simulator, **changes)
    assert (result.outcome, asked(platform)) == ("sent", ["/oauth2/v3/token", REPLY])
    assert LINE.settings["channel_secret"] not in platform.asked[0].path + str(platform.asked[0].query)


def test_a_wrong_channel_id_is_the_settings_fault():
    simulator = LINE.simulator(channel_access_token=None, channel_id="2000000001")
    platform = SimulatedPlatform(simulator)
    result = LINE.send(platform, ANN, channel_access_token=None, channel_id="3")
    assert (result.outcome, result.code, asked(platform)) == ("invalid", "token_400", ["/oauth2/v3/token"])


def test_a_receive_only_channel_sends_nothing_and_a_late_reply_is_not_sent():
    platform = SimulatedPlatform(LINE.simulator())
    assert LINE.send(platform, ANN, channel_access_token=None).code == "receive_only"
    assert LINE.send(platform, ANN, not_after=NOW - timedelta(seconds=1)).code == "too_late"
    assert platform.asked == []


def test_a_token_of_unknown_age_is_left_alone():
    simulator = LINE.simulator()
    simulator.text(ANN, "hi")
    timeless = keys.message_id("line", "demo", ANN, None, "1")
    platform = SimulatedPlatform(simulator)
    for message_id in (timeless, "not-an-id"):
        assert LINE.send(platform, ANN, message_id=message_id, token="t").outcome == "sent"
    assert asked(platform) == [PUSH, PUSH]


def test_a_message_signed_by_hand_is_answered_where_strangers_are_welcome():
    simulator = LINE.simulator()
    platform = SimulatedPlatform(simulator)
    assert LINE.send(platform, ANN, token="by-hand").code == "400"
    simulator.welcomes_strangers = True
    fresh = keys.message_id("line", "demo", ANN, NOW, "1")
    assert LINE.send(platform, ANN, token="by-hand", message_id=fresh).outcome == "sent"
    assert simulator.outbox[0].contact == ANN
