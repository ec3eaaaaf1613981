"""The channel `slack`: signatures, the console's check, events in three encodings, and what is no message of a person."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from slack_sdk.signature import Clock, SignatureVerifier

from functions.channels.contract import Ignored, RawRequest, Rejected, Verified
from functions.channels.slack import ADAPTER, SlackCredentials
from functions.common.clock import from_ms
from functions.common.message import Attachment, ContactId, Interactive, ReplyTo, ReplyWindow
from infra.simulators.contract import Webhook
from infra.simulators.slack import BOT_USER, TEAM, SlackSimulator
from tests.fakes.signed_webhook import Desk
from tests.fakes.simulated_platform import NOW

VECTORS = Path(__file__).parents[2] / "../shared/vectors/signatures.json"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SETTINGS: dict[str, Any] = {"signing_secret": SECRET, "bot_token": "xoxb-a-token-of-a-test"}
SLACK = Desk(ADAPTER, SETTINGS, SlackSimulator)
ANN = "U0ANN00001"
TS = "1795334400.000200"


class Fixed(Clock):
    def now(self) -> float:
        return NOW.timestamp()


def by_sdk(body: bytes, timestamp: str | None = None) -> Webhook:
    """A webhook that Slack's own library signed."""
    timestamp = timestamp or str(int(NOW.timestamp()))
    signature = SignatureVerifier(SECRET).generate_signature(timestamp=timestamp, body=body)
    return Webhook(headers={"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": str(signature)}, body=body)


def said(fields: dict[str, Any], **more: Any):
    return SLACK.message(SLACK.simulator().message(ANN, fields, native_id=TS, **more))


# --- verification


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared signature vectors are not beside this repository")
def test_the_published_vector_is_accepted_as_a_command():
    (vector,) = [v for v in json.loads(VECTORS.read_text("utf-8")) if v["channel"] == "slack"]
    given_ = vector["given"]
    headers = {"x-slack-request-timestamp": given_["timestamp"], "x-slack-signature": vector["expect"]["signature"]}
    webhook, then = Webhook(headers=headers, body=given_["body"].encode()), from_ms(int(given_["timestamp"]) * 1000)
    verified = ADAPTER.verify(SLACK.request(webhook), SLACK.credentials(signing_secret=given_["signing_secret"]), then)
    assert isinstance(verified, Verified)
    (message,) = ADAPTER.parse(ADAPTER.decode(verified, "demo")).messages
    assert (message.contact.primary, message.contact.name) == ("U2CERLKJA", "roadrunner")
    assert message.interactive == Interactive(type="menu", id="/webhook-collect", title="/webhook-collect")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_what_the_sdk_signs_is_accepted_and_what_the_simulator_signs_the_sdk_accepts(text):
    body = text.encode()
    assert isinstance(SLACK.verify(by_sdk(body)), Verified)
    webhook = SLACK.simulator().webhook(body)
    assert SignatureVerifier(SECRET, Fixed()).is_valid_request(body, dict(webhook.headers))


def test_a_changed_body_and_a_forged_signature_are_refused():
    webhook = SLACK.simulator().text(ANN, "hi")
    assert SLACK.verify(replace(webhook, body=webhook.body + b" ")) == Rejected("bad_signature")
    assert SLACK.verify(SLACK.simulator().forged(ANN, "hi")) == Rejected("bad_signature")
    assert SLACK.verify(replace(webhook, method="GET")) == Rejected("method")


@pytest.mark.parametrize("missing", ["x-slack-signature", "x-slack-request-timestamp"])
def test_a_missing_header_is_refused(missing):
    webhook = SLACK.simulator().text(ANN, "hi")
    kept = {name: value for name, value in webhook.headers.items() if name != missing}
    assert SLACK.verify(replace(webhook, headers=kept)) == Rejected("no_signature")


@pytest.mark.parametrize("signature", ["v0=é", "v0=", "v1=abc", "\udce9", "x" * 5000, "v0"])
def test_a_strange_signature_is_refused_without_a_fault(signature):
    webhook = SLACK.simulator().text(ANN, "hi")
    assert SLACK.verify(replace(webhook, headers={**webhook.headers, "x-slack-signature": signature})) == Rejected(
        "bad_signature"
    )


@pytest.mark.parametrize("timestamp", ["abc", "1e9", "²", "-1", "1795334400.5", "9" * 40, "\udce9", " 1795334400"])
def test_a_strange_time_is_refused_though_it_is_signed(timestamp):
    from functions.channels.codecs.hmac_raw_body import signature

    signed = signature(SECRET, f"v0:{timestamp}:".encode("utf-8", "surrogatepass") + b"{}", prefix="v0=")
    webhook = Webhook(headers={"x-slack-request-timestamp": timestamp, "x-slack-signature": signed}, body=b"{}")
    assert SLACK.verify(webhook) == Rejected("stale")


@pytest.mark.parametrize(("seconds", "fresh"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_five_minutes_either_way_are_the_vendors_tolerance(seconds, fresh):
    webhook = SLACK.simulator().text(ANN, "hi", at=NOW + timedelta(seconds=seconds))
    assert isinstance(SLACK.verify(webhook), Verified) is fresh
    assert SLACK.verify(SLACK.simulator().stale(ANN, "hi")) == Rejected("stale")


# --- the console's check


def test_the_challenge_is_answered_after_the_signature_only():
    webhook = SLACK.simulator().handshake("abc")
    answer = SLACK.greeting(webhook)
    assert answer is not None
    assert (answer.status, answer.body.encode()) == (200, SLACK.simulator().handshake_answer(webhook))
    assert json.loads(answer.body) == {"challenge": "abc"}
    assert SLACK.verify(replace(webhook, headers={})) == Rejected("no_signature")
    assert SLACK.greeting(SLACK.simulator().text(ANN, "hi")) is None


@pytest.mark.parametrize("challenge", ["", None, 7, "x" * 1001])
def test_a_challenge_that_is_none_is_malformed(challenge):
    webhook = SLACK.simulator().webhook({"type": "url_verification", "challenge": challenge})
    assert SLACK.survives(SLACK.verified(webhook)) is None


# --- messages


def test_a_direct_message_becomes_a_message():
    message = said({"text": "发票 &amp; 物流 &lt;急&gt;"})
    assert (message.kind, message.text, message.native_id) == ("text", "发票 & 物流 <急>", TS)
    assert (message.sent_at, message.time_precision) == (NOW, "ms")
    assert (message.contact.primary, message.contact.ids) == (ANN, (ContactId(kind="user_id", value=ANN, scope=TEAM),))
    assert (message.conversation_kind, message.reply) == ("dm", ReplyWindow(mode="open", token="D0ANN00001"))
    assert (message.verification.body_signed, message.verification.timestamped) == (True, True)


def test_a_message_that_mentions_us_is_one_though_it_comes_as_two_events():
    sim = SLACK.simulator()
    fields = {"text": f"<@{BOT_USER}> 请问 <@U123ABC|ann>"}
    one = SLACK.message(sim.message(ANN, fields, native_id=TS, channel="C0HELP001", channel_type="channel"))
    other = SLACK.message(
        sim.message(ANN, {**fields, "type": "app_mention"}, native_id=TS, channel="C0HELP001", channel_type="")
    )
    assert one.message_id == other.message_id
    assert one.mentions == (BOT_USER, "U123ABC")
    assert (one.conversation_kind, one.reply.token) == ("channel", f"C0HELP001/{TS}")


def test_the_same_time_in_two_channels_is_two_messages():
    sim = SLACK.simulator()
    ids = {
        SLACK.message(sim.message(ANN, {"text": "hi"}, native_id=TS, channel=c)).message_id for c in ("C0HELP001", "C0HELP002")
    }
    assert len(ids) == 2


def test_a_thread_is_kept_and_answered():
    message = said({"text": "还是不行", "thread_ts": "1795334000.000100"}, channel="C0HELP001", channel_type="channel")
    assert (message.thread_id, message.reply_to) == ("1795334000.000100", ReplyTo(native_id="1795334000.000100"))
    assert message.reply.token == "C0HELP001/1795334000.000100"


def test_a_redelivery_says_so_and_has_the_same_id():
    webhook = SLACK.simulator().text(ANN, "hi", native_id=TS)
    again = replace(webhook, headers={**webhook.headers, "x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout"})
    assert SLACK.message(again).is_redelivery
    assert not SLACK.message(webhook).is_redelivery
    assert SLACK.message(again).message_id == SLACK.message(webhook).message_id
    later = SLACK.simulator().signed_anew(webhook, NOW + timedelta(minutes=4))
    assert SLACK.message(later).message_id == SLACK.message(webhook).message_id


def test_files_are_recorded():
    file = {
        "id": "F1",
        "name": "图.png",
        "mimetype": "image/png",
        "size": 9,
        "url_private": "https://files.slack.com/f",
        "original_w": 4,
    }
    message = said({"text": "", "files": [file], "subtype": "file_share"})
    assert message.kind == "image"
    assert message.attachments == (
        Attachment(
            kind="image", media_id="F1", url="https://files.slack.com/f", mime="image/png", size=9, filename="图.png", width=4
        ),
    )
    assert said({"text": "坏了", "files": [file], "subtype": "file_share"}).kind == "mixed"


def test_a_message_of_blocks_alone_is_unsupported_and_named():
    message = SLACK.message(SLACK.simulator().unknown(ANN))
    assert (message.kind, message.raw_kind) == ("unsupported", "hologram")
    assert said({}).raw_kind == "empty"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"text": "x", "bot_id": "B1"}, "bot"),
        ({"text": "x", "subtype": "bot_message"}, "bot"),
        ({"text": "x", "user": BOT_USER}, "echo"),
        ({"subtype": "message_changed", "hidden": True}, "message_changed"),
        ({"subtype": "message_deleted"}, "message_deleted"),
        ({"subtype": "channel_join"}, "channel_join"),
        ({"subtype": ["x"]}, "unnamed"),
        ({"type": "reaction_added"}, "reaction_added"),
    ],
)
def test_what_no_person_wrote_is_ignored(fields, kind):
    assert SLACK.parse(SLACK.simulator().message(ANN, fields, native_id=TS)).ignored == (Ignored(kind, "Ev1795334400000200"),)


def test_our_own_message_is_not_heard():
    assert [i.kind for i in SLACK.parse(SLACK.simulator().echo(ANN, "您好")).ignored] in (["echo"], ["bot"])


def test_a_message_without_a_person_is_an_error_that_names_the_place():
    result = SLACK.parse(SLACK.simulator().message(ANN, {"text": "x", "user": None}))
    assert [(e.reason, e.where) for e in result.errors] == [("missing", "event.id")]


@pytest.mark.parametrize("ts", ["1", "x", "4102444800.000100", "1.2.3", ""])
def test_an_absurd_time_is_not_believed(ts):
    result = SLACK.parse(SLACK.simulator().message(ANN, {"text": "x", "ts": ts}))
    assert [m.sent_at for m in result.messages] in ([None], [])


# --- interactions


def test_a_tap_on_a_button_is_interactive():
    message = SLACK.message(SLACK.simulator().tap(ANN, "confirm-1", action_ts=TS))
    assert message.interactive == Interactive(type="button", id="choose", title="确认", payload="confirm-1")
    assert (message.kind, message.sent_at, message.contact.primary) == ("interactive", NOW, ANN)
    assert message.reply_to == ReplyTo(native_id="1795334000.000100")
    assert message.reply.token == "D0ANN00001/1795334000.000100"


def test_a_choice_from_a_list_has_its_label():
    option = {"text": {"type": "plain_text", "text": "退款"}, "value": "refund"}
    message = SLACK.message(SLACK.simulator().tap(ANN, "", type="static_select", selected_option=option))
    assert message.interactive == Interactive(type="list", id="choose", title="退款", payload="refund")


def test_one_bad_action_spares_its_sibling():
    good = {"type": "button", "action_id": "a", "action_ts": TS}
    result = SLACK.parse(SLACK.simulator().interaction(ANN, {"type": "block_actions", "actions": [{}, good]}))
    assert (len(result.messages), [e.where for e in result.errors]) == (1, ["0.action_ts"])


def test_a_form_is_read_with_what_was_typed():
    values = {"b1": {"f1": {"type": "plain_text_input", "value": "张三"}}, "b2": {"f2": {"value": "坏了"}}, "b3": 5}
    view = {"id": "V1", "hash": "1.abc", "callback_id": "repair", "state": {"values": values}}
    message = SLACK.message(SLACK.simulator().interaction(ANN, {"type": "view_submission", "view": view}))
    assert (message.text, message.sent_at) == ("张三\n坏了", None)
    assert message.interactive is not None
    assert (message.interactive.type, message.interactive.id) == ("form", "repair")
    assert json.loads(message.interactive.payload or "")["b1"]["f1"]["value"] == "张三"


def test_a_shortcut_and_a_command_are_menus():
    sim = SLACK.simulator()
    shortcut = SLACK.message(
        sim.interaction(ANN, {"type": "message_action", "callback_id": "ask", "action_ts": TS, "message_ts": TS})
    )
    assert (shortcut.interactive, shortcut.reply_to) == (
        Interactive(type="menu", id="ask", title="ask", payload="ask"),
        ReplyTo(native_id=TS),
    )
    command = SLACK.message(sim.command(ANN, "发票 怎么开", native_id="t.1"))
    assert command.interactive == Interactive(type="menu", id="/help", title="/help", payload="发票 怎么开")
    assert (command.text, command.reply) == ("发票 怎么开", ReplyWindow(mode="open"))
    assert command.message_id == SLACK.message(sim.command(ANN, "x", native_id="t.1")).message_id


@pytest.mark.parametrize(
    "fields", [{"type": "view_closed"}, {"type": "block_suggestion"}, {"type": "x y"}, {"type": "block_actions"}]
)
def test_interactions_that_want_no_answer_are_ignored(fields):
    (ignored,) = SLACK.parse(SLACK.simulator().interaction(ANN, fields)).ignored
    assert ignored.kind == (fields["type"] if " " not in fields["type"] else "unnamed")


def test_the_check_of_our_certificate_is_ignored():
    assert SLACK.parse(SLACK.simulator().form({"ssl_check": "1", "token": "x"})).ignored == (Ignored("ssl_check"),)


def test_the_acknowledgement_is_empty():
    for webhook in (SLACK.simulator().text(ANN, "hi"), SLACK.simulator().command(ANN, "hi"), SLACK.simulator().tap(ANN, "x")):
        assert (SLACK.acknowledged(webhook).status, SLACK.acknowledged(webhook).body) == (200, "")


def test_without_a_token_nothing_may_be_answered():
    webhook = SLACK.simulator().text(ANN, "hi")
    assert SLACK.message(webhook, bot_token=None).reply == ReplyWindow(mode="none")


@pytest.mark.parametrize(
    "change", [{"signing_secret": "short"}, {"bot_token": "xoxb-"}, {"bot_token": "xoxb-aaaaaaaa\r\nX: y"}, {"token": "x"}]
)
def test_credentials_that_would_weaken_a_check_are_refused(change):
    with pytest.raises(ValidationError):
        SlackCredentials.model_validate(SETTINGS | change)


# --- bad input

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "text", "value"]) | st.text(), inner, max_size=4)
    ),
    max_leaves=10,
)
NAMES = ["type", "subtype", "user", "ts", "channel", "channel_type", "text", "files", "thread_ts", "team", "blocks", "bot_id"]
TAPS = ["user", "team", "channel", "container", "actions", "view", "callback_id", "action_ts", "message_ts"]


@given(method=st.sampled_from(["GET", "POST"]), timestamp=st.text(), signature=st.text(), body=st.binary(max_size=50))
def test_verification_never_raises_and_never_accepts_an_unsigned_request(method, timestamp, signature, body):
    headers = {"x-slack-request-timestamp": timestamp, "x-slack-signature": signature}
    came = RawRequest(method, "/webhooks/slack/demo", (), "", headers, body, "192.0.2.1", NOW)
    assert isinstance(ADAPTER.verify(came, SLACK.credentials(), NOW), Rejected)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(NAMES), json_values, max_size=8), json_values)
def test_an_absurd_event_is_read_or_is_an_error(event, grants):
    event = {"type": "message", "user": ANN, "ts": TS, "channel": "D1", **event}
    body = json.dumps({"type": "event_callback", "event": event, "authorizations": grants, "team_id": grants}).encode()
    assert SLACK.survives(SLACK.as_verified(body)) is not None


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(TAPS), json_values, max_size=8),
    st.sampled_from(["block_actions", "shortcut", "message_action", "view_submission", "x"]),
)
def test_an_absurd_interaction_is_read_or_is_an_error(fields, kind):
    webhook = SLACK.simulator().form({"payload": json.dumps({"user": {"id": ANN}, **fields, "type": kind})})
    assert SLACK.survives(SLACK.verified(webhook)) is not None


ODDITIES = [
    b"",
    b"{",
    b"[]",
    b"payload=",
    b"payload=[]",
    b"command=x",
    b"{" + b'"a":[' * 50_000,
    b'{"type":"event_callback"}',
    b"\xff",
]
in_a_form = st.text(max_size=50).map(lambda text: b"payload=" + text.encode("utf-8", "replace"))


@given(st.binary(max_size=100) | in_a_form | st.sampled_from(ODDITIES))
def test_whatever_is_rightly_signed_is_read_or_malformed(body):
    SLACK.survives(SLACK.as_verified(body))
