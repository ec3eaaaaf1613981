"""JSON between a platform's API and us: what it answered, whatever that is, and what it is sent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.channels.codecs import strict_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_is_what_others_read_with_characters_as_themselves(value: object) -> None:
    written = strict_json.written(value)
    assert json.loads(written) == value
    assert written == json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def test_half_a_character_goes_out_as_a_question_mark() -> None:
    assert strict_json.written({"text": "好\ud800"}) == '{"text":"好?"}'.encode()


@pytest.mark.parametrize(
    "body", [b"", b"<html>502 Bad Gateway</html>", b"[1]", b'"x"', b"null", b'{"a":NaN}', b"\xff{}", b"[" * 100_000]
)
def test_an_answer_that_is_no_object_says_nothing(body: bytes) -> None:
    assert strict_json.answered(body) == {}


def test_an_answer_is_read_as_a_webhook_is() -> None:
    assert strict_json.answered('{"code": 0, "msg": "好"}'.encode()) == {"code": 0, "msg": "好"}
