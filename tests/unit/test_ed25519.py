"""Ed25519 beside PyNaCl, an implementation that shares no code with the one behind the codec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from functions.channels.codecs import ed25519

ORDER = 2**252 + 27742317777372353535851937790883648493
seeds = st.binary(min_size=32, max_size=32)


@given(seeds, st.binary())
def test_keys_and_signatures_are_pynacls(seed: bytes, message: bytes) -> None:
    theirs = SigningKey(seed)
    assert ed25519.public_key(seed) == bytes(theirs.verify_key)
    assert ed25519.sign(seed, message) == theirs.sign(message).signature
    assert ed25519.verify(bytes(theirs.verify_key), theirs.sign(message).signature, message)


@given(seeds, st.binary(min_size=1), st.integers(0, 63), st.integers(1, 255))
def test_a_changed_signature_or_message_does_not_hold(seed: bytes, message: bytes, place: int, flip: int) -> None:
    key, signature = ed25519.public_key(seed), bytearray(ed25519.sign(seed, message))
    assert not ed25519.verify(key, bytes(signature), message + b"x")
    signature[place] ^= flip
    assert not ed25519.verify(key, bytes(signature), message)


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary())
def test_verification_never_raises(key: bytes, signature: bytes, message: bytes) -> None:
    assert ed25519.verify(key, signature, message) in (True, False)


def test_a_signature_out_of_canonical_form_does_not_hold() -> None:
    # S + L signs the same message to a careless reader, and would let anybody make a second signature out of one.
    seed, message = b"s" * 32, b"message"
    signature = ed25519.sign(seed, message)
    s = int.from_bytes(signature[32:], "little") + ORDER
    assert not ed25519.verify(ed25519.public_key(seed), signature[:32] + s.to_bytes(32, "little"), message)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_has_32_bytes(length: int) -> None:
    for made in (ed25519.public_key, lambda seed: ed25519.sign(seed, b"")):
        with pytest.raises(ValueError, match="32"):
            made(b"s" * length)
