"""The channel `generic` and its simulator, against the Standard Webhooks library and hostile input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook as Library

from functions.channels.contract import NoAnswer, OutgoingReply, ParseResult, RawRequest, Rejected, Unreachable, Verified
from functions.channels.generic import ADAPTER, GenericCredentials, sign
from functions.common.errors import MalformedPayload
from functions.common.message import Attachment, ContactId, ReplyTo, ReplyWindow, Verification
from infra.simulators.contract import ApiAnswer, Webhook
from infra.simulators.generic import GenericSimulator
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
REPLY_URL = "https://crm.example/replies/demo"
CREDENTIALS = GenericCredentials.model_validate({"secret": SECRET, "reply_url": REPLY_URL})
REPLY = OutgoingReply(message_id="aaaaaaaaaaaaaaaa.1763798400000.bbbbbbbbbb", native_id="m-1", contact="u-1", text="您好")
VECTORS = Path(__file__).parents[2] / "../shared/vectors/signatures.json"


def simulator(**changes: Any) -> GenericSimulator:
    return GenericSimulator("demo", {"secret": SECRET, "reply_url": REPLY_URL} | changes, now=lambda: NOW)


def request(webhook: Webhook, **changes: Any) -> RawRequest:
    came = RawRequest("POST", "/webhooks/generic/demo", (), "", webhook.headers, webhook.body, "192.0.2.1", NOW)
    return replace(came, **changes)


def verify(webhook: Webhook, **changes: Any) -> Verified | Rejected:
    return ADAPTER.verify(request(webhook, **changes), CREDENTIALS, NOW)


def reason(headers: Mapping[str, str]) -> str:
    answer = verify(replace(simulator().text("u-1", "hi"), headers=headers))
    assert isinstance(answer, Rejected)
    return answer.reason


def parse(webhook: Webhook) -> ParseResult:
    verified = verify(webhook)
    assert isinstance(verified, Verified), verified
    return ADAPTER.parse(ADAPTER.decode(verified, "demo"))


# --- signatures


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared signature vectors are not beside this repository")
def test_published_vector_is_reproduced():
    (vector,) = [v for v in json.loads(VECTORS.read_text("utf-8")) if v["channel"] == "generic"]
    given = vector["given"]
    signed = sign(SecretStr(given["secret"]), given["webhook_id"], given["webhook_timestamp"], given["body"].encode())
    assert signed == vector["expect"]["signature"]
    simulated = GenericSimulator("demo", given).webhook(
        given["body"].encode(), given["webhook_id"], datetime.fromtimestamp(int(given["webhook_timestamp"]), UTC)
    )
    assert simulated.headers["webhook-signature"] == vector["expect"]["signature"]


@settings(deadline=None)
@given(body=st.text(st.characters(exclude_categories=["Cs"])), key=st.binary(min_size=24, max_size=64))
def test_channel_simulator_and_library_sign_alike(body, key):
    from base64 import b64encode

    secret = "whsec_" + b64encode(key).decode()
    theirs = Library(secret).sign("msg_1", NOW, body)
    assert sign(SecretStr(secret), "msg_1", str(int(NOW.timestamp())), body.encode()) == theirs
    assert simulator(secret=secret).webhook(body.encode(), "msg_1", NOW).headers["webhook-signature"] == theirs


def test_the_library_accepts_what_the_simulator_signs():
    real = GenericSimulator("demo", {"secret": SECRET})
    webhook = real.text("u-1", "发货了吗?", native_id="m-1")
    assert Library(SECRET).verify(webhook.body, dict(webhook.headers))["text"] == "发货了吗?"


def test_a_library_signed_webhook_is_accepted_beside_an_old_keys_signature():
    body = '{"id":"m-1","contact":{"id":"u-1"},"text":"hi"}'
    signatures = f"v1a,AAAA v1,c3RhbGU= {Library(SECRET).sign('msg_1', NOW, body)}"
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": signatures,
    }
    verified = verify(Webhook(headers=headers, body=body.encode()))
    assert isinstance(verified, Verified)
    assert verified.verification == Verification(scheme="standard-webhooks", body_signed=True, timestamped=True)


@pytest.mark.parametrize("signature", ["garbage", "v1,a,b", "v1,é", "v1", ",", "v2,AAAA", "v1,\udce9"])
def test_a_malformed_signature_is_rejected_without_a_fault(signature):
    headers = simulator().text("u-1", "hi").headers
    assert reason({**headers, "webhook-signature": signature}) == "bad_signature"


@pytest.mark.parametrize("timestamp", ["abc", "1e9", "-1", "²", "9" * 400, "１７６３７９８４００"])
def test_a_malformed_timestamp_is_rejected_without_a_fault(timestamp):
    headers = simulator().text("u-1", "hi").headers
    signed = sign(SecretStr(SECRET), headers["webhook-id"], timestamp, simulator().text("u-1", "hi").body)
    assert reason({**headers, "webhook-timestamp": timestamp, "webhook-signature": signed}) in ("stale", "bad_signature")


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_rejected(missing):
    headers = simulator().text("u-1", "hi").headers
    assert reason({name: value for name, value in headers.items() if name != missing}) == "no_signature"


def test_forged_and_stale_webhooks_are_rejected():
    rejected = [verify(simulator().forged("u-1", "hi")), verify(simulator().stale("u-1", "hi"))]
    assert [r.reason for r in rejected if isinstance(r, Rejected)] == ["bad_signature", "stale"]


def test_another_body_method_or_secret_is_rejected():
    webhook = simulator().text("u-1", "hi")
    assert isinstance(verify(replace(webhook, body=webhook.body + b" ")), Rejected)
    assert isinstance(verify(webhook, method="GET"), Rejected)
    assert isinstance(verify(simulator(secret="whsec_" + "A" * 32).text("u-1", "hi")), Rejected)


def test_an_old_message_signed_now_is_accepted_and_keeps_its_own_time():
    yesterday = NOW - timedelta(days=1)
    webhook = simulator().text("u-1", "hi", at=yesterday, signed_at=NOW)
    assert parse(webhook).messages[0].sent_at == yesterday


@pytest.mark.parametrize(
    ("age", "believed"), [(timedelta(days=-2), False), (timedelta(hours=-23), True), (timedelta(days=3650), True)]
)
def test_correspondence_of_years_keeps_its_times_and_the_future_has_none(age, believed):
    (said,) = parse(simulator().text("u-1", "hi", at=NOW - age, signed_at=NOW)).messages
    assert (said.sent_at, said.time_precision) == ((NOW - age, "ms") if believed else (None, "none"))


def test_a_message_has_one_id_whenever_it_comes_and_whatever_is_believed_of_its_time():
    tomorrow = NOW + timedelta(hours=24, minutes=3)
    webhook = simulator().text("u-1", "hi", at=tomorrow, signed_at=NOW)
    first, again = (
        ADAPTER.parse(ADAPTER.decode(verify(webhook, received_at=came), "demo")) for came in (NOW, NOW + timedelta(minutes=4))
    )
    assert [said.messages[0].sent_at for said in (first, again)] == [None, tomorrow]
    assert first.messages[0].message_id == again.messages[0].message_id


def test_the_same_message_is_the_same_bytes_and_each_try_has_its_own_signature():
    first, again = (simulator().text("u-1", "hi", native_id="m-1", at=NOW) for _ in range(2))
    assert first == again
    later = simulator().signed_anew(first, NOW + timedelta(minutes=30))
    assert (later.body, later.headers["webhook-id"]) == (first.body, first.headers["webhook-id"])
    assert later.headers["webhook-signature"] != first.headers["webhook-signature"]


# --- messages


def test_a_text_becomes_a_message():
    (said,) = parse(simulator().text("u-1", "发货了吗?", native_id="m-1", name="王芳", locale="zh-CN", reply_to="m-0")).messages
    assert (said.kind, said.text, said.native_id, said.native_event_id) == ("text", "发货了吗?", "m-1", "msg_m-1")
    assert (said.contact.primary, said.contact.name, said.contact.locale) == ("u-1", "王芳", "zh-CN")
    assert said.contact.ids == (ContactId(kind="uid", value="u-1", scope="demo"),)
    assert (said.sent_at, said.reply_to, said.reply) == (NOW, ReplyTo(native_id="m-0"), ReplyWindow(mode="open"))


def test_a_picture_is_kept_with_its_words():
    (said,) = parse(simulator().image("u-1", "https://cdn.example/1.jpg", caption="坏了")).messages
    assert (said.kind, said.text) == ("mixed", "坏了")
    assert said.attachments == (Attachment(kind="image", url="https://cdn.example/1.jpg", mime="image/jpeg"),)


def test_one_bad_item_of_a_batch_spares_its_siblings():
    ours = simulator()
    items = [ours.item("u-1", text="one"), {"id": "x"}, "nonsense", ours.item("u-2", text="two")]
    result = parse(ours.batch(items))
    assert [m.text for m in result.messages] == ["one", "two"]
    assert [e.where for e in result.errors] == ["messages.1.contact", "messages.2"]


def test_the_acknowledgement_counts_every_item():
    ours = simulator()
    verified = verify(ours.batch([ours.item("u-1", text="one"), {}]))
    assert isinstance(verified, Verified)
    payload = ADAPTER.decode(verified, "demo")
    answer = ADAPTER.acknowledge(payload, ADAPTER.parse(payload))
    assert (answer.status, json.loads(answer.body)) == (202, {"accepted": 1, "ignored": 0, "rejected": 1})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"hi"', b"\xff", b'{"id": NaN}', b"[" * 100_000])
def test_a_signed_body_that_is_no_json_object_is_malformed(body):
    verified = verify(simulator().webhook(body, "msg_1"))
    assert isinstance(verified, Verified)
    with pytest.raises(MalformedPayload):
        ADAPTER.decode(verified, "demo")


# --- replies


def test_a_reply_reaches_the_account_once_however_often_it_is_sent():
    ours = simulator()
    assert [ADAPTER.send(REPLY, CREDENTIALS, SimulatedPlatform(ours)).outcome for _ in range(2)] == ["sent", "sent"]
    (delivered,) = ours.outbox
    assert (delivered.channel, delivered.account, delivered.contact, delivered.text) == ("generic", "demo", "u-1", "您好")
    assert delivered.in_reply_to == "our-message"
    assert ADAPTER.idempotent_send is True


def test_the_library_accepts_the_signature_of_a_reply():
    platform = SimulatedPlatform(simulator())
    ADAPTER.send(REPLY, CREDENTIALS, platform)
    (asked,) = platform.asked
    signed = Library(SECRET).sign(asked.headers["webhook-id"], NOW, asked.body.decode())
    assert asked.headers["webhook-signature"] == signed
    assert json.loads(asked.body)["in_reply_to"] == "m-1"


@pytest.mark.parametrize(
    "change",
    [
        {"headers": {}},
        {"headers": {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,é"}},
        {"body": b"{}"},
        {"path": "/replies/other"},
        {"method": "GET"},
    ],
)
def test_the_simulator_takes_no_reply_that_is_not_signed_for_it(change):
    ours, platform = simulator(), SimulatedPlatform(simulator())
    ADAPTER.send(REPLY, CREDENTIALS, platform)
    assert ours.api(replace(platform.asked[0], **change)).status in (401, 404)
    assert ours.outbox == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "sent"), (409, "duplicate"), (429, "rate_limited"), (400, "invalid"), (500, "unknown"), (302, "unknown")],
)
def test_every_answer_to_a_reply_has_an_outcome(status, outcome):
    ours = simulator()
    ours.failures.append(ApiAnswer(status))
    assert ADAPTER.send(REPLY, CREDENTIALS, SimulatedPlatform(ours)).outcome == outcome


def test_an_unreachable_receiver_and_a_lost_answer_differ():
    outcomes = [
        ADAPTER.send(REPLY, CREDENTIALS, SimulatedPlatform(simulator(), fault=fault)).outcome
        for fault in (Unreachable(), NoAnswer())
    ]
    assert outcomes == ["transient", "unknown"]


def test_an_account_without_a_reply_url_only_receives():
    credentials = GenericCredentials.model_validate({"secret": SECRET})
    assert ADAPTER.send(REPLY, credentials, SimulatedPlatform(simulator())).outcome == "window_closed"


# --- hostile input


@settings(deadline=None)
@given(
    method=st.sampled_from(["GET", "POST"]),
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text() | st.just("v1,AAAA")
    ),
    body=st.binary(max_size=200),
)
def test_verification_never_raises_and_never_accepts_an_unsigned_request(method, headers, body):
    came = RawRequest(method, "/webhooks/generic/demo", (), "", headers, body, "192.0.2.1", NOW)
    assert isinstance(ADAPTER.verify(came, CREDENTIALS, NOW), Rejected)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
names = st.sampled_from(
    ["id", "contact", "text", "kind", "attachments", "reply_to", "referral", "sent_at", "messages", "name", "url", "size"]
)
values = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=4), max_leaves=12)
items = st.fixed_dictionaries(
    {"id": leaves, "contact": st.fixed_dictionaries({"id": leaves})},
    optional={"text": values, "sent_at": leaves, "attachments": values, "kind": leaves},
)


@settings(max_examples=200, deadline=None)
@given(
    body=st.binary(max_size=100)
    | (values | items | st.fixed_dictionaries({"messages": st.lists(items)})).map(lambda v: json.dumps(v).encode())
)
def test_whatever_is_rightly_signed_is_read_or_malformed(body):
    verified = Verified(
        request(Webhook(), body=body), CREDENTIALS, Verification(scheme="s", body_signed=True, timestamped=True)
    )
    try:
        payload = ADAPTER.decode(verified, "demo")
    except MalformedPayload:
        return
    result = ADAPTER.parse(payload)
    listed = payload.body.get("messages", [None])
    assert len(result.messages) + len(result.errors) == (len(listed) if isinstance(listed, list) else 1)


def test_a_thousand_items_are_taken_and_more_are_one_error() -> None:
    items = [simulator().item("u1", text="hi") for _ in range(1000)]
    assert len(parse(simulator().batch(items)).messages) == 1000
    result = parse(simulator().batch([*items, items[0]]))
    assert not result.messages and [error.reason for error in result.errors] == ["too many"]
