"""The static bearer: strong enough, compared in constant time, and an address list as a second lock."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError

from functions.channels.codecs import static_token

TOKEN = "kq3VYw7m0bRz9sXc1Ud_pL"


class Holder(BaseModel):
    token: static_token.Token
    allowed_ips: static_token.Addresses = ()


@pytest.mark.parametrize("token", [TOKEN, "0123456789abcdef0123456789ABCDEF", "A-b_c9Zx" * 4])
def test_a_token_of_128_bits_is_taken(token):
    assert Holder(token=token).token.get_secret_value() == token


@pytest.mark.parametrize(
    "token",
    [
        "",
        "short",
        "0123456789abcdef0123456789abcde",
        "abcdefghijklmnopqrstu",
        "a" * 40,
        TOKEN + "=",
        TOKEN + "\n",
        "密" * 30,
        "x" * 300,
    ],
)
def test_a_token_that_could_be_guessed_or_would_break_a_url_is_refused(token):
    with pytest.raises(ValidationError):
        Holder(token=token)


@given(st.text() | st.none())
def test_whatever_is_given_is_compared_without_a_fault(given_token):
    assert static_token.matches(given_token, SecretStr(TOKEN)) is (given_token == TOKEN)


@pytest.mark.parametrize(
    ("address", "listed", "allowed"),
    [
        ("192.0.2.1", (), True),
        ("192.0.2.1", ("192.0.2.0/24",), True),
        ("192.0.2.1", ("192.0.2.1",), True),
        ("198.51.100.1", ("192.0.2.0/24",), False),
        ("2001:db8::1", ("192.0.2.0/24", "2001:db8::/32"), True),
        ("", ("192.0.2.0/24",), False),
        ("192.0.2.1, 10.0.0.1", ("192.0.2.0/24",), False),
    ],
)
def test_only_listed_addresses_may_call_where_any_is_listed(address, listed, allowed):
    assert static_token.from_listed(address, tuple(ip_network(each) for each in listed)) is allowed


def test_the_list_is_read_from_the_account():
    holder = Holder(token=TOKEN, allowed_ips=["192.0.2.0/24", "2001:db8::1"])
    assert static_token.from_listed("192.0.2.7", holder.allowed_ips)
    with pytest.raises(ValidationError):
        Holder(token=TOKEN, allowed_ips=["example.org"])
