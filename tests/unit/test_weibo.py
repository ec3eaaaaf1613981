"""The channel `weibo`: signatures that do not cover the body, messages without an id, and times in words."""

from __future__ import annotations

import hashlib
import json
import locale
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.channels.codecs import weibo_messages
from functions.channels.codecs.json_fields import FieldUnreadable
from functions.channels.codecs.wx_signature import sorted_sha1
from functions.channels.contract import Ignored, ItemError, NoAnswer, OutgoingReply, Rejected, SendResult, Unreachable, Verified
from functions.channels.weibo import ADAPTER, WeiboCredentials
from functions.common.clock import from_ms
from functions.common.errors import MalformedPayload
from functions.common.message import Attachment, ContactId, Interactive, Location
from infra.simulators.contract import ApiAnswer, ApiRequest, Webhook
from infra.simulators.weibo import REPLY, UID, WeiboSimulator, refusal
from tests.fakes.signed_webhook import Desk, answering, secrets_kept
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

VECTORS = Path(__file__).parents[2] / "../shared/vectors/signatures.json"
SETTINGS: dict[str, Any] = {"app_secret": "xyz123xyz", "access_token": "2.00demo-token", "uid": UID}
WEIBO = Desk(ADAPTER, SETTINGS, WeiboSimulator)
ANN = "2489518277"


def changed(webhook: Webhook, **parameters: str | None) -> Webhook:
    query = dict(parse_qsl(webhook.query)) | parameters
    kept = {name: value for name, value in query.items() if value is not None}
    return Webhook(webhook.method, urlencode(kept), webhook.headers, webhook.body)


def posted(said: Any) -> Webhook:
    """Any JSON, signed as Weibo signs: it does not sign the body."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    webhook = WEIBO.simulator().text(ANN, "x")
    return Webhook(webhook.method, webhook.query, webhook.headers, body)


SAID = {
    "type": "text",
    "receiver_id": int(UID),
    "sender_id": int(ANN),
    "created_at": "Sun Nov 22 16:00:00 +0800 2026",
    "text": "你好",
    "data": {},
}


# --- verification ---------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared signature vectors are not beside this repository")
def test_the_vendors_vector_is_reproduced_and_accepted() -> None:
    (vector,) = [v for v in json.loads(VECTORS.read_text("utf-8")) if v["channel"] == "weibo"]
    given_, expected = vector["given"], vector["expect"]["signature"]
    assert sorted_sha1(given_["appsecret"], given_["timestamp"], given_["nonce"]) == expected
    query = urlencode({"signature": expected, "timestamp": given_["timestamp"], "nonce": given_["nonce"], "echostr": "a"})
    then = from_ms(int(given_["timestamp"]))
    accepted = WEIBO.verify(Webhook("GET", query), now=then, app_secret=given_["appsecret"])
    assert isinstance(accepted, Verified)


def test_the_time_in_the_query_is_in_milliseconds() -> None:
    webhook = WEIBO.simulator().text(ANN, "你好")
    assert len(dict(parse_qsl(webhook.query))["timestamp"]) == 13
    assert isinstance(WEIBO.verify(webhook), Verified)
    seconds = str(int(NOW.timestamp()))
    signature = hashlib.sha1("".join(sorted(("xyz123xyz", seconds, "7"))).encode()).hexdigest()
    assert WEIBO.verify(changed(webhook, timestamp=seconds, nonce="7", signature=signature)) == Rejected("stale")


def test_verification_says_that_the_body_is_not_signed() -> None:
    verified = WEIBO.verified(WEIBO.simulator().text(ANN, "你好"))
    assert not verified.verification.body_signed
    assert verified.verification.timestamped
    assert verified.replay_key == dict(parse_qsl(verified.request.raw_query))["signature"]


def test_a_captured_query_string_is_known_again_under_another_body() -> None:
    sim = WEIBO.simulator()
    captured = sim.text(ANN, "你好")
    honest, attack = WEIBO.verified(captured), WEIBO.verified(sim.replayed(captured, "42", "转账"))
    assert honest.replay_key == attack.replay_key
    assert honest.request.body != attack.request.body


def test_forged_and_stale_are_rejected() -> None:
    sim = WEIBO.simulator()
    assert WEIBO.verify(sim.forged(ANN, "x")) == Rejected("bad_signature")
    assert WEIBO.verify(sim.stale(ANN, "x")) == Rejected("stale")
    assert WEIBO.verify(sim.text(ANN, "x"), now=NOW - timedelta(seconds=301)) == Rejected("stale")


@pytest.mark.parametrize("name", ["timestamp", "nonce", "signature"])
@pytest.mark.parametrize("value", [None, "", "é", "0" * 40])
def test_without_each_of_its_parts_right_a_webhook_is_rejected(name: str, value: str | None) -> None:
    assert isinstance(WEIBO.verify(changed(WEIBO.simulator().text(ANN, "x"), **{name: value})), Rejected)


def test_other_methods_are_rejected() -> None:
    webhook = WEIBO.simulator().text(ANN, "x")
    assert WEIBO.verify(Webhook("PUT", webhook.query, {}, webhook.body)) == Rejected("method")


@pytest.mark.parametrize("wrong", [{"app_secret": "short"}, {"uid": "me"}, {"token": "x"}, {"access_token": ""}])
def test_credentials_that_cannot_be_right_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        WeiboCredentials.model_validate(SETTINGS | wrong)
    assert "xyz123xyz" not in str(refused.value)


# --- handshake ------------------------------------------------------------------------------------------------------------------


def test_handshake_is_answered_with_the_bare_echo() -> None:
    sim = WEIBO.simulator()
    webhook = sim.handshake("dnPdpTZz85")
    answer = WEIBO.greeting(webhook)
    assert answer is not None
    assert answer.body.encode() == sim.handshake_answer(webhook)
    assert (answer.status, answer.content_type) == (200, "text/plain; charset=utf-8")


@pytest.mark.parametrize("echostr", ["", "<script>alert(1)</script>", "a b", "é", "x" * 129])
def test_an_echo_that_a_browser_could_take_for_a_page_is_not_sent_back(echostr: str) -> None:
    verified = WEIBO.verified(WEIBO.simulator().handshake(echostr))
    with pytest.raises(MalformedPayload):
        ADAPTER.decode(verified, "demo")


def test_a_message_is_no_handshake_and_weibo_hears_nothing() -> None:
    assert WEIBO.greeting(WEIBO.simulator().text(ANN, "x")) is None
    answer = WEIBO.acknowledged(WEIBO.simulator().text(ANN, "x"))
    assert (answer.status, answer.body) == (200, "")


# --- messages -------------------------------------------------------------------------------------------------------------------


def test_text_is_read_whole() -> None:
    sent = NOW - timedelta(seconds=30)
    message = WEIBO.message(WEIBO.simulator().text(ANN, "要发票\n谢谢😀", at=sent))
    assert (message.channel, message.account, message.kind, message.text) == ("weibo", "demo", "text", "要发票\n谢谢😀")
    assert message.contact.primary == ANN
    assert message.contact.ids == (ContactId(kind="uid", value=ANN, scope="weibo"),)
    assert (message.sent_at, message.time_precision, message.native_id) == (sent, "s", None)
    assert (message.reply.mode, message.reply.expires_at, message.reply.max_replies) == (
        "window",
        sent + timedelta(hours=48),
        None,
    )


@pytest.mark.parametrize("kind", ["image", "voice"])
def test_media_are_named_by_the_receivers_id(kind: str) -> None:
    message = WEIBO.message(getattr(WEIBO.simulator(), kind)(ANN, "821804469"))
    (attachment,) = message.attachments
    assert (message.kind, message.text) == (kind, None)
    assert (attachment.kind, attachment.media_id, attachment.needs_download) == (kind, "821804469", True)
    assert isinstance(attachment, Attachment)


def test_location() -> None:
    message = WEIBO.message(WEIBO.simulator().location(ANN, 39.982525, 116.308586))
    label = "我在这里: http://t.cn/zQgLLYO"
    assert (message.kind, message.text) == ("location", None)
    assert message.location == Location(lat=39.982525, lon=116.308586, label=label)


def test_a_tap_on_the_menu_is_a_message() -> None:
    message = WEIBO.message(WEIBO.simulator().event(ANN, "click", key="HOURS"))
    assert (message.kind, message.text, message.interactive) == ("interactive", None, Interactive(type="menu", payload="HOURS"))


@pytest.mark.parametrize("event", [False, True])
def test_a_mention_is_public_and_may_be_answered_once(event: bool) -> None:
    webhook = WEIBO.simulator().mention(ANN, "@客服 什么时候发货", key="3501756485942075")
    if event:
        said = json.loads(webhook.body)
        data = {**said["data"], "subtype": "mention"}
        webhook = Webhook(webhook.method, webhook.query, {}, json.dumps({**said, "type": "event", "data": data}).encode())
    message = WEIBO.message(webhook)
    assert (message.kind, message.conversation_kind, message.native_id) == ("text", "channel", "3501756485942075")
    assert message.reply.max_replies == 1


@pytest.mark.parametrize("subtype", ["follow", "unfollow", "subscribe", "unsubscribe", "scan", "scan_follow", "view"])
def test_other_events_are_ignored_by_name(subtype: str) -> None:
    assert WEIBO.parse(WEIBO.simulator().event(ANN, subtype)).ignored == (Ignored(subtype),)


def test_an_event_whose_name_must_not_stand_in_a_log_is_ignored_without_it() -> None:
    assert WEIBO.parse(WEIBO.simulator().event(ANN, "13800138000\n我")).ignored == (Ignored("unnamed"),)


def test_an_unknown_type_is_kept_as_unsupported() -> None:
    message = WEIBO.message(WEIBO.simulator().unknown(ANN))
    assert (message.kind, message.raw_kind, message.text) == ("unsupported", "hologram", None)


def test_what_comes_from_our_own_account_or_is_meant_for_another_is_ignored() -> None:
    assert WEIBO.parse(posted(SAID | {"sender_id": int(UID)})).ignored == (Ignored("echo"),)
    assert WEIBO.parse(posted(SAID | {"receiver_id": 7})).ignored == (Ignored("another_account"),)
    assert WEIBO.message(posted(SAID | {"receiver_id": 7}), uid=None).text == "你好"


@pytest.mark.parametrize(
    ("wrong", "reason", "where"),
    [
        ({"type": None}, "missing", "type"),
        ({"type": ["text"]}, "missing", "type"),
        ({"sender_id": None}, "missing", "sender_id"),
        ({"sender_id": True}, "missing", "sender_id"),
        ({"sender_id": "9" * 257}, "too long", "sender_id"),
        ({"text": None}, "missing", "text"),
        ({"text": {"a": 1}}, "missing", "text"),
        ({"created_at": None}, "not a time", "created_at"),
        ({"created_at": 1353571200}, "not a time", "created_at"),
        ({"created_at": "Sun Foo 22 16:00:00 +0800 2026"}, "not a time", "created_at"),
        ({"created_at": "Sun Feb 31 16:00:00 +0800 2026"}, "not a time", "created_at"),
        ({"created_at": "Sun Nov 22 25:00:00 +0800 2026"}, "not a time", "created_at"),
        ({"created_at": "Sun Nov 22 16:00:00 +9999 2026"}, "not a time", "created_at"),
        ({"created_at": "Fri Dec 31 23:00:00 -1200 9999"}, "not a time", "created_at"),
        ({"type": "image", "data": []}, "missing", "tovfid"),
        ({"type": "position", "data": {"latitude": "91", "longitude": "1"}}, "not degrees", "latitude"),
        ({"type": "position", "data": {"latitude": "1", "longitude": float("1e400")}}, None, None),
    ],
)
def test_a_message_that_cannot_be_read_is_an_error_that_names_the_field(
    wrong: dict[str, Any], reason: str | None, where: str | None
) -> None:
    if reason is None:  # Infinity is not JSON
        with pytest.raises(MalformedPayload):
            WEIBO.payload(posted(SAID | wrong))
        return
    assert WEIBO.parse(posted(SAID | wrong)).errors == (ItemError(reason, str(where)),)


def test_a_body_that_is_no_json_object_is_malformed() -> None:
    for body in (b"", b"[]", b"<xml/>", b"\xff", b"{"):
        with pytest.raises(MalformedPayload):
            WEIBO.payload(posted(body))


# --- time and identity ----------------------------------------------------------------------------------------------------------


def test_the_time_is_read_alike_in_every_language_of_the_machine() -> None:
    written = {"created_at": "Mon Jul 16 18:09:20 +0800 2012"}
    expected = datetime(2012, 7, 16, 10, 9, 20, tzinfo=UTC)
    before = locale.setlocale(locale.LC_TIME)
    tried = 0
    try:
        for name in ("C", "de_DE.UTF-8", "zh_CN.UTF-8", "fr_FR.UTF-8"):
            try:
                locale.setlocale(locale.LC_TIME, name)
            except locale.Error:
                continue
            tried += 1
            assert weibo_messages.created_at(written) == expected
    finally:
        locale.setlocale(locale.LC_TIME, before)
    assert tried >= 1


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9998, 1, 1)))
def test_every_time_that_weibo_writes_is_read_back(at: datetime) -> None:
    moment = at.replace(microsecond=0, tzinfo=UTC)
    body = json.loads(WEIBO.simulator().text(ANN, "x", at=moment).body)
    assert weibo_messages.created_at(body) == moment


@given(st.text())
def test_any_other_text_is_no_time(text: str) -> None:
    with pytest.raises(FieldUnreadable):
        weibo_messages.created_at({"created_at": text})


@pytest.mark.parametrize("days", [-2, 31, 5000])
def test_a_time_absurdly_far_off_is_not_believed_but_the_message_is_kept(days: int) -> None:
    far = NOW - timedelta(days=days)
    webhook = WEIBO.simulator().text(ANN, "x", at=far)
    message = WEIBO.message(posted(webhook.body))
    assert (message.sent_at, message.time_precision) == (None, "none")
    assert message.reply.expires_at == NOW + timedelta(hours=48)


def test_a_redelivery_has_the_same_id() -> None:
    first = WEIBO.message(WEIBO.simulator().text(ANN, "a", at=NOW))
    again = WEIBO.message(WEIBO.simulator().text(ANN, "a", at=NOW))
    assert first.message_id == again.message_id


def test_two_messages_of_one_second_are_two_messages() -> None:
    # The vendor advises sender and time alone, to the second: the content tells the two apart.
    sim = WEIBO.simulator()
    webhooks = [
        sim.text(ANN, "在吗"),
        sim.text(ANN, "在么"),
        sim.image(ANN, "1"),
        sim.image(ANN, "2"),
        sim.event(ANN, "click", key="A"),
        sim.event(ANN, "click", key="B"),
        sim.text("42", "在吗"),
        sim.text(ANN, "在吗", at=NOW + timedelta(seconds=1)),
    ]
    assert len({WEIBO.message(webhook).message_id for webhook in webhooks}) == len(webhooks)


def test_an_id_is_the_same_whether_a_number_or_a_text() -> None:
    assert WEIBO.message(posted(SAID)).message_id == WEIBO.message(posted(SAID | {"sender_id": ANN})).message_id


# --- sending --------------------------------------------------------------------------------------------------------------------


def send(outbound: SimulatedPlatform, text: str = "您好", **changed_: Any) -> SendResult:
    given_ = {"message_id": "m1", "native_id": None, "contact": ANN, "text": text} | changed_
    return ADAPTER.send(OutgoingReply(**given_), WEIBO.credentials(), outbound)


def test_a_reply_reaches_the_person_and_the_token_stays_out_of_the_url() -> None:
    sim = WEIBO.simulator()
    sim.text(ANN, "你好")
    outbound = SimulatedPlatform(sim)
    assert send(outbound, '您好😀 & "发票" 100%\n+') == SendResult(outcome="sent", code="200")
    assert [(d.contact, d.text) for d in sim.outbox] == [(ANN, '您好😀 & "发票" 100%\n+')]
    (asked,) = outbound.asked
    assert (asked.method, asked.path, dict(asked.query)) == ("POST", REPLY, {})


def test_a_mention_may_be_answered_once_and_nobody_after_they_left() -> None:
    sim = WEIBO.simulator()
    sim.mention(ANN, "@客服")
    outbound = SimulatedPlatform(sim)
    assert [send(outbound).outcome for _ in range(2)] == ["sent", "invalid"]
    sim.text(ANN, "你好")
    assert send(outbound).outcome == "sent"
    sim.event(ANN, "unfollow")
    assert send(outbound).code == "10014"


def test_a_text_too_long_or_a_time_gone_by_is_refused_before_anything_is_asked() -> None:
    outbound = SimulatedPlatform(WEIBO.simulator())
    assert send(outbound, "字" * 301) == SendResult(outcome="invalid", code="too_long")
    late = send(outbound, not_after=NOW - timedelta(seconds=1))
    assert late == SendResult(outcome="window_closed", code="too_late")
    assert not outbound.asked


def test_without_an_access_token_the_channel_only_receives() -> None:
    message = WEIBO.message(WEIBO.simulator().text(ANN, "你好"), access_token=None)
    assert message.reply.mode == "none"
    reply = OutgoingReply(message_id="m1", native_id=None, contact=ANN, text="x")
    outbound = SimulatedPlatform(WEIBO.simulator())
    result = ADAPTER.send(reply, WEIBO.credentials(access_token=None), outbound)
    assert (result, outbound.asked) == (SendResult(outcome="window_closed", code="receive_only"), [])


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (ApiAnswer(200, b'{"result": true}'), "sent"),
        (ApiAnswer(200, b'{"result": false}'), "unknown"),
        (ApiAnswer(200, b"{}"), "unknown"),
        (ApiAnswer(200, b"<html>"), "unknown"),
        (ApiAnswer(502, b'{"result": true}'), "unknown"),
        (refusal(10023), "rate_limited"),
        (refusal(10001), "unknown"),
        (refusal(10002, 503), "transient"),
        (refusal(21332), "invalid"),
        (refusal(10014), "invalid"),
        (ApiAnswer(403, b'{"error_code": "10022", "error": "ip limit"}'), "rate_limited"),
    ],
)
def test_each_answer_has_its_outcome(answer: ApiAnswer, outcome: str) -> None:
    result = send(answering(WEIBO.simulator(), answer))
    assert result.outcome == outcome
    assert (result.retry_after is not None) == (outcome == "rate_limited")
    assert secrets_kept(result, SETTINGS["access_token"])


@pytest.mark.parametrize(("fault", "outcome"), [(Unreachable(), "transient"), (NoAnswer(), "unknown")])
def test_whether_the_request_left_decides_between_again_and_unknown(fault: Exception, outcome: str) -> None:
    assert send(SimulatedPlatform(WEIBO.simulator(), fault=fault)).outcome == outcome
    assert ADAPTER.idempotent_send is False


def test_the_simulated_api_refuses_what_weibo_refuses() -> None:
    sim = WEIBO.simulator()
    sim.text(ANN, "你好")

    def code(path: str = REPLY, method: str = "POST", **fields: str) -> Any:
        said = {"access_token": SETTINGS["access_token"], "type": "text", "receiver_id": ANN, "data": '{"text": "x"}'}
        request = ApiRequest(method, path, {}, {}, urlencode(said | fields).encode())
        return json.loads(sim.api(request).body).get("error_code")

    assert code() is None
    assert code(access_token="x") == 21332
    assert code(receiver_id="ann") == 10017
    assert code(data="{") == 10017
    assert code(data=json.dumps({"text": "字" * 301})) == 10017
    assert code(type="articles") == 10017
    assert code(receiver_id="42") == 10014
    assert (code("/elsewhere"), code(method="GET")) == (10020, 10021)
    assert sim.owns(ApiRequest("POST", REPLY, {}, {}, b"access_token=2.00demo-token"))
    assert not sim.owns(ApiRequest("POST", REPLY, {}, {}, b"access_token=other"))


def test_strangers_are_answered_in_the_local_stack_only() -> None:
    sim = WEIBO.simulator()
    assert send(SimulatedPlatform(sim)).code == "10014"
    sim.welcomes_strangers = True
    assert send(SimulatedPlatform(sim)).outcome == "sent"


# --- arbitrary input ------------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["timestamp", "nonce", "signature", "echostr"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
WORDS = st.sampled_from(["text", "position", "image", "event", "mention", "click", SAID["created_at"], ANN, "\ud800"])
FIELDS = st.sampled_from([*SAID, "subtype", "latitude", "longitude", "tovfid", "key"])


@given(st.text(), st.lists(st.tuples(NAMES, st.text())), st.binary())
def test_verify_never_raises(method: str, query: list[tuple[str, str]], body: bytes) -> None:
    for verb in (method, "GET", "POST"):
        request = WEIBO.request(Webhook(verb, "", {}, body), query=tuple(query))
        assert isinstance(ADAPTER.verify(request, WEIBO.credentials(), NOW), Rejected)


@given(
    st.dictionaries(FIELDS, VALUES | WORDS | st.dictionaries(FIELDS, VALUES | WORDS)).map(lambda said: SAID | said)
    | st.dictionaries(FIELDS, VALUES)
)
def test_whatever_is_rightly_signed_is_read_or_malformed(said: dict[str, Any]) -> None:
    WEIBO.survives(WEIBO.as_verified(json.dumps(said).encode()))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_malformed_at_most(body: bytes) -> None:
    WEIBO.survives(WEIBO.as_verified(body))


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"data":' + b"[" * 400 + b'"\\ud800"' + b"]" * 400 + b"}"]
)
def test_depth_without_end_is_malformed_at_most(body: bytes) -> None:
    WEIBO.survives(WEIBO.as_verified(body))
