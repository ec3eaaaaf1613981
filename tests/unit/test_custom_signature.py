"""Signatures described by configuration: signed here with `hmac`, `hashlib`, PyNaCl and wechatpy, never with the channel's own code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey
from pydantic import ValidationError
from wechatpy.crypto import PrpCrypto

from functions.channels.contract import RawRequest, Rejected, Verified
from functions.channels.generic import ADAPTER, GenericCredentials
from functions.common.errors import MalformedPayload
from tests.fakes.simulated_platform import NOW

KEY = "It's a Secret to Everybody"
BODY = json.dumps({"id": "1", "contact": {"id": "u1"}, "text": "你好"}).encode()
SECONDS = str(int(NOW.timestamp()))
HMAC = {"scheme": "hmac", "header": "X-Signature", "key": KEY}
TIMED = {**HMAC, "signed": "{timestamp}.{body}", "timestamp_header": "X-Time"}


def came(
    headers: dict[str, str], body: bytes = BODY, method: str = "POST", query: tuple[tuple[str, str], ...] = ()
) -> RawRequest:
    lowered = {name.lower(): value for name, value in headers.items()}
    return RawRequest(method, "/webhooks/generic/x", query, "", lowered, body, "192.0.2.1", NOW)


def outcome(signature: dict[str, Any], request: RawRequest) -> str:
    """The scheme under which a request is accepted, or why it is not."""
    credentials = GenericCredentials.model_validate({"signature": signature})
    found = ADAPTER.verify(request, credentials, NOW)
    return found.reason if isinstance(found, Rejected) else found.verification.scheme


def mac(message: bytes, key: bytes = KEY.encode(), algorithm: str = "sha256") -> bytes:
    return hmac.new(key, message, algorithm).digest()


def test_githubs_published_example_is_accepted():
    """https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries, "Testing the webhook payload validation"."""
    theirs = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    github = {"scheme": "hmac", "header": "X-Hub-Signature-256", "prefix": "sha256=", "key": KEY}
    assert outcome(github, came({"X-Hub-Signature-256": theirs}, b"Hello, World!")) == "hmac-sha256"
    assert outcome(github, came({"X-Hub-Signature-256": theirs}, b"Hello, World?")) == "bad_signature"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "v1,", "sha="])
def test_every_algorithm_encoding_and_prefix(algorithm, encoding, prefix):
    digest = mac(BODY, algorithm=algorithm)
    written = prefix + (digest.hex() if encoding == "hex" else base64.b64encode(digest).decode())
    signature = {**HMAC, "algorithm": algorithm, "encoding": encoding, "prefix": prefix}
    assert outcome(signature, came({"X-Signature": written})) == f"hmac-{algorithm}"
    assert outcome(signature, came({"X-Signature": f"stale {written}"})) == f"hmac-{algorithm}"
    assert outcome(signature, came({"X-Signature": written[len(prefix) :] if prefix else ""})) in (
        "bad_signature",
        "no_signature",
    )


@pytest.mark.parametrize(
    ("shown", "encoding"), [(KEY.encode().hex(), "hex"), (base64.b64encode(KEY.encode()).decode(), "base64")]
)
def test_a_key_shown_in_hex_or_base64_is_its_bytes(shown, encoding):
    signature = {**HMAC, "key": shown, "key_encoding": encoding}
    assert outcome(signature, came({"X-Signature": mac(BODY).hex()})) == "hmac-sha256"


def test_standard_webhooks_can_be_described_too():
    signature = {
        **HMAC, "header": "webhook-signature", "encoding": "base64", "prefix": "v1,", "signed": "{id}.{timestamp}.{body}",
        "id_header": "webhook-id", "timestamp_header": "webhook-timestamp",
    }  # fmt: skip
    signed = "v1," + base64.b64encode(mac(f"msg_1.{SECONDS}.".encode() + BODY)).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": SECONDS, "webhook-signature": signed}
    assert outcome(signature, came(headers)) == "hmac-sha256"
    assert outcome(signature, came({**headers, "webhook-id": "msg_2"})) == "bad_signature"
    assert outcome(signature, came({"webhook-signature": signed})) == "no_signature"


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1000)])
def test_a_signed_time_must_be_near_ours(unit, factor):
    signature = {**TIMED, "timestamp_unit": unit}

    def at(seconds: float) -> str:
        time = str(int((NOW + timedelta(seconds=seconds)).timestamp() * factor))
        return outcome(signature, came({"X-Time": time, "X-Signature": mac(f"{time}.".encode() + BODY).hex()}))

    assert [at(0), at(-299), at(299)] == ["hmac-sha256"] * 3
    assert [at(-301), at(301)] == ["stale"] * 2


@pytest.mark.parametrize("time", ["", "abc", "1e9", "-1", "²", "9" * 400, "１７６３７９８４００", " 1", "1.5"])
def test_a_time_that_is_none_is_refused_however_it_is_signed(time):
    signed = mac(f"{time}.".encode() + BODY).hex()
    assert outcome(TIMED, came({"X-Time": time, "X-Signature": signed})) in ("stale", "no_signature")


def test_a_header_of_parts_has_its_time_and_any_number_of_signatures():
    signature = {**HMAC, "part": "v1", "timestamp_part": "t", "signed": "{timestamp}.{body}"}
    good = mac(f"{SECONDS}.".encode() + BODY).hex()
    assert outcome(signature, came({"X-Signature": f"t={SECONDS},v1={good}"})) == "hmac-sha256"
    assert outcome(signature, came({"X-Signature": f"t={SECONDS}, v1=00, v1={good}, v0=x"})) == "hmac-sha256"
    assert outcome(signature, came({"X-Signature": f"t={SECONDS},v0={good}"})) == "no_signature"
    assert outcome(signature, came({"X-Signature": f"v1={good}"})) == "no_signature"
    assert outcome(signature, came({"X-Signature": good})) == "no_signature"


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_a_digest_with_the_key_where_the_account_says(algorithm):
    signature = {"scheme": "digest", "header": "sign", "key": KEY, "algorithm": algorithm, "signed": "{body}{key}"}
    good = hashlib.new(algorithm, BODY + KEY.encode()).hexdigest()
    assert outcome(signature, came({"sign": good})) == f"digest-{algorithm}"
    assert outcome(signature, came({"sign": hashlib.new(algorithm, KEY.encode() + BODY).hexdigest()})) == "bad_signature"


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_an_ed25519_signature_of_the_platforms_own_key(encoding):
    key = SigningKey(b"s" * 32)
    signed = key.sign(SECONDS.encode() + BODY).signature
    written = signed.hex() if encoding == "hex" else base64.b64encode(signed).decode()
    signature = {
        "scheme": "ed25519", "header": "X-Sig", "key": key.verify_key.encode().hex(), "encoding": encoding,
        "signed": "{timestamp}{body}", "timestamp_header": "X-Time",
    }  # fmt: skip
    assert outcome(signature, came({"X-Sig": written, "X-Time": SECONDS})) == "ed25519"
    assert outcome(signature, came({"X-Sig": written, "X-Time": SECONDS}, BODY + b" ")) == "bad_signature"
    assert outcome(signature, came({"X-Sig": "é", "X-Time": SECONDS})) == "bad_signature"


@pytest.mark.parametrize(
    "change",
    [
        {"key": ""},
        {"key": "short"},
        {"signed": "{timestamp}"},
        {"signed": "everything"},
        {"signed": "{timestamp}.{body}"},
        {"signed": "{body}{body}"},
        {"signed": "{body}.{key}"},
        {"timestamp_header": "X-Time"},
        {"timestamp_part": "t", "signed": "{timestamp}{body}"},
        {"id_header": "X-Id"},
        {"id_header": "X-Id", "signed": "{id}{body}"},
        {"algorithm": "md5"},
        {"algorithm": "none"},
        {"scheme": "none"},
        {"tolerance_seconds": 10**6},
        {"header": ""},
        {"header": "X Y"},
        {"optional": True},
        {"key": "zz" * 20, "key_encoding": "hex"},
        {"key": "***", "key_encoding": "base64"},
        {"scheme": "digest", "signed": "{body}"},
        {"scheme": "ed25519"},
        {"scheme": "wechat"},
    ],
)
def test_what_could_not_be_checked_cannot_be_configured(change):
    with pytest.raises(ValidationError):
        GenericCredentials.model_validate({"signature": HMAC | change})


@pytest.mark.parametrize(
    "account", [{}, {"signature": None}, {"signature": HMAC, "reply_url": "https://a.example"}, {"secret": ""}]
)
def test_an_account_without_a_secret_that_it_needs_is_refused(account):
    with pytest.raises(ValidationError):
        GenericCredentials.model_validate(account)


def test_the_account_decides_how_a_webhook_is_signed_and_never_the_webhook():
    """A Standard Webhooks signature does not open an account with a form of its own, nor the other way round, nor nothing at all."""
    standard = {"webhook-id": "m", "webhook-timestamp": SECONDS, "webhook-signature": "v1," + "A" * 44}
    assert outcome(HMAC, came(standard)) == "no_signature"
    assert outcome(HMAC, came({})) == "no_signature"
    assert outcome(HMAC, came({"X-Signature": mac(BODY).hex()}, method="GET")) == "method"
    plain = GenericCredentials.model_validate({"secret": "whsec_" + "A" * 32})
    assert isinstance(ADAPTER.verify(came({"X-Signature": mac(BODY).hex()}), plain, NOW), Rejected)


FORMS = [
    HMAC, TIMED, {**HMAC, "part": "v1", "timestamp_part": "t", "signed": "{timestamp}.{body}"},
    {"scheme": "digest", "header": "X-Signature", "key": KEY, "signed": "{key}{body}"},
    {"scheme": "ed25519", "header": "X-Signature", "key": "0" * 64},
    {"scheme": "wechat", "token": "a-token-1", "encoding_aes_key": "A" * 43, "receive_id": "wx1"},
]  # fmt: skip
odd = st.text(max_size=30) | st.sampled_from(["\ud800", "é", "t=1,v1=", "v1=" + "0" * 64, "t=²,v1=é", "=" * 20, ",", " "])


@settings(deadline=None, max_examples=200)
@given(
    form=st.sampled_from(FORMS),
    method=st.sampled_from(["GET", "POST", "PUT"]),
    headers=st.dictionaries(st.sampled_from(["x-signature", "x-time"]) | st.text(max_size=5), odd),
    query=st.lists(
        st.tuples(st.sampled_from(["signature", "msg_signature", "timestamp", "nonce", "echostr"]), odd), max_size=5
    ),
    body=st.binary(max_size=60)
    | st.sampled_from([b'{"Encrypt":"AAAA"}', b'{"Encrypt":1}', b'{"Encrypt":"\\ud800"}', b"[" * 2000]),
)
def test_verification_never_raises_and_never_accepts_an_unsigned_request(form, method, headers, query, body):
    credentials = GenericCredentials.model_validate({"signature": form})
    request = RawRequest(method, "/webhooks/generic/x", tuple(query), "", headers, body, "192.0.2.1", NOW)
    assert isinstance(ADAPTER.verify(request, credentials, NOW), Rejected)


# --- WeChat's way

AES_KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
WECHAT = {"scheme": "wechat", "token": "a-token-1", "encoding_aes_key": AES_KEY, "receive_id": "wx1"}


def sealed(body: bytes, receiver: str = "wx1", token: str = "a-token-1", at: str = SECONDS) -> RawRequest:
    """A POST as wechatpy encrypts it."""
    encrypted = PrpCrypto(base64.b64decode(AES_KEY + "=")).encrypt(body.decode(), receiver).decode()
    signature = hashlib.sha1("".join(sorted((token, at, "n1", encrypted))).encode()).hexdigest()
    query = (("msg_signature", signature), ("timestamp", at), ("nonce", "n1"))
    return came({}, json.dumps({"Encrypt": encrypted}).encode(), query=query)


def test_an_encrypted_post_is_read_and_only_what_was_encrypted():
    credentials = GenericCredentials.model_validate({"signature": WECHAT})
    verified = ADAPTER.verify(sealed(BODY), credentials, NOW)
    assert isinstance(verified, Verified) and verified.verification.body_signed
    assert ADAPTER.decode(verified, "x").body == json.loads(BODY)


@pytest.mark.parametrize(
    "request_",
    [sealed(BODY, receiver="wx2"), sealed(BODY, token="another-1"), sealed(BODY, at="1"), came({}, BODY)],
    ids=["another's", "forged", "stale", "plain"],
)
def test_a_post_that_is_not_encrypted_for_us_is_refused(request_):
    assert outcome(WECHAT, request_) in ("bad_signature", "stale", "no_signature")


def test_an_encrypted_text_that_is_no_json_object_is_malformed():
    credentials = GenericCredentials.model_validate({"signature": WECHAT})
    verified = ADAPTER.verify(sealed(b"[1]"), credentials, NOW)
    assert isinstance(verified, Verified)
    with pytest.raises(MalformedPayload):
        ADAPTER.decode(verified, "x")


def test_the_consoles_get_is_answered_with_its_echostr_if_signed():
    credentials = GenericCredentials.model_validate({"signature": WECHAT})

    def asked(token: str, echostr: str = "echo+/=1") -> RawRequest:
        signature = hashlib.sha1("".join(sorted((token, SECONDS, "n1"))).encode()).hexdigest()
        query = (("signature", signature), ("timestamp", SECONDS), ("nonce", "n1"), ("echostr", echostr))
        return came({}, b"", "GET", query)

    verified = ADAPTER.verify(asked("a-token-1"), credentials, NOW)
    assert isinstance(verified, Verified)
    answer = ADAPTER.handshake(ADAPTER.decode(verified, "x"))
    assert answer is not None and (answer.status, answer.body, answer.content_type) == (
        200,
        "echo+/=1",
        "text/plain; charset=utf-8",
    )
    assert outcome(WECHAT, asked("another-1")) == "bad_signature"
    assert outcome(WECHAT, asked("a-token-1", "x" * 300)) == "no_signature"
