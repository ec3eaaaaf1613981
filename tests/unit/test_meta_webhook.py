"""What Messenger, Instagram and WhatsApp share: the handshake, the signature, the envelope."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from functions.channels.contract import Rejected, Verified
from functions.common.errors import MalformedPayload
from infra.simulators.contract import Webhook
from tests.fakes.channel_account import INSTAGRAM, MESSENGER, META, WHATSAPP

each = pytest.mark.parametrize("account", META, ids=lambda account: account.channel)
PERSON = "8613800138000"


@each
def test_the_handshake_is_answered_with_the_challenge_as_plain_text(account):
    webhook = account.simulator().handshake("1158201444")
    verified = account.verify(webhook)
    assert isinstance(verified, Verified)
    answer = account.adapter.handshake(account.adapter.decode(verified, "demo"))
    assert (answer.status, answer.body, answer.content_type) == (200, "1158201444", "text/plain; charset=utf-8")
    assert account.simulator().handshake_answer(webhook) == answer.body.encode()


@each
@pytest.mark.parametrize("token", ["another-token", "é", "\udce9", ""])
def test_a_handshake_with_a_wrong_token_is_refused(account, token):
    came = account.request(account.simulator().handshake(verify_token="x"))
    query = tuple((name, token if name == "hub.verify_token" else value) for name, value in came.query)
    outcome = account.verify(replace(came, query=query))
    assert isinstance(outcome, Rejected)
    assert outcome.status == 403


@each
def test_a_get_that_is_no_handshake_is_refused(account):
    came = account.request(account.simulator().handshake())
    assert account.reason(replace(came, query=(("hub.verify_token", "a-verify-token"),))) == "no_signature"
    assert account.reason(replace(came, query=())) == "no_signature"
    assert account.reason(replace(came, method="PUT", headers={"x-hub-signature-256": "x"})) == "method"


@each
@pytest.mark.parametrize("challenge", ["<script>alert(1)</script>", "", "x" * 257, "a b", "1\n2"])
def test_a_challenge_that_a_browser_could_take_for_a_page_is_not_reflected(account, challenge):
    verified = account.verify(account.simulator().handshake(challenge))
    assert isinstance(verified, Verified)
    with pytest.raises(MalformedPayload):
        account.adapter.decode(verified, "demo")


@each
def test_a_signed_text_is_read_and_acknowledged(account):
    verified = account.verify(account.simulator().text(PERSON, "请问发货了吗?"))
    assert isinstance(verified, Verified)
    assert (verified.verification.body_signed, verified.verification.timestamped) == (True, False)
    payload = account.adapter.decode(verified, "demo")
    result = account.adapter.parse(payload)
    assert [message.text for message in result.messages] == ["请问发货了吗?"]
    assert account.adapter.handshake(payload) is None
    assert account.adapter.acknowledge(payload, result).status == 200


@each
def test_a_webhook_without_its_own_signature_is_refused(account):
    simulator = account.simulator()
    webhook = simulator.text(PERSON, "hi")
    assert account.reason(simulator.forged(PERSON, "hi")) == "bad_signature"
    assert account.reason(replace(webhook, body=webhook.body + b" ")) == "bad_signature"
    assert account.reason(replace(webhook, headers={})) == "no_signature"
    # The older header, over SHA-1, is not asked.
    assert account.reason(replace(webhook, headers={"x-hub-signature": "sha1=" + "0" * 40})) == "no_signature"
    bare = webhook.headers["x-hub-signature-256"].removeprefix("sha256=")
    assert account.reason(replace(webhook, headers={"x-hub-signature-256": bare})) == "bad_signature"
    assert simulator.stale(PERSON, "hi") is None


@each
def test_the_signature_covers_the_bytes_and_not_the_json(account):
    body = json.dumps({"object": "page", "entry": []}, separators=(",", ":")).encode()
    webhook = account.simulator().webhook(body)
    assert isinstance(account.verify(webhook), Verified)
    assert account.reason(replace(webhook, body=json.dumps(json.loads(body)).encode())) == "bad_signature"


@each
@pytest.mark.parametrize("body", [b"[]", b"", b"{", b"\xff", b"null", b'"x"', b"[" * 100_000, b'{"a":' * 3000 + b'"\\ud800"'])
def test_a_signed_body_that_is_no_object_is_malformed(account, body):
    verified = account.verify(account.simulator().webhook(body))
    assert isinstance(verified, Verified)
    with pytest.raises(MalformedPayload):
        account.adapter.decode(verified, "demo")


@each
def test_a_webhook_about_another_object_is_ignored(account):
    body = {"object": "permissions", "entry": [{"id": "1", "changes": []}]}
    assert account.ignored(account.simulator().webhook(body)) == [("object_permissions", None)]
    assert account.ignored(account.simulator().webhook({"object": "<b>"})) == [("object_unnamed", None)]


@each
def test_what_is_for_another_page_or_number_of_the_app_is_ignored(account):
    ours, theirs = account.settings, {}
    for name in ("page_id", "instagram_account_id", "phone_number_id"):
        if name in ours:
            theirs[name] = "999"
    assert account.ignored(account.simulator(**theirs).text(PERSON, "hi")) == [("another_account", "999")]


@each
def test_an_envelope_that_is_none_is_counted(account):
    kind = {"messenger": "page", "instagram": "instagram", "whatsapp": "whatsapp_business_account"}[account.channel]
    simulator = account.simulator()
    assert account.errors(simulator.webhook({"object": kind, "entry": {}})) == [("not a list", "entry")]
    assert account.errors(simulator.webhook({"object": kind, "entry": ["x", None]})) == [
        ("not an object", "entry.0"),
        ("not an object", "entry.1"),
    ]
    assert account.parse(simulator.webhook({"object": kind})) == account.parse(simulator.webhook({"object": kind, "entry": []}))


@pytest.mark.parametrize("account", [MESSENGER, INSTAGRAM], ids=lambda account: account.channel)
def test_entries_and_items_are_read_in_order_and_a_bad_one_spares_its_siblings(account):
    simulator = account.simulator()
    items = [
        simulator.item("1", {"text": "one"}),
        {"sender": {"id": "2"}, "message": {"text": "without a mid"}},
        "not an item",
        {"sender": {}, "message": {"mid": "m_3"}},
        simulator.item("4", {"text": "four"}),
    ]
    body = json.loads(simulator.batch(items).body)
    body["entry"].append(json.loads(simulator.text("5", "five").body)["entry"][0])
    result = account.parse(simulator.webhook(body))
    assert [message.text for message in result.messages] == ["one", "four", "five"]
    assert [(error.reason, error.where) for error in result.errors] == [
        ("missing", "entry.0.messaging.1.mid"),
        ("not an object", "entry.0.messaging.2"),
        ("missing", "entry.0.messaging.3.id"),
    ]


def test_statuses_and_messages_come_mixed():
    simulator = WHATSAPP.simulator()
    items = [
        simulator.item("8613800138000", "text", {"body": "one"}),
        {"from": "8613800138000", "type": "text"},
        7,
        simulator.item("CN.13491208655302741918", "text", {"body": "four"}),
    ]
    webhook = simulator.batch(items, statuses=[simulator.status("wamid.A"), simulator.status("wamid.B", "read")])
    result = WHATSAPP.parse(webhook)
    assert [message.text for message in result.messages] == ["one", "four"]
    assert [(each.kind, each.native_id) for each in result.ignored] == [("receipt", "wamid.A"), ("receipt", "wamid.B")]
    assert [(error.reason, error.where) for error in result.errors] == [
        ("missing", "entry.0.changes.0.value.messages.1.id"),
        ("not an object", "entry.0.changes.0.value.messages.2"),
    ]


@each
@pytest.mark.parametrize(
    "change",
    [
        {"app_secret": "short"},
        {"verify_token": ""},
        {"graph_version": "24"},
        {"graph_version": "v24.0/../me"},
        {"graph_origin": "http://graph.facebook.com"},
        {"graph_origin": "https://graph.facebook.com@elsewhere.example"},
        {"page_id": "me/../1", "instagram_account_id": "x", "phone_number_id": ""},
        {"acces_token": "a-token-with-a-typo"},
    ],
)
def test_credentials_that_would_weaken_a_check_or_move_a_call_are_refused(account, change):
    with pytest.raises(ValidationError):
        account.credentials(**change)


@each
def test_a_redelivered_webhook_has_the_same_message_id_and_each_message_its_own(account):
    simulator = account.simulator()
    one, same, other = (simulator.text(PERSON, "hi", native_id=name) for name in ("a", "a", "b"))
    assert account.message(one).message_id == account.message(same).message_id != account.message(other).message_id


def test_a_webhook_is_a_post():
    assert MESSENGER.reason(Webhook(method="DELETE", headers={"x-hub-signature-256": "x"})) == "method"
