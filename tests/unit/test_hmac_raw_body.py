"""A MAC over the raw body, against published vectors and hostile headers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.channels.codecs.hmac_raw_body import holds, signature
from tests.fakes.channel_account import LINE, WHATSAPP
from tests.fakes.simulated_platform import NOW

VECTORS = Path(__file__).parents[2] / "../shared/vectors/signatures.json"


def vector(channel: str) -> dict[str, dict[str, str]]:
    if not VECTORS.exists():
        pytest.skip("the shared signature vectors are not beside this repository")
    (found,) = [each for each in json.loads(VECTORS.read_text("utf-8")) if each["channel"] == channel]
    return found


def test_lines_published_vector_is_reproduced():
    case = vector("line")
    secret, body, expected = case["given"]["channel_secret"], case["given"]["body"].encode(), case["expect"]["signature"]
    assert signature(secret, body, encoding="base64") == expected
    assert holds(expected, secret, body, encoding="base64")
    # The vector's secret is shorter than any that LINE gives out, which our credentials refuse: pad it as HMAC does.
    came = LINE.request(LINE.simulator().webhook(body), headers={"x-line-signature": expected})
    padded = secret + "\0" * 16
    assert type(LINE.verify(came, channel_secret=padded)).__name__ == "Verified"


def test_whatsapps_published_vector_is_verified_and_read():
    case = vector("whatsapp")
    body, expected = case["given"]["body"].encode(), case["expect"]["signature"]
    assert signature(case["given"]["app_secret"], body, prefix="sha256=") == expected
    came = WHATSAPP.request(WHATSAPP.simulator().webhook(body), headers={"x-hub-signature-256": expected})
    (said,) = WHATSAPP.parse(came).messages
    assert (said.text, said.contact.primary, said.contact.name) == ("Hey there! I am using PyWa.", "972544401243", "PyWa Tests")
    assert said.sent_at is None, f"two years before {NOW:%Y} is no time of sending"


@pytest.mark.parametrize("theirs", ["", "sha256=", "é", "sha256=é", "\udce9", "SHA256=" + "0" * 64, "x" * 10_000])
def test_no_header_makes_the_comparison_raise(theirs):
    assert not holds(theirs, "secret", b"body", prefix="sha256=")


@given(secret=st.text(min_size=1), body=st.binary(), other=st.binary())
def test_a_signature_holds_for_its_own_body_only(secret, body, other):
    for encoding in ("hex", "base64"):
        made = signature(secret, body, encoding=encoding)
        assert holds(made, secret, body, encoding=encoding)
        assert holds(made, secret, other, encoding=encoding) == (body == other)
