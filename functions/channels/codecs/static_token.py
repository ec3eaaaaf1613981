"""A static bearer: for platforms that sign nothing, but repeat a secret of ours with every call.

Whoever sees one call can make any other, so the token is long, compared in constant time, rotated (two are valid meanwhile) and kept out
of logs; and where the platform names the addresses that it calls from, `from_listed` is a second lock (trap T17).
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Annotated

from pydantic import AfterValidator, Field, IPvAnyNetwork, SecretStr

from functions.channels.codecs.constant_time import same

BITS = 128
_HEX = re.compile(r"[0-9a-fA-F]+")
_URL_SAFE = re.compile(r"[A-Za-z0-9_-]{1,256}")


def _strong(token: SecretStr) -> SecretStr:
    value = token.get_secret_value()
    bits_each = 4 if _HEX.fullmatch(value) else 6
    if not _URL_SAFE.fullmatch(value) or len(value) * bits_each < BITS or len(set(value)) < 8:
        raise ValueError("a token is at least 128 random bits in the characters A-Z a-z 0-9 _ -")
    return token


Token = Annotated[SecretStr, AfterValidator(_strong)]
Addresses = Annotated[tuple[IPvAnyNetwork, ...], Field(max_length=64)]


def matches(given: str | None, token: SecretStr) -> bool:
    """Whether the caller gave this token."""
    return given is not None and same(token.get_secret_value(), given)


def from_listed(source_ip: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Whether an address is in one of the networks; every address is where none is listed."""
    if not networks:
        return True
    try:
        address = ip_address(source_ip)
    except ValueError:
        return False
    return any(address.version == network.version and address in network for network in networks)
