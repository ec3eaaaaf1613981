"""The channel `email`: SNS's signature under a pinned certificate, its confirmation, and mails as messages."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.channels.codecs import sns_signature
from functions.channels.contract import Ignored, OutgoingReply, RawRequest, Rejected, Verified
from functions.channels.email import ADAPTER, EmailCredentials
from functions.common.message import ContactId, Link, ReplyTo, ReplyWindow
from infra.simulators.contract import ApiRequest, Webhook
from infra.simulators.delivery import Attempt
from infra.simulators.email import INBOX, EmailSimulator
from tests.fakes.signed_webhook import Desk
from tests.fakes.simulated_platform import NOW, SimulatedPlatform

ACCOUNTS = yaml.safe_load((Path(__file__).parents[2] / "config" / "channels.local.yaml").read_text("utf-8"))
SETTINGS: dict[str, Any] = ACCOUNTS["channels"]["email"]["demo"]
EMAIL = Desk(ADAPTER, SETTINGS, EmailSimulator)
TOPIC = SETTINGS["topic_arn"]
NAME = next(iter(SETTINGS["signing_certificates"]))
ANN = "ann@mail.example"


def changed(webhook: Webhook, **fields: Any) -> Webhook:
    return replace(webhook, body=json.dumps(json.loads(webhook.body) | fields).encode())


@cache
def another_key() -> tuple[rsa.RSAPrivateKey, str]:
    """A key and a certificate of the test's own, good for November 2026 only."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.test.invalid")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(2)
    built = built.not_valid_before(datetime(2026, 11, 1, tzinfo=UTC)).not_valid_after(datetime(2026, 12, 1, tzinfo=UTC))
    certificate = built.sign(key, hashes.SHA256())
    return key, certificate.public_bytes(serialization.Encoding.PEM).decode()


# --- verification


def test_the_string_to_sign_is_that_of_amazons_page():
    """https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html"""
    said = {"Type": "Notification", "MessageId": "4d4dc071", "TopicArn": "arn", "Timestamp": "2026", "Message": "two\nlines"}
    plain = b"Message\ntwo\nlines\nMessageId\n4d4dc071\nTimestamp\n2026\nTopicArn\narn\nType\nNotification\n"
    assert sns_signature.string_to_sign(said) == plain
    titled = sns_signature.string_to_sign(said | {"Subject": "S"})
    assert titled is not None
    assert b"MessageId\n4d4dc071\nSubject\nS\nTimestamp\n" in titled
    asked = said | {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://x", "Token": "t", "Subject": "not signed"}
    assert sns_signature.string_to_sign(asked) == plain.replace(b"Timestamp", b"SubscribeURL\nhttps://x\nTimestamp").replace(
        b"TopicArn", b"Token\nt\nTopicArn"
    ).replace(b"Type\nNotification", b"Type\nSubscriptionConfirmation")


# Signed with the demo key. Amazon's own validator for node, sns-validator 0.3.5, calls both valid, and each with one letter more in its
# Message invalid.
VALID_TO_AMAZONS_VALIDATOR: list[dict[str, str]] = [
    {
        "Type": "Notification",
        "MessageId": "a80b847b-eb51-e433-8ea6-d5d01d034f0d",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:postroom-mail",
        "Timestamp": "2026-11-22T08:00:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-00000000000000000000000000000000.pem",
        "Message": "两行\nof a mail",
        "Subject": "你好",
        "Signature": (
            "W2ypG3Vk+NGpuQ3pF4tcH2paKlL+/b53Xgu0FA34EV8E7aY4Juw1i4/xAY79xAAGM8Gy4Hznt1E57iZcvWmt2nAFQIGJ0E894TAr"
            "5S1WfBB2K8hoWbWqmzKiAMAjY7GWn7HT/Ugvf+VwlieaYCtJq6Qw0toJ3NcW/P5U7nHVLKXMB/qL/TjYaASv52o1WB3oVDmY1keW"
            "5oT/lq9iFZpsAaLgYl8N190FhdPMIqmIdUfmbVdDTgzS7xVvpJKtrcMa8sIr39KPYtVh9CfuEMdicPRKy+Z7HiSy4LXwWR+C727R"
            "xbWPVLFQ3Sa8TQB2AF1uiLEJSzDcJrB2uN6bbYp7xg=="
        ),
    },
    {
        "Type": "SubscriptionConfirmation",
        "MessageId": "d81d722f-3599-994e-04d4-30c3b58ab55b",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:postroom-mail",
        "Timestamp": "2026-11-22T08:00:00.000Z",
        "SignatureVersion": "1",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-00000000000000000000000000000000.pem",
        "Message": "两行\nof a mail",
        "Token": "2336412f37",
        "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
        "Signature": (
            "QhXVjCdJUn+ERYinxuhnGguJ9PJaMG8LtiFUluq/kPJCl0jGwq0Q4tzLsTKYL6kr7ch4XxLX8hslA0HlYxQCk4KgHO/TZ4gcE4Ae"
            "+glyx/uFdpLyOZULSpCrJjchtOvi5gXxhmkJ0/kSghielsfFmGf1Q6N+WGxWM8gIatgw6kWoP9FwMmYB7TpkBzgv412uAGZ2i6fM"
            "nRMObwf1dtG9CNaHy06ZTMvQD8kNtA5rGYyYRHLDMthuNPNKJGACMEA+Lmvrbcxa6h5FuTXs00frNyHJBZP4pkGg+osd4Bl8NDXT"
            "RWvjP+8IPM/5nUEKFPgb4LWZWYy0Ccc+JzNmXCbAoA=="
        ),
    },
]


@pytest.mark.parametrize("said", VALID_TO_AMAZONS_VALIDATOR, ids=lambda said: said["Type"])
def test_what_amazons_own_validator_takes_holds_and_no_more(said):
    pem, version = SETTINGS["signing_certificates"][NAME], said["SignatureVersion"]
    for changed_by, holds in (("", True), ("x", False)):
        signed = sns_signature.string_to_sign(said | {"Message": said["Message"] + changed_by})
        assert signed is not None
        assert sns_signature.holds(said["Signature"], signed, pem, version) is holds


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_signature_that_another_key_made_holds_under_its_certificate_only(version):
    key, pem = another_key()
    signature = key.sign(b"said", padding.PKCS1v15(), hashes.SHA1() if version == "1" else hashes.SHA256())
    encoded = b64encode(signature).decode()
    assert sns_signature.holds(encoded, b"said", pem, version)
    assert not sns_signature.holds(encoded, b"said", SETTINGS["signing_certificates"][NAME], version)
    assert not sns_signature.holds(encoded, b"said", pem, "2" if version == "1" else "1")
    assert not sns_signature.holds(encoded, b"Said", pem, version)


@pytest.mark.parametrize("theirs", [None, 5, "", "é", "====", "a" * 5000, "AAAA"])
def test_a_strange_signature_does_not_hold_and_does_no_harm(theirs):
    assert not sns_signature.holds(theirs, b"said", SETTINGS["signing_certificates"][NAME], "2")
    assert not sns_signature.holds(theirs, b"said", "-----BEGIN CERTIFICATE-----\nAAAA", "2")
    assert EMAIL.verify(changed(EMAIL.simulator().text(ANN, "hi"), Signature=theirs)) == Rejected("bad_signature", 403)


@pytest.mark.parametrize("field", ["Message", "MessageId", "Subject", "Timestamp"])
def test_every_signed_field_is_covered(field):
    webhook = EMAIL.simulator().text(ANN, "hi")
    assert isinstance(EMAIL.verify(webhook), Verified)
    assert EMAIL.verify(changed(webhook, **{field: "2026-11-22T08:00:01.000Z"})) == Rejected("bad_signature", 403)
    assert EMAIL.verify(changed(webhook, **{field: 5})) == Rejected("bad_signature", 403)


@pytest.mark.parametrize(
    "url",
    [
        None,
        5,
        "",
        f"http://sns.us-east-1.amazonaws.com/{NAME}",
        f"https://sns.us-east-1.amazonaws.com.evil.example/{NAME}",
        f"https://evil.example/sns.us-east-1.amazonaws.com/{NAME}",
        f"https://user@sns.us-east-1.amazonaws.com/{NAME}",
        f"https://sns.us-east-1.amazonaws.com:8443/{NAME}",
        f"https://s3.us-east-1.amazonaws.com/{NAME}",
        f"https://sns.us-east-1.amazonaws.com/x/{NAME}",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-xyz.pem",
        "https://[/",
    ],
)
def test_a_certificate_from_elsewhere_is_refused(url):
    webhook = changed(EMAIL.simulator().text(ANN, "hi"), SigningCertURL=url)
    assert EMAIL.verify(webhook) == Rejected("certificate_url", 403)


def test_the_chinese_regions_hosts_are_amazons_too():
    url = f"https://sns.cn-north-1.amazonaws.com.cn/{NAME}"
    assert sns_signature.certificate_name(url) == NAME
    # The URL is not signed: it only says which pinned certificate is meant.
    assert isinstance(EMAIL.verify(changed(EMAIL.simulator().text(ANN, "hi"), SigningCertURL=url)), Verified)


def test_an_unknown_certificate_is_named_so_that_it_can_be_added():
    rotated = f"SimpleNotificationService-{'f' * 32}.pem"
    webhook = changed(EMAIL.simulator().text(ANN, "hi"), SigningCertURL=f"https://sns.us-east-1.amazonaws.com/{rotated}")
    assert EMAIL.verify(webhook) == Rejected(f"unknown_certificate {rotated}", 403)
    both = SETTINGS["signing_certificates"] | {rotated: SETTINGS["signing_certificates"][NAME]}
    assert isinstance(EMAIL.verify(webhook, signing_certificates=both), Verified)


def test_a_certificate_past_its_time_is_refused():
    key, pem = another_key()
    webhook = EMAIL.simulator().text(ANN, "hi")
    signed = sns_signature.string_to_sign(json.loads(webhook.body))
    assert signed is not None
    webhook = changed(webhook, Signature=b64encode(key.sign(signed, padding.PKCS1v15(), hashes.SHA256())).decode())
    pinned = {NAME: pem}
    assert isinstance(EMAIL.verify(webhook, signing_certificates=pinned), Verified)
    assert EMAIL.verify(webhook, now=NOW + timedelta(days=20), signing_certificates=pinned) == Rejected(
        "expired_certificate", 403
    )


def test_the_account_decides_the_version_never_the_request():
    old = EMAIL.simulator(signature_version="1").text(ANN, "hi")
    assert EMAIL.verify(old) == Rejected("mode", 403)
    assert EMAIL.verify(changed(old, SignatureVersion="2")) == Rejected("bad_signature", 403)
    verified = EMAIL.verify(old, signature_version="1")
    assert isinstance(verified, Verified)
    assert verified.verification.scheme == "sns-rsa-sha1"
    assert EMAIL.verify(EMAIL.simulator().text(ANN, "hi"), signature_version="1") == Rejected("mode", 403)


def test_another_topic_a_stale_and_a_forged_post_are_refused():
    sim = EMAIL.simulator()
    other = EMAIL.simulator(topic_arn="arn:aws:sns:us-east-1:999999999999:theirs").text(ANN, "hi")
    assert EMAIL.verify(other) == Rejected("another_topic", 403)
    assert EMAIL.verify(sim.stale(ANN, "hi")) == Rejected("stale", 403)
    assert EMAIL.verify(sim.forged(ANN, "hi")) == Rejected("bad_signature", 403)
    assert EMAIL.verify(replace(sim.text(ANN, "hi"), method="GET")) == Rejected("method", 403)
    assert EMAIL.verify(replace(sim.text(ANN, "hi"), headers={})) == Rejected("no_signature", 403)
    wrong = {"x-amz-sns-message-type": "SubscriptionConfirmation"}
    assert EMAIL.verify(replace(sim.text(ANN, "hi"), headers=wrong)) == Rejected("mode", 403)
    for body in (b"", b"[]", b"\xff", b"[" * 100_000):
        assert EMAIL.verify(replace(sim.text(ANN, "hi"), body=body)) == Rejected("unreadable", 403)


def test_a_retry_two_minutes_later_is_still_accepted():
    assert isinstance(EMAIL.verify(EMAIL.simulator().text(ANN, "hi"), now=NOW + timedelta(minutes=29)), Verified)


# --- the confirmation


def test_the_confirmation_comes_as_a_link_for_a_person_and_nobody_is_called():
    message = EMAIL.message(EMAIL.simulator().handshake())
    assert (message.kind, message.contact.primary, message.contact.is_bot) == ("link", "sns.amazonaws.com", True)
    assert isinstance(message.link, Link)
    assert message.link.url.startswith("https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription")
    assert message.reply.mode == "none"
    assert "Token" not in (message.text or "")
    assert EMAIL.acknowledged(EMAIL.simulator().handshake()).body == ""


def test_a_confirmation_that_leads_elsewhere_is_no_link_for_anybody():
    sim = EMAIL.simulator()
    fields = {"Token": "t", "Message": "m", "SubscribeURL": "https://evil.example/?Action=ConfirmSubscription"}
    result = EMAIL.parse(sim.post("SubscriptionConfirmation", fields))
    assert ([e.where for e in result.errors], result.messages) == (["SubscribeURL"], ())


def test_a_confirmation_of_another_topic_is_refused():
    assert EMAIL.verify(EMAIL.simulator(topic_arn=TOPIC + "-theirs").handshake()) == Rejected("another_topic", 403)


# --- mails


def test_a_mail_becomes_a_message():
    sim = EMAIL.simulator()
    mail = sim.written("王芳 <Ann@Mail.Example>", "我的发票呢?\n", subject="发票 #42", Content_Language="zh-CN")
    message = EMAIL.message(sim.mail(mail, native_id="ses1"))
    assert (message.kind, message.text, message.native_id) == ("text", "发票 #42\n\n我的发票呢?", "ses1")
    assert (message.contact.primary, message.contact.name, message.contact.locale) == (ANN, "王芳", "zh-CN")
    assert message.contact.ids == (ContactId(kind="email", value=ANN),)
    assert (message.native_event_id, message.sent_at) == (str(mail["Message-ID"]), NOW)
    assert (message.reply, message.contact.is_bot) == (ReplyWindow(mode="none"), False)


@pytest.mark.parametrize("encoding", ["BASE64", "UTF-8"])
def test_both_encodings_of_the_content_are_read(encoding):
    sim = EMAIL.simulator()
    assert EMAIL.message(sim.mail(sim.written(ANN, "hello"), encoding=encoding)).text == "hello"


def test_a_mail_that_comes_twice_is_one_message():
    sim = EMAIL.simulator()
    ids = {
        EMAIL.message(sim.mail(sim.written(ANN, "hi"), native_id="ses1", signed_at=at)).message_id
        for at in (NOW, NOW + timedelta(0, 20))
    }
    assert len(ids) == 1
    assert EMAIL.message(sim.mail(sim.written(ANN, "hi"), native_id="ses2")).message_id not in ids


def test_an_address_that_nobody_vouches_for_is_marked():
    sim = EMAIL.simulator()
    for verdict in ("FAIL", "GRAY", "PROCESSING_FAILED"):
        (contact_id,) = EMAIL.message(sim.mail(sim.written(ANN, "hi"), dmarc=verdict)).contact.ids
        assert contact_id.kind == "email_unverified"


def test_an_answer_knows_what_it_answers():
    sim = EMAIL.simulator()
    mail = sim.written(
        ANN, "好的\n\nOn Monday the shop wrote:\n> 请提供订单号\n> 谢谢\n", In_Reply_To="<b@x>", References="<a@x> <b@x>"
    )
    message = EMAIL.message(sim.mail(mail))
    assert (message.text, message.reply_to, message.thread_id) == ("好的", ReplyTo(native_id="<b@x>"), "<a@x>")


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; x=y"},
        {"Precedence": "bulk"},
        {"List_Id": "<news.shop.example>"},
        {"List_Unsubscribe": "<mailto:x@y>"},
        {"X_Auto_Response_Suppress": "All"},
    ],
)
def test_what_a_machine_wrote_is_marked_as_a_bots(headers):
    sim = EMAIL.simulator()
    assert EMAIL.message(sim.mail(sim.written(ANN, "hi", **headers))).contact.is_bot
    assert not EMAIL.message(sim.mail(sim.written(ANN, "hi", Auto_Submitted="no"))).contact.is_bot


@pytest.mark.parametrize(
    "sender", ["no-reply@shop.example", "MAILER-DAEMON@mx.example", "bounces+7@x.example", "noreply@x.example"]
)
def test_addresses_that_nobody_reads_are_a_bots(sender):
    sim = EMAIL.simulator()
    assert EMAIL.message(sim.mail(sim.written(sender, "hi"))).contact.is_bot


def test_bounces_viruses_receipts_and_our_own_mails_are_ignored():
    sim = EMAIL.simulator()
    bounce = sim.written(ANN, "undeliverable", Return_Path="<>")
    kinds = [
        EMAIL.parse(webhook).ignored[0]
        for webhook in (
            sim.mail(bounce, native_id="1"),
            sim.mail(sim.written(ANN, "hi"), native_id="2", virus="FAIL"),
            sim.mail(sim.written(INBOX.upper(), "hi"), native_id="3"),
            sim.receipt("4"),
        )
    ]
    assert kinds == [Ignored("bounce", "1"), Ignored("virus", "2"), Ignored("echo", "3"), Ignored("receipt", "4")]


def test_words_that_are_no_mail_and_the_end_of_a_subscription_are_ignored():
    sim = EMAIL.simulator()
    trial = sim.notification("Successfully validated SNS topic for Amazon SES event publishing.")
    assert EMAIL.parse(trial).ignored[0].kind == "not_a_mail"
    end = sim.post("UnsubscribeConfirmation", {"Token": "t", "SubscribeURL": "https://x", "Message": "m"})
    assert EMAIL.parse(end).ignored[0].kind == "unsubscribe_confirmation"


@pytest.mark.parametrize(
    ("told", "where"),
    [
        ({"mail": {"messageId": "1"}}, "mail: no content"),
        ({"mail": {"messageId": "1"}, "content": "From: nobody\n\nhi"}, "mail: From"),
        ({"mail": {"messageId": "1"}, "content": "not base64!"}, "mail: content"),
        ({"mail": {}, "content": "From: a@b.example\n\nhi"}, "mail.messageId"),
    ],
)
def test_a_mail_that_cannot_be_read_is_an_error_that_names_its_place(told, where):
    result = EMAIL.parse(EMAIL.simulator().notification(json.dumps({"notificationType": "Received", **told})))
    assert ([e.where[: len(where)] for e in result.errors], result.messages) == ([where], ())


def test_the_channel_only_receives():
    reply = OutgoingReply(message_id="m", native_id="1", contact=ANN, text="您好")
    platform = SimulatedPlatform(EMAIL.simulator())
    result = ADAPTER.send(reply, EMAIL.credentials(), platform)
    assert (result.outcome, result.code, platform.asked) == ("window_closed", "receive_only", [])
    assert EMAIL.simulator().api(ApiRequest("POST", "/", {}, {}, b"")).status == 404


def test_sns_takes_a_refusal_for_an_answer():
    sim = EMAIL.simulator()
    tried = [sim.tried_again(Attempt(at=NOW, status=status)) for status in (200, 403, 429, 503, None)]
    assert tried == [False, False, True, True, True]


@pytest.mark.parametrize(
    "change",
    [
        {"topic_arn": "arn:aws:sns:*:*:*"},
        {"signing_certificates": {}},
        {"signing_certificates": {"../x.pem": "-----BEGIN CERTIFICATE-----"}},
        {"signing_certificates": {NAME: "https://sns.us-east-1.amazonaws.com"}},
        {"signature_version": "0"},
        {"topic": "x"},
    ],
)
def test_credentials_that_would_weaken_a_check_are_refused(change):
    with pytest.raises(ValidationError):
        EmailCredentials.model_validate(SETTINGS | change)


# --- bad input

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["Type", "TopicArn", "SignatureVersion", "SigningCertURL", "Signature", "Message", "MessageId", "Timestamp", "Subject"]


@settings(max_examples=150)
@given(fields=st.dictionaries(st.sampled_from(FIELDS), json_values), header=st.text(max_size=20) | st.just("Notification"))
def test_verification_never_raises_and_never_accepts_an_unsigned_request(fields, header):
    said = {
        "Type": "Notification",
        "TopicArn": TOPIC,
        "SignatureVersion": "2",
        "SigningCertURL": f"https://sns.us-east-1.amazonaws.com/{NAME}",
    }
    body = json.dumps(said | fields).encode()
    came = RawRequest("POST", "/webhooks/email/demo", (), "", {"x-amz-sns-message-type": header}, body, "192.0.2.1", NOW)
    assert isinstance(ADAPTER.verify(came, EMAIL.credentials(), NOW), Rejected)


@settings(max_examples=200)
@given(
    st.dictionaries(st.sampled_from(["Type", "Message", "MessageId", "SubscribeURL", "Timestamp"]), json_values)
    | st.binary(max_size=50)
)
def test_whatever_is_rightly_signed_is_read_or_malformed(said):
    EMAIL.survives(EMAIL.as_verified(said if isinstance(said, bytes) else json.dumps(said).encode()))


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["notificationType", "mail", "receipt", "content"]), json_values))
def test_an_absurd_notification_is_read_or_is_an_error(told):
    said = {"Type": "Notification", "Message": json.dumps({"notificationType": "Received", **told})}
    EMAIL.survives(EMAIL.as_verified(json.dumps(said).encode()))
