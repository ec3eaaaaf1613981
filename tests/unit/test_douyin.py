"""The channel `douyin`: SHA-1 over secret and body, events in two spellings, advertisements, and a send API out of configuration."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.channels.contract import Ignored, ItemError, NoAnswer, OutgoingReply, Rejected, SendResult, Unreachable, Verified
from functions.channels.douyin import ADAPTER, DouyinCredentials
from functions.common.errors import MalformedPayload, Unavailable
from functions.common.message import Attachment, ContactId, Interactive, Referral, Sticker
from infra.simulators.contract import ApiAnswer, ApiRequest, Webhook
from infra.simulators.douyin import AD, REFRESH, SEND, DouyinSimulator, refusal
from tests.fakes.signed_webhook import Desk, Leased, answering, secrets_kept
from tests.fakes.simulated_platform import NOW, SimulatedPlatform
from tests.unit.test_sha_concat import sha1_continued, sha1_padding

SECRET, BUSINESS, ANN = "a-client-secret-0123456789", "biz-open-id", "ac6479a5-d7a6-4018-84be-c29bfc000001"
SETTINGS: dict[str, Any] = {
    "client_key": "awdemo0123456789",
    "client_secret": SECRET,
    "open_id": BUSINESS,
    "refresh_token": "rft.a-refresh-token",
}
DOUYIN = Desk(ADAPTER, SETTINGS, DouyinSimulator)


def signed(body: bytes) -> Webhook:
    return Webhook(headers={"x-douyin-signature": hashlib.sha1(SECRET.encode() + body).hexdigest()}, body=body)


def altered(webhook: Webhook, **fields: Any) -> Webhook:
    """The same event with other top-level fields, rightly signed; those that are None are taken out."""
    said = {name: value for name, value in (json.loads(webhook.body) | fields).items() if value is not None}
    return signed(json.dumps(said).encode())


def content(webhook: Webhook, **fields: Any) -> Webhook:
    """The same event with other fields in its content."""
    inner = {name: value for name, value in (json.loads(webhook.body)["content"] | fields).items() if value is not None}
    return altered(webhook, content=inner)


# --- verification ---------------------------------------------------------------------------------------------------------------


def test_the_signature_is_sha1_over_secret_and_raw_body() -> None:
    verified = DOUYIN.verified(signed('{"event":"x","emoji":"😀"}'.encode()))
    assert (verified.verification.body_signed, verified.verification.timestamped) == (True, False)
    assert isinstance(DOUYIN.verify(DOUYIN.simulator().text(ANN, "你好")), Verified)


def test_forged_is_rejected_and_no_stale_one_exists() -> None:
    sim = DOUYIN.simulator()
    assert DOUYIN.verify(sim.forged(ANN, "x")) == Rejected("bad_signature")
    assert sim.stale(ANN, "x") is None


@pytest.mark.parametrize("theirs", ["", "é", "0" * 40, "\ud800", "v1,é", " "])
def test_a_strange_signature_is_rejected_without_a_fault(theirs: str) -> None:
    webhook = replace(DOUYIN.simulator().text(ANN, "x"), headers={"x-douyin-signature": theirs})
    assert isinstance(DOUYIN.verify(webhook), Rejected)


def test_a_webhook_without_a_signature_or_by_get_is_rejected() -> None:
    webhook = DOUYIN.simulator().text(ANN, "x")
    assert DOUYIN.verify(replace(webhook, headers={})) == Rejected("no_signature")
    assert DOUYIN.verify(replace(webhook, method="GET")) == Rejected("method")


def test_the_handshake_must_be_signed_too() -> None:
    assert DOUYIN.verify(replace(DOUYIN.simulator().handshake(), headers={})) == Rejected("no_signature")


def test_a_length_extended_webhook_passes_the_hash_and_is_malformed() -> None:
    captured = DOUYIN.simulator().text(ANN, "你好")
    length = len(SECRET) + len(captured.body)
    evil = DOUYIN.simulator().text(ANN, "转账到私人账户").body
    padding = sha1_padding(length)
    signature = sha1_continued(captured.headers["X-Douyin-Signature"], length + len(padding), evil)
    forged = Webhook(headers={"x-douyin-signature": signature}, body=captured.body + padding + evil)
    verified = DOUYIN.verified(forged)
    with pytest.raises(MalformedPayload):
        ADAPTER.decode(verified, "demo")


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_secret": "short"},
        {"secret": "x"},
        {"send_body": {"msg_id": "{msg_id}"}},
        {"send_path": "//evil.example/"},
        {"send_path": "/im?x=1"},
        {"reply_scene": "a b"},
        {"reply_count": 0},
    ],
)
def test_credentials_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        DouyinCredentials.model_validate(SETTINGS | wrong)
    assert SECRET not in str(refused.value)


# --- handshake ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("challenge", "body"), [(12345, '{"challenge":12345}'), ("a_b-1", '{"challenge":"a_b-1"}')])
def test_a_number_comes_back_as_a_number_and_text_as_text(challenge: int | str, body: str) -> None:
    sim = DOUYIN.simulator()
    webhook = sim.handshake(challenge)
    answer = DOUYIN.greeting(webhook)
    assert answer is not None
    assert (answer.status, answer.body, answer.content_type) == (200, body, "application/json")
    assert answer.body.encode() == sim.handshake_answer(webhook)


def test_a_challenge_inside_text_is_found() -> None:
    answer = DOUYIN.greeting(altered(DOUYIN.simulator().handshake(), content='{"challenge": 7}'))
    assert answer is not None
    assert answer.body == '{"challenge":7}'


@pytest.mark.parametrize("challenge", [None, True, 1.5, "", "<script>", "x" * 129, [1], {"a": 1}, 10**30])
def test_a_challenge_that_is_none_is_malformed(challenge: Any) -> None:
    payload = DOUYIN.payload(altered(DOUYIN.simulator().handshake(), content={"challenge": challenge}))
    with pytest.raises(MalformedPayload):
        ADAPTER.handshake(payload)


def test_a_message_is_no_handshake_and_douyin_hears_ok() -> None:
    webhook = DOUYIN.simulator().text(ANN, "x")
    assert DOUYIN.greeting(webhook) is None
    assert DOUYIN.acknowledged(webhook).status == 200


# --- messages -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_text", [False, True])
def test_text_is_read_whole_whether_content_is_an_object_or_text(as_text: bool) -> None:
    sent = NOW - timedelta(milliseconds=1500)
    webhook = DOUYIN.simulator().message(ANN, "text", {"text": "多少钱😀"}, native_id="@m1==", at=sent, as_text=as_text)
    message = DOUYIN.message(webhook)
    assert (message.channel, message.kind, message.text, message.native_id) == ("douyin", "text", "多少钱😀", "@m1==")
    assert message.contact.ids == (ContactId(kind="open_id", value=ANN, scope="awdemo0123456789"),)
    assert (message.contact.primary, message.contact.name, message.contact.is_bot) == (ANN, "示例用户", False)
    assert message.contact.avatar_url == "https://p3.douyinpic.com/a.jpeg"
    assert (message.sent_at, message.time_precision) == (sent, "ms")
    assert message.native_event_id == webhook.headers["Msg-Id"]
    conversation = f"@conversation+{ANN}=="
    assert message.thread_id == conversation
    assert message.reply.token == f"im_reply_msg {conversation}"
    assert (message.reply.expires_at, message.reply.max_replies) == (sent + timedelta(hours=24), 6)


def test_windows_and_counts_are_configuration() -> None:
    other = {"reply_hours": 48, "reply_count": 9, "reply_scene": "im_other"}
    reply = DOUYIN.message(DOUYIN.simulator().text(ANN, "x", at=NOW), **other).reply
    assert (reply.expires_at, reply.max_replies) == (NOW + timedelta(hours=48), 9)
    assert str(reply.token).startswith("im_other ")


def test_a_picture_of_the_persons_own_is_known_to_the_media_api_by_the_messages_id() -> None:
    message = DOUYIN.message(DOUYIN.simulator().image(ANN, native_id="@m2=="))
    assert (message.kind, message.text) == ("image", None)
    assert message.attachments == (Attachment(kind="image", media_id="@m2==", needs_download=True),)
    local = DOUYIN.message(DOUYIN.simulator().message(ANN, "user_local_video", {}, native_id="@m3=="))
    assert local.attachments == (Attachment(kind="video", media_id="@m3==", needs_download=True),)


def test_a_picture_or_video_of_douyins_own_cannot_be_fetched() -> None:
    assert DOUYIN.message(DOUYIN.simulator().message(ANN, "image", {})).attachments == (Attachment(kind="image"),)
    video = DOUYIN.message(DOUYIN.simulator().video(ANN, "@item=="))
    assert (video.kind, video.attachments) == ("video", (Attachment(kind="video", media_id="@item=="),))


def test_a_sticker_keeps_its_picture() -> None:
    message = DOUYIN.message(DOUYIN.simulator().emoji(ANN, "https://p3.douyinpic.com/e.webp"))
    picture = Attachment(kind="sticker", url="https://p3.douyinpic.com/e.webp", width=240, height=240, needs_download=True)
    assert (message.kind, message.sticker, message.attachments) == ("sticker", Sticker(), (picture,))


def test_a_lead_card_is_text_so_that_it_is_masked_like_text() -> None:
    message = DOUYIN.message(DOUYIN.simulator().card(ANN, [("姓名", "张三"), ("电话", "13800138000"), ("", "周末")]))
    assert (message.kind, message.text) == ("interactive", "姓名: 张三\n电话: 13800138000\n周末")
    assert message.interactive == Interactive(type="form", id="@card-1")


def test_an_unknown_kind_is_kept_as_unsupported() -> None:
    message = DOUYIN.message(DOUYIN.simulator().unknown(ANN))
    assert (message.kind, message.raw_kind) == ("unsupported", "hologram")
    assert DOUYIN.message(DOUYIN.simulator().message(ANN, "other", {})).raw_kind == "other"
    assert DOUYIN.message(DOUYIN.simulator().message(ANN, "你 <b>", {})).raw_kind == "unnamed"


def test_a_visit_from_an_advertisement_is_a_message_with_its_referral() -> None:
    message = DOUYIN.message(DOUYIN.simulator().entered(ANN, ad=AD, at=NOW))
    assert (message.kind, message.text) == ("interactive", None)
    assert message.interactive == Interactive(type="postback", id="im_enter_direct_msg")
    assert message.referral == Referral(
        source="ad", ad_id="2002", creative_id="3003", advertiser_id="1001", headline="秋季新品", ref="promotion_id=4004"
    )
    assert (message.reply.expires_at, message.reply.max_replies) == (NOW + timedelta(seconds=30), 3)
    assert str(message.reply.token).startswith("im_enter_direct_msg ")


@pytest.mark.parametrize("ad", [None, {}, {"adv_id": 0, "ad_id": "0"}, {"ad_name": "x"}])
def test_a_visit_without_an_advertisement_is_ignored(ad: dict[str, Any] | None) -> None:
    (ignored,) = DOUYIN.parse(DOUYIN.simulator().entered(ANN, ad=ad)).ignored
    assert ignored.kind == "im_enter_direct_msg"


def test_an_advertisement_may_be_an_object_too() -> None:
    webhook = DOUYIN.simulator().entered(ANN)
    inner = json.loads(json.loads(webhook.body)["content"]) | {"ad_info": AD}
    assert DOUYIN.message(altered(webhook, content=inner)).referral is not None


@pytest.mark.parametrize("by_api", [True, False])
def test_the_echo_of_what_we_sent_is_ignored(by_api: bool) -> None:
    assert [i.kind for i in DOUYIN.parse(DOUYIN.simulator().echo(ANN, "您好", by_api=by_api)).ignored] == ["im_send_msg"]


def test_an_event_that_is_no_message_is_ignored_whatever_it_holds() -> None:
    assert DOUYIN.parse(signed(b'{"event": "authorize", "content": ["x"]}')).ignored == (Ignored("authorize"),)
    assert DOUYIN.parse(signed(b"{}")).ignored == (Ignored("unnamed"),)


def test_our_own_words_are_an_echo_under_any_event() -> None:
    webhook = DOUYIN.simulator().text(ANN, "x")
    assert DOUYIN.parse(altered(webhook, from_user_id=BUSINESS, to_user_id=ANN)).ignored == (Ignored("echo"),)
    assert DOUYIN.parse(content(webhook, source="awdemo0123456789")).ignored == (Ignored("echo"),)


def test_another_apps_message_is_a_machines() -> None:
    message = DOUYIN.message(content(DOUYIN.simulator().text(ANN, "x"), source="awother"))
    assert message.contact.is_bot


def test_what_is_meant_for_another_account_of_the_app_is_ignored() -> None:
    # Refused, it would count against the address, and Douyin ends the subscription of one that keeps failing.
    webhook = altered(DOUYIN.simulator().text(ANN, "x"), to_user_id="another")
    assert DOUYIN.parse(webhook).ignored == (Ignored("another_account"),)


@pytest.mark.parametrize(
    "event", ["im_recall_msg", "im_message_read", "authorize", "contract_unauthorize", "im_group_receive_msg"]
)
def test_other_events_are_ignored_by_name(event: str) -> None:
    webhook = DOUYIN.simulator().event(event, ANN, BUSINESS, {"server_message_id": "@m=="}, as_text=True)
    (ignored,) = DOUYIN.parse(webhook).ignored
    assert (ignored.kind, ignored.native_id) == (event, webhook.headers["Msg-Id"])
    # That a message was taken back matters to its conversation; the others tell nothing.
    assert (ignored.sighting is not None) == (event == "im_recall_msg")


@pytest.mark.parametrize(
    ("fields", "reason", "where"),
    [
        ({"message_type": None}, "missing", "message_type"),
        ({"message_type": 7}, "missing", "message_type"),
        ({"text": None}, "missing", "text"),
        ({"server_message_id": None}, "missing", "server_message_id"),
        ({"server_message_id": "x" * 257}, "too long", "server_message_id"),
    ],
)
def test_a_message_that_cannot_be_read_is_an_error_that_names_the_field(fields: Any, reason: str, where: str) -> None:
    assert DOUYIN.parse(content(DOUYIN.simulator().text(ANN, "x"), **fields)).errors == (ItemError(reason, where),)


@pytest.mark.parametrize(
    ("value", "reason"), [("{", "not JSON"), ([1], "not an object"), ("[1]", "not an object"), (7, "not an object")]
)
def test_content_that_is_no_object_is_an_error(value: Any, reason: str) -> None:
    assert DOUYIN.parse(altered(DOUYIN.simulator().text(ANN, "x"), content=value)).errors == (ItemError(reason, "content"),)


def test_a_sender_is_needed() -> None:
    assert DOUYIN.parse(altered(DOUYIN.simulator().text(ANN, "x"), from_user_id=None)).errors == (
        ItemError("missing", "from_user_id"),
    )


@pytest.mark.parametrize("time", [None, "soon", -1, 0, 1353571200, 99999999999999])
def test_without_a_time_that_can_be_true_a_message_is_kept_without_one(time: Any) -> None:
    message = DOUYIN.message(content(DOUYIN.simulator().text(ANN, "x"), create_time=time))
    assert (message.sent_at, message.time_precision) == (None, "none")
    assert message.reply.expires_at == NOW + timedelta(hours=24)


def test_a_redelivery_has_the_same_id_however_it_is_spelled() -> None:
    sim = DOUYIN.simulator()
    spelled = [
        sim.message(ANN, "text", {"text": "a"}, native_id="@m==", at=NOW, as_text=as_text) for as_text in (False, True, True)
    ]
    assert len({DOUYIN.message(webhook).message_id for webhook in spelled}) == 1
    assert DOUYIN.message(sim.text(ANN, "a", native_id="@n==", at=NOW)).message_id != DOUYIN.message(spelled[0]).message_id


# --- sending --------------------------------------------------------------------------------------------------------------------


def reply_to(webhook: Webhook, text: str = "您好", **changed: Any) -> OutgoingReply:
    message = DOUYIN.message(webhook)
    given_ = {"message_id": "m1", "native_id": message.native_id, "contact": ANN, "text": text, "token": message.reply.token}
    return OutgoingReply(**(given_ | changed))


def send(outbound: Any, reply: OutgoingReply, **changed: Any) -> SendResult:
    return ADAPTER.send(reply, DOUYIN.credentials(**changed), outbound)


def test_a_reply_reaches_the_person_with_the_conversation_and_the_scene() -> None:
    sim = DOUYIN.simulator()
    outbound = Leased(sim)
    result = send(outbound, reply_to(sim.text(ANN, "多少钱", native_id="@m==")))
    assert (result.outcome, result.code) == ("sent", "0")
    assert str(result.provider_id).startswith("@sent")
    assert [(d.contact, d.text) for d in sim.outbox] == [(ANN, "您好")]
    refresh, sent = outbound.asked
    assert (refresh.path, sent.path, sent.query) == (REFRESH, SEND, {"open_id": BUSINESS})
    assert json.loads(sent.body) == {
        "msg_id": "@m==",
        "conversation_id": f"@conversation+{ANN}==",
        "to_user_id": ANN,
        "scene": "im_reply_msg",
        "content": {"msg_type": 1, "text": {"text": "您好"}},
    }
    assert not any("act." in str(asked.query) or "rft." in str(asked.query) for asked in outbound.asked)


def test_a_visitor_is_greeted_in_the_scene_of_the_visit() -> None:
    sim = DOUYIN.simulator()
    reply = reply_to(sim.entered(ANN, ad=AD))
    assert [send(Leased(sim), reply).outcome for _ in range(4)] == ["sent", "sent", "sent", "window_closed"]


def test_another_body_and_path_are_a_matter_of_configuration() -> None:
    shape = {"open_id": "{to_user_id}", "list": ["{conversation_id}"], "content": "{text}", "kind": "text", "odd": "{nothing}"}
    outbound = answering(DOUYIN.simulator(), ApiAnswer(200, b'{"err_no": 0, "data": {"msg_id": "7"}}'))
    reply = reply_to(DOUYIN.simulator().text(ANN, "x"), text='{"text"} {to_user_id}')
    result = send(outbound, reply, send_body=shape, send_path="/api/im/v1/message/send/")
    assert result == SendResult(outcome="sent", code="0", provider_id="7")
    (asked,) = outbound.asked
    assert asked.path == "/api/im/v1/message/send/"
    assert json.loads(asked.body) == {
        "open_id": ANN,
        "list": [f"@conversation+{ANN}=="],
        "content": '{"text"} {to_user_id}',
        "kind": "text",
        "odd": "{nothing}",
    }


def test_a_refused_token_is_forgotten_and_the_next_try_gets_through() -> None:
    sim = DOUYIN.simulator()
    reply, outbound = reply_to(sim.text(ANN, "x")), Leased(sim)
    send(outbound, reply)
    old = outbound.token
    sim.expire_tokens()
    assert send(outbound, reply).outcome == "auth_expired"
    assert outbound.forgotten == [old]
    assert send(outbound, reply).outcome == "sent"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refusal(0), "sent"),
        (refusal(28001005), "transient"),
        (refusal(28001006), "unknown"),
        (refusal(28001008), "auth_expired"),
        (refusal(2190008), "auth_expired"),
        (refusal(28003017), "rate_limited"),
        (refusal(28003018), "rate_limited"),
        (refusal(28003070), "window_closed"),
        (refusal(28003081), "window_closed"),
        (refusal(28003095), "invalid"),
        (refusal(28001018), "invalid"),
        (ApiAnswer(200, b'{"data": {"error_code": 0}, "extra": {"error_code": 28003018}}'), "rate_limited"),
        (ApiAnswer(200, b'{"err_no": 28001008, "err_msg": "x"}'), "auth_expired"),
        (ApiAnswer(200, b"{}"), "unknown"),
        (ApiAnswer(502, b"<html>"), "unknown"),
    ],
)
def test_each_answer_has_its_outcome(answer: ApiAnswer, outcome: str) -> None:
    result = send(answering(DOUYIN.simulator(), answer), reply_to(DOUYIN.simulator().text(ANN, "x")))
    assert result.outcome == outcome
    assert (result.retry_after is not None) == (outcome == "rate_limited")
    assert secrets_kept(result, SECRET, "rft.a-refresh-token")


@pytest.mark.parametrize(("fault", "outcome"), [(Unreachable(), "transient"), (NoAnswer(), "unknown")])
def test_whether_the_request_left_decides_between_again_and_unknown(fault: Exception, outcome: str) -> None:
    assert (
        send(Leased(DOUYIN.simulator(), token="T", fault=fault), reply_to(DOUYIN.simulator().text(ANN, "x"))).outcome == outcome
    )
    assert ADAPTER.idempotent_send is False


@pytest.mark.parametrize("fault", [Unreachable(), NoAnswer(), Unavailable("the lease")])
def test_without_a_token_nothing_was_sent(fault: Exception) -> None:
    outbound = Leased(DOUYIN.simulator(), fault=fault)
    result = send(outbound, reply_to(DOUYIN.simulator().text(ANN, "x")))
    assert result == SendResult(outcome="transient", code="no_token")
    assert [asked.path for asked in outbound.asked] == [REFRESH]


def test_a_refresh_token_past_its_time_is_a_setting_to_be_mended() -> None:
    outbound = Leased(DOUYIN.simulator(refresh_token="rft.another"))
    result = send(outbound, reply_to(DOUYIN.simulator().text(ANN, "x")))
    assert result == SendResult(outcome="invalid", code="token_10010")
    broken = answering(DOUYIN.simulator(), ApiAnswer(200, b"garbage"), token=None)
    assert send(broken, reply_to(DOUYIN.simulator().text(ANN, "x"))).outcome == "transient"


def test_what_cannot_be_sent_is_refused_before_anything_is_asked() -> None:
    outbound, webhook = SimulatedPlatform(DOUYIN.simulator()), DOUYIN.simulator().text(ANN, "x")
    assert send(outbound, reply_to(webhook, text="字" * 1001)).code == "too_long"
    assert send(outbound, reply_to(webhook, token=None)).code == "no_conversation"
    assert send(outbound, reply_to(webhook, native_id=None)).code == "no_conversation"
    late = send(outbound, reply_to(webhook, not_after=NOW - timedelta(seconds=1)))
    assert late == SendResult(outcome="window_closed", code="too_late")
    assert not outbound.asked


def test_without_a_refresh_token_the_channel_only_receives() -> None:
    webhook = DOUYIN.simulator().text(ANN, "x")
    assert DOUYIN.message(webhook, refresh_token=None).reply.mode == "none"
    outbound = SimulatedPlatform(DOUYIN.simulator())
    result = send(outbound, reply_to(webhook), refresh_token=None)
    assert (result, outbound.asked) == (SendResult(outcome="window_closed", code="receive_only"), [])


def test_the_simulated_api_refuses_what_douyin_refuses() -> None:
    sim = DOUYIN.simulator()
    reply = reply_to(sim.text(ANN, "x", native_id="@m=="))
    assert send(Leased(sim), replace(reply, contact="another")).code == "28003082"
    assert send(Leased(sim), replace(reply, native_id="@never==")).code == "28003082"
    assert send(Leased(sim, token="act.unknown"), reply).code == "2190002"
    old = reply_to(sim.text(ANN, "x", native_id="@old==", at=NOW - timedelta(hours=25)))
    assert send(Leased(sim), old).code == "28003081"
    assert [send(Leased(sim), reply).code for _ in range(7)] == ["0"] * 6 + ["28003070"]
    assert send(Leased(sim), reply, send_body={"text": "{text}"}).code == "28001007"
    assert send(Leased(sim), reply, send_path="/elsewhere/").code == "28001017"
    assert sim.owns(ApiRequest("POST", SEND, {"open_id": BUSINESS}, {}, b""))
    assert not sim.owns(ApiRequest("POST", SEND, {"open_id": "other"}, {}, b""))


# --- arbitrary input ------------------------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
SAID = json.loads(DOUYIN.simulator().text(ANN, "x").body)
INNER = st.sampled_from([*SAID["content"], "ad_info", "card_data", "resource_url", "challenge"])
WORDS = st.sampled_from(
    ["text", "emoji", "retain_consult_card", "user_local_image", ANN, "{}", '{"ad_id": 1}', "\ud800", "9" * 20]
)
EVENTS = st.sampled_from(["im_receive_msg", "im_enter_direct_msg", "verify_webhook", "im_send_msg"])


@given(st.text(), st.dictionaries(st.sampled_from(["x-douyin-signature", "msg-id"]), st.text()), st.binary())
def test_verify_never_raises(method: str, headers: dict[str, str], body: bytes) -> None:
    for verb in (method, "POST"):
        request = DOUYIN.request(Webhook(verb, "", headers, body))
        assert isinstance(ADAPTER.verify(request, DOUYIN.credentials(), NOW), Rejected)


@given(EVENTS, st.dictionaries(INNER, VALUES | WORDS), st.dictionaries(st.sampled_from([*SAID]), VALUES | WORDS), st.booleans())
def test_whatever_is_rightly_signed_is_read_or_malformed(event: str, inner: Any, outer: Any, as_text: bool) -> None:
    merged: Any = SAID["content"] | inner
    said = SAID | {"event": event, "content": json.dumps(merged) if as_text else merged} | outer
    DOUYIN.survives(DOUYIN.as_verified(json.dumps(said).encode()))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_malformed_at_most(body: bytes) -> None:
    DOUYIN.survives(DOUYIN.as_verified(body))


def test_depth_without_end_is_malformed_at_most() -> None:
    for inner in (
        '"[' + "[" * 5000 + '"',
        "[" * 400 + '"\\ud800"' + "]" * 400,
        '"' + "[" * 400 + '\\"\\\\ud800\\"' + "]" * 400 + '"',
    ):
        DOUYIN.survives(DOUYIN.as_verified(b'{"event":"im_receive_msg","content":' + inner.encode() + b"}"))
