"""Amazon SES and SNS: mails as signed notifications of a topic, with its confirmation, and no API: the channel sends nothing.

They are signed under a demo certificate whose private key lies beside this module, for all to see. SNS tries again after twenty seconds,
three times, when the answer is none, a 5xx or 429; any other answer is one.
https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-examples.html
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from infra.simulators.contract import ApiAnswer, ApiRequest, Delivered, Now, Patience, Simulator, Webhook, utc_now
from infra.simulators.delivery import Attempt
from infra.simulators.server import Failure

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

INBOX = "service@shop.example"
Fields = dict[str, Any]


class EmailSimulator:
    """One topic. A contact is a mail address."""

    channel = "email"
    patience = Patience(timeout=15.0, waits=(20, 20, 20))
    welcomes_strangers = True

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        self.account = account
        self.outbox: list[Delivered] = []
        self.failures: deque[Failure] = deque()
        self._topic: str = credentials["topic_arn"]
        self._version: str = credentials.get("signature_version", "2")
        self._certificate: str = next(iter(credentials["signing_certificates"]))
        self._now = now
        self._ids = count(1)

    def person(self, number: int) -> str:
        return f"customer{number:07d}@mail.example"

    def handshake(self) -> Webhook:
        """SNS asks whether the subscription is wanted."""
        region = self._topic.split(":")[3]
        url = f"https://sns.{region}.amazonaws.com/?Action=ConfirmSubscription&TopicArn={self._topic}&Token=2336412f37"
        said = {"Token": "2336412f37", "SubscribeURL": url, "Message": "You have chosen to subscribe to the topic."}
        return self.post("SubscriptionConfirmation", said)

    def handshake_answer(self, webhook: Webhook) -> bytes:  # noqa: ARG002
        """Nothing: the link is for a person to open."""
        return b""

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        return self.mail(self.written(contact, text, at=at), native_id=native_id, at=at)

    def written(
        self, contact: str, text: str, *, subject: str = "", at: datetime | None = None, **headers: str
    ) -> EmailMessage:
        """A person's mail; `headers` with underscores for hyphens."""
        mail = EmailMessage()
        mail.set_content(text)
        mail["From"], mail["To"] = contact, INBOX
        mail["Date"] = format_datetime(at or self._now())
        mail["Message-ID"] = f"<{sha256(text.encode()).hexdigest()[:16]}@mail.example>"
        if subject:
            mail["Subject"] = subject
        for name, value in headers.items():
            mail[name.replace("_", "-")] = value
        return mail

    def mail(
        self,
        mail: EmailMessage | bytes,
        *,
        native_id: str | None = None,
        at: datetime | None = None,
        signed_at: datetime | None = None,
        encoding: str = "BASE64",
        **verdicts: str,
    ) -> Webhook:
        """A received mail as SES publishes it; `verdicts` such as `virus="FAIL"`."""
        raw, at = mail if isinstance(mail, bytes) else bytes(mail), at or self._now()
        content = b64encode(raw).decode() if encoding == "BASE64" else raw.decode("utf-8", "replace")
        judged = {"spam": "PASS", "virus": "PASS", "spf": "PASS", "dkim": "PASS", "dmarc": "PASS"} | verdicts
        action = {"type": "SNS", "topicArn": self._topic, "encoding": encoding}
        receipt = {"timestamp": _iso(at), "processingTimeMillis": 222, "recipients": [INBOX], "action": action}
        envelope = {"timestamp": _iso(at), "messageId": native_id or f"ses{next(self._ids):037d}", "destination": [INBOX]}
        told = {
            "notificationType": "Received",
            "mail": envelope,
            "receipt": receipt | {f"{name}Verdict": {"status": status} for name, status in judged.items()},
            "content": content,
        }
        return self.notification(
            json.dumps(told, ensure_ascii=False), signed_at or at, subject="Amazon SES Email Receipt Notification"
        )

    def receipt(self, native_id: str) -> Webhook:
        """What became of a mail of ours, where one topic serves for that too."""
        return self.notification(json.dumps({"notificationType": "Delivery", "mail": {"messageId": native_id}}))

    def beside(self, contact: str) -> list[Webhook]:  # noqa: ARG002
        """What became of a mail of ours."""
        return [self.receipt("ses1")]

    def notification(self, message: str, at: datetime | None = None, *, subject: str | None = None) -> Webhook:
        """Any text that is published to the topic."""
        return self.post("Notification", {"Message": message} | ({"Subject": subject} if subject else {}), at)

    def post(self, kind: str, fields: Fields, at: datetime | None = None, *, signed: bool = True, **changed: Any) -> Webhook:
        """Any post of SNS, signed; `changed` after that."""
        region, moment = self._topic.split(":")[3], _iso(at or self._now())
        seed = sha256(json.dumps([kind, fields, moment]).encode()).hexdigest()
        said: Fields = {
            "Type": kind,
            "MessageId": str(UUID(seed[:32])),
            "TopicArn": self._topic,
            "Timestamp": moment,
            "SignatureVersion": self._version,
            "SigningCertURL": f"https://sns.{region}.amazonaws.com/{self._certificate}",
            **fields,
        }
        said["Signature"] = b64encode(self._signature(said if signed else said | {"Message": "another"})).decode()
        headers = {
            "content-type": "text/plain; charset=UTF-8",
            "user-agent": "Amazon Simple Notification Service Agent",
            "x-amz-sns-message-type": kind,
            "x-amz-sns-topic-arn": self._topic,
        }
        return Webhook(headers=headers, body=json.dumps(said | changed, ensure_ascii=False).encode())

    def forged(self, contact: str, text: str) -> Webhook:
        said = json.loads(self.text(contact, text).body)
        return self.post("Notification", {"Message": said["Message"]}, signed=False)

    def downgraded(self, contact: str, text: str) -> Webhook:
        """A post without its signature, which stands in the body."""
        webhook = self.text(contact, text)
        said = {name: value for name, value in json.loads(webhook.body).items() if name != "Signature"}
        return replace(webhook, body=json.dumps(said).encode())

    def stale(self, contact: str, text: str) -> Webhook:
        return self.text(contact, text, at=self._now() - timedelta(hours=1))

    def tried_again(self, attempt: Attempt) -> bool:
        """No answer, a 5xx, or a 429."""
        return attempt.status is None or attempt.status >= 500 or attempt.status == 429

    def owns(self, request: ApiRequest) -> bool:  # noqa: ARG002
        """No call is for this account."""
        return False

    def api(self, request: ApiRequest) -> ApiAnswer:  # noqa: ARG002
        return ApiAnswer(404, b"{}")

    def _signature(self, said: Fields) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA1, SHA256

        names = sorted(
            said.keys() & {"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
        )
        text = "".join(f"{name}\n{said[name]}\n" for name in names)
        return _key().sign(text.encode(), PKCS1v15(), SHA1() if self._version == "1" else SHA256())


@cache
def _key() -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(Path(__file__).with_name("demo_sns_key.pem").read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


SIMULATOR: type[Simulator] = EmailSimulator
