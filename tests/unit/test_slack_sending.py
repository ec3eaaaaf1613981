"""The channel `slack`: what becomes of a reply."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from functions.channels.contract import NoAnswer, OutgoingReply, Unreachable
from functions.channels.slack import ADAPTER
from infra.simulators.contract import ApiAnswer, ApiRequest
from infra.simulators.slack import SlackSimulator, refusal
from tests.fakes.signed_webhook import Desk, secrets_kept
from tests.fakes.simulated_platform import SimulatedPlatform

TOKEN = "xoxb-a-token-of-a-test"
SLACK = Desk(ADAPTER, {"signing_secret": "8f742231b10e8888abcd99yyyzzz85a5", "bot_token": TOKEN}, SlackSimulator)
ANN = "U0ANN00001"
REPLY = OutgoingReply(message_id="m", native_id="1.2", contact=ANN, text="您好", token="D0ANN00001")


def send(sim: SlackSimulator, reply: OutgoingReply = REPLY, fault: Exception | None = None):
    return ADAPTER.send(reply, SLACK.credentials(), SimulatedPlatform(sim, fault=fault))


def test_a_reply_reaches_the_person_who_wrote():
    sim = SLACK.simulator()
    result = send(sim)
    assert result.outcome == "sent"
    assert result.provider_id
    assert [(d.contact, d.text, d.in_reply_to) for d in sim.outbox] == [(ANN, "您好", "our-message")]


@pytest.mark.parametrize(
    ("token", "channel", "thread"),
    [
        ("D0ANN00001", "D0ANN00001", None),
        ("C0HELP001/1795334400.000200", "C0HELP001", "1795334400.000200"),
        (None, ANN, None),
        ("https://elsewhere.example", ANN, None),
    ],
)
def test_the_answer_goes_where_the_question_was(token, channel, thread):
    platform = SimulatedPlatform(SLACK.simulator())
    ADAPTER.send(replace(REPLY, token=token), SLACK.credentials(), platform)
    asked = json.loads(platform.asked[0].body)
    assert (asked["channel"], asked.get("thread_ts")) == (channel, thread)


def test_a_reply_mentions_nobody_and_links_nothing():
    platform = SimulatedPlatform(SLACK.simulator())
    ADAPTER.send(replace(REPLY, text="<!channel> <@U1> a&b"), SLACK.credentials(), platform)
    asked = json.loads(platform.asked[0].body)
    assert asked["text"] == "&lt;!channel&gt; &lt;@U1&gt; a&amp;b"
    assert (asked["mrkdwn"], asked["unfurl_links"]) == (False, False)


@pytest.mark.parametrize(
    ("answer", "outcome", "code", "retry_after"),
    [
        (refusal("ratelimited", 429, retry_after=7), "rate_limited", "ratelimited", 7.0),
        (refusal("rate_limited"), "rate_limited", "rate_limited", 30.0),
        (ApiAnswer(429, b"", {"retry-after": "²"}), "rate_limited", "429", 30.0),
        (refusal("channel_not_found"), "invalid", "channel_not_found", None),
        (refusal("is_archived"), "invalid", "is_archived", None),
        (refusal("token_revoked"), "invalid", "token_revoked", None),
        (refusal("fatal_error"), "unknown", "fatal_error", None),
        (refusal("internal_error"), "unknown", "internal_error", None),
        (ApiAnswer(503, b"<html>"), "unknown", "503", None),
        (ApiAnswer(200, b"{}"), "unknown", "200", None),
        (ApiAnswer(200, b'{"ok": true, "ts": 5}'), "sent", "200", None),
        (ApiAnswer(200, b'{"ok": "true", "error": "x"}'), "invalid", "x", None),
    ],
)
def test_every_answer_of_the_api_has_an_outcome(answer, outcome, code, retry_after):
    sim = SLACK.simulator()
    sim.failures.append(answer)
    result = send(sim)
    assert (result.outcome, result.code, result.retry_after) == (outcome, code, retry_after)


def test_what_slack_would_cut_is_not_sent():
    assert send(SLACK.simulator(), replace(REPLY, text="x" * 40_000)).outcome == "sent"
    assert send(SLACK.simulator(), replace(REPLY, text="x" * 40_001)).code == "too_long"
    assert send(SLACK.simulator(), replace(REPLY, text="&" * 8_001)).code == "too_long"
    assert send(SLACK.simulator(), replace(REPLY, text="")).code == "no_text"


def test_no_connection_is_worth_another_try_and_no_answer_is_not():
    assert send(SLACK.simulator(), fault=Unreachable()).outcome == "transient"
    assert send(SLACK.simulator(), fault=NoAnswer()).outcome == "unknown"
    assert ADAPTER.idempotent_send is False


def test_the_token_is_in_a_header_and_in_no_result():
    platform = SimulatedPlatform(SLACK.simulator())
    result = ADAPTER.send(REPLY, SLACK.credentials(), platform)
    (asked,) = platform.asked
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in asked.path + asked.body.decode() + repr(SLACK.credentials())
    assert secrets_kept(result, TOKEN)


def test_without_a_token_the_channel_only_receives():
    result = ADAPTER.send(REPLY, SLACK.credentials(bot_token=None), SimulatedPlatform(SLACK.simulator()))
    assert (result.outcome, result.code) == ("window_closed", "receive_only")


def test_the_simulator_refuses_what_slack_refuses():
    sim = SLACK.simulator()
    head = {"authorization": f"Bearer {TOKEN}"}
    path = "/api/chat.postMessage"
    calls = [
        ("/api/chat.update", head, b"{}"),
        (path, {}, b"{}"),
        (path, {"authorization": "Bearer x"}, b"{}"),
        (path, head, b"["),
        (path, head, b'{"channel": "x", "text": "y"}'),
    ]
    errors = [json.loads(sim.api(ApiRequest("POST", at, {}, given, body)).body)["error"] for at, given, body in calls]
    assert errors == ["unknown_method", "not_authed", "invalid_auth", "invalid_json", "channel_not_found"]
