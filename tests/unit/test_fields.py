"""What each channel keeps of each kind of message, field by field, against tables that were written by hand from the vendors' pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import pytest

from functions.channels import registry
from functions.common.message import Message
from infra.conformance.direct import Direct
from infra.conformance.evidence import EVIDENCE
from infra.simulators.registry import simulator_class
from tests.fakes import fields_china, fields_world
from tests.fakes.house import ACCOUNTS
from tests.fakes.signed_webhook import Desk

ROWS = fields_china.ROWS | fields_world.ROWS
BASE = fields_china.BASE | fields_world.BASE
# Said of every message: not in the tables.
ALWAYS = frozenset(
    {
        "message_id",
        "channel",
        "account",
        "kind",
        "received_at",
        "verification",
        "time_precision",
        "contact.primary",
        "contact.ids",
    }
)
CASES = [(channel, *row) for channel, rows in ROWS.items() for row in rows]


def named(fields_kept: str) -> set[str]:
    """`a b:c,d` as {a, b.c, b.d}."""
    split = (each.partition(":") for each in fields_kept.split())
    return {f"{name}.{inner}" if inner else name for name, _, inners in split for inner in inners.split(",")}


def filled(value: Any, above: str = "") -> Iterator[str]:
    """The names of all fields that hold something else than their default, inner ones with the outer's name before them."""
    for each in fields(value):
        held, name = getattr(value, each.name), above + each.name
        if held == each.default or name in ALWAYS or name in ("contact.primary", "contact.ids"):
            continue
        inner = held if isinstance(held, tuple) else (held,)
        if all(map(is_dataclass, inner)):
            found = {below for part in inner for below in filled(part, f"{name}.")}
            yield from found or (set() if name == "contact" else {name})
        else:
            yield name


@cache
def desk(channel: str) -> Desk:
    return Desk(registry.adapter(channel), ACCOUNTS[channel]["demo"], simulator_class(channel))


def heard(channel: str, make: Any) -> Message:
    place = desk(channel)
    simulator = place.simulator()
    result = place.parse(make(simulator, simulator.person(1)))
    if result.pulls:
        adapter: Any = place.adapter
        result = adapter.pull(result.pulls[0], None, place.credentials(), Direct(simulator)).result
    assert not result.ignored and not result.errors, result
    (message,) = result.messages
    return message


@pytest.mark.parametrize(("channel", "what", "kind", "make", "kept"), CASES, ids=[f"{c}: {w}" for c, w, *_ in CASES])
def test_everything_that_has_room_is_kept(channel, what, kind, make, kept):
    message = heard(channel, make)
    always, ids = BASE[channel]
    own_ids, kept = "-contact.ids" in kept, kept.replace("-contact.ids", "")
    assert message.kind == kind
    assert set(filled(message)) == named(always) | named(kept)
    assert own_ids or {each.kind: each.scope for each in message.contact.ids} == ids
    assert all(each.value for each in message.contact.ids)


def test_every_channel_and_every_kind_that_it_is_said_to_receive_is_in_the_tables():
    assert set(ROWS) == set(BASE) == set(registry.names())
    heard = {channel: {kind for _, kind, _, _ in rows} for channel, rows in ROWS.items() if channel != "generic"}
    assert heard == {channel: set(each.receives) for channel, each in EVIDENCE.items() if channel != "generic"}
