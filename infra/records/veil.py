"""Contacts and names as they are shown unless somebody must see them: enough to tell two apart, not enough to call one."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(\+?\d{3,5})\d{4}(\d{4})")


def veiled_contact(contact: str) -> str:
    """`+86139****5678`, `oGZ…9k`; a short one shows its first letter only."""
    number = _NUMBER.fullmatch(contact)
    if number is not None:
        return f"{number[1]}****{number[2]}"
    return f"{contact[:3]}…{contact[-2:]}" if len(contact) >= 10 else f"{contact[:1]}…"


def veiled_name(name: str | None) -> str | None:
    """`王…`."""
    return f"{name[:1]}…" if name else name
