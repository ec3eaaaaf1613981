"""Telephone numbers as gateways write them: one number is one contact, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.channels.codecs.phone import e164

MAINLAND = "+8613800138000"


@pytest.mark.parametrize("number", ["13800138000", "8613800138000", "+8613800138000", "008613800138000"])
@pytest.mark.parametrize("country", [None, "86", "+86"])
def test_a_mainland_number_is_one_however_it_is_written(number: str, country: str | None) -> None:
    assert e164(number, country) == MAINLAND


@pytest.mark.parametrize(
    ("country", "number", "expected"),
    [
        ("852", "51234567", "+85251234567"),
        ("852", "85251234567", "+85251234567"),
        ("852", "85212345", "+85285212345"),  # eight digits: a number of Hong Kong that happens to begin with 852
        ("65", "81234567", "+6581234567"),
        ("65", "6581234567", "+6581234567"),
        ("65", "65123456", "+6565123456"),
        ("886", "912345678", "+886912345678"),
        ("886", "0912345678", "+886912345678"),
        ("886", "886912345678", "+886912345678"),
        ("81", "9012345678", "+819012345678"),
        ("81", "09012345678", "+819012345678"),
        ("81", "819012345678", "+819012345678"),
        ("1", "2125550123", "+12125550123"),
        ("1", "12125550123", "+12125550123"),
        ("44", "07911123456", "+447911123456"),
        ("44", "447911123456", "+447911123456"),
        ("39", "3123456789", "+393123456789"),  # no fixed length: what the gateway says is put together
        ("49", "15112345678", "+4915112345678"),
    ],
)
def test_a_countrys_code_stands_in_front_once(country: str, number: str, expected: str) -> None:
    assert e164(number, country) == expected


@pytest.mark.parametrize(
    ("number", "country"), [("106", "86x"), ("12", "86"), ("1069", None), ("8613800138000" * 2, "86"), ("", "86"), ("abc", "1")]
)
def test_what_cannot_be_a_number_is_none(number: str, country: str | None) -> None:
    assert e164(number, country) is None


@given(st.text(max_size=20), st.none() | st.text(max_size=5))
def test_any_text_is_a_number_or_none_and_a_number_stays_what_it_is(number: str, country: str | None) -> None:
    full = e164(number, country)
    assert full is None or (full.startswith("+") and e164(full) == full)
