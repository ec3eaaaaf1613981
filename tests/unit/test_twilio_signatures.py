"""Twilio's signatures, against its own validator and hostile input."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from functions.channels.codecs.url_params_hmac import signature, signed_urls
from functions.channels.contract import RawRequest, Rejected, Verified
from functions.channels.twilio import ADAPTER
from functions.common.errors import MalformedPayload
from functions.common.message import Verification
from infra.simulators.contract import Webhook
from tests.fakes.simulated_platform import NOW
from tests.fakes.twilio_account import CREDENTIALS, PATH, PUBLIC, SETTINGS, SMS, WHATSAPP, request, simulator, verify

VECTORS = Path(__file__).parents[2] / "../shared/vectors/signatures.json"


class Fields(list[tuple[str, str]]):
    """Form fields as the SDK's validator takes them from Flask."""

    def __iter__(self):
        return iter({name: None for name, _ in super().__iter__()})

    def getall(self, wanted: str) -> list[str]:
        return [value for name, value in super().__iter__() if name == wanted]


def by_sdk(fields: list[tuple[str, str]], url: str = PUBLIC + PATH, algorithm: str = "HMAC_SHA1", **changes: Any) -> RawRequest:
    """A request that Twilio's own library signed."""
    secret = SETTINGS["auth_token"] if algorithm == "HMAC_SHA1" else "a-shared-key"
    signed = RequestValidator(secret).compute_signature(url, Fields(fields), algorithm)
    query = url.partition("?")[2]
    return request(Webhook(query=query, headers={"x-twilio-signature": signed}, body=urlencode(fields).encode()), **changes)


def reason(came: RawRequest, **changes: Any) -> str:
    answer = verify(came, **changes)
    assert isinstance(answer, Rejected)
    assert answer.status == 403
    return answer.reason


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared signature vectors are not beside this repository")
def test_published_vectors_are_reproduced():
    vectors = [v for v in json.loads(VECTORS.read_text("utf-8")) if v["channel"] == "twilio"]
    assert len(vectors) == 2
    for vector in vectors:
        pairs = [(n, v) for n, vs in vector["given"]["params"].items() for v in (vs if isinstance(vs, list) else [vs])]
        token, url = vector["given"]["auth_token"], vector["given"]["url"]
        assert signature(token, url, pairs, "sha1") == vector["expect"]["signature"]
        with_port = vector["expect"].get("signature_with_port_443")
        if with_port:
            urls = signed_urls("https://mycompany.com", "/myapp.php", "foo=1&bar=2")
            assert with_port in {signature(token, candidate, pairs, "sha1") for candidate in urls}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(deadline=None)
@given(
    url=st.from_regex(r"https://[a-z]{1,9}\.example(:[1-9][0-9]{1,3})?/[a-z/]{0,12}(\?[a-z=&%27']{1,9})?", fullmatch=True),
    fields=st.lists(st.tuples(st.sampled_from(["A", "AB", "Body", "b"]) | texts, texts), max_size=8),
    algorithm=st.sampled_from(["sha1", "sha256"]),
)
def test_our_signature_is_the_sdks(url, fields, algorithm):
    theirs = RequestValidator("secret").compute_signature(url, Fields(fields), f"HMAC_{algorithm.upper()}")
    assert signature("secret", url, fields, algorithm) == theirs


@settings(deadline=None)
@given(text=texts, contact=st.sampled_from([SMS, WHATSAPP]), base=st.sampled_from(["", "/prod", "/prod/", PATH]))
def test_the_sdk_accepts_what_the_simulator_signs(text, contact, base):
    webhook = simulator(public_url=PUBLIC + base).text(contact, text)
    fields = parse_qsl(webhook.body.decode(), keep_blank_values=True)
    url = PUBLIC + (base if base == PATH else base.rstrip("/") + PATH)
    assert RequestValidator(SETTINGS["auth_token"]).validate(url, Fields(fields), webhook.headers["x-twilio-signature"])
    assert isinstance(verify(request(webhook), public_url=PUBLIC + base), Verified)


@pytest.mark.parametrize(
    ("public_url", "signed"),
    [
        (PUBLIC, PUBLIC + PATH),
        (PUBLIC + "/", PUBLIC + PATH),
        (PUBLIC + "/prod", PUBLIC + "/prod" + PATH),
        (PUBLIC + PATH, PUBLIC + PATH),
        (PUBLIC + PATH + "#rc=2&rp=5xx", PUBLIC + PATH),
        (PUBLIC + "/rewritten", PUBLIC + "/rewritten"),
        (PUBLIC, "https://postroom.example:443" + PATH),
        ("https://postroom.example:443", PUBLIC + PATH),
        ("http://postroom.example", "http://postroom.example:80" + PATH),
        ("https://postroom.example:8443", "https://postroom.example:8443" + PATH),
        (PUBLIC, PUBLIC + PATH + "?from=console&x="),
        (PUBLIC + PATH + "?from=console", PUBLIC + PATH + "?from=console"),
    ],
)
def test_the_url_that_twilio_was_told_is_the_one_that_counts(public_url, signed):
    assert isinstance(verify(by_sdk([("Body", "hi")], signed), public_url=public_url), Verified)


def test_a_query_signed_with_the_other_spelling_of_an_apostrophe_is_accepted():
    for sent, signed in (("who=O'Hara", "who=O%27Hara"), ("who=O%27Hara", "who=O'Hara")):
        came = by_sdk([("Body", "hi")], f"{PUBLIC}{PATH}?{signed}")
        assert isinstance(verify(replace(came, raw_query=sent)), Verified)


def test_a_query_that_twilio_did_not_sign_is_rejected():
    came = by_sdk([("Body", "hi")])
    assert reason(replace(came, raw_query="x=1", query=(("x", "1"),))) == "bad_signature"


def test_a_host_header_cannot_choose_the_signed_url():
    came = by_sdk([("Body", "hi")], "https://elsewhere.example" + PATH)
    headers = {**came.headers, "host": "elsewhere.example", "x-forwarded-host": "elsewhere.example"}
    assert reason(replace(came, headers=headers)) == "bad_signature"


def test_blank_and_repeated_fields_are_part_of_what_is_signed():
    fields = [("Body", ""), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234"), ("FromCity", "")]
    came = by_sdk(fields)
    assert isinstance(verify(came), Verified)
    assert reason(replace(came, body=came.body.replace(b"&FromCity=", b""))) == "bad_signature"


def test_the_content_type_does_not_decide_what_a_form_is():
    came = by_sdk([("Body", "hi")])
    assert isinstance(verify(replace(came, headers={**came.headers, "content-type": "application/json"})), Verified)


@pytest.mark.parametrize("header", ["é", "v1,é", "\udce9", "x" * 5000, " ", "="])
def test_a_strange_signature_is_rejected_without_a_fault(header):
    assert reason(by_sdk([("Body", "hi")], headers={"x-twilio-signature": header})) == "bad_signature"


def test_a_missing_signature_is_rejected():
    assert reason(by_sdk([("Body", "hi")], headers={})) == "no_signature"
    assert reason(by_sdk([("Body", "hi")], method="GET")) == "method"


def test_a_forged_webhook_is_rejected_and_no_stale_one_exists():
    assert reason(request(simulator().forged(SMS, "hello"))) == "bad_signature"
    assert simulator().stale(SMS, "hello") is None


@pytest.mark.parametrize("body", [b"a=%ff", b"\xff\xfe", b"&".join(b"a=1" for _ in range(501)), b"a=" + b"x" * 262_144])
def test_a_body_that_is_no_form_of_ours_is_rejected(body):
    assert reason(by_sdk([("Body", "hi")], body=body)) == "unreadable"


def test_the_configured_credential_pins_the_algorithm():
    sha1, sha256 = by_sdk([("Body", "hi")]), by_sdk([("Body", "hi")], algorithm="HMAC_SHA256")
    claims = {"x-twilio-webhooks-signature-settings": "key=k,algorithm=HMAC_SHA1"}
    assert isinstance(verify(sha256, shared_key="a-shared-key"), Verified)
    assert isinstance(verify(replace(sha256, headers={**sha256.headers, **claims}), shared_key="a-shared-key"), Verified)
    assert reason(replace(sha1, headers={**sha1.headers, **claims}), shared_key="a-shared-key") == "bad_signature"
    assert reason(sha256) == "bad_signature"


def test_the_simulator_signs_with_a_shared_key_as_the_sdk_checks_it():
    webhook = simulator(shared_key="a-shared-key").text(SMS, "hello")
    fields = Fields(parse_qsl(webhook.body.decode(), keep_blank_values=True))
    given_signature = webhook.headers["x-twilio-signature"]
    assert RequestValidator("a-shared-key").validate(PUBLIC + PATH, fields, given_signature, "HMAC_SHA256")


def json_request(body: bytes, signed_body: bytes | None = None) -> RawRequest:
    digest = hashlib.sha256(body if signed_body is None else signed_body).hexdigest()
    url = f"{PUBLIC}{PATH}?bodySHA256={digest}"
    return by_sdk([], url, body=body)


def test_a_json_body_is_covered_by_its_digest_in_the_url():
    body = json.dumps({"AccountSid": SETTINGS["account_sid"], "MessageSid": "SM1", "From": SMS, "Body": "hi", "n": 1}).encode()
    came = json_request(body)
    digest_url = f"{PUBLIC}{PATH}?{came.raw_query}"
    assert RequestValidator(SETTINGS["auth_token"]).validate(digest_url, body.decode(), came.headers["x-twilio-signature"])
    verified = verify(came)
    assert isinstance(verified, Verified)
    assert ADAPTER.parse(ADAPTER.decode(verified, "demo")).messages[0].text == "hi"
    assert reason(json_request(body, signed_body=b"{}")) == "unreadable"


def test_a_signed_json_body_that_is_no_object_is_malformed():
    for body in (b"[]", b"", b"{", b"\xff"):
        verified = verify(json_request(body))
        assert isinstance(verified, Verified)
        with pytest.raises(MalformedPayload):
            ADAPTER.decode(verified, "demo")


headers = st.dictionaries(
    st.sampled_from(["x-twilio-signature", "x-twilio-webhooks-signature-settings"]) | st.text(), st.text()
)
names = st.sampled_from(
    ["AccountSid", "MessageSid", "From", "To", "Body", "NumMedia", "MediaUrl0", "Latitude", "Longitude", "SmsStatus", "ListId"]
)
values = st.text(max_size=40) | st.sampled_from([SETTINGS["account_sid"], "SM1", SMS, WHATSAPP, "1", "10", "received", "-90"])


@settings(deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    path=st.text(),
    raw_query=st.text() | st.just("bodySHA256="),
    headers=headers,
    body=st.binary(max_size=200),
)
def test_verification_never_raises_and_never_accepts_an_unsigned_request(method, path, raw_query, headers, body):
    query = tuple(parse_qsl(raw_query, keep_blank_values=True))
    came = RawRequest(method, path, query, raw_query, headers, body, "192.0.2.1", NOW)
    assert isinstance(ADAPTER.verify(came, CREDENTIALS, NOW), Rejected)


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=200) | st.dictionaries(names, values).map(lambda d: urlencode(d, errors="replace").encode()))
def test_whatever_is_rightly_signed_is_read_or_malformed(body):
    bare = replace(request(Webhook()), body=body)
    assert_read_or_malformed(bare)
    digest = hashlib.sha256(body).hexdigest()
    assert_read_or_malformed(replace(bare, query=(("bodySHA256", digest),), raw_query=f"bodySHA256={digest}"))


def assert_read_or_malformed(came: RawRequest) -> None:
    verified = Verified(came, CREDENTIALS, Verification(scheme="twilio-hmac-sha1", body_signed=True, timestamped=False))
    try:
        payload = ADAPTER.decode(verified, "demo")
    except MalformedPayload:
        return
    result = ADAPTER.parse(payload)
    assert len(result.messages) + len(result.ignored) + len(result.errors) == 1
    assert ADAPTER.handshake(payload) is None
    assert ADAPTER.acknowledge(payload, result).status == 200
