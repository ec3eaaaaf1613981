"""Ed25519 out of a 32-byte seed: what QQ derives from the bot's secret. https://www.rfc-editor.org/rfc/rfc8032

Verification never raises: a key, signature or seed of a wrong length is a signature that does not hold. `cryptography` is imported on
first use. OpenSSL, below it, refuses signatures that are not in canonical form (S must be less than the group's order).
"""

from __future__ import annotations

SEED = 32  # bytes
SIGNATURE = 64  # bytes


def public_key(seed: bytes) -> bytes:
    """The public half, 32 bytes; `ValueError` when the seed has another length."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature, 64 bytes; `ValueError` when the seed has another length."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def verify(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` over `message` is that of the public `key`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(signature) != SIGNATURE:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
