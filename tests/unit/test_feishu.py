"""The channel `feishu`: encrypted and plain mode, two versions of events, and replies that are sent once."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.channels.codecs import feishu_aes
from functions.channels.contract import Ignored, ItemError, NoAnswer, OutgoingReply, Rejected, SendResult, Unreachable, Verified
from functions.channels.feishu import ADAPTER, FeishuCredentials
from functions.common.errors import MalformedPayload, Unavailable
from functions.common.message import Attachment, ContactId, Location, ReplyTo, Sticker
from infra.simulators.contract import ApiAnswer, ApiRequest, Webhook
from infra.simulators.feishu import MESSAGES, TENANT, TOKEN, FeishuSimulator, encrypted, refusal
from tests.fakes.signed_webhook import Desk, Leased, answering, secrets_kept
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

VECTORS = Path(__file__).parents[2] / "../shared/vectors/signatures.json"
KEY, VTOKEN, APP = "an-encrypt-key", "v-token-0123456789", "cli_slkdjalasdkjasd"
SETTINGS: dict[str, Any] = {
    "app_id": APP,
    "app_secret": "an-app-secret",
    "verification_token": VTOKEN,
    "encrypt_key": KEY,
    "mode": "encrypted",
}
PLAIN = {"encrypt_key": None, "mode": "plain"}
FEISHU = Desk(ADAPTER, SETTINGS, FeishuSimulator)
ANN, GROUP = "ou_7d8a6e6df7621556ce0d21922b676706", "oc_5ad11d72b830411d72b836c20"
MODES = pytest.mark.parametrize("mode", [{}, PLAIN], ids=["encrypted", "plain"])


def signed(body: bytes, *, timestamp: str = str(int(NOW.timestamp())), nonce: str = "n1") -> Webhook:
    """Any body, signed as the vendor's page has it."""
    signature = hashlib.sha256((timestamp + nonce + KEY).encode() + body).hexdigest()
    headers = {"x-lark-signature": signature, "x-lark-request-timestamp": timestamp, "x-lark-request-nonce": nonce}
    return Webhook(headers=headers, body=body)


def sealed(said: Any) -> bytes:
    clear = said if isinstance(said, bytes) else json.dumps(said).encode()
    return json.dumps({"encrypt": encrypted(KEY, clear)}).encode()


# --- verification ---------------------------------------------------------------------------------------------------------------


# A text "你好" of ou_ann. The vendor's SDK, lark-oapi 1.5.5, took it (`EventDispatcherHandler.do`: 200, and the text handed on), and
# refused it with another signature.
TAKEN_BY_LARK_OAPI = Webhook(
    headers={
        "x-lark-signature": "bdd1900e5fc1f400c7f695726a3e1008fc543132f468c4adad57019280aad20e",
        "x-lark-request-timestamp": "1795334400",
        "x-lark-request-nonce": "eae08237bd",
    },
    body=b'{"encrypt": "'
    b"L+9q3adm0wcnXOcEqQFNxh3LPtdvmlzs6pEwUaikCQOGqPjwhV+Rrws0BJUi2LOuEexOQIWBgnt2rz7sXXBxSM2rEcV7c4A6Cdl5QdJZ3XGaw0"
    b"z7wDmasr7hSmXN5GOHrnSftX7Hb/Jk3Ud613WdHamDDkiKQhNmG/9a0leQrj1FnOBUQT95kBNYP6R0J/bC4B04GUXy9EntqcxJqpDUS0R5cFkt"
    b"nwW3MOA+TPf8UUBTOAILfzHeqqAda9U/2EBUQ6z6gdimjpF4Clg0oqNkyNc79Bb+MFTe9ueEQTyimUxFXyEtZIlddckWXr0iRXA8xPGkFvo2La"
    b"STuXK/TWDKvwYrek2Fj0fBNp2SMRl8HZk3zc6ovKmQQXRY85OYydBfsJh4XTOIdhaMb06BzqOn5xUuseHEtvvMKuwiKluo786P3xg/kwt4BJVk"
    b"IHK1t/uJxmst6w14icyhcGImkJtIx0QdiJ5Ij0sYIBYAaFXdsIRMe9k5Pj+vRficL5kjElxPugCFKJWqmhhMxW2V1VvDzWBJh7ui2PAyoWLlyD"
    b"nma+8ppPzndrL/zr3QVHQdfs/b9BJjGvC02bIkM+Y4R7jqMxdLwRLigN/KuzRq4XyDJq3H0EPo0FOjSuXlp0HC4YoC/Lm9Z8E0G5ZrISyc9cpP"
    b"EBtZ0SbdqX6JVi9p/Nxa4fgW+rxymOW6sLFGEBjyF/AOvaNLJyNl4Qsezydf1GZv5FVmsQ9V2gpjg3xolXXTA+et0oMdKfnU4OUeSd4zD2ONre"
    b"rwMLcY94/dxMtwPqB1A/fUrIHfSzpjg9hxtRmdV/u5VvTkbfqGsDTjZ6wEjA8r"
    b'"}',
)


def test_what_the_vendors_sdk_takes_is_taken_and_read() -> None:
    at = datetime.fromtimestamp(1795334400, UTC)
    verified = FEISHU.verify(TAKEN_BY_LARK_OAPI, at)
    assert isinstance(verified, Verified)
    (message,) = ADAPTER.parse(ADAPTER.decode(verified, "demo")).messages
    assert (message.contact.primary, message.native_id, message.text) == ("ou_ann", "om_1", "你好")
    wrong = {**TAKEN_BY_LARK_OAPI.headers, "x-lark-signature": "0" * 64}
    assert FEISHU.verify(replace(TAKEN_BY_LARK_OAPI, headers=wrong), at) == Rejected("bad_signature")


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared signature vectors are not beside this repository")
def test_the_vendors_vector_is_decrypted() -> None:
    (vector,) = [v for v in json.loads(VECTORS.read_text("utf-8")) if v["channel"] == "feishu"]
    clear = feishu_aes.decrypt(vector["given"]["encrypt_key"], vector["given"]["encrypt"])
    assert clear == vector["expect"]["plaintext"].encode()


@given(st.text(min_size=1), st.binary(), st.binary(min_size=16, max_size=16))
def test_what_is_encrypted_is_decrypted(key: str, clear: bytes, iv: bytes) -> None:
    if key.encode("utf-8", "replace").decode() == key:
        assert feishu_aes.decrypt(key, encrypted(key, clear, iv)) == clear


@given(st.text())
def test_what_is_not_encrypted_is_not_decrypted(text: str) -> None:
    assert feishu_aes.decrypt(KEY, text) is None


@pytest.mark.parametrize("cut", [1, 15, 16, 17, 31])
def test_a_cut_ciphertext_is_not_decrypted(cut: int) -> None:
    raw = b64decode(encrypted(KEY, b"{}"))
    assert feishu_aes.decrypt(KEY, b64encode(raw[:cut]).decode()) is None
    assert feishu_aes.decrypt("another", b64encode(raw).decode()) != b"{}"


@MODES
def test_verification_says_how_far_the_webhook_can_be_trusted(mode: dict[str, Any]) -> None:
    verified = FEISHU.verified(FEISHU.simulator(**mode).text(ANN, "你好"), **mode)
    trusted = mode == {}
    assert (verified.verification.body_signed, verified.verification.timestamped) == (trusted, trusted)
    assert "你好" not in repr(verified) or not trusted  # what verify hands on holds no plaintext


@MODES
def test_forged_is_rejected(mode: dict[str, Any]) -> None:
    reason = "bad_token" if mode else "bad_signature"
    assert FEISHU.verify(FEISHU.simulator(**mode).forged(ANN, "x"), **mode) == Rejected(reason)


def test_stale_is_rejected_and_the_tolerance_is_configuration() -> None:
    sim = FEISHU.simulator()
    assert FEISHU.verify(sim.stale(ANN, "x")) == Rejected("stale")
    assert FEISHU.verify(sim.text(ANN, "x"), now=NOW - timedelta(seconds=301)) == Rejected("stale")
    assert isinstance(FEISHU.verify(sim.stale(ANN, "x"), tolerance_seconds=28_800), Verified)
    assert FEISHU.simulator(**PLAIN).stale(ANN, "x") is None


def test_a_time_in_milliseconds_is_understood_too() -> None:
    webhook = FEISHU.simulator().text(ANN, "x")
    assert isinstance(FEISHU.verify(signed(webhook.body, timestamp=str(int(NOW.timestamp() * 1000)))), Verified)


@pytest.mark.parametrize("name", ["X-Lark-Signature", "X-Lark-Request-Timestamp", "X-Lark-Request-Nonce"])
@pytest.mark.parametrize("value", [None, "", "é", "0" * 64, "-1"])
def test_without_each_of_its_parts_right_a_webhook_is_rejected(name: str, value: str | None) -> None:
    webhook = FEISHU.simulator().text(ANN, "x")
    headers = {key: kept for key, kept in {**webhook.headers, name: value}.items() if kept is not None}
    assert isinstance(FEISHU.verify(replace(webhook, headers=headers)), Rejected)


def test_a_missing_signature_is_no_way_around_it() -> None:
    webhook = FEISHU.simulator().text(ANN, "x")
    assert FEISHU.verify(replace(webhook, headers={})) == Rejected("no_signature")


def test_a_plain_event_is_no_way_around_the_encrypted_mode() -> None:
    plain = FEISHU.simulator(**PLAIN).text(ANN, "x")
    assert FEISHU.verify(plain) == Rejected("no_signature")
    assert FEISHU.verify(signed(plain.body)) == Rejected("bad_signature")


def test_plain_mode_takes_nothing_encrypted() -> None:
    assert FEISHU.verify(FEISHU.simulator().text(ANN, "x"), **PLAIN) == Rejected("mode")


def test_every_fault_of_the_encryption_is_answered_like_a_bad_signature() -> None:
    wrong_token = {"schema": "2.0", "header": {"token": "another"}, "event": {}}
    for body in (
        b"{}",
        b"[]",
        b"not json",
        json.dumps({"encrypt": "not base64"}).encode(),
        json.dumps({"encrypt": encrypted("another", b"{}")}).encode(),
        sealed(b"[]"),
        sealed(b"\xff"),
        sealed(wrong_token),
        sealed({"token": None, "event": {}}),
    ):
        assert FEISHU.verify(signed(body)) == Rejected("bad_signature")
        assert FEISHU.verify(Webhook(body=body)) == Rejected("no_signature")


@pytest.mark.parametrize("token", [None, "", "another", "é", 7, ["x"]])
@pytest.mark.parametrize("schema", ["2.0", None, 2.0])
def test_plain_mode_wants_the_right_token_in_the_right_place(token: Any, schema: Any) -> None:
    said = {"schema": schema, "token": token, "header": {"token": token}, "event": {}}
    assert FEISHU.verify(Webhook(body=json.dumps(said).encode()), **PLAIN) == Rejected("bad_token")
    misplaced = {"schema": "2.0", "token": VTOKEN, "header": {}, "event": {}}
    assert FEISHU.verify(Webhook(body=json.dumps(misplaced).encode()), **PLAIN) == Rejected("bad_token")


@MODES
def test_other_methods_are_rejected(mode: dict[str, Any]) -> None:
    webhook = FEISHU.simulator(**mode).text(ANN, "x")
    assert FEISHU.verify(replace(webhook, method="GET"), **mode) == Rejected("method")


@pytest.mark.parametrize(
    "wrong",
    [
        {"encrypt_key": None},
        {"mode": "plain"},
        {"mode": None},
        {"verification_token": "x"},
        {"domain": "evil.example"},
        {"key": "x"},
    ],
)
def test_credentials_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        FeishuCredentials.model_validate(SETTINGS | wrong)
    assert KEY not in str(refused.value)


# --- handshake ------------------------------------------------------------------------------------------------------------------


@MODES
def test_the_unsigned_verification_call_is_answered_when_its_token_is_right(mode: dict[str, Any]) -> None:
    sim = FEISHU.simulator(**mode)
    webhook = sim.handshake()
    answer = FEISHU.greeting(webhook, **mode)
    assert answer is not None
    assert (answer.status, json.loads(answer.body)) == (200, {"challenge": "ajls384kdjx98XX"})
    assert answer.body.encode() == sim.handshake_answer(webhook)
    assert answer.content_type.startswith("application/json")


@MODES
def test_a_verification_call_with_another_token_is_rejected(mode: dict[str, Any]) -> None:
    assert isinstance(FEISHU.verify(FEISHU.simulator(**mode).handshake(token="another-token"), **mode), Rejected)


def test_a_verification_call_may_be_signed_and_must_then_be_rightly_signed() -> None:
    sim = FEISHU.simulator()
    webhook = sim.handshake()
    assert FEISHU.greeting(sim.signed_anew(webhook)) is not None
    assert FEISHU.verify(sim.signed_anew(webhook, key="another")) == Rejected("bad_signature")


def test_an_unsigned_verification_call_opens_the_door_for_nothing_else() -> None:
    said = {"type": "event_callback", "token": VTOKEN, "event": {"type": "message", "open_id": ANN}}
    assert FEISHU.verify(Webhook(body=sealed(said))) == Rejected("no_signature")
    # With an event in it, it is a verification call nevertheless: no message comes of it.
    both = said | {"type": "url_verification", "challenge": "c"}
    assert FEISHU.verified(Webhook(body=sealed(both))).verification.scheme == "feishu-challenge"
    assert FEISHU.greeting(Webhook(body=sealed(both))) is not None


@MODES
@pytest.mark.parametrize("challenge", [None, "", 12345, "x" * 513, {"a": 1}])
def test_a_challenge_that_is_none_is_malformed(challenge: Any, mode: dict[str, Any]) -> None:
    payload = FEISHU.payload(FEISHU.simulator(**mode).handshake(challenge), **mode)
    with pytest.raises(MalformedPayload):
        ADAPTER.handshake(payload)


@MODES
def test_a_message_is_no_handshake_and_feishu_hears_ok(mode: dict[str, Any]) -> None:
    assert FEISHU.greeting(FEISHU.simulator(**mode).text(ANN, "x"), **mode) is None
    assert FEISHU.acknowledged(FEISHU.simulator().text(ANN, "x")).status == 200


# --- messages -------------------------------------------------------------------------------------------------------------------


@MODES
def test_text_is_read_whole(mode: dict[str, Any]) -> None:
    sent = NOW - timedelta(milliseconds=1234)
    message = FEISHU.message(FEISHU.simulator(**mode).text(ANN, "要发票\n谢谢😀", native_id="om_1", at=sent), **mode)
    assert (message.channel, message.kind, message.text, message.native_id) == ("feishu", "text", "要发票\n谢谢😀", "om_1")
    assert message.contact.primary == ANN
    assert message.contact.ids == (
        ContactId(kind="open_id", value=ANN, scope=APP),
        ContactId(kind="unionid", value=f"on_{ANN[3:]}"),
    )
    assert (message.sent_at, message.time_precision, message.conversation_kind) == (sent, "ms", "dm")
    assert message.native_event_id
    assert str(message.thread_id).startswith("oc_")
    assert (message.reply.mode, message.reply.expires_at, message.reply.max_replies) == ("open", None, None)


def test_the_older_shape_of_events_is_read_too() -> None:
    sent = NOW - timedelta(seconds=5)
    message = FEISHU.message(FEISHU.simulator().text_v1(ANN, "你好", native_id="om_1", at=sent))
    assert (message.kind, message.text, message.native_id, message.native_event_id) == ("text", "你好", "om_1", "uuid-om_1")
    assert (message.sent_at, message.time_precision, message.conversation_kind) == (sent, "s", "dm")
    assert ContactId(kind="user_id", value="a1b2", scope=TENANT) in message.contact.ids


def v1(kind: str, **fields: Any) -> Webhook:
    event = {
        "type": "message",
        "app_id": APP,
        "open_id": ANN,
        "open_message_id": "om_1",
        "chat_type": "group",
        "msg_type": kind,
    }
    said = {"uuid": "u", "token": VTOKEN, "type": "event_callback", "ts": str(NOW.timestamp()), "event": event | fields}
    return FEISHU.simulator().webhook(said)


def test_the_older_shape_has_other_kinds_too() -> None:
    image = FEISHU.message(v1("image", image_key="img_1"))
    assert image.attachments == (Attachment(kind="image", media_id="img_1", needs_download=True),)
    assert (image.kind, image.conversation_kind) == ("image", "group")
    assert FEISHU.message(v1("file", file_key="f_1")).kind == "file"
    post = FEISHU.message(v1("post", title="标题", text="正文"))
    assert (post.kind, post.text) == ("text", "标题\n正文")
    at_bot = FEISHU.message(v1("text", text="<at>@bot</at> 你好", text_without_at_bot=" 你好"))
    assert at_bot.text == "你好"
    assert FEISHU.message(v1("merge_forward")).raw_kind == "merge_forward"


def test_media_are_known_by_their_keys() -> None:
    sim = FEISHU.simulator()
    image = FEISHU.message(sim.image(ANN, "img_v2_1"))
    assert (image.kind, image.attachments) == ("image", (Attachment(kind="image", media_id="img_v2_1", needs_download=True),))
    audio = FEISHU.message(sim.message(ANN, "audio", {"file_key": "f1", "duration": 2000}))
    assert audio.attachments == (Attachment(kind="voice", media_id="f1", duration_ms=2000, needs_download=True),)
    media = FEISHU.message(sim.message(ANN, "media", {"file_key": "f2", "image_key": "i", "file_name": "a.mp4", "duration": 9}))
    assert media.attachments == (Attachment(kind="video", media_id="f2", filename="a.mp4", duration_ms=9, needs_download=True),)
    file = FEISHU.message(sim.message(ANN, "file", {"file_key": "f3", "file_name": "合同.pdf"}))
    assert file.attachments == (Attachment(kind="file", media_id="f3", filename="合同.pdf", needs_download=True),)
    sticker = FEISHU.message(sim.message(ANN, "sticker", {"file_key": "s1"}))
    assert (sticker.kind, sticker.sticker) == ("sticker", Sticker(sticker_id="s1"))


def test_location() -> None:
    place = {"name": "天河区", "longitude": "113.358803", "latitude": "23.134521"}
    message = FEISHU.message(FEISHU.simulator().message(ANN, "location", place))
    assert (message.kind, message.location) == ("location", Location(lat=23.134521, lon=113.358803, label="天河区"))


POST = {
    "title": "退货",
    "content": [
        [{"tag": "text", "text": "请看"}, {"tag": "a", "text": "订单", "href": "https://example.org/1"}],
        [{"tag": "at", "user_id": "@_user_1", "user_name": "客服"}, {"tag": "text", "text": " @_user_1"}, 7],
        [{"tag": "img", "image_key": "img_1"}, {"tag": "media", "file_key": "f_1", "image_key": "i"}],
    ],
}


@pytest.mark.parametrize("wrapped", [False, True])
def test_rich_text_is_words_and_files(wrapped: bool) -> None:
    mentions = [{"key": "@_user_1", "id": {"open_id": "ou_bot"}, "name": "客服"}]
    content = {"zh_cn": POST} if wrapped else POST
    message = FEISHU.message(FEISHU.simulator().message(ANN, "post", content, mentions=mentions))
    assert (message.kind, message.text) == ("mixed", "退货\n请看订单 (https://example.org/1)\n@客服 @客服")
    assert [(file.kind, file.media_id) for file in message.attachments] == [("image", "img_1"), ("video", "f_1")]


def test_mentions_have_names_in_the_text_and_ids_beside_it() -> None:
    mentions = [{"key": f"@_user_{n}", "id": {"open_id": f"ou_{n}"}, "name": f"人{n}"} for n in (1, 10)] + [{"key": "@_all"}]
    webhook = FEISHU.simulator().message(
        ANN, "text", {"text": "@_user_10 问 @_user_1"}, mentions=mentions, chat=GROUP, parent_id="om_0", root_id="om_0"
    )
    message = FEISHU.message(webhook)
    assert (message.text, message.mentions) == ("@人10 问 @人1", ("ou_1", "ou_10"))
    assert (message.conversation_kind, message.thread_id, message.reply_to) == ("group", GROUP, ReplyTo(native_id="om_0"))


def test_a_business_card_is_a_contact_and_an_unknown_kind_unsupported() -> None:
    sim = FEISHU.simulator()
    assert FEISHU.message(sim.message(ANN, "share_user", {"user_id": "ou_1"})).kind == "contact"
    message = FEISHU.message(sim.unknown(ANN))
    assert (message.kind, message.raw_kind, message.text) == ("unsupported", "hologram", None)
    assert FEISHU.message(sim.message(ANN, "interactive", "not even JSON")).raw_kind == "interactive"
    assert FEISHU.message(sim.message(ANN, "你 <b>", {})).raw_kind == "unnamed"


@pytest.mark.parametrize("kind", ["im.message.message_read_v1", "im.message.recalled_v1", "im.message.reaction.created_v1"])
def test_other_events_are_ignored_by_name(kind: str) -> None:
    (ignored,) = FEISHU.parse(FEISHU.simulator().event(kind, {"reader": {}})).ignored
    assert ignored.kind == kind
    assert ignored.native_id


def test_what_a_bot_sends_or_another_app_hears_is_ignored() -> None:
    sim = FEISHU.simulator()
    event = {"sender": {"sender_id": {"open_id": ANN}, "sender_type": "app"}, "message": {"message_id": "1"}}
    assert [i.kind for i in FEISHU.parse(sim.event("im.message.receive_v1", event)).ignored] == ["sender_app"]
    another = FEISHU.simulator(app_id="cli_another")
    assert [i.kind for i in FEISHU.parse(another.text(ANN, "x")).ignored] == ["another_app"]


@pytest.mark.parametrize(
    "said", [{"token": VTOKEN}, {"token": VTOKEN, "event": []}, {"schema": "2.0", "header": {"token": VTOKEN}}]
)
def test_what_is_no_event_is_ignored(said: Any) -> None:
    assert FEISHU.parse(FEISHU.simulator().webhook(said)).ignored == (Ignored("unnamed"),)


@pytest.mark.parametrize(
    ("kind", "content", "more", "reason", "where"),
    [
        ("text", {}, {}, "missing", "text"),
        ("text", {"text": 7}, {}, "missing", "text"),
        ("text", "{", {}, "not JSON", "content"),
        ("text", "[]", {}, "not an object", "content"),
        ("text", "7", {}, "not an object", "content"),
        ("image", {}, {}, "missing", "image_key"),
        ("image", {"image_key": "k" * 257}, {}, "too long", "image_key"),
        ("location", {"latitude": "91", "longitude": "1"}, {}, "not degrees", "latitude"),
        ("text", {"text": "x"}, {"message_id": None}, "missing", "message_id"),
        ("text", {"text": "x"}, {"message_type": None}, "missing", "message_type"),
    ],
)
def test_a_message_that_cannot_be_read_is_an_error_that_names_the_field(
    kind: str, content: Any, more: dict[str, Any], reason: str, where: str
) -> None:
    webhook = FEISHU.simulator().message(ANN, kind, content, **more)
    assert FEISHU.parse(webhook).errors == (ItemError(reason, where),)


def test_a_sender_is_needed() -> None:
    event = {"sender": {"sender_id": {"open_id": ""}, "sender_type": "user"}, "message": {"message_id": "1"}}
    webhook = FEISHU.simulator().event("im.message.receive_v1", event)
    assert FEISHU.parse(webhook).errors == (ItemError("missing", "open_id"),)


@pytest.mark.parametrize("time", [None, "", "soon", "1", "99999999999999", True])
def test_without_a_time_that_can_be_true_a_message_is_kept_without_one(time: Any) -> None:
    message = FEISHU.message(FEISHU.simulator().message(ANN, "text", {"text": "x"}, create_time=time))
    assert (message.sent_at, message.time_precision) == (None, "none")


def test_a_redelivery_has_the_same_id_in_either_mode_and_version() -> None:
    made = [
        FEISHU.message(FEISHU.simulator(**mode).text(ANN, "a", native_id="om_1", at=NOW), **mode).message_id
        for mode in ({}, PLAIN, {})
    ]
    made.append(FEISHU.message(FEISHU.simulator().text_v1(ANN, "a", native_id="om_1", at=NOW)).message_id)
    assert len(set(made)) == 1
    assert FEISHU.message(FEISHU.simulator().text(ANN, "a", native_id="om_2", at=NOW)).message_id != made[0]


def test_the_vendors_ladder_ends_within_the_eight_days_that_a_duplicate_is_known() -> None:
    assert FeishuSimulator.patience.waits == (15.0, 300.0, 3600.0, 21_600.0)
    assert sum(FeishuSimulator.patience.waits) < timedelta(days=8).total_seconds()


# --- sending --------------------------------------------------------------------------------------------------------------------


def reply(text: str = "您好", **changed: Any) -> OutgoingReply:
    message_id = "abcdefghijklmnop.1766390400000.abcdefghij"
    return OutgoingReply(**({"message_id": message_id, "native_id": "om_1", "contact": ANN, "text": text} | changed))


def send(outbound: Any, answer: OutgoingReply | None = None, **changed: Any) -> SendResult:
    return ADAPTER.send(answer or reply(), FEISHU.credentials(**changed), outbound)


def heard() -> FeishuSimulator:
    sim: FeishuSimulator = FEISHU.simulator()
    sim.text(ANN, "你好", native_id="om_1")
    return sim


def test_a_reply_reaches_the_person_under_the_message() -> None:
    sim = heard()
    outbound = Leased(sim)
    assert send(outbound, reply('您好😀\n"发票"')) == SendResult(outcome="sent", code="0", provider_id=sim_id(sim))
    assert [(d.contact, d.text) for d in sim.outbox] == [(ANN, '您好😀\n"发票"')]
    token, sent = outbound.asked
    assert (token.path, sent.path) == (TOKEN, f"{MESSAGES}om_1/reply")
    assert sent.headers["authorization"] == f"Bearer {outbound.token}"
    assert sent.query == {}


def sim_id(sim: FeishuSimulator) -> str:
    return next(iter(sim._uuids.values()))[0]


def test_the_same_reply_again_reaches_the_person_once() -> None:
    sim = heard()
    assert [send(Leased(sim)).outcome for _ in range(3)] == ["sent"] * 3
    assert send(Leased(sim), reply("还有一点")).outcome == "sent"
    assert [d.text for d in sim.outbox] == ["您好", "还有一点"]
    assert ADAPTER.idempotent_send is True


def test_the_uuid_is_as_long_as_it_may_be() -> None:
    outbound = Leased(heard())
    send(outbound)
    assert len(json.loads(outbound.asked[-1].body)["uuid"]) == 50


def test_lark_has_another_address() -> None:
    class Asked(SimulatedPlatform):
        def origin(self, default: str) -> str:
            origins.append(default)
            return default

    origins: list[str] = []
    send(Asked(heard()), domain="lark")
    send(Asked(heard()))
    assert origins == ["https://open.larksuite.com", "https://open.feishu.cn"]


@pytest.mark.parametrize("text", ['<at user_id="all">所有人</at>', "<AT user_id='ou_1'></AT>", "a<at b"])
def test_a_reply_mentions_nobody(text: str) -> None:
    sim = heard()
    send(Leased(sim), reply(text))
    assert "<at" not in sim.outbox[0].text.lower()
    assert "</at" not in sim.outbox[0].text.lower()


def test_other_angle_brackets_stay_and_control_characters_go() -> None:
    sim = heard()
    send(Leased(sim), reply("1 < 2 <attic> \x00\x1b[0m\ud800"))
    assert sim.outbox[0].text == "1 < 2 <attic> [0m?"


@given(st.text(st.sampled_from('"\\\n\t字😀é/'), max_size=30_000))
def test_a_text_within_the_limit_never_makes_a_request_beyond_the_vendors(text: str) -> None:
    outbound = answering(FEISHU.simulator(), ApiAnswer(200, b'{"code": 0}'))
    result = send(outbound, reply(text))
    assert result.code in ("0", "too_long")
    assert not outbound.asked or len(outbound.asked[-1].body) < 150 * 1024


def test_what_cannot_be_sent_is_refused_before_anything_is_asked() -> None:
    outbound = SimulatedPlatform(FEISHU.simulator())
    assert send(outbound, reply("字" * 10_001)) == SendResult(outcome="invalid", code="too_long")
    assert send(outbound, reply(native_id=None)) == SendResult(outcome="invalid", code="no_message")
    assert not outbound.asked
    longest = answering(FEISHU.simulator(), ApiAnswer(200, b'{"code": 0}'))
    assert send(longest, reply('"' * 30_000)).outcome == "sent"
    assert len(longest.asked[-1].body) < 150 * 1024


def test_a_refused_token_is_forgotten_and_the_next_try_gets_through() -> None:
    sim = heard()
    outbound = Leased(sim)
    send(outbound, reply("1"))
    old = outbound.token
    sim.expire_tokens()
    assert send(outbound, reply("2")).outcome == "auth_expired"
    assert outbound.forgotten == [old]
    assert send(outbound, reply("2")).outcome == "sent"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (ApiAnswer(200, b'{"code": 0, "data": {"message_id": "om_2"}}'), "sent"),
        (ApiAnswer(200, b"{}"), "unknown"),
        (ApiAnswer(404, b"404 page not found"), "unknown"),
        (ApiAnswer(502, b"<html>"), "unknown"),
        (ApiAnswer(429, b""), "rate_limited"),
        (ApiAnswer(429, b'{"code": 1}'), "rate_limited"),
        (refusal(99991400), "rate_limited"),
        (refusal(230020), "rate_limited"),
        (refusal(99991663), "auth_expired"),
        (refusal(230049), "unknown"),
        (refusal(230013), "window_closed"),
        (refusal(230002), "window_closed"),
        (refusal(230011), "invalid"),
        (refusal(230001), "invalid"),
        (refusal(1500, 500), "unknown"),
    ],
)
def test_each_answer_has_its_outcome(answer: ApiAnswer, outcome: str) -> None:
    result = send(answering(FEISHU.simulator(), answer))
    assert result.outcome == outcome
    assert (result.retry_after is not None) == (outcome == "rate_limited")
    assert secrets_kept(result, "an-app-secret", KEY, VTOKEN)


def test_how_long_to_wait_is_taken_from_the_answer() -> None:
    limited = ApiAnswer(429, b'{"code": 99991400}', {"x-ogw-ratelimit-reset": "43"})
    assert send(answering(FEISHU.simulator(), limited)).retry_after == 43.0


@pytest.mark.parametrize(("fault", "outcome"), [(Unreachable(), "transient"), (NoAnswer(), "unknown")])
def test_whether_the_request_left_decides_between_again_and_unknown(fault: Exception, outcome: str) -> None:
    assert send(Leased(FEISHU.simulator(), token="T", fault=fault)).outcome == outcome


@pytest.mark.parametrize("fault", [Unreachable(), NoAnswer(), Unavailable("the lease")])
def test_without_a_token_nothing_was_sent(fault: Exception) -> None:
    outbound = Leased(FEISHU.simulator(), fault=fault)
    assert send(outbound) == SendResult(outcome="transient", code="no_token")
    assert [asked.path for asked in outbound.asked] == [TOKEN]


def test_a_wrong_secret_is_a_setting_to_be_mended() -> None:
    assert send(Leased(FEISHU.simulator(app_secret="another"))) == SendResult(outcome="invalid", code="token_10014")


def test_the_simulated_api_refuses_what_feishu_refuses() -> None:
    sim = heard()
    send(outbound := Leased(sim))

    def code(path: str = f"{MESSAGES}om_1/reply", auth: str = f"Bearer {outbound.token}", **fields: Any) -> Any:
        said = {"msg_type": "text", "content": '{"text": "x"}', "uuid": "u"} | fields
        return json.loads(sim.api(ApiRequest("POST", path, {}, {"authorization": auth}, json.dumps(said).encode())).body)[
            "code"
        ]

    assert code() == 0
    assert code(path=f"{MESSAGES}om_never/reply") == 230001
    assert code(uuid="u" * 51) == 230001
    assert code(msg_type="post") == 230001
    assert code(content="{") == 230001
    assert code(content=json.dumps({"text": "x" * 200_000})) == 230025
    assert (code(auth="x"), code(auth="Bearer x")) == (99991661, 99991663)
    assert sim.api(ApiRequest("POST", "/elsewhere", {}, {}, b"{}")).status == 404
    assert json.loads(sim.api(ApiRequest("GET", TOKEN, {}, {}, b"")).body)["code"] == 9499
    assert sim.owns(ApiRequest("POST", TOKEN, {}, {}, f'{{"app_id":"{APP}"}}'.encode()))
    assert not sim.owns(ApiRequest("POST", TOKEN, {}, {}, b"{}"))
    sim.welcomes_strangers = True
    assert code(path=f"{MESSAGES}by-hand/reply", uuid="v") == 0


# --- arbitrary input ------------------------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
NAMES = st.sampled_from(["x-lark-signature", "x-lark-request-timestamp", "x-lark-request-nonce"])
KINDS = st.sampled_from(["text", "post", "image", "location", "sticker", "share_user", "\ud800", 7])
CONTENT_FIELDS = st.sampled_from(["text", "title", "content", "image_key", "file_key", "latitude", "longitude", "tag", "zh_cn"])
CONTENT = st.recursive(
    VALUES,
    lambda inner: st.dictionaries(CONTENT_FIELDS, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=12,
)
FIELDS = st.sampled_from(["message_id", "message_type", "content", "create_time", "mentions", "chat_type", "parent_id"])


@given(st.text(), st.dictionaries(NAMES, st.text()), st.binary() | VALUES.map(lambda value: json.dumps(value).encode()))
def test_verify_never_raises(method: str, headers: dict[str, str], body: bytes) -> None:
    for mode in ({}, PLAIN):
        for verb in (method, "POST"):
            request = FEISHU.request(Webhook(verb, "", headers, body))
            assert isinstance(ADAPTER.verify(request, FEISHU.credentials(**mode), NOW), Rejected)


@given(
    KINDS,
    CONTENT,
    st.booleans(),
    st.dictionaries(FIELDS, VALUES),
    st.dictionaries(st.sampled_from(["sender", "message"]), VALUES),
)
def test_whatever_is_rightly_signed_is_read_or_malformed(
    kind: Any, content: Any, as_text: bool, fields: Any, outer: Any
) -> None:
    said = {"message_id": "1", "message_type": kind, "content": json.dumps(content) if as_text else content} | fields
    event = {"sender": {"sender_id": {"open_id": ANN}, "sender_type": "user"}, "message": said} | outer
    header = {"event_type": "im.message.receive_v1", "token": VTOKEN, "app_id": APP}
    v1_event = {"type": "message", "open_id": ANN, "open_message_id": "1", "msg_type": kind} | fields
    for body in ({"schema": "2.0", "header": header, "event": event}, {"token": VTOKEN, "event": v1_event, "ts": kind}):
        FEISHU.survives(FEISHU.as_verified(json.dumps(body).encode(), **PLAIN))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_malformed_at_most(body: bytes) -> None:
    FEISHU.survives(FEISHU.as_verified(body, **PLAIN))
    FEISHU.survives(FEISHU.as_verified(body))
    FEISHU.survives(FEISHU.as_verified(sealed(body)))


def test_depth_without_end_is_malformed_at_most() -> None:
    for inner in ("[" * 100_000, "[" * 400 + '"\\ud800"' + "]" * 400):
        body = b'{"schema":"2.0","header":{"event_type":"im.message.receive_v1"},"event":' + inner.encode() + b"}"
        FEISHU.survives(FEISHU.as_verified(body, **PLAIN))
        FEISHU.survives(FEISHU.as_verified(sealed(body)))
        event = {"sender": {"sender_id": {"open_id": ANN}, "sender_type": "user"}}
        event["message"] = {"message_id": "1", "message_type": "post", "content": '{"content":' + inner + "}"}  # type: ignore[assignment]
        said = {"schema": "2.0", "header": {"event_type": "im.message.receive_v1"}, "event": event}
        FEISHU.survives(FEISHU.as_verified(json.dumps(said).encode(), **PLAIN))


def test_in_the_local_stack_an_answer_to_another_process_message_finds_its_person() -> None:
    elsewhere = json.loads(FEISHU.simulator(**PLAIN).text(ANN, "x").body)["event"]["message"]["message_id"]
    sim = FEISHU.simulator()
    sim.welcomes_strangers = True
    send(Leased(sim), reply(native_id=elsewhere))
    send(Leased(sim), reply(native_id="om_by_hand", message_id="m2"))
    assert [d.contact for d in sim.outbox] == [ANN, "by hand"]


def test_tokens_of_two_accounts_are_told_apart() -> None:
    first, second = FEISHU.simulator(), FEISHU.simulator(**PLAIN, app_id="cli_another")
    outbound = Leased(second)
    second.text(ANN, "x", native_id="om_1")
    assert ADAPTER.send(reply(), FEISHU.credentials(**PLAIN, app_id="cli_another"), outbound).outcome == "sent"
    assert second.owns(outbound.asked[-1])
    assert not first.owns(outbound.asked[-1])
