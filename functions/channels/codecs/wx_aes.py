"""The encryption of WeChat's safe mode and its relatives: AES-256-CBC, key and IV out of the 43-character EncodingAESKey.

The plaintext is 16 random bytes, the message's length in 4 bytes (big endian), the message, and the id of whom it is meant for (app id,
corp id). It is padded to blocks of 32 bytes, not to AES's own 16: a reader with the usual PKCS7 fails on half of all messages.
https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/Before_Develop/Message_encryption_and_decryption.html

CBC without a MAC is malleable: check the signature first, and give one answer whatever is wrong.
`cryptography` is imported on first use; plain mode never loads it.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import CBC

PREFIX = 16  # random bytes before the length
BLOCK_BITS = 32 * 8
_KEY = re.compile(r"[A-Za-z0-9+/]{43}")


def is_key(encoding_aes_key: str) -> bool:
    """Whether the text is an EncodingAESKey: 43 characters that stand for 32 bytes."""
    return _KEY.fullmatch(encoding_aes_key) is not None


def decrypt(encoding_aes_key: str, encrypted: str, receive_id: str) -> bytes | None:
    """The message inside `encrypted` (base64), or None: not decryptable, wrongly padded, of a wrong length, or meant for another."""
    from cryptography.hazmat.primitives.padding import PKCS7

    try:
        ciphertext = b64decode(encrypted, validate=True)
        decryptor = _cipher(encoding_aes_key).decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        unpadder = PKCS7(BLOCK_BITS).unpadder()
        plaintext = unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        return None
    length = int.from_bytes(plaintext[PREFIX : PREFIX + 4], "big")
    message, receiver = plaintext[PREFIX + 4 :][:length], plaintext[PREFIX + 4 :][length:]
    # Equality with the whole rest also proves the length: a shorter or longer one would leave another receiver.
    return message if hmac.compare_digest(receiver, receive_id.encode()) else None


def encrypt(encoding_aes_key: str, message: bytes, receive_id: str, *, prefix: bytes) -> str:
    """The reverse, base64. `prefix`: 16 random bytes."""
    from cryptography.hazmat.primitives.padding import PKCS7

    if len(prefix) != PREFIX:
        raise ValueError(f"the prefix must be {PREFIX} bytes")
    plaintext = prefix + len(message).to_bytes(4, "big") + message + receive_id.encode()
    padder = PKCS7(BLOCK_BITS).padder()
    encryptor = _cipher(encoding_aes_key).encryptor()
    padded = padder.update(plaintext) + padder.finalize()
    return b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def _cipher(encoding_aes_key: str) -> Cipher[CBC]:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    key = b64decode(encoding_aes_key + "=", validate=True)
    return Cipher(AES(key), CBC(key[:16]))
