"""The signature of Amazon SNS on what it posts to an HTTPS endpoint: RSA over chosen fields, under a certificate that is named by URL.

The certificate is never fetched: it is pinned by its file name in the account's credentials, so verifying needs no network and a forged
URL leads nowhere. https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

Version = Literal["1", "2"]

CERTIFICATE_NAME = re.compile(r"SimpleNotificationService-[0-9a-f]{32}\.pem")
HOST = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?")
NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def certificate_name(url: Any) -> str | None:
    """The file name of a `SigningCertURL` on a host of SNS, or None for any other URL."""
    path = _path_on_sns(url)
    name = path.removeprefix("/") if path else ""
    return name if CERTIFICATE_NAME.fullmatch(name) else None


def is_on_sns(url: Any) -> bool:
    """Whether a URL is one of SNS: https, its host, no port and nobody's name."""
    return _path_on_sns(url) is not None


def string_to_sign(said: Mapping[str, Any]) -> bytes | None:
    """Name and value of each signed field, a line each, in the order of the names; None when one is missing or no text."""
    names = NOTIFICATION if said.get("Type") == "Notification" else CONFIRMATION
    present = [name for name in names if name != "Subject" or said.get("Subject") is not None]
    values = [said.get(name) for name in present]
    if not all(isinstance(value, str) for value in values):
        return None
    return "".join(f"{name}\n{value}\n" for name, value in zip(present, values, strict=True)).encode("utf-8", "surrogatepass")


def holds(theirs: Any, signed: bytes, certificate_pem: str, version: Version) -> bool:
    """Whether `theirs`, base64, is the certificate's signature of `signed`: SHA-1 in version 1, SHA-256 in version 2. Never raises."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    certificate = certificate_of(certificate_pem)
    key = certificate.public_key() if certificate else None
    if not isinstance(key, RSAPublicKey) or not isinstance(theirs, str):
        return False
    try:
        # Version 1 is what topics use unless told otherwise; it is refused unless the account says so.
        key.verify(b64decode(theirs, validate=True), signed, PKCS1v15(), SHA1() if version == "1" else SHA256())  # noqa: S303
    except (InvalidSignature, ValueError):
        return False
    return True


def in_force(certificate_pem: str, now: datetime) -> bool:
    """Whether the certificate is one, and `now` lies within its time."""
    certificate = certificate_of(certificate_pem)
    return certificate is not None and certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


@lru_cache(maxsize=16)
def certificate_of(pem: str) -> Certificate | None:
    """The certificate in a PEM text, or None."""
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(pem.encode())
    except ValueError:
        return None


def _path_on_sns(url: Any) -> str | None:
    if not isinstance(url, str) or len(url) > 2048:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.path if parts.scheme == "https" and HOST.fullmatch(parts.netloc) else None
