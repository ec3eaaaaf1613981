"""Who counts as vouched for, and what classify does about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.common import keys
from functions.common.errors import Unavailable
from functions.common.identity import VOUCHED_KEPT, Party, People, VouchedId, vouched_ids, with_vouched
from functions.common.message import Contact, ContactId, Message, Verification
from tests.unit.test_classify_service import Room, inbound

UNION = ContactId(kind="unionid", value="oU1", scope="ours")


def seen(*ids: ContactId, number: int = 1, contact: str = "u1") -> Message:
    message = inbound("请问几点开门?", number, contact=contact)
    return replace(message, contact=Contact(primary=contact, ids=ids))


def party(contact: str) -> Party:
    return Party(channel="generic", account="demo", contact=contact)


def linked(room: Room, contact: str) -> set[str]:
    found = People(room.store, room.links).linked(party(contact).conv)
    return {link.party.contact for link in found}


@pytest.fixture
def room() -> Room:
    return Room()


def sender(**fields: Any) -> Message:
    message = seen(UNION)
    return replace(message, **fields)


def test_an_id_within_an_open_platform_is_vouched_for() -> None:
    assert vouched_ids(sender()) == (VouchedId(kind="unionid", scope="ours", value="oU1"),)


@pytest.mark.parametrize(
    "known",
    [
        ContactId(kind="openid", value="o1", scope="wx-app"),
        ContactId(kind="phone_e164", value="+8613912345678", scope="86"),
        ContactId(kind="wa_id", value="8613912345678", scope="business"),
        ContactId(kind="email", value="ann@example.com", scope="x"),
        ContactId(kind="uid", value="1", scope="demo"),
        ContactId(kind="tg_id", value="1", scope="telegram"),
        ContactId(kind="unionid", value="oU1"),
    ],
)
def test_ids_of_one_account_phone_numbers_and_ids_without_a_scope_join_nobody(known: ContactId) -> None:
    assert vouched_ids(seen(known)) == ()


def test_a_name_joins_nobody(room: Room) -> None:
    for number, contact in enumerate(("u1", "u2")):
        room(replace(inbound(number=number, contact=contact), contact=Contact(primary=contact, name="李雷")))
    assert linked(room, "u1") == set() and room.links.under == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"verification": Verification(scheme="wechat-plain", body_signed=False, timestamped=True)},
        {"conversation_kind": "group"},
        {"contact": Contact(primary="u1", ids=(UNION,), is_bot=True)},
    ],
)
def test_an_id_that_anybody_could_have_written_or_that_is_no_persons_counts_for_nothing(fields: dict[str, Any]) -> None:
    assert vouched_ids(sender(**fields)) == ()


def test_a_sender_cannot_name_ids_without_end() -> None:
    many = tuple(replace(UNION, value=f"oU{number}") for number in range(50))
    marks = with_vouched((), seen(*many))
    assert len(marks) == VOUCHED_KEPT
    assert with_vouched(marks, seen(replace(UNION, value="late"))) == marks


def test_classify_joins_contacts_under_one_vouched_id(room: Room) -> None:
    room(seen(UNION, contact="u1"), seen(UNION, number=2, contact="u2"), seen(number=3, contact="u3"))
    assert linked(room, "u1") == {"u2"}
    assert linked(room, "u3") == set()
    assert room.conversation().vouched == (VouchedId(kind="unionid", scope="ours", value="oU1").mark,)


def test_a_contact_that_is_known_costs_nothing_more(room: Room) -> None:
    room(seen(UNION), seen(UNION, number=2))
    room(seen(UNION, number=3))
    assert room.links.vouched == 1
    room(seen(UNION, replace(UNION, value="oU2"), number=4))
    assert room.links.vouched == 2, "a new id is noted when it appears"


def test_a_message_without_vouched_ids_takes_the_steps_it_always_took(room: Room) -> None:
    room(inbound())
    assert room.links.vouched == 0
    assert room.store.calls == ["conversation", "add_message", "apply", "count"]


def test_an_id_that_could_not_be_noted_brings_the_message_again_and_is_noted_then(room: Room) -> None:
    room.store.trouble["apply"] = [Unavailable("UpdateItem: InternalServerError")]
    assert room(seen(UNION)) == ["0"]
    assert room(seen(UNION)) == []
    assert [key[1] for key in room.links.under] == [keys.conversation_key("generic", "demo", "u1")]
    assert room.conversation().count == 1
