"""Who wrote on WhatsApp. A person may have a phone number, an id of the business' own (BSUID), or both (trap T21).

The BSUID (`US.1349…`) comes with every message since 2026; the number is left out for people who chose a user name and have not been in
touch by number lately. So the BSUID is the one that stays, and a number that is there is only where a reply goes. User names change.
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from functions.channels.codecs import json_fields
from functions.channels.codecs.json_fields import Fields, FieldUnreadable, optional_id, table
from functions.common.message import Contact, ContactId

_NUMBER = re.compile(r"[1-9][0-9]{4,19}")


@dataclass(frozen=True, slots=True)
class Sender:
    """The contact, and the phone number to answer to where there is one."""

    contact: Contact
    number: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A webhook's `contacts`, read once for all its messages, and found by either id. `alone`: the only one, when there is one."""

    by_id: Fields
    alone: Fields | None


def listed(value: Fields) -> Listed:
    """Who is listed beside the messages."""
    given = value.get("contacts")
    entries = [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []
    by_id: dict[str, Fields] = {}
    for entry in entries:
        for name in ("user_id", "wa_id"):
            theirs = optional_id(entry, name)
            if theirs is not None:
                by_id.setdefault(f"{name}:{theirs}", entry)
    return Listed(by_id, entries[0] if len(entries) == 1 else None)


def sender(message: Fields, contacts: Listed, scope: str) -> Sender:
    """The sender of a message, with what the webhook's `contacts` add. `scope`: the business account within which ids are unique."""
    number, user_id = optional_id(message, "from"), optional_id(message, "from_user_id")
    known = _entry(contacts, number, user_id)
    number, user_id = number or optional_id(known, "wa_id"), user_id or optional_id(known, "user_id")
    primary = user_id or number
    if primary is None:
        raise FieldUnreadable("missing", "from")
    if number and not _NUMBER.fullmatch(number):
        raise FieldUnreadable("missing", "from")
    profile = table(known, "profile")
    parent = optional_id(message, "from_parent_user_id") or optional_id(known, "parent_user_id")
    ids = {"bsuid": user_id, "parent_bsuid": parent, "wa_id": number, "phone_e164": f"+{number}" if number else None}
    contact = Contact(
        primary=primary,
        ids=tuple(ContactId(kind=kind, value=value, scope=scope) for kind, value in ids.items() if value),
        name=json_fields.text(profile, "name", 200) or json_fields.text(profile, "username", 200),
    )
    return Sender(contact, number)


def _entry(contacts: Listed, number: str | None, user_id: str | None) -> Fields:
    """The contact that wrote. One that stands alone beside a message without a sender is its sender."""
    if not number and not user_id:
        return contacts.alone or {}
    found: Fields = contacts.by_id.get(f"user_id:{user_id}") or contacts.by_id.get(f"wa_id:{number}") or {}
    return found
