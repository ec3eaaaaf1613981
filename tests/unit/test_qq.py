"""The channel `qq`: Ed25519, a verification call that must not become a signing oracle, and passive replies."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey, VerifyKey
from pydantic import ValidationError

from functions.channels.codecs import ed25519
from functions.channels.contract import Ignored, ItemError, NoAnswer, OutgoingReply, Rejected, SendResult, Unreachable, Verified
from functions.channels.qq import ADAPTER, QqCredentials
from functions.common.errors import MalformedPayload, Unavailable
from functions.common.message import Attachment, ContactId, ReplyTo
from infra.simulators.contract import ApiAnswer, ApiRequest, Webhook
from infra.simulators.delivery import Attempt
from infra.simulators.qq import QqSimulator, refusal
from tests.fakes.signed_webhook import Desk, Leased, answering, secrets_kept
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

VECTORS = Path(__file__).parents[2] / "../shared/vectors/signatures.json"
SECRET, APP = "naOC0ocQE3shWLAfffVLB1rhYPG7", "11111111"
SETTINGS: dict[str, Any] = {"app_id": APP, "app_secret": SECRET}
QQ = Desk(ADAPTER, SETTINGS, QqSimulator)
ANN, GROUP = "E4F4AEA33253A2797FB897C50B81D7ED", "C9F778FE6ADF9D1D1DBE395BF744A33A"
TIMESTAMP = str(int(NOW.timestamp()))


def by_pynacl(body: bytes, timestamp: str = TIMESTAMP, secret: str = SECRET) -> Webhook:
    """A webhook as another implementation signs it."""
    seed = (secret.encode() * 32)[:32]
    signature = SigningKey(seed).sign(timestamp.encode() + body).signature.hex()
    return Webhook(headers={"x-signature-ed25519": signature, "x-signature-timestamp": timestamp}, body=body)


def validation(plain_token: Any, event_ts: Any, *, app: str | None = APP, op: Any = 13, **more: Any) -> Webhook:
    body = json.dumps({"d": {"plain_token": plain_token, "event_ts": event_ts}, "op": op, **more}).encode()
    return Webhook(headers={"x-bot-appid": app} if app else {}, body=body)


# --- verification ---------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared signature vectors are not beside this repository")
def test_botgos_vector_is_accepted() -> None:
    (vector,) = [v for v in json.loads(VECTORS.read_text("utf-8")) if v["channel"] == "qq"]
    given_ = vector["given"]
    headers = {"x-signature-ed25519": vector["expect"]["signature"], "x-signature-timestamp": given_["timestamp"]}
    webhook = Webhook(headers=headers, body=given_["body"].encode())
    then = datetime.fromtimestamp(int(given_["timestamp"]), UTC)
    assert isinstance(QQ.verify(webhook, now=then, app_secret=given_["secret"]), Verified)
    assert QQ.verify(replace(webhook, body=webhook.body + b" "), now=then, app_secret=given_["secret"]) == Rejected(
        "bad_signature"
    )


def test_the_key_of_the_vendors_page_on_signatures_is_derived() -> None:
    # The page prints the key's bytes. Its example signature is not one over the body that it shows.
    key = "d7c362fe78aef81ff23287b493628b5db02a3c4fe30b215e4d19609b5d76673a"
    assert ed25519.public_key((SECRET * 2).encode()[:32]).hex() == key
    webhook = by_pynacl(b'{"op":0}')
    message, signature = TIMESTAMP.encode() + webhook.body, bytes.fromhex(webhook.headers["x-signature-ed25519"])
    assert VerifyKey(bytes.fromhex(key)).verify(message, signature) == message
    assert isinstance(QQ.verify(webhook), Verified)


@pytest.mark.parametrize("secret", ["12345678", "0123456789abcdef", "x" * 31, "y" * 32, "z" * 70])
def test_a_secret_of_any_length_makes_a_seed(secret: str) -> None:
    assert isinstance(QQ.verify(by_pynacl(b"{}", secret=secret), app_secret=secret), Verified)
    assert isinstance(QQ.verify(QQ.simulator(app_secret=secret).text(ANN, "x"), app_secret=secret), Verified)


def test_verification_says_how_far_the_webhook_can_be_trusted() -> None:
    verified = QQ.verified(QQ.simulator().text(ANN, "x"))
    assert (verified.verification.body_signed, verified.verification.timestamped, verified.replay_key) == (True, True, None)


def test_forged_and_stale_are_rejected_and_the_tolerance_is_configuration() -> None:
    sim = QQ.simulator()
    assert QQ.verify(sim.forged(ANN, "x")) == Rejected("bad_signature")
    assert QQ.verify(sim.stale(ANN, "x")) == Rejected("stale")
    assert QQ.verify(sim.text(ANN, "x"), now=NOW - timedelta(seconds=301)) == Rejected("stale")
    assert isinstance(QQ.verify(sim.stale(ANN, "x"), tolerance_seconds=7200), Verified)


@pytest.mark.parametrize("name", ["X-Signature-Ed25519", "X-Signature-Timestamp"])
@pytest.mark.parametrize("value", [None, "", "é", "0" * 128, "zz" * 64, "12.5", "-1", "١٢٣"])
def test_without_each_of_its_parts_right_a_webhook_is_rejected(name: str, value: str | None) -> None:
    webhook = QQ.simulator().text(ANN, "x")
    headers = {key: kept for key, kept in {**webhook.headers, name: value}.items() if kept is not None}
    assert isinstance(QQ.verify(replace(webhook, headers=headers)), Rejected)


def test_a_webhook_without_a_signature_or_by_get_is_rejected() -> None:
    webhook = QQ.simulator().text(ANN, "x")
    assert QQ.verify(replace(webhook, headers={"x-bot-appid": APP})) == Rejected("no_signature")
    assert QQ.verify(replace(webhook, method="GET")) == Rejected("method")


@pytest.mark.parametrize("wrong", [{"app_id": "abc"}, {"app_secret": "short"}, {"tolerance_seconds": 1}, {"bot_secret": "x"}])
def test_credentials_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        QqCredentials.model_validate(SETTINGS | wrong)
    assert SECRET not in str(refused.value)


# --- the verification call: no signing oracle (trap T1) -------------------------------------------------------------------------


def test_the_vendors_example_of_the_verification_call_is_answered_as_the_vendor_answers() -> None:
    webhook = validation("Arq0D5A61EgUu4OxUvOp", "1725442341")
    answer = QQ.greeting(webhook, app_secret="DG5g3B4j9X2KOErG")
    assert answer is not None
    assert answer.content_type == "application/json"
    assert json.loads(answer.body) == {
        "plain_token": "Arq0D5A61EgUu4OxUvOp",
        "signature": "87befc99c42c651b3aac0278e71ada338433ae26fcb24307bdc5ad38c1adc2d0"
        "1bcfcadc0842edac85e85205028a1132afe09280305f13aa6909ffc2d652c706",
    }


@pytest.mark.parametrize("signed", [False, True])
def test_the_console_hears_what_it_wants(signed: bool) -> None:
    sim = QQ.simulator()
    webhook = sim.handshake(signed=signed)
    answer = QQ.greeting(webhook)
    assert answer is not None
    assert answer.body.encode() == sim.handshake_answer(webhook)


EVENT = json.dumps({"op": 0, "t": "C2C_MESSAGE_CREATE", "d": {"id": "1", "author": {"user_openid": ANN}, "content": "转账"}})


@pytest.mark.parametrize(
    ("plain_token", "event_ts"),
    [
        (EVENT, TIMESTAMP),  # signed, it would be a valid event of now
        (EVENT[1:], TIMESTAMP + "{"),
        (TIMESTAMP[-2:] + EVENT, TIMESTAMP[:-2]),
        ("{}", TIMESTAMP),
        ("", TIMESTAMP),
        ("token", ""),
        ("token", "1" * 13),
        ("token", TIMESTAMP + " "),
        ("token\n", TIMESTAMP),
        ("token", TIMESTAMP + "\n"),
        ("é", TIMESTAMP),
        ("t" * 65, TIMESTAMP),
        ('"', TIMESTAMP),
        (None, TIMESTAMP),
        (["token"], TIMESTAMP),
        ("token", int(TIMESTAMP)),
        ("token", "١٢٣"),
    ],
)
def test_nothing_that_could_be_an_event_is_ever_signed(plain_token: Any, event_ts: Any) -> None:
    assert QQ.verify(validation(plain_token, event_ts)) == Rejected("no_signature")
    # Not even for the platform itself.
    payload = QQ.payload(by_pynacl(validation(plain_token, event_ts).body))
    with pytest.raises(MalformedPayload):
        ADAPTER.handshake(payload)


@given(st.from_regex(r"[0-9]{1,12}", fullmatch=True), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.integers(1, 12))
def test_no_signature_that_is_given_out_verifies_as_an_event(event_ts: str, plain_token: str, cut: int) -> None:
    answer = QQ.greeting(validation(plain_token, event_ts))
    assert answer is not None
    signature, signed = json.loads(answer.body)["signature"], event_ts + plain_token
    # However the signed text is cut into a timestamp and a body, no body of it is an event.
    headers = {"x-signature-ed25519": signature, "x-signature-timestamp": signed[:cut]}
    webhook = Webhook(headers=headers, body=signed[cut:].encode())
    verified = QQ.verify(webhook, tolerance_seconds=86_400)
    if isinstance(verified, Verified):
        with pytest.raises(MalformedPayload):
            ADAPTER.decode(verified, "demo")


def test_a_verification_call_with_a_wrong_signature_is_rejected() -> None:
    webhook = QQ.simulator().handshake(signed=True)
    wrong = replace(webhook, headers={**webhook.headers, "X-Signature-Ed25519": "0" * 128})
    assert QQ.verify(wrong) == Rejected("bad_signature")


@pytest.mark.parametrize("app", [None, "", "22222222", "é"])
def test_a_verification_call_of_another_app_is_rejected(app: str | None) -> None:
    assert QQ.verify(validation("token", TIMESTAMP, app=app)) == Rejected("another_app")


@pytest.mark.parametrize("op", [0, "0", 12, None, True, 13.0, [13]])
def test_no_other_webhook_passes_without_a_signature(op: Any) -> None:
    assert QQ.verify(validation("token", TIMESTAMP, op=op)) == Rejected("no_signature")


def test_an_event_in_the_dress_of_a_verification_call_is_no_message() -> None:
    webhook = validation("token", TIMESTAMP, t="C2C_MESSAGE_CREATE", id="1")
    answer = QQ.greeting(webhook)
    assert answer is not None
    assert QQ.parse(webhook).messages == ()


# --- messages -------------------------------------------------------------------------------------------------------------------


def test_a_message_to_the_bot_is_read_whole() -> None:
    sent = NOW - timedelta(seconds=30)
    message = QQ.message(QQ.simulator().text(ANN, "要发票😀", native_id="ROBOT1.0_1!", at=sent))
    assert (message.channel, message.kind, message.text, message.native_id) == ("qq", "text", "要发票😀", "ROBOT1.0_1!")
    assert (message.contact.primary, message.conversation_kind, message.contact.is_bot) == (ANN, "dm", False)
    assert message.contact.ids == (ContactId(kind="openid", value=ANN, scope=APP), ContactId(kind="unionid", value=f"U{ANN}"))
    assert (message.sent_at, message.time_precision) == (sent, "s")
    assert str(message.native_event_id).startswith("C2C_MESSAGE_CREATE:")
    reply = message.reply
    assert (reply.mode, reply.token, reply.expires_at, reply.max_replies) == ("passive", None, sent + timedelta(minutes=60), 5)


def test_a_message_in_a_group_names_the_group_and_may_be_answered_for_five_minutes() -> None:
    message = QQ.message(QQ.simulator().at_group(ANN, GROUP, "几点开门", at=NOW))
    assert (message.text, message.conversation_kind, message.thread_id) == ("几点开门", "group", GROUP)
    assert message.contact.ids == (ContactId(kind="member_openid", value=ANN, scope=GROUP),)
    assert (message.reply.token, message.reply.expires_at, message.reply.max_replies) == (GROUP, NOW + timedelta(minutes=5), 5)


@pytest.mark.parametrize(
    ("event", "kind", "thread"),
    [
        ("DIRECT_MESSAGE_CREATE", "dm", "18700000000001"),
        ("AT_MESSAGE_CREATE", "channel", "100010"),
        ("MESSAGE_CREATE", "channel", "100010"),
    ],
)
def test_a_message_in_a_guild_is_read_and_cannot_be_answered(event: str, kind: str, thread: str) -> None:
    message = QQ.message(QQ.simulator().guild("1234", event, "你好"))
    assert (message.text, message.conversation_kind, message.thread_id) == ("你好", kind, thread)
    assert (message.contact.name, message.contact.avatar_url) == ("小明", "http://thirdqq.qlogo.cn/0")
    assert message.reply.mode == "none"


def test_a_bot_is_known_as_one() -> None:
    assert QQ.message(QQ.simulator().guild("1234", "AT_MESSAGE_CREATE", "你好", is_bot=True)).contact.is_bot


def test_files_of_each_kind() -> None:
    def only(**fields: Any) -> Attachment:
        (attachment,) = QQ.message(QQ.simulator().files(ANN, [fields])).attachments
        return attachment

    image = QQ.message(QQ.simulator().image(ANN, "https://multimedia.nt.qq.com.cn/1"))
    picture = Attachment(
        kind="image",
        url="https://multimedia.nt.qq.com.cn/1",
        mime="image/jpeg",
        size=1024,
        filename="1.jpg",
        width=480,
        height=640,
        needs_download=True,
    )
    assert (image.kind, image.text, image.attachments) == ("image", None, (picture,))
    voice = only(content_type="voice", url="https://x/1.silk", asr_refer_text="我要投诉")
    assert (voice.kind, voice.mime, voice.transcript) == ("voice", None, "我要投诉")
    assert only(content_type="video/mp4", url="u").kind == "video"
    assert only(content_type="file", url="u").kind == "file"
    assert only(url="u").kind == "file"


def test_words_beside_files_make_a_mixed_message() -> None:
    message = QQ.message(QQ.simulator().image(ANN, "https://x/1", text="坏了"))
    assert (message.kind, message.text, len(message.attachments)) == ("mixed", "坏了", 1)
    two = [{"content_type": "image/png", "url": "a"}, {"content_type": "image/png", "url": "b"}]
    assert QQ.message(QQ.simulator().files(ANN, two)).kind == "image"


def test_quotes_and_mentions_are_kept() -> None:
    fields = {
        "content": "是这个",
        "message_reference": {"message_id": "REFIDX_1"},
        "mentions": [{"id": "7"}, {"member_openid": "M"}, {"x": 1}],
    }
    message = QQ.message(QQ.simulator().message(ANN, fields))
    assert (message.reply_to, message.mentions) == (ReplyTo(native_id="REFIDX_1"), ("7", "M"))


def test_an_unknown_kind_is_kept_as_unsupported() -> None:
    message = QQ.message(QQ.simulator().unknown(ANN))
    assert (message.kind, message.raw_kind, message.text) == ("unsupported", "message_type_177", None)
    assert QQ.message(QQ.simulator().text(ANN, "  ")).raw_kind == "empty"


@pytest.mark.parametrize(
    "event", ["FRIEND_ADD", "FRIEND_DEL", "C2C_MSG_REJECT", "GROUP_ADD_ROBOT", "INTERACTION_CREATE", "READY"]
)
def test_other_events_are_ignored_by_name(event: str) -> None:
    (ignored,) = QQ.parse(QQ.simulator().event(event, {"openid": ANN, "timestamp": 1699240365})).ignored
    assert ignored.kind == event
    assert str(ignored.native_id).startswith(event)


@pytest.mark.parametrize(
    ("said", "kind"), [({"op": 7}, "op_7"), ({}, "op_None"), ({"op": 0, "t": "你好 <b>"}, "unnamed"), ({"op": 0}, "unnamed")]
)
def test_what_is_no_event_is_ignored(said: Any, kind: str) -> None:
    assert QQ.parse(QQ.simulator().webhook(said)).ignored == (Ignored(kind),)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"author": None}, "d.user_openid"),
        ({"author": {"user_openid": ""}}, "d.user_openid"),
        ({"id": None}, "d.id"),
        ({"id": {"a": 1}}, "d.id"),
    ],
)
def test_a_message_that_cannot_be_read_is_an_error_that_names_the_field(fields: Any, where: str) -> None:
    assert QQ.parse(QQ.simulator().message(ANN, {"content": "x", **fields})).errors == (ItemError("missing", where),)


def test_a_group_message_without_its_group_is_an_error() -> None:
    said = {"op": 0, "t": "GROUP_AT_MESSAGE_CREATE", "d": {"id": "1", "author": {"member_openid": ANN}, "content": "x"}}
    assert QQ.parse(QQ.simulator().webhook(said)).errors == (ItemError("missing", "d.group_openid"),)


@pytest.mark.parametrize("written", [None, "", "soon", 1699240365, "2026-11-22", "2026-11-22T16:00:00", "2026-13-22T16:00:00+08:00",
                                     "9999-12-31T23:59:59-12:00", "2020-01-01T00:00:00Z"])  # fmt: skip
def test_without_a_time_that_can_be_true_a_message_is_kept_without_one(written: Any) -> None:
    message = QQ.message(QQ.simulator().message(ANN, {"content": "x", "timestamp": written}))
    assert (message.sent_at, message.time_precision) == (None, "none")
    assert message.reply.expires_at == NOW + timedelta(minutes=60)


def test_a_redelivery_has_the_same_id_and_another_message_has_not() -> None:
    sim = QQ.simulator()
    first, again = (QQ.message(sim.signed_anew(sim.text(ANN, "a", native_id="1", at=NOW))) for _ in range(2))
    other = QQ.message(sim.text(ANN, "a", native_id="2", at=NOW))
    assert first.message_id == again.message_id != other.message_id


def test_qq_hears_that_the_event_arrived() -> None:
    answer = QQ.acknowledged(QQ.simulator().text(ANN, "x"))
    assert (answer.status, json.loads(answer.body)) == (200, {"op": 12, "d": 0})
    sim = QQ.simulator()
    assert [
        sim.tried_again(Attempt(at=NOW, status=200, body=body)) for body in (answer.body.encode(), b'{"op":12,"d":1}', b"x")
    ] == [
        False,
        True,
        True,
    ]
    assert sim.tried_again(Attempt(at=NOW, status=503))


# --- sending --------------------------------------------------------------------------------------------------------------------


def reply_to(webhook: Webhook, text: str = "您好", **changed: Any) -> OutgoingReply:
    message = QQ.message(webhook)
    given_ = {"message_id": "m1", "native_id": message.native_id, "contact": ANN, "text": text, "token": message.reply.token}
    return OutgoingReply(**(given_ | changed))


def send(outbound: Any, reply: OutgoingReply) -> SendResult:
    return ADAPTER.send(reply, QQ.credentials(), outbound)


def test_a_reply_reaches_the_person() -> None:
    sim = QQ.simulator()
    outbound = Leased(sim)
    result = send(outbound, reply_to(sim.text(ANN, "你好", native_id="ROBOT1.0_1!")))
    assert result.outcome == "sent"
    assert str(result.provider_id).startswith("ROBOT1.0_sent")
    assert [(d.contact, d.text) for d in sim.outbox] == [(ANN, "您好")]
    token, sent = outbound.asked
    assert (token.path, sent.path) == ("/app/getAppAccessToken", f"/v2/users/{ANN}/messages")
    assert sent.headers["authorization"] == f"QQBot {outbound.token}"
    said = json.loads(sent.body)
    assert (said["content"], said["msg_type"], said["msg_id"]) == ("您好", 0, "ROBOT1.0_1!")


def test_a_reply_to_a_group_goes_to_the_group() -> None:
    sim = QQ.simulator()
    outbound = Leased(sim)
    assert send(outbound, reply_to(sim.at_group(ANN, GROUP, "你好"))).outcome == "sent"
    assert outbound.asked[-1].path == f"/v2/groups/{GROUP}/messages"


def test_the_same_reply_again_is_known_and_another_is_not() -> None:
    sim = QQ.simulator()
    webhook = sim.text(ANN, "你好")
    assert [send(Leased(sim), reply_to(webhook)).outcome for _ in range(2)] == ["sent", "duplicate"]
    assert send(Leased(sim), reply_to(webhook, text="还有一点")).outcome == "sent"
    assert [d.text for d in sim.outbox] == ["您好", "还有一点"]
    assert ADAPTER.idempotent_send is True


@given(st.text())
def test_a_sequence_number_is_one_that_qq_takes(text: str) -> None:
    outbound = answering(QQ.simulator(), ApiAnswer(200, b'{"id": "1"}'))
    reply = OutgoingReply(message_id="m", native_id="n", contact=ANN, text=text[:1000])
    assert send(outbound, reply).outcome == "sent"
    assert 0 < json.loads(outbound.asked[-1].body)["msg_seq"] < 2**31


def test_five_replies_in_an_hour_and_no_more() -> None:
    sim = QQ.simulator()
    webhook = sim.text(ANN, "你好")
    sent = [send(Leased(sim), reply_to(webhook, text=f"第{n}条")).outcome for n in range(6)]
    assert sent == ["sent"] * 5 + ["window_closed"]
    old = sim.text(ANN, "x", at=NOW - timedelta(minutes=61))
    reply = OutgoingReply(message_id="m", native_id=json.loads(old.body)["d"]["id"], contact=ANN, text="x")
    assert send(Leased(sim), reply) == SendResult(outcome="window_closed", code="40034128")


def test_what_cannot_be_sent_is_refused_before_anything_is_asked() -> None:
    outbound, webhook = SimulatedPlatform(QQ.simulator()), QQ.simulator().text(ANN, "x")
    assert send(outbound, reply_to(webhook, text="字" * 1001)) == SendResult(outcome="invalid", code="too_long")
    assert send(outbound, reply_to(webhook, native_id=None)) == SendResult(outcome="window_closed", code="no_message")
    late = send(outbound, reply_to(webhook, not_after=NOW - timedelta(seconds=1)))
    assert late == SendResult(outcome="window_closed", code="too_late")
    guild = send(outbound, reply_to(QQ.simulator().guild("1234", "AT_MESSAGE_CREATE", "x")))
    assert guild == SendResult(outcome="window_closed", code="receive_only")
    assert not outbound.asked


def test_a_refused_token_is_forgotten_and_the_next_try_gets_through() -> None:
    sim = QQ.simulator()
    webhook, outbound = sim.text(ANN, "x"), Leased(sim)
    send(outbound, reply_to(webhook, text="1"))
    old = outbound.token
    sim.expire_tokens()
    assert send(outbound, reply_to(webhook, text="2")).outcome == "auth_expired"
    assert outbound.forgotten == [old]
    assert send(outbound, reply_to(webhook, text="2")).outcome == "sent"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (ApiAnswer(200, b'{"id": "1", "timestamp": "2026"}'), "sent"),
        (ApiAnswer(202, b'{"code": 304024, "message": "audit"}'), "sent"),
        (ApiAnswer(200, b"{}"), "unknown"),
        (ApiAnswer(200, b"<html>"), "unknown"),
        (ApiAnswer(302, b""), "unknown"),
        (ApiAnswer(500, b'{"code": 1}'), "unknown"),
        (ApiAnswer(504, b""), "unknown"),
        (ApiAnswer(404, b""), "invalid"),
        (ApiAnswer(401, b""), "auth_expired"),
        (ApiAnswer(429, b""), "rate_limited"),
        (ApiAnswer(429, b'{"code": 999999}'), "rate_limited"),
        (ApiAnswer(200, b'{"code": 999999}'), "invalid"),
        (ApiAnswer(400, b'{"code": "40054005"}'), "duplicate"),
        (refusal(40054005), "duplicate"),
        (refusal(40034128), "window_closed"),
        (refusal(304103), "window_closed"),
        (refusal(40054013), "window_closed"),
        (refusal(22009), "rate_limited"),
        (refusal(11243, 401), "auth_expired"),
        (refusal(11242), "transient"),
        (refusal(40054007), "invalid"),
        (refusal(40054010), "invalid"),
    ],
)
def test_each_answer_has_its_outcome(answer: ApiAnswer, outcome: str) -> None:
    result = send(answering(QQ.simulator(), answer), reply_to(QQ.simulator().text(ANN, "x")))
    assert result.outcome == outcome
    assert (result.retry_after is not None) == (outcome == "rate_limited")
    assert secrets_kept(result, SECRET)


@pytest.mark.parametrize(("fault", "outcome"), [(Unreachable(), "transient"), (NoAnswer(), "unknown")])
def test_whether_the_request_left_decides_between_again_and_unknown(fault: Exception, outcome: str) -> None:
    assert send(Leased(QQ.simulator(), token="T", fault=fault), reply_to(QQ.simulator().text(ANN, "x"))).outcome == outcome


@pytest.mark.parametrize("fault", [Unreachable(), NoAnswer(), Unavailable("the lease")])
def test_without_a_token_nothing_was_sent(fault: Exception) -> None:
    outbound = Leased(QQ.simulator(), fault=fault)
    assert send(outbound, reply_to(QQ.simulator().text(ANN, "x"))) == SendResult(outcome="transient", code="no_token")
    assert [asked.path for asked in outbound.asked] == ["/app/getAppAccessToken"]


def test_a_wrong_secret_is_a_setting_to_be_mended() -> None:
    outbound = Leased(QQ.simulator(app_secret="another-secret"))
    assert send(outbound, reply_to(QQ.simulator().text(ANN, "x"))) == SendResult(outcome="invalid", code="token_100007")


def test_the_simulated_api_refuses_what_qq_refuses() -> None:
    sim = QQ.simulator()
    native_id = json.loads(sim.text(ANN, "x").body)["d"]["id"]
    token = Leased(sim).access_token("qq#1", lambda: _token(sim))

    def code(path: str = f"/v2/users/{ANN}/messages", method: str = "POST", auth: str = f"QQBot {token}", **fields: Any) -> Any:
        said = {"content": "x", "msg_type": 0, "msg_id": native_id} | fields
        return json.loads(sim.api(ApiRequest(method, path, {}, {"authorization": auth}, json.dumps(said).encode())).body).get(
            "code"
        )

    assert code(content="x" * 4001) == 40054007
    assert code(content=" ") == 50006
    assert code(msg_type=3) == 340069
    assert code(msg_id=None) == 40034105
    assert code(msg_id="never") == 40034024
    assert code(path=f"/v2/groups/{GROUP}/messages") == 40034024
    assert code(path="/v2/elsewhere") == 404
    assert code(method="GET") == 405
    assert (code(auth="Bearer x"), code(auth="QQBot x")) == (11241, 11243)
    assert code() is None
    assert code() == 40054005
    assert sim.owns(ApiRequest("POST", "/", {}, {"authorization": f"QQBot {token}"}, b""))
    assert not sim.owns(ApiRequest("POST", "/", {}, {}, b""))
    sim.welcomes_strangers = True
    assert code(msg_id="by-hand") is None


def _token(sim: QqSimulator) -> Any:
    from functions.channels.contract import AccessToken

    asked = json.dumps({"appId": APP, "clientSecret": SECRET}).encode()
    given_ = json.loads(sim.api(ApiRequest("POST", "/app/getAppAccessToken", {}, {}, asked)).body)
    assert given_["expires_in"] == "7200"
    return AccessToken(given_["access_token"], int(given_["expires_in"]))


# --- arbitrary input ------------------------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
NAMES = st.sampled_from(["x-signature-ed25519", "x-signature-timestamp", "x-bot-appid"])
EVENTS = st.sampled_from(["C2C_MESSAGE_CREATE", "GROUP_AT_MESSAGE_CREATE", "DIRECT_MESSAGE_CREATE", "FRIEND_ADD", "\ud800"])
FIELDS = st.sampled_from(
    [
        "id",
        "content",
        "author",
        "attachments",
        "timestamp",
        "group_openid",
        "guild_id",
        "mentions",
        "message_reference",
        "user_openid",
    ]
)
INNER = st.dictionaries(
    FIELDS, VALUES | st.dictionaries(FIELDS, VALUES) | st.lists(st.dictionaries(FIELDS, VALUES), max_size=3)
)


@given(st.text(), st.dictionaries(NAMES, st.text() | st.just(APP) | st.just(TIMESTAMP) | st.just("0" * 128)), st.binary())
def test_verify_never_raises(method: str, headers: dict[str, str], body: bytes) -> None:
    for verb in (method, "POST"):
        assert isinstance(ADAPTER.verify(QQ.request(Webhook(verb, "", headers, body)), QQ.credentials(), NOW), Rejected)


@given(EVENTS, INNER, st.dictionaries(st.sampled_from(["op", "t", "d", "id"]), VALUES))
def test_whatever_is_rightly_signed_is_read_or_malformed(event: str, inner: Any, outer: Any) -> None:
    base = {"id": "1", "author": {"user_openid": ANN, "member_openid": ANN, "id": "7"}, "group_openid": GROUP}
    said = {"op": 0, "t": event, "d": base | inner} | outer
    QQ.survives(QQ.as_verified(json.dumps(said).encode()))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_malformed_at_most(body: bytes) -> None:
    QQ.survives(QQ.as_verified(body))


def test_depth_without_end_is_malformed_at_most() -> None:
    for inner in (b"[" * 100_000, b"[" * 400 + b'"\\ud800"' + b"]" * 400):
        QQ.survives(QQ.as_verified(b'{"op":0,"t":"C2C_MESSAGE_CREATE","d":' + inner + b"}"))
        assert QQ.verify(Webhook(body=b'{"op":13,"d":' + inner + b"}")) == Rejected("no_signature")
