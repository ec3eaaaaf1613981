"""DingTalk robots: headers that vouch for a time only, messages of every type, and answers that go to DingTalk and nowhere else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from functions.channels.contract import (
    ItemError,
    NoAnswer,
    OutgoingReply,
    ParseResult,
    RawRequest,
    Rejected,
    SendResult,
    Unreachable,
    Verified,
)
from functions.channels.dingtalk import ADAPTER, DingtalkCredentials, session_webhook, sign
from functions.common import wire
from functions.common.clock import to_ms
from functions.common.errors import MalformedPayload
from functions.common.message import Attachment, ContactId, Message, ReplyTo
from functions.ingest.replay import ReplayMemory
from infra.simulators.contract import ApiAnswer, Webhook
from infra.simulators.dingtalk import ROBOT, DingtalkSimulator, refusal
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

ACCOUNT = {"app_key": "dingkey", "app_secret": "this-is-a-secret"}
ANN = "$:LWCP_v1:$ann"
SESSION = "https://oapi.dingtalk.com/robot/sendBySession?session=abc"


def credentials(**changed: Any) -> DingtalkCredentials:
    return DingtalkCredentials(**(ACCOUNT | changed))


def simulator() -> DingtalkSimulator:
    return DingtalkSimulator("demo", ACCOUNT, now=lambda: NOW)


def received(webhook: Webhook, at: datetime = NOW) -> RawRequest:
    headers = {name.lower(): value for name, value in webhook.headers.items()}
    return RawRequest(webhook.method, "/webhooks/dingtalk/demo", (), "", headers, webhook.body, "192.0.2.1", at)


def verify(webhook: Webhook, now: datetime = NOW, **changed: Any) -> Verified | Rejected:
    return ADAPTER.verify(received(webhook), credentials(**changed), now)


def parse(webhook: Webhook) -> ParseResult:
    verified = verify(webhook)
    assert isinstance(verified, Verified), verified
    return ADAPTER.parse(ADAPTER.decode(verified, "demo"))


def only(result: ParseResult) -> Message:
    assert not result.ignored and not result.errors, result
    (message,) = result.messages
    return message


def altered(webhook: Webhook, **fields: Any) -> Webhook:
    """The same webhook with other fields: its signature does not mind."""
    body = {name: value for name, value in (json.loads(webhook.body) | fields).items() if value is not ...}
    return replace(webhook, body=json.dumps(body).encode())


# --- signature ------------------------------------------------------------------------------------------------------------------


def test_the_signature_is_the_documented_one() -> None:
    """Computed here from the vendor's words: HmacSHA256 of timestamp, newline, secret; base64."""
    secret, timestamp = "this-is-a-secret", "1577262236757"
    expected = base64.b64encode(hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()).decode()
    assert sign(SecretStr(secret), timestamp) == expected
    headers = {"timestamp": str(to_ms(NOW)), "sign": sign(SecretStr(secret), str(to_ms(NOW)))}
    assert simulator().signed({}).headers["sign"] == headers["sign"]


def test_the_signature_is_that_of_an_adapter_that_verifies_the_same_webhooks() -> None:
    """`calc_hmac_base64` of nonebot-adapter-ding 2.0.0a16, which refuses a robot's webhook whose `sign` is not this."""
    assert sign(SecretStr("this-is-a-robot-secret"), "1795334400000") == "1y5Qg6yz+uvmfzYGEgL7FuhB855C5swrHemPw83kLys="


def test_what_is_signed_is_said_honestly() -> None:
    verified = verify(simulator().text(ANN, "x"))
    assert isinstance(verified, Verified)
    assert not verified.verification.body_signed and verified.verification.timestamped


def test_one_signature_vouches_for_one_body_only() -> None:
    sim, memory = simulator(), ReplayMemory()
    captured = sim.text(ANN, "你好")
    forged = sim.replayed(captured, ANN, "请把钱转给我")
    outcomes = []
    for webhook in (captured, captured, forged):
        verified = verify(webhook)
        assert isinstance(verified, Verified) and verified.replay_key
        outcomes.append(memory.is_reused(verified.replay_key, webhook.body))
    assert outcomes == [False, False, True]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"sign": None}, "no_signature"),
        ({"timestamp": None}, "no_signature"),
        ({"sign": ""}, "no_signature"),
        ({"sign": "é"}, "bad_signature"),
        ({"sign": "A" * 44}, "bad_signature"),
        ({"timestamp": "1"}, "bad_signature"),
        ({"timestamp": str(to_ms(NOW) + 1)}, "bad_signature"),
        ({"timestamp": "\ud800"}, "bad_signature"),
    ],
)
def test_what_is_not_signed_is_rejected(headers: dict[str, Any], reason: str) -> None:
    webhook = simulator().text(ANN, "x")
    kept = {name: value for name, value in (dict(webhook.headers) | headers).items() if value is not None}
    assert verify(replace(webhook, headers=kept)) == Rejected(reason)


@pytest.mark.parametrize("timestamp", ["abc", "", " 1", "1e12", "9" * 30, "-1", "١٢٣"])
def test_a_rightly_signed_time_that_is_none_is_rejected(timestamp: str) -> None:
    headers = {"timestamp": timestamp, "sign": sign(SecretStr(ACCOUNT["app_secret"]), timestamp)}
    assert verify(replace(simulator().text(ANN, "x"), headers=headers)) in (Rejected("stale"), Rejected("no_signature"))


def test_forged_stale_and_other_methods_are_rejected() -> None:
    sim = simulator()
    assert verify(sim.forged(ANN, "x")) == Rejected("bad_signature")
    assert verify(sim.stale(ANN, "x")) == Rejected("stale")
    assert verify(replace(sim.text(ANN, "x"), method="GET")) == Rejected("method")


def test_the_age_is_the_vendors_hour_or_what_the_operator_made_of_it() -> None:
    webhook = simulator().text(ANN, "x", at=NOW)
    assert isinstance(verify(webhook, NOW + timedelta(hours=1)), Verified)
    assert verify(webhook, NOW + timedelta(hours=1, seconds=1)) == Rejected("stale")
    assert verify(webhook, NOW - timedelta(hours=1, seconds=1)) == Rejected("stale")
    assert verify(webhook, NOW + timedelta(minutes=6), max_age_seconds=300) == Rejected("stale")
    with pytest.raises(ValidationError):
        credentials(max_age_seconds=7200)


def test_two_messages_of_one_moment_have_signatures_of_their_own_and_a_retry_the_same() -> None:
    sim = simulator()
    first, other = sim.text(ANN, "一", native_id="m1", at=NOW), sim.text(ANN, "二", native_id="m2", at=NOW)
    assert first.headers["sign"] != other.headers["sign"]
    assert sim.text(ANN, "一", native_id="m1", at=NOW) == first


# --- messages -------------------------------------------------------------------------------------------------------------------


def test_text_is_read_whole() -> None:
    sent = NOW - timedelta(seconds=30)
    message = only(parse(simulator().text(ANN, "要发票\n谢谢 😀", native_id="m1==", at=sent)))
    assert (message.channel, message.account, message.kind, message.text) == ("dingtalk", "demo", "text", "要发票\n谢谢 😀")
    assert (message.native_id, message.contact.primary, message.contact.name) == ("m1==", ANN, "小明")
    assert message.contact.ids == (
        ContactId(kind="sender_id", value=ANN, scope="dingkey"),
        ContactId(kind="staff_id", value=f"staff-{len(ANN)}", scope="dingcorp"),
    )
    assert (message.sent_at, message.time_precision, message.received_at) == (sent, "ms", NOW)
    assert (message.conversation_kind, message.thread_id) == ("dm", "cidDM==")
    assert message.reply.mode == "token" and message.reply.expires_at == sent + timedelta(minutes=90)
    assert str(message.reply.token).startswith("https://oapi.dingtalk.com/robot/sendBySession?session=")
    assert wire.read_inbound(wire.dumps(wire.Inbound(message=message))).message == message


def test_in_a_group_the_space_behind_the_robots_name_is_cut() -> None:
    message = only(parse(simulator().in_group(ANN, "你好")))
    assert (message.text, message.conversation_kind, message.thread_id) == ("你好", "group", "cidGROUP==")
    assert message.mentions == (ROBOT,)


def test_media_are_recorded_and_not_fetched() -> None:
    sim = simulator()
    picture = only(parse(sim.content(ANN, "picture", {"downloadCode": "d1", "pictureDownloadCode": "p1"})))
    assert (picture.kind, picture.attachments) == ("image", (Attachment(kind="image", media_id="d1", needs_download=True),))
    voice = only(parse(sim.content(ANN, "audio", {"downloadCode": "d2", "duration": 4000, "recognition": "我要投诉"})))
    assert (voice.kind, voice.attachments[0].transcript, voice.attachments[0].duration_ms) == ("voice", "我要投诉", 4000)
    film = only(parse(sim.content(ANN, "video", {"downloadCode": "d3", "duration": "5", "videoType": "mp4"})))
    assert (film.kind, film.attachments[0].duration_ms) == ("video", None)
    paper = only(parse(sim.content(ANN, "file", {"downloadCode": "d4", "fileName": "发票.pdf", "fileId": "1"})))
    assert (paper.kind, paper.attachments[0].filename) == ("file", "发票.pdf")


@pytest.mark.parametrize(
    ("quoted", "expected"),
    [
        ({"msgId": "m0", "content": {"text": "几点开门?"}}, ReplyTo(native_id="m0", text="几点开门?")),
        ({"msgId": "m0", "content": "几点开门?"}, ReplyTo(native_id="m0", text="几点开门?")),
        ({"msgId": "m0", "msgType": "picture", "content": {"downloadCode": "d"}}, ReplyTo(native_id="m0")),
        (
            {"msgId": 7, "content": {"richText": [{"text": "一"}, {"downloadCode": "d"}, {"content": "二"}]}},
            ReplyTo(native_id="7", text="一二"),
        ),
        ({"content": []}, None),
        ("m0", None),
        (None, None),
    ],
)
def test_the_quoted_message_is_named_with_its_words(quoted: Any, expected: ReplyTo | None) -> None:
    text = {"content": "好", "isReplyMsg": True, "repliedMsg": quoted}
    assert only(parse(simulator().message(ANN, "text", {"text": text}))).reply_to == expected


def test_rich_text_is_texts_and_pictures() -> None:
    pieces: list[Any] = [{"text": "看 "}, {"type": "picture", "downloadCode": "d1"}, 7, {"text": "这里"}, {"type": "x"}]
    message = only(parse(simulator().content(ANN, "richText", {"richText": pieces})))
    assert (message.kind, message.text, [a.media_id for a in message.attachments]) == ("mixed", "看 这里", ["d1"])
    plain = only(parse(simulator().content(ANN, "richText", {"richText": pieces[:1]})))
    assert (plain.kind, plain.text) == ("text", "看")


def test_an_unknown_type_is_kept_as_unsupported() -> None:
    message = only(parse(simulator().unknown(ANN)))
    assert (message.kind, message.raw_kind, message.text) == ("unsupported", "hologram", None)


def test_what_the_robot_itself_said_is_ignored() -> None:
    assert parse(simulator().echo("您好")).ignored[0].kind == "echo"


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"senderId": ...}, "senderId"),
        ({"senderId": ""}, "senderId"),
        ({"senderId": ["x"]}, "senderId"),
        ({"msgId": None}, "msgId"),
        ({"msgtype": 7.5}, "msgtype"),
        ({"text": "你好"}, "text.content"),
        ({"text": {"content": ""}}, "text.content"),
        ({"msgtype": "picture"}, "downloadCode"),
        ({"msgtype": "richText", "content": {"richText": "x"}}, "content.richText"),
    ],
)
def test_a_message_that_cannot_be_read_is_an_error_that_names_the_field(fields: dict[str, Any], where: str) -> None:
    assert parse(altered(simulator().text(ANN, "x"), **fields)) == ParseResult(errors=(ItemError("missing", where),))


@pytest.mark.parametrize("when", [..., None, "soon", -1, 0, to_ms(NOW + timedelta(days=400)), 10**20, 1.5])
def test_an_absurd_time_is_no_time_and_the_message_stays(when: Any) -> None:
    message = only(parse(altered(simulator().text(ANN, "x"), createAt=when)))
    assert (message.sent_at, message.time_precision) == (None, "none")


def test_a_time_in_digits_is_the_same_as_a_number() -> None:
    webhook = simulator().text(ANN, "x", native_id="m1", at=NOW)
    assert only(parse(webhook)).message_id == only(parse(altered(webhook, createAt=str(to_ms(NOW))))).message_id


def test_a_redelivery_has_the_same_id_and_another_message_has_not() -> None:
    sim = simulator()
    ids = [only(parse(sim.text(ANN, "a", native_id=n, at=NOW))).message_id for n in ("1", "1", "2")]
    assert ids[0] == ids[1] != ids[2]


def test_the_platform_hears_an_empty_ok() -> None:
    verified = verify(simulator().text(ANN, "x"))
    assert isinstance(verified, Verified)
    payload = ADAPTER.decode(verified, "demo")
    answer = ADAPTER.acknowledge(payload, ADAPTER.parse(payload))
    assert (answer.status, answer.body) == (200, "") and ADAPTER.handshake(payload) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"{", b"NaN", b'{"a":' * 2000])
def test_a_signed_body_of_another_format_is_malformed(body: bytes) -> None:
    verified = verify(replace(simulator().text(ANN, "x"), body=body))
    assert isinstance(verified, Verified)
    with pytest.raises(MalformedPayload):
        ADAPTER.decode(verified, "demo")


# --- session webhooks -----------------------------------------------------------------------------------------------------------

FOREIGN = [
    None,
    "",
    "not a url",
    "http://oapi.dingtalk.com/robot/sendBySession?session=x",
    "https://dingtalk.com.evil.example/robot/sendBySession",
    "https://evildingtalk.com/robot/sendBySession",
    "https://evil.example/oapi.dingtalk.com",
    "https://evil.example#.dingtalk.com/",
    "https://evil.example?.dingtalk.com/",
    "https://evil.example\\.dingtalk.com/x",
    "https://user@oapi.dingtalk.com/x",
    "https://oapi.dingtalk.com@evil.example/x",
    "https://oapi.dingtalk.com:8443/x",
    "https://oapi.dingtalk.com:x/x",
    "https://169.254.169.254/latest/meta-data",
    "https://127.0.0.1/.dingtalk.com",
    "https://[::1]/x",
    "https://[/x",
    "https://oapi.dingtalk.com",
    "file:///etc/passwd",
    "//oapi.dingtalk.com/x",
]


@pytest.mark.parametrize("url", FOREIGN)
def test_a_session_webhook_that_is_not_dingtalks_is_never_called(url: str | None) -> None:
    assert session_webhook(url) is None
    message = only(parse(altered(simulator().text(ANN, "x"), sessionWebhook=url)))
    assert (message.text, message.reply.mode, message.reply.token) == ("x", "none", None)
    outbound = SimulatedPlatform(simulator())
    assert send(outbound, token=url) == SendResult(outcome="invalid", code="no_session_webhook")
    assert outbound.asked == []


@pytest.mark.parametrize(
    "url", [SESSION, "https://api.dingtalk.com/v1?x=1", "https://OAPI.dingtalk.com/x", "https://a.b.dingtalk.com/x"]
)
def test_hosts_of_dingtalk_are_believed(url: str) -> None:
    parts = session_webhook(url)
    assert parts is not None and str(parts.hostname).endswith(".dingtalk.com")


@pytest.mark.parametrize("until", [..., None, "never", to_ms(NOW + timedelta(days=2)), 10**20])
def test_a_session_without_a_believable_end_is_none(until: Any) -> None:
    assert only(parse(altered(simulator().text(ANN, "x"), sessionWebhookExpiredTime=until))).reply.mode == "none"


def reply(text: str = "您好", **changed: Any) -> OutgoingReply:
    known = {"message_id": "m1", "native_id": "1", "contact": ANN, "text": text, "token": SESSION}
    return OutgoingReply(**(known | changed))


def send(outbound: SimulatedPlatform, text: str = "您好", **changed: Any) -> SendResult:
    return ADAPTER.send(reply(text, **changed), credentials(), outbound)


def answering(*answers: ApiAnswer, fault: Exception | None = None) -> SimulatedPlatform:
    sim = simulator()
    sim.failures.extend(answers)
    return SimulatedPlatform(sim, fault=fault)


def test_a_reply_reaches_the_person_through_the_message_it_answers() -> None:
    sim = simulator()
    message = only(parse(sim.text(ANN, "hello")))
    outbound = SimulatedPlatform(sim)
    assert send(outbound, '您好😀\n"发票"\x00', token=message.reply.token) == SendResult(outcome="sent", code="0")
    assert [(each.contact, each.text) for each in sim.outbox] == [(ANN, '您好😀\n"发票"')]
    assert outbound.asked[0].path == "/robot/sendBySession"


def test_in_a_local_run_the_simulators_address_takes_the_hosts_place() -> None:
    class Local(SimulatedPlatform):
        urls: list[str] = []  # noqa: RUF012

        def origin(self, default: str) -> str:
            return "http://127.0.0.1:1/dingtalk"

        def request(self, method: str, url: str, **rest: Any) -> Any:
            self.urls.append(url)
            return super().request(method, url, **rest)

    outbound = Local(simulator())
    send(outbound)
    assert outbound.urls == ["http://127.0.0.1:1/dingtalk/robot/sendBySession?session=abc"]


@pytest.mark.parametrize(
    ("errcode", "outcome", "retry_after"),
    [(0, "sent", None), (-1, "transient", None), (130101, "rate_limited", 60.0), (300001, "window_closed", None),
     (460101, "invalid", None), (310000, "invalid", None)],
)  # fmt: skip
def test_each_code_of_the_vendor_has_its_outcome(errcode: int, outcome: str, retry_after: float | None) -> None:
    assert send(answering(refusal(errcode))) == SendResult(outcome=outcome, code=str(errcode), retry_after=retry_after)


@pytest.mark.parametrize(
    "answer", [ApiAnswer(200, b""), ApiAnswer(200, b"<html>"), ApiAnswer(200, b'{"errcode":"0"}'), ApiAnswer(502)]
)
def test_an_answer_that_says_nothing_leaves_the_send_unknown(answer: ApiAnswer) -> None:
    assert send(answering(answer)).outcome == "unknown"


@pytest.mark.parametrize(("fault", "outcome"), [(Unreachable(), "transient"), (NoAnswer(), "unknown")])
def test_whether_the_request_left_decides_between_again_and_unknown(fault: Exception, outcome: str) -> None:
    assert send(answering(fault=fault)).outcome == outcome


def test_limits_are_kept_before_anything_is_asked() -> None:
    outbound = answering()
    assert send(outbound, not_after=NOW - timedelta(seconds=1)) == SendResult(outcome="window_closed", code="too_late")
    assert send(outbound, "字" * 3001) == SendResult(outcome="invalid", code="too_long")
    assert outbound.asked == []
    assert (ADAPTER.max_text, ADAPTER.max_text_unit, ADAPTER.idempotent_send) == (9000, "bytes", False)


def test_the_longest_text_of_the_worst_letters_fits_the_vendors_body() -> None:
    sim = simulator()
    token = only(parse(sim.text(ANN, "hello"))).reply.token
    for letter in ('"', "\n", "\\"):
        assert send(SimulatedPlatform(sim), letter * 9000, token=token).outcome == "sent"


def test_the_vendors_limits_are_told() -> None:
    sim = simulator()
    token = only(parse(sim.text(ANN, "hello"))).reply.token
    outbound = SimulatedPlatform(sim)
    assert [send(outbound, token=token).outcome for _ in range(21)] == ["sent"] * 20 + ["rate_limited"]
    sim.expire_sessions()
    assert send(outbound, token=token) == SendResult(outcome="window_closed", code="300001")


def test_secrets_and_session_webhooks_are_not_in_a_repr() -> None:
    assert ACCOUNT["app_secret"] not in repr(credentials()) and SESSION not in repr(reply())
    assert "session=" not in repr(send(answering(fault=NoAnswer())))


# --- arbitrary input ------------------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
NAMES = ("msgtype", "text", "content", "createAt", "conversationId", "conversationType", "senderStaffId", "senderNick", "atUsers",
         "sessionWebhook", "sessionWebhookExpiredTime", "msgId", "senderId", "chatbotUserId")  # fmt: skip
KINDS = st.sampled_from(["text", "picture", "audio", "video", "file", "richText", "x"])


@given(
    headers=st.dictionaries(st.sampled_from(["timestamp", "sign", "x"]), st.text(max_size=40)),
    method=st.sampled_from(["GET", "POST"]),
    body=st.binary(max_size=100),
)
def test_arbitrary_requests_are_rejected(headers: dict[str, str], method: str, body: bytes) -> None:
    assert isinstance(verify(Webhook(method, "", headers, body)), Rejected)


@given(fields=st.dictionaries(st.sampled_from(NAMES), VALUES), kind=KINDS)
def test_a_signed_but_absurd_message_is_counted_once(fields: dict[str, Any], kind: str) -> None:
    webhook = altered(simulator().text(ANN, "x"), **({"msgtype": kind} | fields))
    result = parse(webhook)
    assert len(result.messages) + len(result.ignored) + len(result.errors) == 1
    for message in result.messages:
        assert wire.read_inbound(wire.dumps(wire.Inbound(message=message)))
        assert message.reply.token is None or session_webhook(message.reply.token)


@given(body=st.one_of(st.binary(max_size=100), VALUES.map(lambda value: json.dumps(value).encode()), st.just(b'"\\ud800"')))
def test_signed_bytes_are_malformed_or_counted_once(body: bytes) -> None:
    with suppress(MalformedPayload):
        result = parse(replace(simulator().text(ANN, "x"), body=body))
        assert len(result.messages) + len(result.ignored) + len(result.errors) == 1


@given(url=st.text(max_size=60))
def test_any_text_is_a_session_webhook_or_none(url: str) -> None:
    assert session_webhook(url) is None
    assert session_webhook(f"https://{url}") is None
