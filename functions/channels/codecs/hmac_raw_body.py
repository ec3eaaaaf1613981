"""A MAC over the raw body, as Meta, LINE, TikTok and many others make it: `prefix` + hex or base64 of HMAC(secret, bytes).

What is signed is the bytes as they came, or those bytes behind something that the caller puts in front of them (a timestamp and a dot).
Parsed and written anew, JSON is other bytes: Meta escapes what other writers do not.
https://developers.facebook.com/docs/graph-api/webhooks/getting-started
https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from typing import Literal

from functions.channels.codecs.constant_time import same

Algorithm = Literal["sha1", "sha256", "sha512"]
Encoding = Literal["hex", "base64"]


def signature(
    secret: str, signed: bytes, *, encoding: Encoding = "hex", prefix: str = "", algorithm: Algorithm = "sha256"
) -> str:
    """The signature of `signed` as the platform writes it: hex in lower case, base64 with its padding, `prefix` in front."""
    digest = hmac.digest(secret.encode("utf-8", "surrogatepass"), signed, algorithm)
    return prefix + (digest.hex() if encoding == "hex" else b64encode(digest).decode())


def holds(
    theirs: str,
    secret: str,
    signed: bytes,
    *,
    encoding: Encoding = "hex",
    prefix: str = "",
    algorithm: Algorithm = "sha256",
) -> bool:
    """Whether `theirs` is that signature, in constant time. Never raises, whatever text `theirs` is."""
    return same(signature(secret, signed, encoding=encoding, prefix=prefix, algorithm=algorithm), theirs)
