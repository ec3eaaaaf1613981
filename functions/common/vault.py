"""Sealing what masking took out of a text, so that only a caller whom KMS lets decrypt can read it.

Envelope encryption: KMS gives a data key, AES-256-GCM seals with it, and the message's id is authenticated with the text, so that a
sealed original cannot be moved to another message. A sealed original is

    version (1 byte, = 1) · length of the encrypted data key (2 bytes, big-endian) · that key · nonce (12) · ciphertext and tag

One KMS call serves `USES` originals or `LIFETIME`, whichever ends first; random nonces stay far below the 2^32 uses at which they would
begin to matter (NIST SP 800-38D, 8.3). `cryptography` is imported when the first text is sealed: most messages hold nothing to seal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from os import urandom
from typing import TYPE_CHECKING

from functions.common.clock import Clock
from functions.common.errors import Poison, aws_faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_kms import KMSClient

USES = 1000
LIFETIME = timedelta(minutes=5)
PURPOSE = {"purpose": "postroom-original"}
_VERSION = b"\x01"
_NONCE = 12


class SealBroken(Poison):
    """The sealed bytes are cut short, altered, or belong to another message."""


@dataclass(slots=True)
class _DataKey:
    plain: bytes = field(repr=False)
    sealed: bytes
    expires_at: datetime
    uses: int = USES


class Vault:
    """Seals and opens originals under one KMS key. `client` is boto3's KMS client, `random` gives so many random bytes."""

    def __init__(self, client: KMSClient, key_id: str, *, clock: Clock, random: Callable[[int], bytes] = urandom) -> None:
        self._client = client
        self._key_id = key_id
        self._clock = clock
        self._random = random
        self._current: _DataKey | None = None

    def seal(self, message_id: str, text: bytes) -> bytes:
        """The text as only `open` with the same id can read it; `Unavailable` when KMS gives no key."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._data_key()
        nonce = self._random(_NONCE)
        ciphertext = AESGCM(key.plain).encrypt(nonce, text, message_id.encode())
        return _VERSION + len(key.sealed).to_bytes(2, "big") + key.sealed + nonce + ciphertext

    def open(self, message_id: str, sealed: bytes) -> bytes:
        """The text that was sealed for the message; `SealBroken` or, when KMS refuses or does not answer, `Unavailable`."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key, nonce, ciphertext = _parts(sealed)
        with aws_faults("Decrypt"):
            plain = self._client.decrypt(CiphertextBlob=key, KeyId=self._key_id, EncryptionContext=PURPOSE)["Plaintext"]
        try:
            return AESGCM(plain).decrypt(nonce, ciphertext, message_id.encode())
        except InvalidTag:
            raise SealBroken(message_id) from None

    def _data_key(self) -> _DataKey:
        now = self._clock()
        if self._current is None or self._current.uses <= 0 or now >= self._current.expires_at:
            with aws_faults("GenerateDataKey"):
                answer = self._client.generate_data_key(KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=PURPOSE)
            self._current = _DataKey(answer["Plaintext"], answer["CiphertextBlob"], now + LIFETIME)
        self._current.uses -= 1
        return self._current


def _parts(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    start = 3 + int.from_bytes(sealed[1:3], "big")
    if sealed[:1] != _VERSION or len(sealed) < start + _NONCE + 16:
        raise SealBroken("not a sealed original")
    return sealed[3:start], sealed[start : start + _NONCE], sealed[start + _NONCE :]
