"""The channel `tiktok_business`: its signature, what its webhooks say, and what becomes of a reply."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from functions.channels.contract import NoAnswer, Unreachable, Verified
from functions.common.errors import MalformedPayload
from functions.common.message import ContactId, Link, Referral, ReplyTo, ReplyWindow
from infra.simulators.contract import ApiAnswer, Webhook
from infra.simulators.tiktok_business import refusal
from tests.fakes.channel_account import TIKTOK
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

ANN = "_000ann"
# As Chatwoot's tests have it: https://github.com/chatwoot/chatwoot/blob/develop/spec/services/tiktok/message_service_spec.rb
CONTENT = {
    "type": "text",
    "message_id": "tt-msg-1",
    "timestamp": 1_700_000_000_000,
    "conversation_id": "tt-conv-1",
    "text": {"body": "Hello from TikTok"},
    "from": "Alice",
    "from_user": {"id": "user-1"},
    "to": "Biz",
    "to_user": {"id": "biz-123"},
}


def signed(body: bytes, stamp: int, key: str = "an-app-secret") -> Webhook:
    """By hand, as the vendor's header is described."""
    mac = hmac.new(key.encode(), str(stamp).encode() + b"." + body, hashlib.sha256).hexdigest()
    return Webhook(headers={"tiktok-signature": f"t={stamp},s={mac}"}, body=body)


def test_a_text_becomes_a_message_to_be_answered_ten_times_in_two_days():
    content = CONTENT | {"timestamp": int(NOW.timestamp() * 1000)}
    body = json.dumps({"event": "im_receive_msg", "user_openid": "biz-123", "content": json.dumps(content)}).encode()
    said = TIKTOK.message(signed(body, int(NOW.timestamp())))
    assert (said.kind, said.text, said.native_id, said.sent_at, said.time_precision) == (
        "text",
        "Hello from TikTok",
        "tt-msg-1",
        NOW,
        "ms",
    )
    assert (said.contact.primary, said.contact.name, said.thread_id) == ("user-1", "Alice", "tt-conv-1")
    assert said.contact.ids == (ContactId(kind="uid", value="user-1", scope="biz-123"),)
    assert said.reply == ReplyWindow(mode="window", expires_at=NOW + timedelta(hours=48), max_replies=10, token="tt-conv-1")
    assert (said.verification.body_signed, said.verification.timestamped) == (True, True)


def test_a_webhook_without_its_own_fresh_signature_is_refused():
    simulator = TIKTOK.simulator()
    webhook = simulator.text(ANN, "hi")
    assert TIKTOK.reason(simulator.forged(ANN, "hi")) == "bad_signature"
    assert TIKTOK.reason(replace(webhook, body=webhook.body + b" ")) == "bad_signature"
    assert TIKTOK.reason(simulator.stale(ANN, "hi")) == "stale"
    assert TIKTOK.reason(signed(webhook.body, int(NOW.timestamp()) + 301)) == "stale"
    assert TIKTOK.reason(replace(webhook, headers={})) == "no_signature"
    assert TIKTOK.reason(replace(webhook, method="GET")) == "method"


def test_the_time_is_part_of_what_is_signed():
    webhook = TIKTOK.simulator().stale(ANN, "hi")
    _, _, mac = webhook.headers["tiktok-signature"].partition(",")
    moved = replace(webhook, headers={"tiktok-signature": f"t={int(NOW.timestamp())},{mac}"})
    assert TIKTOK.reason(moved) == "bad_signature"


@pytest.mark.parametrize(
    "header",
    ["t=1", "s=0", "t=abc,s=0", "t=1,s=é", "\udce9", "t=1,s=" + "0" * 63, "t=²,s=" + "0" * 64, "t=1,s=" + "0" * 64 + ",t=2"],
)
def test_a_strange_signature_is_refused_without_a_fault(header):
    assert TIKTOK.reason(replace(TIKTOK.simulator().text(ANN, "hi"), headers={"tiktok-signature": header})) == "bad_signature"


def test_the_tolerance_is_the_accounts():
    webhook = TIKTOK.simulator().stale(ANN, "hi")
    assert isinstance(TIKTOK.verify(webhook, tolerance_seconds=7200), Verified)
    assert TIKTOK.message(TIKTOK.simulator().signed_anew(webhook)).text == "hi"


@pytest.mark.parametrize("content", ["[]", "{", "x", '"x"', "[" * 3000])
def test_content_that_is_no_object_is_malformed(content):
    verified = TIKTOK.verify(TIKTOK.simulator().event("im_receive_msg", content))
    assert isinstance(verified, Verified)
    with pytest.raises(MalformedPayload):
        TIKTOK.adapter.decode(verified, "demo")


@pytest.mark.parametrize("content", ["", "null-free"])
def test_an_event_without_content_is_an_error_or_ignored(content):
    body = {"event": "im_receive_msg", "user_openid": "biz-123", **({"content": content} if not content else {})}
    assert TIKTOK.errors(TIKTOK.simulator().webhook(body)) == [("missing", "content.id")]
    assert TIKTOK.ignored(TIKTOK.simulator().webhook(body | {"event": "im_referral_msg"})) == [("im_referral_msg", None)]


def test_somebody_who_comes_by_an_advertisement_is_a_message_with_it_that_opens_no_window():
    ad = {"source": "ad", "ad": {"ad_id": 77, "ad_name": "Shoes", "embed_url": "https://www.tiktok.com/embed/77"}}
    said = TIKTOK.message(TIKTOK.simulator().arrival(ANN, ad))
    assert (said.kind, said.text, said.native_id, said.contact.primary) == ("interactive", None, None, ANN)
    assert said.referral == Referral(source="ad", ad_id="77", headline="Shoes", source_url="https://www.tiktok.com/embed/77")
    assert said.reply == ReplyWindow(mode="none")
    assert TIKTOK.message(TIKTOK.simulator().arrival(ANN, ad)).message_id == said.message_id
    link = {"source": "short_link", "short_link": {"ref": "x"}}
    assert TIKTOK.ignored(TIKTOK.simulator().arrival(ANN, link)) == [("im_referral_msg", None)]


def test_an_image_is_fetched_by_its_id():
    (attachment,) = TIKTOK.message(TIKTOK.simulator().image(ANN, "media-1")).attachments
    assert (attachment.kind, attachment.media_id, attachment.needs_download) == ("image", "media-1", True)
    bad = TIKTOK.simulator().message(ANN, "image", {})
    assert TIKTOK.errors(bad) == [("missing", "content.media_id")]


def test_a_shared_post_is_a_link():
    said = TIKTOK.message(TIKTOK.simulator().message(ANN, "share_post", {"embed_url": "https://www.tiktok.com/embed/123"}))
    assert (said.kind, said.link) == ("link", Link(url="https://www.tiktok.com/embed/123"))


@pytest.mark.parametrize("kind", ["sticker", "video", "share_post", "hologram"])
def test_what_is_announced_and_not_handed_over_is_unsupported(kind):
    said = TIKTOK.message(TIKTOK.simulator().message(ANN, kind, None))
    assert (said.kind, said.raw_kind) == ("unsupported", kind)


def test_a_quoted_message_is_named():
    quoted = {"referenced_message_id": "tt-msg-0"}
    assert TIKTOK.message(TIKTOK.simulator().text(ANN, "hi", referenced_message_info=quoted)).reply_to == ReplyTo(
        native_id="tt-msg-0"
    )


def test_a_message_out_of_europe_is_a_message():
    content = json.loads(json.loads(TIKTOK.simulator().text(ANN, "hi").body)["content"])
    assert TIKTOK.message(TIKTOK.simulator().event("im_receive_msg_eu", content)).contact.primary == ANN


def test_echoes_and_receipts_and_other_events_are_ignored():
    simulator = TIKTOK.simulator()
    assert TIKTOK.ignored(simulator.echo(ANN, "您好", native_id="e-1")) == [("echo", "e-1")]
    assert TIKTOK.ignored(simulator.text("biz-123", "unmarked", native_id="e-2")) == [("echo", "e-2")]
    assert TIKTOK.ignored(simulator.receipt(ANN)) == [("receipt", None)]
    assert TIKTOK.ignored(simulator.event("authorization.removed", {})) == [("authorization.removed", None)]
    assert TIKTOK.ignored(simulator.event("<b>", {})) == [("unnamed", None)]


def test_what_is_for_another_account_of_the_app_is_ignored():
    assert TIKTOK.ignored(TIKTOK.simulator().event("im_receive_msg", CONTENT, owner="biz-999")) == [
        ("another_account", "tt-msg-1")
    ]


def test_a_retry_has_the_same_message_id():
    simulator = TIKTOK.simulator()
    first = simulator.text(ANN, "hi")
    again = simulator.signed_anew(first, NOW + timedelta(seconds=60))
    assert TIKTOK.message(first).message_id == TIKTOK.message(again).message_id
    assert TIKTOK.message(simulator.text(ANN, "hi")).message_id != TIKTOK.message(first).message_id


def test_an_account_without_a_token_only_receives():
    assert TIKTOK.message(TIKTOK.simulator().text(ANN, "hi"), access_token=None).reply == ReplyWindow(mode="none")
    assert TIKTOK.send(SimulatedPlatform(TIKTOK.simulator()), ANN, token="conv", access_token=None).code == "receive_only"


def test_the_webhook_is_acknowledged():
    verified = TIKTOK.verify(TIKTOK.simulator().text(ANN, "hi"))
    assert isinstance(verified, Verified)
    payload = TIKTOK.adapter.decode(verified, "demo")
    assert TIKTOK.adapter.handshake(payload) is None
    assert TIKTOK.adapter.acknowledge(payload, TIKTOK.adapter.parse(payload)).status == 200


# Sending.


def heard(**changes):
    simulator = TIKTOK.simulator(**changes)
    simulator.text(ANN, "hi")
    return simulator


def send(simulator, text="您好", **changes):
    return TIKTOK.send(SimulatedPlatform(simulator), ANN, text, **{"token": simulator.conversation(ANN), **changes})


def test_a_reply_reaches_the_persons_conversation():
    simulator = heard()
    result = send(simulator)
    assert (result.outcome, result.provider_id is not None) == ("sent", True)
    (delivered,) = simulator.outbox
    assert (delivered.channel, delivered.contact, delivered.text, delivered.in_reply_to) == (
        "tiktok_business",
        ANN,
        "您好",
        "our-message",
    )


def test_the_token_is_in_a_header_and_never_in_the_url():
    platform = SimulatedPlatform(heard())
    TIKTOK.send(platform, ANN, token="conv._000ann")
    assert platform.asked[0].headers["access-token"] == "act.a-token-of-a-day"
    assert "act." not in platform.asked[0].path + str(platform.asked[0].query)


@pytest.mark.parametrize(
    ("answer", "outcome", "code", "retry_after"),
    [
        (refusal(40064), "window_closed", "40064", None),
        (refusal(40100), "rate_limited", "40100", 60.0),
        (refusal(40105), "auth_expired", "40105", None),
        (refusal(40001), "invalid", "40001", None),
        (refusal(40002), "invalid", "40002", None),
        (refusal(40007), "invalid", "40007", None),
        (refusal(50000), "unknown", "50000", None),
        (refusal(7), "unknown", "7", None),
        (ApiAnswer(429, b""), "rate_limited", "http_429", 60.0),
        (ApiAnswer(502, b"<html>"), "unknown", "http_502", None),
        (ApiAnswer(200, b"{}"), "unknown", "http_200", None),
        (ApiAnswer(200, b'{"code": "0"}'), "unknown", "http_200", None),
        (ApiAnswer(200, b'{"code": 0, "data": []}'), "sent", "0", None),
    ],
)
def test_every_answer_of_the_vendor_has_an_outcome(answer, outcome, code, retry_after):
    simulator = heard()
    simulator.failures.append(answer)
    result = send(simulator)
    assert (result.outcome, result.code, result.retry_after) == (outcome, code, retry_after)


def test_the_quota_is_ten_and_the_window_two_days():
    simulator = heard()
    assert [send(simulator).outcome for _ in range(11)] == ["sent"] * 10 + ["window_closed"]
    late = TIKTOK.simulator()
    late.text(ANN, "hi", at=NOW - timedelta(hours=49))
    assert send(late).code == "40064"
    assert send(heard(), not_after=NOW - timedelta(seconds=1)).code == "too_late"


def test_no_connection_is_worth_another_try_and_no_answer_is_not():
    simulator = heard()
    for fault, outcome in ((Unreachable(), "transient"), (NoAnswer(), "unknown")):
        assert TIKTOK.send(SimulatedPlatform(simulator, fault=fault), ANN, token="c").outcome == outcome
    assert TIKTOK.adapter.idempotent_send is False


def test_the_vendors_length_is_kept_and_the_simulator_agrees():
    assert send(heard(), "好" * 6001).code == "too_long"
    assert send(heard(), "好" * 6000).outcome == "sent"


def test_a_reply_without_a_conversation_is_not_sent():
    assert send(heard(), token=None).code == "no_conversation"


def test_a_token_is_refreshed_where_there_is_no_lasting_one():
    changes = {"access_token": None, "refresh_token": "rft.a-year-long"}
    simulator = heard(**changes)
    platform = SimulatedPlatform(simulator)
    assert TIKTOK.send(platform, ANN, token="conv._000ann", **changes).outcome == "sent"
    assert [call.path.rsplit("/", 2)[1] for call in platform.asked] == ["refresh_token", "send"]
    refused = TIKTOK.send(platform, ANN, token="conv._000ann", access_token=None, refresh_token="rft.another-one")
    assert (refused.outcome, refused.code) == ("invalid", "token_40105")


def test_a_message_signed_by_hand_is_answered_where_strangers_are_welcome():
    simulator = TIKTOK.simulator()
    assert send(simulator).code == "40007"
    simulator.welcomes_strangers = True
    assert send(simulator).outcome == "sent"
    assert simulator.outbox[0].contact == ANN


@pytest.mark.parametrize(
    "change", [{"app_secret": ""}, {"business_id": ""}, {"tolerance_seconds": 0}, {"acces_token": "x" * 20}]
)
def test_credentials_that_would_weaken_a_check_are_refused(change):
    with pytest.raises(ValidationError):
        TIKTOK.credentials(**change)
