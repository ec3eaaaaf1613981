"""The shared signature vectors: each is of a channel whose own test takes all that the file has for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "../shared/vectors/signatures.json"
# Each of these tests unpacks, or goes through, every vector of its channel: one more would be taken or make it fail.
REPRODUCED = {
    "feishu": ("test_feishu.py", "test_the_vendors_vector_is_decrypted"),
    "generic": ("test_generic.py", "test_published_vector_is_reproduced"),
    "line": ("test_hmac_raw_body.py", "test_lines_published_vector_is_reproduced"),
    "qq": ("test_qq.py", "test_botgos_vector_is_accepted"),
    "slack": ("test_slack.py", "test_the_published_vector_is_accepted_as_a_command"),
    "twilio": ("test_twilio_signatures.py", "test_published_vectors_are_reproduced"),
    "wechat_oa": ("test_wx_codecs.py", "test_plain_signature_matches_the_vendors"),
    "wecom": ("test_wecom.py", "test_the_vendors_vectors_are_reproduced"),
    "weibo": ("test_weibo.py", "test_the_vendors_vector_is_reproduced_and_accepted"),
    "whatsapp": ("test_hmac_raw_body.py", "test_whatsapps_published_vector_is_verified_and_read"),
}


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared signature vectors are not beside this repository")
def test_every_vector_is_of_a_channel_whose_test_reproduces_it() -> None:
    assert {vector["channel"] for vector in json.loads(VECTORS.read_text("utf-8"))} == set(REPRODUCED)


@pytest.mark.parametrize("channel", REPRODUCED)
def test_the_test_that_reproduces_a_channels_vectors_exists(channel: str) -> None:
    module, name = REPRODUCED[channel]
    assert f"def {name}(" in (ROOT / "tests" / "unit" / module).read_text("utf-8")
