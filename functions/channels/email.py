"""E-mail by way of Amazon SES: a receipt rule publishes each mail to an SNS topic, the topic posts it here. Receive only.

SNS signs what it posts under a certificate that rotates. Its certificates are pinned in the account's credentials by their file names: a
webhook under another one is refused and logged as `unknown_certificate`, with the name that has to be fetched and added. SNS takes a
refusal for an answer and does not post again, so let the receipt rule write to S3 first. `signature_version` is the topic's; a
notification in the other one is refused. Answering would need AWS credentials and SES's own rules; it is not part of this channel.

https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html
https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html
"""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from functions.channels.codecs import json_fields, sns_signature, strict_json
from functions.channels.codecs.constant_time import fresh
from functions.channels.codecs.json_fields import Fields
from functions.channels.codecs.platform_time import believable
from functions.channels.codecs.sns_signature import CERTIFICATE_NAME, Version
from functions.channels.contract import (
    TEXT_ONLY,
    Credentials,
    HttpAnswer,
    Ignored,
    ItemError,
    Outbound,
    OutgoingReply,
    ParseResult,
    Payload,
    RawRequest,
    Rejected,
    SendResult,
    TextUnit,
    Verified,
)
from functions.common import keys
from functions.common.clock import from_iso
from functions.common.errors import MalformedPayload
from functions.common.message import Contact, ContactId, Link, Message, ReplyTo, ReplyWindow, Verification

if TYPE_CHECKING:
    from functions.channels.codecs.mail import Mail

# SNS signs once and tries four times within two minutes, unless the subscription's delivery policy says otherwise.
TOLERANCE = timedelta(minutes=30)
TYPES = ("Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation")
SNS = "sns.amazonaws.com"


def _pinned(certificates: dict[str, str]) -> dict[str, str]:
    for name, pem in certificates.items():
        if not CERTIFICATE_NAME.fullmatch(name) or not pem.startswith("-----BEGIN CERTIFICATE-----"):
            raise ValueError("certificates are given as {SimpleNotificationService-….pem: its PEM text}")
    return certificates


class EmailCredentials(Credentials):
    """The topic that SES publishes to, how it signs, and the certificates that it may sign under: file name → PEM."""

    topic_arn: str = Field(pattern=r"^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]{1,40}:[0-9]{12}:[A-Za-z0-9_-]{1,256}\z")
    signature_version: Version = "2"
    signing_certificates: Annotated[dict[str, str], Field(min_length=1, max_length=8), AfterValidator(_pinned)]


class Email:
    """The channel `email`."""

    channel = "email"
    credentials: type[Credentials] = EmailCredentials
    idempotent_send = False
    max_text = 0
    max_text_unit: TextUnit = "characters"
    shows = TEXT_ONLY

    def verify(self, request: RawRequest, credentials: EmailCredentials, now: datetime) -> Verified | Rejected:
        if request.method != "POST":
            return Rejected("method", 403)
        told = request.headers.get("x-amz-sns-message-type")
        if not told:
            return Rejected("no_signature", 403)
        try:
            said = strict_json.parse_object(request.body)
        except MalformedPayload:
            return Rejected("unreadable", 403)
        refused = "mode" if said.get("Type") != told else _refused(said, credentials, now)
        if refused:
            return Rejected(refused, 403)
        scheme = f"sns-rsa-{'sha1' if credentials.signature_version == '1' else 'sha256'}"
        return Verified(request, credentials, Verification(scheme=scheme, body_signed=True, timestamped=True))

    def decode(self, verified: Verified, account: str) -> Payload:
        return Payload(verified, account, strict_json.parse_object(verified.request.body))

    def handshake(self, payload: Payload) -> HttpAnswer | None:
        return None

    def parse(self, payload: Payload) -> ParseResult:
        said: Fields = payload.body
        if said.get("Type") == "SubscriptionConfirmation":
            return _confirmation(said, payload)
        if said.get("Type") != "Notification":
            return ParseResult(ignored=(Ignored("unsubscribe_confirmation", json_fields.optional_id(said, "MessageId")),))
        try:
            told = strict_json.parse_object(str(said.get("Message")).encode("utf-8", "replace"))
        except MalformedPayload:  # SES tries a topic out with a sentence
            return ParseResult(ignored=(Ignored("not_a_mail", json_fields.optional_id(said, "MessageId")),))
        return _notification(told, payload)

    def acknowledge(self, payload: Payload, result: ParseResult) -> HttpAnswer:
        return HttpAnswer(200, "")

    def send(self, reply: OutgoingReply, credentials: EmailCredentials, outbound: Outbound) -> SendResult:
        return SendResult(outcome="window_closed", code="receive_only")


def _refused(said: Fields, credentials: EmailCredentials, now: datetime) -> str | None:
    """Why a post is not to be believed; None when it is the topic's."""
    if said.get("Type") not in TYPES or said.get("SignatureVersion") != credentials.signature_version:
        return "mode"
    if said.get("TopicArn") != credentials.topic_arn:
        return "another_topic"
    name = sns_signature.certificate_name(said.get("SigningCertURL"))
    if name is None:
        return "certificate_url"
    pem = credentials.signing_certificates.get(name)
    if pem is None:
        return f"unknown_certificate {name}"  # a name of fixed form: safe in a log, and what the operator needs
    return _unsigned(said, pem, credentials.signature_version, now)


def _unsigned(said: Fields, pem: str, version: Version, now: datetime) -> str | None:
    signed = sns_signature.string_to_sign(said)
    if signed is None or not sns_signature.holds(said.get("Signature"), signed, pem, version):
        return "bad_signature"
    if not sns_signature.in_force(pem, now):
        return "expired_certificate"
    return None if fresh(_moment(said.get("Timestamp")), now, TOLERANCE) else "stale"


def _notification(told: Fields, payload: Payload) -> ParseResult:
    envelope, receipt = json_fields.table(told, "mail"), json_fields.table(told, "receipt")
    ses_id = json_fields.optional_id(envelope, "messageId")
    if told.get("notificationType") != "Received":  # of a mail that we sent: delivered, bounced, complained about
        return ParseResult(ignored=(Ignored("receipt", ses_id),))
    if ses_id is None:
        return ParseResult(errors=(ItemError("missing", "mail.messageId"),))
    from functions.channels.codecs import (
        mail,  # late: the standard library's parser is dear to import, and autoreply never needs it
    )

    try:
        received = mail.parse(_content(told))
    except MalformedPayload as fault:
        return ParseResult(errors=(ItemError("unreadable", str(fault)),))
    why = _why_ignored(received, receipt)
    if why:
        return ParseResult(ignored=(Ignored(why, ses_id),))
    return ParseResult(messages=(_message(received, ses_id, envelope, receipt, payload),))


def _why_ignored(received: Mail, receipt: Fields) -> str | None:
    if json_fields.table(receipt, "virusVerdict").get("status") == "FAIL":
        return "virus"
    if received.is_bounce:
        return "bounce"
    ours = receipt.get("recipients")
    mine = isinstance(ours, list) and received.sender in (str(address).lower() for address in ours)
    return "echo" if mine else None


def _content(told: Fields) -> bytes:
    """The mail itself. Base64 is what the rule's SNS action should use; a mail has a colon in its first header, and base64 never has."""
    content = told.get("content")
    if not isinstance(content, str) or not content:
        raise MalformedPayload("mail: no content; the rule's SNS action adds it, other actions' notifications do not")
    if ":" in content:
        return content.encode("utf-8", "replace")
    try:
        return b64decode("".join(content.split()), validate=True)
    except ValueError:
        raise MalformedPayload("mail: content") from None


def _message(received: Mail, ses_id: str, envelope: Fields, receipt: Fields, payload: Payload) -> Message:
    received_at = payload.verified.request.received_at
    sent_at = believable(_moment(envelope.get("timestamp")), received_at)
    return Message(
        message_id=keys.message_id("email", payload.account, received.sender, sent_at, ses_id),
        channel="email",
        account=payload.account,
        contact=_contact(received, receipt),
        kind="mixed" if received.attachments and received.text else "file" if received.attachments else "text",
        native_id=ses_id,
        native_event_id=received.message_id,
        text="\n\n".join(filter(None, (received.subject, received.text))) or None,
        attachments=received.attachments,
        reply_to=ReplyTo(native_id=received.in_reply_to) if received.in_reply_to else None,
        thread_id=received.thread,
        sent_at=sent_at,
        time_precision="ms" if sent_at else "none",
        received_at=received_at,
        reply=ReplyWindow(mode="none"),
        verification=payload.verified.verification,
    )


def _contact(received: Mail, receipt: Fields) -> Contact:
    """Anybody can write any address into From: only where its domain vouches for it (DMARC) may it join one contact to another."""
    vouched = json_fields.table(receipt, "dmarcVerdict").get("status") == "PASS"
    return Contact(
        primary=received.sender,
        ids=(ContactId(kind="email" if vouched else "email_unverified", value=received.sender),),
        name=received.name,
        locale=received.locale,
        is_bot=received.by_machine,
    )


def _confirmation(said: Fields, payload: Payload) -> ParseResult:
    """SNS asks whether the subscription is wanted. Ingest calls nobody: the link comes into the inbox, for a person to open."""
    url, native_id = said.get("SubscribeURL"), json_fields.optional_id(said, "MessageId")
    if not isinstance(url, str) or not sns_signature.is_on_sns(url) or native_id is None:
        return ParseResult(errors=(ItemError("unreadable", "SubscribeURL"),))
    received_at = payload.verified.request.received_at
    sent_at = _moment(said.get("Timestamp"))
    message = Message(
        message_id=keys.message_id("email", payload.account, SNS, sent_at, native_id),
        channel="email",
        account=payload.account,
        contact=Contact(primary=SNS, ids=(ContactId(kind="uid", value=SNS),), name="Amazon SNS", is_bot=True),
        kind="link",
        native_id=native_id,
        text="Amazon SNS asks to confirm the subscription of this channel to its topic: open the link once.",
        link=Link(url=url, title="Confirm the subscription"),
        sent_at=sent_at,
        received_at=received_at,
        reply=ReplyWindow(mode="none"),
        verification=payload.verified.verification,
    )
    return ParseResult(messages=(message,))


def _moment(text: Any) -> datetime | None:
    """SNS's and SES's `2026-11-22T08:00:00.123Z`."""
    try:
        return from_iso(text) if isinstance(text, str) and len(text) <= 40 else None
    except (ValueError, OverflowError):
        return None


ADAPTER = Email()
