"""The channels `messenger` and `instagram`: what their webhooks say."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from functions.common.message import ContactId, Interactive, Link, Location, Referral, ReplyTo, ReplyWindow, Sticker
from tests.fakes.channel_account import INSTAGRAM, MESSENGER
from tests.fakes.simulated_platform import NOW

ANN = "24680135791357911"
CDN = "https://scontent.xx.fbcdn.net/v/t1.jpg?oe=67"
both = pytest.mark.parametrize("account", [MESSENGER, INSTAGRAM], ids=lambda account: account.channel)


def test_a_text_becomes_a_message_to_be_answered_within_a_day():
    said = MESSENGER.message(MESSENGER.simulator().text(ANN, "请问发货了吗?", native_id="m_1"))
    assert (said.kind, said.text, said.native_id, said.sent_at, said.time_precision) == (
        "text",
        "请问发货了吗?",
        "m_1",
        NOW,
        "ms",
    )
    assert said.contact.primary == ANN
    assert said.contact.ids == (ContactId(kind="psid", value=ANN, scope="106540352242922"),)
    assert said.reply == ReplyWindow(mode="window", expires_at=NOW + timedelta(hours=24))


def test_an_instagram_contact_is_known_by_its_igsid():
    said = INSTAGRAM.message(INSTAGRAM.simulator().text(ANN, "hi"))
    assert said.contact.ids == (ContactId(kind="igsid", value=ANN, scope="17841405822304914"),)


@both
def test_an_account_without_a_token_only_receives(account):
    assert account.message(account.simulator().text(ANN, "hi"), access_token=None).reply == ReplyWindow(mode="none")


@both
@pytest.mark.parametrize("stamp", [None, "x", True, -1, 0, 10**30, 10**13, 32_503_680_000_000, {"a": 1}, 1.5, "²"])
def test_a_time_that_cannot_be_true_is_no_time_and_opens_no_window_for_years(account, stamp):
    simulator = account.simulator()
    item = simulator.item(ANN, {"text": "hi"}) | {"timestamp": stamp}
    said = account.message(simulator.batch([item]))
    assert (said.sent_at, said.time_precision, said.message_id.split(".")[1]) == (None, "none", "0" * 13)
    assert said.reply.expires_at == NOW + timedelta(hours=24)


def test_seconds_in_a_string_are_a_time_too():
    simulator = MESSENGER.simulator()
    item = simulator.item(ANN, {"text": "hi"}) | {"timestamp": str(int(NOW.timestamp()))}
    said = MESSENGER.message(simulator.batch([item]))
    assert (said.sent_at, said.time_precision) == (NOW, "s")


def test_a_window_opens_when_the_person_wrote_and_not_when_the_retry_came():
    said = MESSENGER.message(MESSENGER.simulator().text(ANN, "hi", at=NOW - timedelta(hours=20)))
    assert said.reply.expires_at == NOW + timedelta(hours=4)
    ahead = MESSENGER.message(MESSENGER.simulator().text(ANN, "hi", at=NOW + timedelta(hours=20)))
    assert ahead.reply.expires_at == NOW + timedelta(hours=24)


@both
@pytest.mark.parametrize(("theirs", "ours"), [("image", "image"), ("video", "video"), ("audio", "voice"), ("file", "file")])
def test_media_are_kept_with_their_expiring_link(account, theirs, ours):
    said = account.message(account.simulator().attachment(ANN, theirs, {"url": CDN}))
    (attachment,) = said.attachments
    assert (said.kind, attachment.kind, attachment.url, attachment.needs_download) == (ours, ours, CDN, True)


@both
def test_words_with_a_picture_are_mixed(account):
    said = account.message(account.simulator().image(ANN, CDN, caption="坏了"))
    assert (said.kind, said.text, len(said.attachments)) == ("mixed", "坏了", 1)


def test_a_sticker_is_known_by_its_id_in_the_old_form_and_in_the_new():
    simulator = MESSENGER.simulator()
    old = {"type": "image", "payload": {"url": CDN, "sticker_id": 369239263222822}}
    new = {"type": "sticker", "payload": {"url": CDN, "sticker_id": 369239263222822}}
    for attachments in ([old], [new], [new, old]):
        said = MESSENGER.message(simulator.batch([simulator.item(ANN, {"attachments": attachments})]))
        assert (said.kind, said.sticker) == ("sticker", Sticker(sticker_id="369239263222822"))
        assert [(each.kind, each.url) for each in said.attachments] == [("sticker", CDN)]


def test_a_location_is_read_and_one_off_the_globe_is_an_error():
    simulator = MESSENGER.simulator()
    said = MESSENGER.message(simulator.attachment(ANN, "location", {"coordinates": {"lat": 31.23, "long": -121.4}}))
    assert (said.kind, said.location) == ("location", Location(lat=31.23, lon=-121.4))
    bad = simulator.attachment(ANN, "location", {"coordinates": {"lat": 91, "long": 0}})
    assert MESSENGER.errors(bad) == [("not degrees", "entry.0.messaging.0.lat")]


@both
@pytest.mark.parametrize("kind", ["fallback", "share", "post", "ig_post", "reel", "ig_reel"])
def test_what_was_shared_is_a_link(account, kind):
    said = account.message(account.simulator().attachment(ANN, kind, {"url": "https://www.facebook.com/p/1", "title": "促销"}))
    assert (said.kind, said.link) == ("link", Link(url="https://www.facebook.com/p/1", title="促销"))


def test_an_address_in_a_text_leaves_it_a_text():
    simulator = MESSENGER.simulator()
    shared = {"type": "fallback", "payload": {"url": "https://example.com/x", "title": "x"}}
    item = simulator.item(ANN, {"text": "看 https://example.com/x", "attachments": [shared]})
    said = MESSENGER.message(simulator.batch([item]))
    assert (said.kind, said.text, said.link) == (
        "text",
        "看 https://example.com/x",
        Link(url="https://example.com/x", title="x"),
    )


@both
@pytest.mark.parametrize(
    ("said", "raw_kind"),
    [
        ({"attachments": [{"type": "appointment_booking", "payload": {}}]}, "appointment_booking"),
        ({"attachments": [{"type": "ephemeral"}]}, "ephemeral"),
        ({"attachments": [{"type": "<x>"}]}, "unnamed"),
        ({"attachments": [{"type": "fallback"}]}, "empty"),
        ({"is_unsupported": True}, "is_unsupported"),
        ({"attachments": "x"}, "empty"),
    ],
)
def test_what_we_have_no_word_for_is_unsupported_with_the_platforms_own(account, said, raw_kind):
    simulator = account.simulator()
    message = account.message(simulator.batch([simulator.item(ANN, said)]))
    assert (message.kind, message.raw_kind) == ("unsupported", raw_kind)


@both
def test_a_quick_reply_keeps_its_payload(account):
    said = account.message(account.simulator().text(ANN, "Red", quick_reply={"payload": "COLOUR_RED"}))
    assert (said.kind, said.text) == ("interactive", "Red")
    assert said.interactive == Interactive(type="quick_reply", title="Red", payload="COLOUR_RED")


@both
def test_a_postback_is_a_message_with_the_ad_that_brought_the_person(account):
    referral = {
        "ref": "spring",
        "source": "ADS",
        "type": "OPEN_THREAD",
        "ad_id": 6045246247433,
        "ads_context_data": {"ad_title": "双十一"},
    }
    said = account.message(account.simulator().postback(ANN, "开始", "GET_STARTED", referral=referral, native_id="m_p"))
    assert (said.kind, said.text, said.native_id) == ("interactive", "开始", "m_p")
    assert said.interactive == Interactive(type="postback", title="开始", payload="GET_STARTED")
    assert said.referral == Referral(source="ad", ad_id="6045246247433", ref="spring", headline="双十一")


def test_a_postback_without_an_id_is_told_apart_by_time_and_payload():
    simulator = MESSENGER.simulator()
    taps = [
        ({"payload": "A"}, NOW),
        ({"payload": "A"}, NOW),
        ({"payload": "B"}, NOW),
        ({"payload": "A"}, NOW - timedelta(seconds=1)),
    ]
    ids = [MESSENGER.message(simulator.event(ANN, "postback", tap, at=at)).message_id for tap, at in taps]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("referral", "expected"),
    [
        ({"source": "SHORTLINK", "ref": "shop", "type": "OPEN_THREAD"}, Referral(source="link", ref="shop")),
        ({"source": "MESSENGER_CODE", "ref": "table 4"}, Referral(source="qr", ref="table 4")),
        ({"product": {"id": "P1"}}, Referral(source="post", ref="P1")),
        (
            {"source": "CUSTOMER_CHAT_PLUGIN", "referer_uri": "https://shop.example/"},
            Referral(source="link", source_url="https://shop.example/"),
        ),
    ],
)
def test_what_brought_the_person_is_named(referral, expected):
    assert MESSENGER.message(MESSENGER.simulator().text(ANN, "hi", referral=referral)).referral == expected


def test_a_quoted_message_is_named():
    said = MESSENGER.message(MESSENGER.simulator().text(ANN, "this one", reply_to={"mid": "m_0", "is_self_reply": False}))
    assert said.reply_to == ReplyTo(native_id="m_0")


def test_a_reply_to_our_story_names_the_story():
    said = INSTAGRAM.message(INSTAGRAM.simulator().story_reply(ANN, "多少钱?", "18012", CDN))
    assert (said.kind, said.text, said.reply_to) == ("text", "多少钱?", ReplyTo(native_id="18012"))
    assert said.referral == Referral(source="post", ref="18012", source_url=CDN)


def test_a_mention_in_a_story_expires_with_the_story():
    said = INSTAGRAM.message(INSTAGRAM.simulator().story_mention(ANN, CDN))
    (story,) = said.attachments
    assert (said.kind, said.link) == ("link", Link(url=CDN))
    assert (story.kind, story.url_expires_at, story.needs_download) == ("story", NOW + timedelta(hours=24), True)


@both
@pytest.mark.parametrize("event", ["read", "delivery", "reaction", "referral", "optin", "pass_thread_control", "message_edit"])
def test_receipts_reactions_and_events_are_ignored_by_name(account, event):
    assert account.ignored(account.simulator().event(ANN, event, {"mid": "m_1"})) == [(event, None)]


@both
def test_somebody_who_comes_back_by_an_advertisement_is_a_message_with_it(account):
    ad = {"source": "ADS", "type": "OPEN_THREAD", "ad_id": "604", "ref": "spring", "ads_context_data": {"ad_title": "双十一"}}
    said = account.message(account.simulator().event(ANN, "referral", ad))
    assert (said.kind, said.text, said.native_id) == ("interactive", None, None)
    assert said.interactive == Interactive(type="postback", id="referral")
    assert said.referral == Referral(source="ad", ad_id="604", ref="spring", headline="双十一")
    again = account.message(account.simulator().event(ANN, "referral", ad))
    other = account.message(account.simulator().event(ANN, "referral", {**ad, "ad_id": "605"}))
    assert again.message_id == said.message_id != other.message_id


@both
def test_an_event_that_nobody_knows_is_ignored(account):
    assert account.ignored(account.simulator().event(ANN, "hologram", {})) == [("unnamed", None)]


@both
def test_echoes_of_our_own_words_are_ignored(account):
    simulator = account.simulator()
    assert account.ignored(simulator.echo(ANN, "您好", native_id="m_e")) == [("echo", "m_e")]
    ours = account.settings.get("page_id") or account.settings["instagram_account_id"]
    assert account.ignored(simulator.text(ours, "unmarked", native_id="m_u")) == [("echo", "m_u")]


@both
def test_the_echo_of_a_picture_is_nobodys_answer_for_it_may_be_ours(account):
    picture = account.simulator().echo(ANN, "", native_id="m_p")
    assert [each.sighting for each in account.parse(picture).ignored] == [None]
    (words,) = account.parse(account.simulator().echo(ANN, "我来帮您", native_id="m_w")).ignored
    assert words.sighting.kind == "answered"


def test_a_deleted_message_is_ignored():
    assert INSTAGRAM.ignored(INSTAGRAM.simulator().deleted(ANN, "m_d")) == [("deleted", "m_d")]


@both
def test_what_another_app_handles_is_ignored(account):
    webhook = account.simulator().standby(ANN, "hi")
    ((kind, native_id),) = account.ignored(webhook)
    assert (kind, native_id) == ("standby", json.loads(webhook.body)["entry"][0]["standby"][0]["message"]["mid"])


def test_an_entry_may_hold_changes_and_no_items():
    simulator = MESSENGER.simulator()
    value = simulator.item(ANN, {"text": "hi"}, native_id="m_c")
    changes = [{"field": "messages", "value": value}, {"field": "feed", "value": {"item": "post"}}, {"field": 7}, None]
    body = {"object": "page", "entry": [{"id": "106540352242922", "time": 1, "changes": changes}]}
    result = MESSENGER.parse(simulator.webhook(body))
    assert [message.native_id for message in result.messages] == ["m_c"]
    assert [each.kind for each in result.ignored] == ["feed", "unnamed"]
    assert [(error.reason, error.where) for error in result.errors] == [("not an object", "entry.0.changes.3")]


@both
def test_a_very_long_text_is_bounded(account):
    assert len(account.message(account.simulator().text(ANN, "x" * 50_000)).text) == 20_000
