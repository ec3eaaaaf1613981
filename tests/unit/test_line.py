"""The channel `line`: its signature, and what its events say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from functions.channels.contract import Verified
from functions.common.errors import MalformedPayload
from functions.common.message import ContactId, Interactive, Location, ReplyTo, ReplyWindow, Sticker
from tests.fakes.channel_account import LINE
from tests.fakes.simulated_platform import NOW

ANN = "U" + "a" * 32
GROUP = {"type": "group", "groupId": "C" + "b" * 32, "userId": ANN}


def message(said, **more):
    return LINE.message(LINE.simulator().message(ANN, said, **more))


def test_the_consoles_verify_button_is_answered_with_a_200():
    verified = LINE.verify(LINE.simulator().console_check())
    assert isinstance(verified, Verified)
    payload = LINE.adapter.decode(verified, "demo")
    result = LINE.adapter.parse(payload)
    assert (result.messages, result.ignored, result.errors) == ((), (), ())
    assert LINE.adapter.handshake(payload) is None
    assert LINE.adapter.acknowledge(payload, result).status == 200


def test_a_webhook_without_its_own_signature_is_refused():
    simulator = LINE.simulator()
    webhook = simulator.text(ANN, "hi")
    assert LINE.reason(simulator.forged(ANN, "hi")) == "bad_signature"
    assert LINE.reason(replace(webhook, body=webhook.body + b" ")) == "bad_signature"
    assert LINE.reason(replace(webhook, headers={})) == "no_signature"
    assert LINE.reason(replace(webhook, headers={"x-line-signature": "é"})) == "bad_signature"
    assert LINE.reason(replace(webhook, method="GET")) == "method"
    assert simulator.stale(ANN, "hi") is None


@pytest.mark.parametrize("body", [b"[]", b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 3000 + b'"\\ud800"'])
def test_a_signed_body_that_is_no_object_is_malformed(body):
    verified = LINE.verify(LINE.simulator().webhook(body))
    assert isinstance(verified, Verified)
    with pytest.raises(MalformedPayload):
        LINE.adapter.decode(verified, "demo")


def test_a_text_becomes_a_message_with_a_one_use_token():
    webhook = LINE.simulator().text(ANN, "请问几点开门?", native_id="468789")
    event = json.loads(webhook.body)["events"][0]
    said = LINE.message(webhook)
    assert (said.kind, said.text, said.native_id, said.sent_at, said.time_precision) == (
        "text",
        "请问几点开门?",
        "468789",
        NOW,
        "ms",
    )
    assert said.native_event_id == event["webhookEventId"]
    assert said.contact.primary == ANN
    assert said.contact.ids == (ContactId(kind="user_id", value=ANN, scope="p-1"),)
    assert said.reply == ReplyWindow(mode="token", token=event["replyToken"])


def test_without_push_the_window_is_the_tokens():
    webhook = LINE.simulator().text(ANN, "hi")
    said = LINE.message(webhook, push=False)
    assert (said.reply.mode, said.reply.max_replies, said.reply.expires_at) == ("token", 1, NOW + timedelta(minutes=1))
    event = json.loads(webhook.body)["events"][0]
    del event["replyToken"]
    bare = LINE.simulator().batch([event])
    assert LINE.message(bare, push=False).reply == ReplyWindow(mode="none")
    assert LINE.message(bare).reply == ReplyWindow(mode="open")


def test_a_channel_without_any_token_only_receives():
    assert LINE.message(LINE.simulator().text(ANN, "hi"), channel_access_token=None).reply == ReplyWindow(mode="none")


def test_what_another_module_handles_is_stored_and_not_answered():
    said = LINE.message(LINE.simulator().text(ANN, "hi", mode="standby"))
    assert (said.text, said.reply) == ("hi", ReplyWindow(mode="none"))


def test_a_redelivered_event_is_marked_and_has_the_same_message_id():
    simulator = LINE.simulator()
    first = simulator.text(ANN, "hi")
    again = simulator.redelivered(first)
    assert LINE.message(first).message_id == LINE.message(again).message_id
    assert (LINE.message(first).is_redelivery, LINE.message(again).is_redelivery) == (False, True)


def test_a_redelivered_tap_has_the_same_message_id_and_another_tap_another():
    simulator = LINE.simulator()
    first, other = simulator.postback(ANN, "action=buy"), simulator.postback(ANN, "action=buy")
    assert LINE.message(first).message_id == LINE.message(simulator.redelivered(first)).message_id
    assert LINE.message(first).message_id != LINE.message(other).message_id


@pytest.mark.parametrize(("theirs", "ours"), [("image", "image"), ("video", "video"), ("audio", "voice")])
def test_media_are_fetched_by_the_messages_id(theirs, ours):
    said = message({"type": theirs, "contentProvider": {"type": "line"}, "duration": 60000}, native_id="4711")
    (attachment,) = said.attachments
    assert (said.kind, attachment.kind, attachment.media_id, attachment.url) == (ours, ours, "4711", None)
    assert (attachment.duration_ms, attachment.needs_download) == (60000, True)


def test_media_of_another_provider_have_an_address():
    provider = {
        "type": "external",
        "originalContentUrl": "https://example.com/a.jpg",
        "previewImageUrl": "https://example.com/p.jpg",
    }
    (attachment,) = message({"type": "image", "contentProvider": provider}).attachments
    assert (attachment.media_id, attachment.url) == (None, "https://example.com/a.jpg")


def test_a_file_keeps_its_name_and_size():
    (attachment,) = message({"type": "file", "fileName": "发票.pdf", "fileSize": 2138}).attachments
    assert (attachment.kind, attachment.filename, attachment.size) == ("file", "发票.pdf", 2138)


def test_a_location_is_read_and_one_off_the_globe_is_an_error():
    said = message({"type": "location", "title": "店", "address": "东京", "latitude": 35.65, "longitude": 139.7})
    assert (said.kind, said.location) == ("location", Location(lat=35.65, lon=139.7, label="店", address="东京"))
    bad = LINE.simulator().message(ANN, {"type": "location", "latitude": 35.65})
    assert LINE.errors(bad) == [("not degrees", "events.0.longitude")]


def test_a_sticker_keeps_its_package_and_its_words():
    said = message(
        {"type": "sticker", "packageId": "446", "stickerId": "1988", "stickerResourceType": "MESSAGE", "text": "加油"}
    )
    assert (said.kind, said.text, said.sticker) == ("sticker", "加油", Sticker(sticker_id="1988", pack_id="446"))


def test_quotes_and_mentions_are_kept():
    mentionees = [{"type": "user", "userId": "U1", "index": 0, "length": 3}, {"type": "all", "index": 4, "length": 4}]
    said = message({"type": "text", "text": "@x @All", "mention": {"mentionees": mentionees}, "quotedMessageId": "99"})
    assert (said.mentions, said.reply_to) == (("U1",), ReplyTo(native_id="99"))


def test_a_tap_keeps_its_data_and_what_was_picked():
    said = LINE.message(
        LINE.simulator().event(ANN, "postback", postback={"data": "d=1", "params": {"datetime": "2026-11-22T10:00"}})
    )
    assert (said.kind, said.native_id) == ("interactive", None)
    assert said.interactive == Interactive(type="postback", title="2026-11-22T10:00", payload="d=1")


def test_an_unknown_type_is_unsupported_with_its_own_name():
    said = LINE.message(LINE.simulator().unknown(ANN))
    assert (said.kind, said.raw_kind) == ("unsupported", "hologram")


@pytest.mark.parametrize(
    "kind", ["follow", "unfollow", "unsend", "join", "leave", "memberJoined", "beacon", "accountLink", "module"]
)
def test_events_are_ignored_by_name(kind):
    assert [name for name, _ in LINE.ignored(LINE.simulator().event(ANN, kind))] == [kind]


def test_what_was_said_in_a_group_is_answered_in_the_group():
    said = LINE.message(LINE.simulator().text(ANN, "hi", source=GROUP))
    assert (said.conversation_kind, said.thread_id, said.contact.primary) == ("group", GROUP["groupId"], GROUP["groupId"])
    assert [each.value for each in said.contact.ids] == [ANN]


def test_a_group_member_may_have_no_id_and_a_person_may_not():
    without = {key: value for key, value in GROUP.items() if key != "userId"}
    assert LINE.message(LINE.simulator().text(ANN, "hi", source=without)).contact.ids == ()
    assert LINE.errors(LINE.simulator().text(ANN, "hi", source={"type": "user"})) == [("missing", "events.0.source.userId")]


def test_a_bad_event_spares_its_siblings():
    simulator = LINE.simulator()
    good, other = (simulator.item(ANN, {"type": "text", "text": text}) for text in ("one", "two"))
    follow = simulator.event_item(ANN, "follow", at=NOW, key="f")
    result = LINE.parse(simulator.batch([good, None, {"type": "message"}, follow, good | {"message": {"id": "9"}}, other]))
    assert [each.text for each in result.messages] == ["one", None, "two"]
    assert [each.kind for each in result.ignored] == ["follow"]
    assert [(each.reason, each.where) for each in result.errors] == [("not an object", "events.1"), ("missing", "events.2.id")]


def test_events_that_are_no_list_are_an_error():
    assert LINE.errors(LINE.simulator().webhook({"destination": "U", "events": {}})) == [("not a list", "events")]
    assert LINE.errors(LINE.simulator().webhook({"destination": "U"})) == [("missing", "events")]


@pytest.mark.parametrize("stamp", [None, "x", -1, 10**30, 32_503_680_000_000])
def test_a_time_that_cannot_be_true_is_no_time(stamp):
    said = LINE.message(LINE.simulator().text(ANN, "hi", timestamp=stamp))
    assert (said.sent_at, said.time_precision) == (None, "none")


@pytest.mark.parametrize(
    "change", [{"channel_secret": "x"}, {"channel_id": "1/2"}, {"channel_access_token": ""}, {"secret": "x" * 32}]
)
def test_credentials_that_would_weaken_a_check_are_refused(change):
    with pytest.raises(ValidationError):
        LINE.credentials(**change)
