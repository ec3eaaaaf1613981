"""The channel `twilio`: what its webhooks say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from functions.channels.contract import Verified
from functions.channels.twilio import ADAPTER
from functions.common.message import ContactId, Interactive, Location, Referral, ReplyTo, ReplyWindow
from tests.fakes.simulated_platform import NOW
from tests.fakes.twilio_account import (
    SETTINGS,
    SMS,
    WHATSAPP,
    message,
    parse,
    request,
    simulator,
    verify,
)


def test_an_sms_becomes_a_message_without_a_time():
    said = message(simulator().text(SMS, "请问发货了吗?", native_id="SM" + "1" * 32))
    assert (said.kind, said.text, said.native_id) == ("text", "请问发货了吗?", "SM" + "1" * 32)
    assert (said.sent_at, said.time_precision, said.received_at) == (None, "none", NOW)
    assert said.contact.primary == SMS
    assert said.contact.ids == (ContactId(kind="phone_e164", value=SMS, scope="+15005550006"),)
    assert said.reply == ReplyWindow(mode="open")
    assert said.message_id.split(".")[1] == "0" * 13
    assert (said.verification.scheme, said.verification.body_signed, said.verification.timestamped) == (
        "twilio-hmac-sha1",
        True,
        False,
    )


def test_a_whatsapp_message_may_be_answered_for_a_day():
    said = message(simulator().message(WHATSAPP, "hi", {"ProfileName": "王芳"}))
    assert said.reply == ReplyWindow(mode="window", expires_at=NOW + timedelta(hours=24))
    assert {(i.kind, i.value) for i in said.contact.ids} == {("wa_id", "8613800138000"), ("phone_e164", SMS)}
    assert (said.contact.name, said.contact.primary, said.referral) == ("王芳", WHATSAPP, None)


def test_a_whatsapp_user_need_not_have_a_phone_number():
    fields = {"ExternalUserId": "whatsapp:ID.4566546130240823", "WaId": ""}
    said = message(simulator().message("whatsapp:ID.4566546130240823", "hi", fields))
    assert said.contact.ids == (ContactId(kind="bsuid", value="ID.4566546130240823", scope="+15005550006"),)


def test_one_phone_on_sms_and_on_whatsapp_is_two_conversations():
    one, other = (message(simulator().text(c, "hi", native_id="SM1")).message_id for c in (SMS, WHATSAPP))
    assert one.split(".")[0] != other.split(".")[0]


def test_redelivered_webhook_has_the_same_message_id():
    webhook = simulator().text(SMS, "hi", native_id="SM1")
    assert message(webhook).message_id == message(webhook).message_id
    assert message(webhook).message_id != message(simulator().text(SMS, "hi", native_id="SM2")).message_id


def test_short_codes_and_other_addresses_have_an_id_too():
    assert message(simulator().text("12345", "hi")).contact.ids[0].kind == "uid"
    other = message(simulator().text("messenger:4711", "hi"))
    assert (other.contact.ids[0].kind, other.reply.mode) == ("uid", "none")


@pytest.mark.parametrize(
    ("mime", "kind"),
    [
        ("image/jpeg", "image"),
        ("audio/ogg", "voice"),
        ("video/mp4", "video"),
        ("text/x-vcard", "contact"),
        ("application/pdf", "file"),
        ("", "file"),
    ],
)
def test_media_are_kept_with_their_kind(mime, kind):
    url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1"
    fields = {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": mime}
    said = message(simulator().message(SMS, "", fields))
    assert (said.kind, said.text) == (kind, None)
    (attachment,) = said.attachments
    assert (attachment.kind, attachment.url, attachment.media_id, attachment.mime) == (kind, url, "ME1", mime or None)


def test_words_with_a_picture_are_mixed():
    said = message(simulator().image(SMS, "https://api.twilio.com/ME1", caption="坏了"))
    assert (said.kind, said.text, len(said.attachments)) == ("mixed", "坏了", 1)


def test_a_location_is_read():
    said = message(simulator().location(WHATSAPP, "31.230416", "-121.4", label="外滩"))
    assert (said.kind, said.location) == ("location", Location(lat=31.230416, lon=-121.4, label="外滩"))


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"Latitude": "nan", "Longitude": "1"}, "Latitude"),
        ({"Latitude": "91", "Longitude": "1"}, "Latitude"),
        ({"Latitude": "1"}, "Longitude"),
        ({"NumMedia": "²"}, "NumMedia"),
        ({"NumMedia": "11"}, "NumMedia"),
        ({"Body": "x" * 65_537}, "Body"),
        ({"MessageSid": "", "SmsSid": "", "SmsMessageSid": ""}, "MessageSid"),
        ({"From": ""}, "From"),
    ],
)
def test_an_unreadable_field_is_an_error_that_names_its_place(fields, where):
    result = parse(simulator().message(SMS, "hi", fields))
    assert [(e.reason, e.where) for e in result.errors] == [("unreadable", where)]
    assert result.messages == ()


def test_a_tap_on_a_button_answers_the_message_it_belongs_to():
    said = message(simulator().button(WHATSAPP, "确认", "confirm-1", replied="MM9"))
    assert said.interactive == Interactive(type="button", id="confirm-1", title="确认", payload="confirm-1")
    assert (said.kind, said.text, said.reply_to) == ("interactive", "确认", ReplyTo(native_id="MM9"))


def test_a_choice_from_a_list_is_interactive():
    said = message(simulator().message(WHATSAPP, "Blue", {"ListId": "2", "ListTitle": "Blue"}))
    assert said.interactive == Interactive(type="list", id="2", title="Blue")


@pytest.mark.parametrize(("source", "ad_id", "ref"), [("ad", "120", None), ("post", None, "120")])
def test_an_advertisement_is_named_as_what_brought_the_sender(source, ad_id, ref):
    fields = {
        "ReferralSourceType": source,
        "ReferralSourceId": "120",
        "ReferralSourceUrl": "https://fb.me/1",
        "ReferralHeadline": "双十一",
        "ReferralCtwaClid": "clid",
    }
    assert message(simulator().message(WHATSAPP, "hi", fields)).referral == Referral(
        source=source, ad_id=ad_id, ref=ref, source_url="https://fb.me/1", headline="双十一", click_id="clid"
    )


def test_a_kind_that_twilio_does_not_spell_out_is_unsupported():
    said = message(simulator().message(WHATSAPP, "", {"MessageType": "order"}))
    assert (said.kind, said.raw_kind) == ("unsupported", "order")
    assert message(simulator().text(SMS, "")).kind == "text"


@pytest.mark.parametrize("status", ["queued", "sent", "delivered", "read", "failed", "undelivered"])
def test_receipts_are_ignored(status):
    result = parse(simulator().receipt("SM7", status))
    assert [(i.kind, i.native_id) for i in result.ignored] == [("receipt", "SM7")]
    assert (result.messages, result.errors) == ((), ())


@pytest.mark.parametrize("ours", ["+15005550006", "whatsapp:+15005550006"])
def test_a_message_from_our_own_number_is_an_echo(ours):
    assert [i.kind for i in parse(simulator().text(ours, "hi", native_id="SM8")).ignored] == ["echo"]


def test_a_call_is_ignored():
    webhook = simulator().webhook({"AccountSid": SETTINGS["account_sid"], "CallSid": "CA1", "From": SMS})
    assert [(i.kind, i.native_id) for i in parse(webhook).ignored] == [("event", "CA1")]


def test_a_message_of_another_account_is_an_error():
    result = parse(simulator(account_sid="AC" + "f" * 32).text(SMS, "hi"))
    assert [(e.reason, e.where) for e in result.errors] == [("another_account", "AccountSid")]


def test_the_acknowledgement_is_an_empty_twiml_document():
    verified = verify(request(simulator().text(SMS, "hi")))
    assert isinstance(verified, Verified)
    payload = ADAPTER.decode(verified, "demo")
    answer = ADAPTER.acknowledge(payload, ADAPTER.parse(payload))
    assert (answer.status, answer.body, answer.content_type.split(";")[0]) == (200, "<Response/>", "text/xml")
    assert ADAPTER.handshake(payload) is None
