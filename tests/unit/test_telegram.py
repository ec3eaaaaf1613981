"""The channel `telegram`: a static secret, one update per webhook, every kind of message, and replies with the token in the URL."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.channels.contract import Ignored, NoAnswer, OutgoingReply, RawRequest, Rejected, Unreachable, Verified
from functions.channels.telegram import ADAPTER, TelegramCredentials
from functions.common.message import Attachment, ContactId, Interactive, Location, Referral, ReplyTo, ReplyWindow, Sticker
from infra.simulators.contract import ApiAnswer, ApiRequest, Webhook
from infra.simulators.telegram import TelegramSimulator, refusal
from tests.fakes.signed_webhook import Desk, secrets_kept
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
SETTINGS: dict[str, Any] = {"bot_token": TOKEN, "secret_token": "kq3VYw7m0bRz9sXc1Ud_pL"}
TELEGRAM = Desk(ADAPTER, SETTINGS, TelegramSimulator)
ANN = "5000000001"
GROUP = {"id": -1001234567890, "type": "supergroup", "title": "老客户"}


def said(fields: dict[str, Any], **more: Any):
    return TELEGRAM.message(TELEGRAM.simulator().message(ANN, fields, native_id="42", **more))


# --- verification


@pytest.mark.parametrize("given_secret", ["", "x", "kq3VYw7m0bRz9sXc1Ud_pl", "é", "\udce9", "k" * 5000])
def test_only_the_secret_opens_the_door(given_secret):
    webhook = TELEGRAM.simulator().text(ANN, "你好")
    changed = replace(webhook, headers={"X-Telegram-Bot-Api-Secret-Token": given_secret})
    assert TELEGRAM.verify(changed) == Rejected("bad_token" if given_secret else "no_token", 403)


def test_a_missing_secret_a_forged_one_and_a_get_are_refused():
    sim = TELEGRAM.simulator()
    assert TELEGRAM.verify(replace(sim.text(ANN, "hi"), headers={})) == Rejected("no_token", 403)
    assert TELEGRAM.verify(sim.forged(ANN, "hi")) == Rejected("bad_token", 403)
    assert TELEGRAM.verify(replace(sim.text(ANN, "hi"), method="GET")) == Rejected("method", 403)
    assert sim.stale(ANN, "hi") is None


def test_the_message_says_that_neither_body_nor_time_was_signed():
    verification = TELEGRAM.message(TELEGRAM.simulator().text(ANN, "hi")).verification
    assert (verification.scheme, verification.body_signed, verification.timestamped) == ("static-token", False, False)


# --- what a message is


def test_a_text_becomes_a_message_of_a_person():
    message = said({"text": "请问发货了吗?"})
    assert (message.kind, message.text, message.native_id, message.native_event_id) == ("text", "请问发货了吗?", "42", "10042")
    assert (message.sent_at, message.time_precision) == (NOW, "s")
    assert (message.contact.primary, message.contact.ids) == (ANN, (ContactId(kind="tg_id", value=ANN),))
    assert (message.contact.name, message.contact.locale, message.conversation_kind) == (ANN, "zh-hans", "dm")
    assert message.reply == ReplyWindow(mode="open", token=f"{ANN}/")


def test_ids_beyond_53_bits_are_strings_and_stay_whole():
    body = json.dumps(
        {"update_id": 2**60 + 1, "message": {"message_id": 2**40, "date": 1, "from": {"id": 2**52}, "chat": {"id": 2**52}}}
    )
    message = TELEGRAM.message(TELEGRAM.simulator().webhook(body.encode()))
    assert (message.contact.primary, message.native_event_id) == (str(2**52), str(2**60 + 1))


def test_redelivered_update_has_the_same_message_id():
    one = TELEGRAM.simulator().text(ANN, "hi", native_id="7")
    assert TELEGRAM.message(one).message_id == TELEGRAM.message(one).message_id
    assert TELEGRAM.message(one).message_id != TELEGRAM.message(TELEGRAM.simulator().text(ANN, "hi", native_id="8")).message_id


def test_a_message_number_counts_within_its_chat_only():
    alone, grouped = said({"text": "hi"}), said({"text": "hi"}, chat=GROUP)
    assert alone.native_id == grouped.native_id
    assert alone.message_id != grouped.message_id


def test_of_a_picture_the_largest_size_is_kept_and_words_make_it_mixed():
    sim = TELEGRAM.simulator()
    bare, worded = TELEGRAM.message(sim.image(ANN, "F1")), TELEGRAM.message(sim.image(ANN, "F1", caption="坏了"))
    assert bare.attachments == (
        Attachment(kind="image", media_id="F1", mime="image/jpeg", size=210_000, width=1280, height=960),
    )
    assert (bare.kind, worded.kind, worded.text) == ("image", "mixed", "坏了")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("voice", "voice"), ("audio", "voice"), ("video", "video"), ("video_note", "video"), ("document", "file")],
)
def test_files_keep_their_id_and_measures(name, kind):
    file = {"file_id": "F2", "mime_type": "x/y", "file_size": 9, "file_name": "单.pdf", "duration": 3, "width": 4, "height": 5}
    (attachment,) = said({name: file}).attachments
    assert attachment == Attachment(
        kind=kind, media_id="F2", mime="x/y", size=9, filename="单.pdf", duration_ms=3000, width=4, height=5
    )
    assert said({name: file}).kind == kind


def test_an_animation_is_not_taken_for_the_document_that_it_comes_with():
    assert said({"document": {"file_id": "D"}, "animation": {"file_id": "A"}}).attachments[0].media_id == "A"


def test_stickers_places_and_cards_are_read():
    sticker = said({"sticker": {"file_id": "S", "set_name": "Bears", "emoji": "👍"}})
    assert (sticker.kind, sticker.sticker) == ("sticker", Sticker(sticker_id="S", pack_id="Bears", emoji="👍"))
    place = said({"location": {"latitude": 31.23, "longitude": 121.4, "horizontal_accuracy": 20}})
    assert (place.kind, place.location) == ("location", Location(lat=31.23, lon=121.4, accuracy=20))
    venue = said(
        {"location": {"latitude": 0, "longitude": 0}, "venue": {"location": {"latitude": 1, "longitude": 2}, "title": "外滩"}}
    )
    assert venue.location == Location(lat=1.0, lon=2.0, label="外滩")
    card = said({"contact": {"first_name": "王", "last_name": "芳", "phone_number": "+8613800138000"}})
    assert (card.kind, card.text) == ("contact", "王 芳 +8613800138000")


def test_a_kind_that_nobody_knows_is_unsupported_and_named():
    message = TELEGRAM.message(TELEGRAM.simulator().unknown(ANN))
    assert (message.kind, message.raw_kind) == ("unsupported", "hologram")
    assert (said({"poll": {"id": "1"}}).raw_kind, said({}).raw_kind, said({"x y": 1}).raw_kind) == ("poll", "empty", "unnamed")


def test_a_quotation_a_mention_and_a_thread_are_kept():
    entity = {"type": "text_mention", "offset": 0, "length": 2, "user": {"id": 77}}
    earlier = {"message_id": 5, "text": "您好，请问有什么可以帮您？"}
    message = said(
        {"text": "这个", "reply_to_message": earlier, "quote": {"text": "请问"}, "entities": [entity], "message_thread_id": 9}
    )
    assert message.reply_to == ReplyTo(native_id="5", text="请问")
    assert (message.mentions, message.thread_id) == (("77",), "9")


def test_a_deep_link_tells_what_brought_the_person():
    assert said({"text": "/start campaign_11"}).referral == Referral(source="link", ref="campaign_11")
    assert said({"text": "/start"}).referral is None


def test_a_tap_on_a_button_is_interactive_and_has_no_time():
    message = TELEGRAM.message(TELEGRAM.simulator().tap(ANN, "confirm-1"))
    assert message.interactive == Interactive(type="button", id="confirm-1", title="确认", payload="confirm-1")
    assert (message.kind, message.sent_at, message.reply_to) == ("interactive", None, ReplyTo(native_id="7", text="?"))
    assert message.reply == ReplyWindow(mode="open", token=f"{ANN}/")


def test_a_group_is_answered_under_the_question():
    message = said({"text": "在吗"}, chat=GROUP)
    assert (message.conversation_kind, message.reply.token, message.contact.primary) == ("group", "-1001234567890/42", ANN)


def test_a_customer_of_a_business_account_is_heard_and_not_answered():
    sim = TELEGRAM.simulator()
    heard = TELEGRAM.message(sim.message(ANN, {"text": "hi", "business_connection_id": "b1"}, kind="business_message"))
    assert heard.reply == ReplyWindow(mode="none")
    private = {"id": int(ANN), "type": "private"}
    owner = sim.message("900", {"text": "hi", "business_connection_id": "b1"}, kind="business_message", chat=private)
    assert [i.kind for i in TELEGRAM.parse(owner).ignored] == ["echo"]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"edited_message": {}}, "edited_message"),
        ({"channel_post": {}}, "channel_post"),
        ({"my_chat_member": {}}, "my_chat_member"),
        ({"message_reaction": {}}, "message_reaction"),
        ({"bad name!": {}}, "unnamed"),
        ({}, "empty"),
    ],
)
def test_updates_that_are_no_messages_are_ignored(fields, kind):
    assert TELEGRAM.parse(TELEGRAM.simulator().update(fields, 1)).ignored == (Ignored(kind, "10001"),)


def test_bots_echoes_and_service_messages_are_ignored():
    sim = TELEGRAM.simulator()
    bot = {"from": {"id": 99, "is_bot": True, "first_name": "B"}}
    ours = {"from": {"id": 110201543, "is_bot": True}}
    kinds = [
        TELEGRAM.parse(sim.message(ANN, f)).ignored[0].kind
        for f in (bot, ours, {"new_chat_members": [{}]}, {"pinned_message": {}})
    ]
    assert kinds == ["bot", "echo", "new_chat_members", "pinned_message"]


def test_an_absurd_time_is_not_believed():
    for date in (0, -1, 10**10, 10**30, "x", None, 1.5, True):
        message = said({"text": "hi", "date": date})
        assert (message.sent_at, message.time_precision) == (None, "none")


@pytest.mark.parametrize(
    "fields", [{"location": {"latitude": 91, "longitude": 0}}, {"location": {}}, {"from": {}}, {"chat": 5}]
)
def test_an_unreadable_field_is_an_error_that_names_its_place(fields):
    result = TELEGRAM.parse(TELEGRAM.simulator().message(ANN, fields))
    assert (len(result.errors), result.messages) == (1, ())


def test_the_acknowledgement_is_empty():
    answer = TELEGRAM.acknowledged(TELEGRAM.simulator().text(ANN, "hi"))
    assert (answer.status, answer.body) == (200, "")


# --- sending

REPLY = OutgoingReply(message_id="m", native_id="42", contact=ANN, text="您好", token=f"{ANN}/")


def heard() -> TelegramSimulator:
    sim: TelegramSimulator = TELEGRAM.simulator()
    sim.text(ANN, "hi")
    return sim


def send(sim: TelegramSimulator, reply: OutgoingReply = REPLY, fault: Exception | None = None):
    return ADAPTER.send(reply, TELEGRAM.credentials(), SimulatedPlatform(sim, fault=fault))


def test_a_reply_reaches_the_person_who_wrote():
    sim = heard()
    result = send(sim)
    assert (result.outcome, result.provider_id) == ("sent", "2")
    assert [(d.contact, d.text, d.in_reply_to) for d in sim.outbox] == [(ANN, "您好", "our-message")]


def test_a_group_gets_the_reply_under_the_question_and_a_person_does_not():
    for token, parameters in (
        ("-100/42", {"message_id": 42, "allow_sending_without_reply": True}),
        (f"{ANN}/", None),
        (None, None),
    ):
        platform = SimulatedPlatform(heard())
        ADAPTER.send(replace(REPLY, token=token), TELEGRAM.credentials(), platform)
        asked = json.loads(platform.asked[0].body)
        assert asked.get("reply_parameters") == parameters
        assert asked["chat_id"] == (token or f"{ANN}/").partition("/")[0]


@pytest.mark.parametrize(
    ("answer", "outcome", "code", "retry_after"),
    [
        (refusal(429, "Too Many Requests: retry after 7", retry_after=7), "rate_limited", "429", 7.0),
        (refusal(429, "Too Many Requests"), "rate_limited", "429", 5.0),
        (refusal(403, "Forbidden: bot was blocked by the user"), "window_closed", "403", None),
        (refusal(400, "Bad Request: chat not found"), "invalid", "400", None),
        (refusal(401, "Unauthorized"), "invalid", "401", None),
        (refusal(404, "Not Found"), "invalid", "404", None),
        (refusal(500, "Internal Server Error"), "unknown", "500", None),
        (ApiAnswer(502, b"<html>"), "unknown", "502", None),
        (ApiAnswer(400, b"<html>"), "unknown", "400", None),
        (ApiAnswer(200, b'{"ok":true,"result":7}'), "sent", "200", None),
        (ApiAnswer(200, b"\xff"), "unknown", "200", None),
    ],
)
def test_every_answer_of_the_api_has_an_outcome(answer, outcome, code, retry_after):
    sim = heard()
    sim.failures.append(answer)
    result = send(sim)
    assert (result.outcome, result.code, result.retry_after) == (outcome, code, retry_after)


def test_the_vendors_limits_are_kept():
    assert (send(heard(), replace(REPLY, text="好" * 4096)).outcome, ADAPTER.max_text) == ("sent", 4096)
    assert send(heard(), replace(REPLY, text="好" * 4097)).code == "too_long"
    assert send(heard(), replace(REPLY, text=" ")).outcome == "invalid"
    assert send(TELEGRAM.simulator()).outcome == "invalid"  # who never wrote cannot be written to
    sim = heard()
    sim.blocked.add(ANN)
    assert send(sim).outcome == "window_closed"


def test_no_connection_is_worth_another_try_and_no_answer_is_not():
    assert send(heard(), fault=Unreachable()).outcome == "transient"
    assert send(heard(), fault=NoAnswer()).outcome == "unknown"
    assert ADAPTER.idempotent_send is False


def test_the_token_is_in_the_url_and_nowhere_else(caplog):
    caplog.set_level(logging.DEBUG)
    platform = SimulatedPlatform(heard())
    results = [
        ADAPTER.send(REPLY, TELEGRAM.credentials(), platform),
        send(heard(), fault=NoAnswer()),
        send(TELEGRAM.simulator()),
    ]
    assert platform.asked[0].path == f"/bot{TOKEN}/sendMessage"
    assert TOKEN not in repr(platform.asked[0].headers) + platform.asked[0].body.decode() + caplog.text + repr(
        TELEGRAM.credentials()
    )
    assert all(secrets_kept(result, TOKEN, TOKEN.partition(":")[2]) for result in results)


def test_the_simulator_refuses_strangers_and_other_methods():
    sim = TELEGRAM.simulator()
    for path in ("/bot1:x/sendMessage", "/nothing", f"/bot{TOKEN}/getMe"):
        assert sim.api(ApiRequest("POST", path, {}, {}, b"{}")).status in (401, 404)
    assert sim.api(ApiRequest("POST", f"/bot{TOKEN}/sendMessage", {}, {}, b"[]")).status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"bot_token": "110201543"},
        {"bot_token": f"{TOKEN}/../x"},
        {"bot_token": f"{TOKEN}\n"},
        {"secret_token": ""},
        {"secret_token": "weak"},
        {"secret": "x"},
    ],
)
def test_credentials_that_would_weaken_a_check_are_refused(change):
    with pytest.raises(ValidationError):
        TelegramCredentials.model_validate(SETTINGS | change)


# --- bad input

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "text", "message_id"]) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = ["message_id", "from", "chat", "date", "text", "photo", "voice", "sticker", "location", "venue", "contact", "reply_to_message",
         "entities", "document", "caption", "business_connection_id", "message_thread_id", "web_app_data", "quote"]  # fmt: skip


@given(
    method=st.sampled_from(["GET", "POST"]),
    headers=st.dictionaries(st.just("x-telegram-bot-api-secret-token"), st.text()),
    body=st.binary(),
)
def test_verification_never_raises_and_never_accepts_an_unsigned_request(method, headers, body):
    came = RawRequest(method, "/webhooks/telegram/demo", (), "", headers, body, "192.0.2.1", NOW)
    assert isinstance(ADAPTER.verify(came, TELEGRAM.credentials(), NOW), Rejected)


@settings(max_examples=200)
@given(
    st.binary(max_size=60)
    | st.dictionaries(st.sampled_from(["update_id", "message", "callback_query"]), json_values).map(
        lambda v: json.dumps(v).encode()
    )
)
def test_whatever_bears_the_secret_is_read_or_malformed(body):
    result = TELEGRAM.survives(TELEGRAM.as_verified(body))
    assert result is None or len(result.messages) + len(result.ignored) + len(result.errors) == 1


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(NAMES), json_values, max_size=8),
    st.sampled_from(["message", "business_message", "callback_query"]),
)
def test_an_absurd_message_is_read_or_is_an_error(fields, kind):
    said = {"message_id": 1, "id": "1", "from": {"id": 1}, "chat": {"id": 1, "type": "private"}, "message": fields, **fields}
    body = json.dumps({"update_id": 1, kind: said}).encode()
    assert TELEGRAM.survives(TELEGRAM.as_verified(body)) is not None


def test_depth_and_lone_surrogates_do_no_harm():
    deep = b'{"update_id":1,"message":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert TELEGRAM.survives(TELEGRAM.as_verified(deep)) is None
    webhook = TELEGRAM.simulator().text(ANN, "aXb")
    message = TELEGRAM.message(replace(webhook, body=webhook.body.replace(b"aXb", b"a\\ud800b")))
    assert message.text == "a\ufffdb"


def test_a_webhook_from_the_past_is_still_read():
    old = TELEGRAM.message(TELEGRAM.simulator().text(ANN, "hi", at=NOW - timedelta(days=2)))
    assert old.sent_at == NOW - timedelta(days=2)
    assert isinstance(TELEGRAM.verify(Webhook(headers={"x-telegram-bot-api-secret-token": SETTINGS["secret_token"]})), Verified)
