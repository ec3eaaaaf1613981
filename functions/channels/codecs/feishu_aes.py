"""The encryption of Feishu's events: AES-256-CBC, the key is SHA-256 of the Encrypt Key, the IV stands before the ciphertext.

The padding is PKCS7 to AES's own 16 bytes, unlike WeChat's. CBC without a MAC is malleable: check the signature first where there is one,
and give one answer whatever is wrong. `cryptography` is imported on first use.
https://open.feishu.cn/document/server-docs/event-subscription-guide/event-subscription-configure-/encrypt-key-encryption-configuration-case
"""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

BLOCK = 16  # bytes


def decrypt(encrypt_key: str, encrypted: str) -> bytes | None:
    """The event inside `encrypted` (base64), or None when it cannot be decrypted."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC
    from cryptography.hazmat.primitives.padding import PKCS7

    key = sha256(encrypt_key.encode("utf-8", "surrogatepass")).digest()
    try:
        raw = b64decode(encrypted, validate=True)
        decryptor = Cipher(AES(key), CBC(raw[:BLOCK])).decryptor()
        padded = decryptor.update(raw[BLOCK:]) + decryptor.finalize()
        unpadder = PKCS7(BLOCK * 8).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        return None
