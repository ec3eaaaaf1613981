"""Digests over a secret and a body run together, and what they are worth."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.channels.codecs import strict_json
from functions.channels.codecs.sha_concat import digest
from functions.common.errors import MalformedPayload


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.binary()), st.sampled_from(["md5", "sha1", "sha256"]))
def test_the_parts_run_together_unmarked(parts: list[str | bytes], algorithm: str) -> None:
    joined = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    assert digest(algorithm, *parts) == hashlib.new(algorithm, joined).hexdigest()  # type: ignore[arg-type]


def test_text_that_is_no_text_is_digested_too() -> None:
    assert len(digest("sha1", "\ud800", b"\xff")) == 40


def test_a_signed_body_can_be_extended_without_the_secret_but_is_then_no_json() -> None:
    # Trap T4: the digest of secret + body is SHA-1's own state, and SHA-1 goes on from there.
    secret, body = "a-secret-of-23-characters", b'{"event":"im_receive_msg"}'
    extension = b'{"event":"im_receive_msg","content":{"text":"forged"}}'
    padding = sha1_padding(len(secret) + len(body))
    forged = body + padding + extension
    signature = sha1_continued(digest("sha1", secret, body), len(secret) + len(body) + len(padding), extension)
    assert signature == digest("sha1", secret, forged)
    with pytest.raises(MalformedPayload):
        strict_json.parse_object(forged)


@given(st.text(min_size=1, max_size=80), st.binary(max_size=200))
def test_no_extension_of_any_body_is_json(secret: str, body: bytes) -> None:
    length = len(secret.encode("utf-8", "surrogatepass")) + len(body)
    with pytest.raises(MalformedPayload):
        strict_json.parse_object(body + sha1_padding(length) + b'{"event":"im_receive_msg"}')


def sha1_padding(length: int) -> bytes:
    return b"\x80" + b"\0" * ((55 - length) % 64) + struct.pack(">Q", length * 8)


def sha1_continued(state: str, length: int, more: bytes) -> str:
    """SHA-1 taken up at `state`, after `length` bytes (whole blocks), over `more`: RFC 3174."""
    words = list(struct.unpack(">5I", bytes.fromhex(state)))
    padded = more + sha1_padding(length + len(more))
    for start in range(0, len(padded), 64):
        words = sha1_block(words, padded[start : start + 64])
    return struct.pack(">5I", *words).hex()


def sha1_block(state: list[int], block: bytes) -> list[int]:
    words = list(struct.unpack(">16I", block))
    for place in range(16, 80):
        words.append(turned(words[place - 3] ^ words[place - 8] ^ words[place - 14] ^ words[place - 16], 1))
    a, b, c, d, e = state
    for place, word in enumerate(words):
        if place < 20:
            mixed, constant = (b & c) | (~b & d), 0x5A827999
        elif place < 40:
            mixed, constant = b ^ c ^ d, 0x6ED9EBA1
        elif place < 60:
            mixed, constant = (b & c) | (b & d) | (c & d), 0x8F1BBCDC
        else:
            mixed, constant = b ^ c ^ d, 0xCA62C1D6
        a, b, c, d, e = (turned(a, 5) + mixed + e + constant + word) & 0xFFFFFFFF, a, turned(b, 30), c, d
    return [(before + after) & 0xFFFFFFFF for before, after in zip(state, (a, b, c, d, e), strict=True)]


def turned(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (32 - bits))) & 0xFFFFFFFF
