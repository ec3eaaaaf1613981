"""The channel `whatsapp`: what its webhooks say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from functions.common.message import ContactId, Interactive, Link, Location, Referral, ReplyTo, ReplyWindow, Sticker
from infra.simulators.whatsapp import WABA
from tests.fakes.channel_account import WHATSAPP
from tests.fakes.simulated_platform import NOW

PHONE, BSUID = "8613800138000", "CN.13491208655302741918"


def message(kind, content, contact=PHONE, **more):
    return WHATSAPP.message(WHATSAPP.simulator().message(contact, kind, content, **more))


def test_a_text_becomes_a_message_to_be_answered_within_a_day():
    said = WHATSAPP.message(WHATSAPP.simulator().text(PHONE, "请问发货了吗?", native_id="wamid.1", name="王芳"))
    assert (said.kind, said.text, said.native_id, said.sent_at, said.time_precision) == (
        "text",
        "请问发货了吗?",
        "wamid.1",
        NOW,
        "s",
    )
    assert (said.contact.primary, said.contact.name) == (PHONE, "王芳")
    assert set(said.contact.ids) == {
        ContactId(kind="wa_id", value=PHONE, scope=WABA),
        ContactId(kind="phone_e164", value=f"+{PHONE}", scope=WABA),
    }
    assert said.reply == ReplyWindow(mode="window", expires_at=NOW + timedelta(hours=24))


def test_a_person_need_not_have_a_phone_number():
    said = message("text", {"body": "hi"}, BSUID)
    assert (said.contact.primary, said.reply.token) == (BSUID, None)
    assert said.contact.ids == (ContactId(kind="bsuid", value=BSUID, scope=WABA),)


def test_a_person_stays_the_same_when_the_number_is_hidden():
    simulator = WHATSAPP.simulator()
    hidden = WHATSAPP.message(simulator.text(BSUID, "hi", native_id="wamid.1"))
    simulator.numbers[BSUID] = PHONE
    shown = WHATSAPP.message(simulator.text(BSUID, "hi", native_id="wamid.2"))
    assert hidden.message_id.split(".")[0] == shown.message_id.split(".")[0]
    assert {each.kind for each in shown.contact.ids} == {"bsuid", "wa_id", "phone_e164"}
    assert (shown.contact.primary, shown.reply.token) == (BSUID, PHONE)


def test_a_contact_that_stands_alone_is_the_sender_of_a_message_without_one():
    simulator = WHATSAPP.simulator()
    item = {"id": "wamid.1", "timestamp": "1", "type": "text", "text": {"body": "hi"}}
    alone = simulator.batch([item], contacts=[{"profile": {"username": "ann"}, "user_id": BSUID, "parent_user_id": "CN.ENT.1"}])
    said = WHATSAPP.message(alone)
    assert (said.contact.primary, said.contact.name) == (BSUID, "ann")
    assert {each.kind for each in said.contact.ids} == {"bsuid", "parent_bsuid"}
    two = simulator.batch([item], contacts=[{"user_id": BSUID}, {"user_id": "CN.2"}])
    assert WHATSAPP.errors(two) == [("missing", "entry.0.changes.0.value.messages.0.from")]


def test_names_go_with_their_own_messages_in_a_batch():
    simulator = WHATSAPP.simulator()
    items = [simulator.item(PHONE, "text", {"body": "a"}), simulator.item(BSUID, "text", {"body": "b"})]
    contacts = [simulator.contact(BSUID, name="乙"), simulator.contact(PHONE, name="甲")]
    result = WHATSAPP.parse(simulator.batch(items, contacts=contacts))
    assert [each.contact.name for each in result.messages] == ["甲", "乙"]


@pytest.mark.parametrize("sender", ["", "+86138", "1; DROP", "x" * 300, 0, True, ["1"]])
def test_a_sender_that_is_no_number_is_an_error(sender):
    simulator = WHATSAPP.simulator()
    item = simulator.item(PHONE, "text", {"body": "hi"}) | {"from": sender}
    ((reason, where),) = WHATSAPP.errors(simulator.batch([item]))
    assert (reason, where) == ("missing", "entry.0.changes.0.value.messages.0.from")


@pytest.mark.parametrize(
    ("theirs", "ours", "content"),
    [
        ("image", "image", {}),
        ("video", "video", {}),
        ("audio", "voice", {"voice": True}),
        ("audio", "file", {"voice": False}),
        ("document", "file", {"filename": "发票.pdf", "file_size": 1234}),
    ],
)
def test_media_are_kept_by_their_id(theirs, ours, content):
    said = message(theirs, {"id": "654", "mime_type": "a/b", "sha256": "c2hh", **content})
    (attachment,) = said.attachments
    assert (said.kind, attachment.kind, attachment.media_id) == (ours, ours, "654")
    assert (attachment.mime, attachment.sha256, attachment.needs_download) == ("a/b", "c2hh", True)
    assert (attachment.filename, attachment.size) == (content.get("filename"), content.get("file_size"))


def test_words_with_a_picture_are_mixed():
    said = WHATSAPP.message(WHATSAPP.simulator().image(PHONE, "654", caption="坏了"))
    assert (said.kind, said.text, said.attachments[0].caption) == ("mixed", "坏了", "坏了")


def test_a_medium_without_an_id_is_an_error():
    assert WHATSAPP.errors(WHATSAPP.simulator().message(PHONE, "image", {"mime_type": "a/b"})) == [
        ("missing", "entry.0.changes.0.value.messages.0.id")
    ]


def test_a_sticker_has_its_picture():
    said = message("sticker", {"id": "99", "mime_type": "image/webp", "animated": True})
    assert (said.kind, said.sticker, said.attachments[0].media_id) == ("sticker", Sticker(sticker_id="99"), "99")


def test_a_location_is_read():
    place = {
        "latitude": 37.46,
        "longitude": -122.21,
        "name": "HQ",
        "address": "1 Hacker Way",
        "url": "https://maps.google.com/",
    }
    said = message("location", place)
    assert said.location == Location(lat=37.46, lon=-122.21, label="HQ", address="1 Hacker Way")
    assert (said.kind, said.link) == ("location", Link(url="https://maps.google.com/"))


@pytest.mark.parametrize(
    "place", [{}, {"latitude": "nan", "longitude": 0}, {"latitude": True, "longitude": 0}, {"latitude": 91}]
)
def test_a_location_off_the_globe_is_an_error(place):
    webhook = WHATSAPP.simulator().message(PHONE, "location", place)
    assert WHATSAPP.errors(webhook) == [("not degrees", "entry.0.changes.0.value.messages.0.latitude")]


def test_a_location_beyond_all_numbers_is_an_error():
    webhook = WHATSAPP.simulator().message(PHONE, "location", {"latitude": 12345, "longitude": 0})
    endless = WHATSAPP.simulator().webhook(webhook.body.replace(b"12345", b"1e999"))
    assert [reason for reason, _ in WHATSAPP.errors(endless)] == ["not degrees"]


def test_business_cards_are_a_line_each():
    cards = [
        {"name": {"formatted_name": "Chandler Bing"}, "phones": [{"phone": "+1 555-555-5555", "wa_id": "15555555555"}]},
        {"name": {"formatted_name": "Monica"}, "phones": [{"wa_id": "16666666666"}]},
    ]
    said = message("contacts", cards)
    assert (said.kind, said.text) == ("contact", "Chandler Bing +1 555-555-5555\nMonica 16666666666")


def test_a_basket_is_a_line_per_product():
    items = [{"product_retailer_id": "HAMBURGER", "quantity": 3}, {"product_retailer_id": "SODA", "quantity": "2"}, {}]
    said = message("order", {"catalog_id": "1", "text": "快一点", "product_items": items})
    assert (said.kind, said.text) == ("order", "快一点\n3 × HAMBURGER\n2 × SODA")


def test_taps_on_buttons_and_lists_keep_their_ids():
    tapped = WHATSAPP.message(WHATSAPP.simulator().button(PHONE, "确认", "confirm-1", replied="wamid.0"))
    assert tapped.interactive == Interactive(type="button", id="confirm-1", title="确认")
    assert (tapped.kind, tapped.text, tapped.reply_to) == ("interactive", "确认", ReplyTo(native_id="wamid.0"))
    listed = message("interactive", {"type": "list_reply", "list_reply": {"id": "r2", "title": "蓝色", "description": "d"}})
    assert listed.interactive == Interactive(type="list", id="r2", title="蓝色")
    template = message("button", {"text": "Yes", "payload": "YES-1"})
    assert template.interactive == Interactive(type="button", title="Yes", payload="YES-1")


def test_a_filled_form_keeps_its_answers():
    reply = {"name": "flow", "body": "Sent", "response_json": '{"flow_token": "t", "size": "M"}'}
    said = message("interactive", {"type": "nfm_reply", "nfm_reply": reply})
    assert said.interactive == Interactive(type="form", id="flow", title="Sent", payload=reply["response_json"])


def test_a_reaction_names_the_message_it_is_on():
    said = WHATSAPP.message(WHATSAPP.simulator().reaction(PHONE, "😮", to="wamid.0"))
    assert (said.kind, said.text, said.reply_to) == ("reaction", "😮", ReplyTo(native_id="wamid.0"))


@pytest.mark.parametrize(
    ("kind", "content", "raw_kind"),
    [
        ("unsupported", None, "unsupported"),
        ("hologram", {"a": 1}, "hologram"),
        ("<b>", {}, "unnamed"),
        ("interactive", None, "interactive"),
        ("interactive", {"type": "poll_reply"}, "interactive.poll_reply"),
    ],
)
def test_a_kind_we_have_no_word_for_is_unsupported_with_the_platforms_own(kind, content, raw_kind):
    said = message(kind, content, errors=[{"code": 131051, "title": "Message type unknown"}])
    assert (said.kind, said.raw_kind, said.text) == ("unsupported", raw_kind, None)


@pytest.mark.parametrize(("source", "ad_id", "ref"), [("ad", "120", None), ("post", None, "120")])
def test_the_ad_that_brought_the_person_is_named_with_its_click(source, ad_id, ref):
    referral = {
        "source_url": "https://fb.me/1",
        "source_id": "120",
        "source_type": source,
        "headline": "双十一",
        "body": "…",
        "media_type": "image",
        "ctwa_clid": "clid",
    }
    said = WHATSAPP.message(WHATSAPP.simulator().text(PHONE, "hi", referral=referral))
    assert said.referral == Referral(
        source=source, ad_id=ad_id, ref=ref, source_url="https://fb.me/1", headline="双十一", click_id="clid"
    )
    assert WHATSAPP.message(WHATSAPP.simulator().text(PHONE, "hi", referral={"source_type": "ad"})).referral is None


@pytest.mark.parametrize("status", ["sent", "delivered", "read", "failed"])
def test_receipts_are_ignored(status):
    assert WHATSAPP.ignored(WHATSAPP.simulator().receipt("wamid.7", status)) == [("receipt", "wamid.7")]


def test_echoes_edits_deletions_and_taken_back_reactions_are_ignored():
    simulator = WHATSAPP.simulator()
    assert WHATSAPP.ignored(simulator.echo(PHONE, "您好", native_id="wamid.8")) == [("echo", "wamid.8")]
    assert WHATSAPP.ignored(simulator.reaction(PHONE, "", to="wamid.0", native_id="wamid.9")) == [("unreaction", "wamid.9")]
    for kind in ("system", "edit", "revoke", "request_welcome"):
        assert WHATSAPP.ignored(simulator.message(PHONE, kind, {}, native_id="wamid.x")) == [(kind, "wamid.x")]


def test_what_concerns_the_account_is_ignored_by_its_field():
    simulator = WHATSAPP.simulator()
    assert WHATSAPP.ignored(simulator.change({"event": "X"}, "message_template_status_update")) == [
        ("message_template_status_update", None)
    ]
    assert WHATSAPP.ignored(simulator.change({"errors": [{"code": 131000}]})) == [("error", None)]


def test_what_was_said_in_a_group_is_stored_and_not_answered():
    said = WHATSAPP.message(WHATSAPP.simulator().text(PHONE, "hi", group_id="g-1"))
    assert (said.conversation_kind, said.thread_id, said.reply) == ("group", "g-1", ReplyWindow(mode="none"))


def test_an_account_without_a_token_only_receives():
    said = WHATSAPP.message(WHATSAPP.simulator().text(PHONE, "hi"), access_token=None)
    assert said.reply == ReplyWindow(mode="none")


def test_whatsapp_retries_for_days():
    patience = WHATSAPP.simulator().patience
    assert timedelta(days=6) < timedelta(seconds=sum(patience.waits)) <= timedelta(days=7)


def test_names_reach_every_message_of_a_batch_however_long():
    items = [(f"86138{number:08d}", "hi") for number in range(120)]
    result = WHATSAPP.parse(WHATSAPP.simulator().texts(items))
    assert len(result.messages) == 120 and all(message.contact.name for message in result.messages)
