from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.crypto import PrpCrypto, WeChatCrypto
from wechatpy.utils import WeChatSigner

from functions.channels.codecs import strict_xml, wx_aes
from functions.channels.codecs.wx_signature import sorted_sha1

KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
APP_ID = "wx5823bf96d3bd56c7"
PREFIX = b"0123456789abcdef"
VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "signatures.json"


def vectors(*schemes: str) -> list[Any]:
    if not VECTORS.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="the shared vectors are not beside this repository"))]
    found = [
        v for v in json.loads(VECTORS.read_text()) if v["channel"] in ("wechat_oa", "wecom") and set(schemes) & set(v["expect"])
    ]
    assert found
    return [pytest.param(v, id=v["scheme"]) for v in found]


def sealed(plaintext: bytes) -> str:
    """AES as the vendor does it, without any of the container's rules."""
    key = b64decode(KEY + "=")
    encryptor = Cipher(AES(key), CBC(key[:16])).encryptor()
    return b64encode(encryptor.update(plaintext) + encryptor.finalize()).decode()


def padded(plaintext: bytes) -> bytes:
    missing = 32 - len(plaintext) % 32
    return plaintext + bytes([missing]) * missing


def container(message: bytes, receive_id: str = APP_ID, *, length: int | None = None) -> bytes:
    return PREFIX + (len(message) if length is None else length).to_bytes(4, "big") + message + receive_id.encode()


@pytest.mark.parametrize("vector", vectors("signature"))
def test_plain_signature_matches_the_vendors(vector: dict[str, Any]) -> None:
    given = vector["given"]
    assert sorted_sha1(given["token"], given["timestamp"], given["nonce"]) == vector["expect"]["signature"]


@pytest.mark.parametrize("vector", vectors("msg_signature"))
def test_signature_over_encrypt_matches_the_vendors(vector: dict[str, Any]) -> None:
    given = vector["given"]
    signed = given.get("echostr") or given["encrypt"]
    assert sorted_sha1(given["token"], given["timestamp"], given["nonce"], signed) == vector["expect"]["msg_signature"]


@pytest.mark.parametrize("vector", vectors("answer", "plaintext_contains"))
def test_the_vendors_ciphertext_decrypts(vector: dict[str, Any]) -> None:
    given, expect = vector["given"], vector["expect"]
    message = wx_aes.decrypt(given["encoding_aes_key"], given.get("echostr") or given["encrypt"], given["receive_id"])
    assert message is not None
    if "answer" in expect:
        assert message.decode() == expect["answer"]
    else:
        assert expect["plaintext_contains"] in strict_xml.flat(message)["MsgId"]


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_signature_agrees_with_wechatpy_on_any_text(parts: list[str]) -> None:
    signer = WeChatSigner()
    signer.add_data(*parts)
    assert sorted_sha1(*parts) == signer.signature


def test_signature_of_text_that_utf8_cannot_carry_does_not_raise() -> None:
    assert len(sorted_sha1("token", "\ud800", "nonce")) == 40


@given(st.text())
def test_decrypts_what_wechatpy_encrypts(text: str) -> None:
    encrypted = PrpCrypto(b64decode(KEY + "=")).encrypt(text, APP_ID).decode()
    assert wx_aes.decrypt(KEY, encrypted, APP_ID) == text.encode()


@given(st.text(), st.binary(min_size=16, max_size=16))
def test_wechatpy_decrypts_what_is_encrypted_here(text: str, prefix: bytes) -> None:
    encrypted = wx_aes.encrypt(KEY, text.encode(), APP_ID, prefix=prefix)
    signature = sorted_sha1("token", "1", "2", encrypted)
    assert WeChatCrypto("token", KEY, APP_ID).decrypt_message({"Encrypt": encrypted}, signature, "1", "2") == text


def test_every_length_of_padding_up_to_32_is_read() -> None:
    lengths = {len(container(b"x" * n)) % 32 for n in range(64)}
    assert lengths == set(range(32))
    for n in range(64):
        assert wx_aes.decrypt(KEY, sealed(padded(container(b"x" * n))), APP_ID) == b"x" * n


@pytest.mark.parametrize(
    "encrypted",
    [
        pytest.param("", id="nothing"),
        pytest.param("é", id="not ASCII"),
        pytest.param("ab\ud800", id="a lone surrogate"),
        pytest.param("not base64!", id="not base64"),
        pytest.param(sealed(padded(container(b"hello"))) + "\n", id="a newline in the base64"),
        pytest.param(b64encode(b"x" * 33).decode(), id="not whole blocks of AES"),
        pytest.param(sealed(b"x" * 16), id="not whole blocks of 32"),
        pytest.param(sealed(container(b"1234567890") + b"\x00" * 16), id="padding of none"),
        pytest.param(sealed(b"x" * 63 + b"\x21"), id="padding of 33"),
        pytest.param(sealed(padded(container(b"hello"))[:-2] + b"\x01\x10"), id="padding bytes that differ"),
        pytest.param(sealed(padded(b"x" * 10)), id="too short for a length"),
        pytest.param(sealed(padded(container(b"hello", length=4))), id="length too small"),
        pytest.param(sealed(padded(container(b"hello", length=6))), id="length too great"),
        pytest.param(sealed(padded(container(b"hello", length=2**32 - 1))), id="length beyond the end"),
        pytest.param(sealed(padded(container(b"hello", "wx0000000000000000"))), id="another app"),
        pytest.param(sealed(padded(container(b"hello", ""))), id="no app"),
        pytest.param(sealed(padded(container(b"hello", APP_ID + "x"))), id="an app with a longer id"),
    ],
)
def test_whatever_is_wrong_with_a_ciphertext_nothing_comes_out(encrypted: str) -> None:
    assert wx_aes.decrypt(KEY, encrypted, APP_ID) is None


def test_leading_blocks_cannot_be_cut_off() -> None:
    ciphertext = b64decode(sealed(padded(container(b"y" * 200))))
    for cut in range(16, len(ciphertext), 16):
        assert wx_aes.decrypt(KEY, b64encode(ciphertext[cut:]).decode(), APP_ID) is None


@given(st.binary(max_size=200))
def test_any_plaintext_under_the_key_is_read_or_refused_without_a_raise(plaintext: bytes) -> None:
    message = wx_aes.decrypt(KEY, sealed(padded(plaintext)), APP_ID)
    assert message is None or message in plaintext


@given(st.text())
def test_any_text_is_refused_without_a_raise(text: str) -> None:
    assert wx_aes.decrypt(KEY, text, APP_ID) is None


def test_another_key_reads_nothing() -> None:
    assert wx_aes.decrypt("A" * 43, sealed(padded(container(b"hello"))), APP_ID) is None


@pytest.mark.parametrize("prefix", [b"", b"short", b"x" * 17])
def test_encrypt_insists_on_sixteen_random_bytes(prefix: bytes) -> None:
    with pytest.raises(ValueError, match="16"):
        wx_aes.encrypt(KEY, b"hello", APP_ID, prefix=prefix)


@pytest.mark.parametrize(
    ("text", "good"), [(KEY, True), (KEY[:-1], False), (KEY + "=", False), (KEY[:-1] + "é", False), ("", False)]
)
def test_a_key_has_43_characters_of_base64(text: str, good: bool) -> None:
    assert wx_aes.is_key(text) is good
