"""Every channel on any bytes: a refusal or a result, never a fault. What it costs is counted in test_channel_work.py."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.channels.codecs import strict_json
from functions.channels.contract import Rejected
from functions.common.errors import MalformedPayload
from tests.fakes.absurd import Path, paths, replaced
from tests.fakes.channel_places import PLACES, Desk
from tests.fakes.simulated_platform import NOW

every = pytest.mark.parametrize("place", PLACES, ids="/".join)

# --- Any bytes

odd_text = st.text(max_size=12) | st.sampled_from(
    ["\ud800", "é", "0", "9" * 400, "v1,=", "t=1,s=" + "0" * 64, "sha256=" + "0" * 64, "²"]
)
odd_bytes = st.binary(max_size=120) | st.sampled_from(
    [b"", b"{}", b"[]", b"null", b'"x"', b"[" * 3000, b"<xml>", b"<!DOCTYPE x><xml/>", b"<xml><Encrypt>AAAA</Encrypt></xml>", b"a=1&b",
     b'{"encrypt":"AAAA"}', b'{"Type":"Notification"}', b'{"op":13,"d":{}}', b'{"entry":[{}]}', b'{"events":[null]}', b"[{}]", b"\xff" * 40]
)  # fmt: skip


@every
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_nothing_that_is_not_signed_is_taken_and_nothing_raises(place, data):
    desk = Desk(place)
    genuine = desk.text()
    names = st.sampled_from(sorted({name.lower() for name in genuine.headers}))
    queries = st.sampled_from(
        ["signature", "msg_signature", "timestamp", "nonce", "echostr", "token", "encrypt_type", "bodySHA256", "hub.mode"]
    )
    request = desk.request(
        genuine,
        method=data.draw(st.sampled_from(["GET", "POST", "PUT"])),
        query=tuple(data.draw(st.lists(st.tuples(queries, odd_text), max_size=5))),
        raw_query="",
        headers=data.draw(st.dictionaries(names, odd_text, max_size=5)),
        body=data.draw(odd_bytes),
    )
    assert isinstance(desk.adapter.verify(request, desk.credentials, NOW), Rejected)


@every
@settings(deadline=None, max_examples=60)
@given(
    body=odd_bytes
    | st.recursive(
        st.none() | st.booleans() | st.integers() | odd_text, lambda v: st.lists(v) | st.dictionaries(odd_text, v)
    ).map(lambda v: json.dumps(v).encode())
)
def test_any_bytes_behind_a_right_signature_are_read_or_malformed(place, body):
    desk = Desk(place)
    genuine = desk.verified(desk.text())
    desk.read(replace(genuine, request=replace(genuine.request, body=body)))


# --- Signed but absurd: one value of a genuine payload replaced or left out

absurd = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | odd_text
    | st.just("x" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def changed(node: Any, path: Path, value: Any, *, dropped: bool) -> Any:
    """The value so replaced, as a decoder would have read it: what no decoder lets through is not there."""
    return strict_json.parse(json.dumps(replaced(node, path, value, dropped=dropped)).encode())


@every
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_one_absurd_value_is_counted_and_raises_nothing(place, data):
    desk = Desk(place)
    verified = desk.verified(data.draw(st.sampled_from(desk.webhooks())))
    payload = desk.adapter.decode(verified, desk.account)
    if not isinstance(payload.body, dict | list):
        return  # the test below changes the bytes
    body = json.loads(json.dumps(payload.body))
    texts_only = desk.channel in ("wechat_oa", "wecom", "wecom_kf", "twilio")  # XML and forms: nothing in them is anything else
    path = data.draw(st.sampled_from([path for path in paths(body) if path]))
    value = data.draw(odd_text if texts_only else absurd)
    bad = changed(body, path, value, dropped=data.draw(st.booleans()))
    with suppress(MalformedPayload):
        desk.parsed(replace(payload, body=bad))


@every
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_one_absurd_item_of_a_batch_spares_its_siblings_and_is_counted(place, data):
    desk = Desk(place)
    people = [desk.simulator.person(number) for number in (1, 2, 3)]
    batch = desk.simulator.texts([(person, "你好") for person in people]) if hasattr(desk.simulator, "texts") else None
    if batch is None or getattr(desk.simulator, "announces", False):
        pytest.skip("one webhook, one message")
    payload = desk.adapter.decode(desk.verified(batch), desk.account)
    body = json.loads(json.dumps(payload.body))
    lists = [path for path in paths(body) if is_batch(body, path)]
    below = (*data.draw(st.sampled_from(lists)), 1)
    path = data.draw(st.sampled_from([path for path in paths(body) if path[: len(below)] == below]))
    result = desk.parsed(replace(payload, body=changed(body, path, data.draw(absurd), dropped=False)))
    assert result is not None and {people[0], people[2]} <= {message.contact.primary for message in result.messages}
    assert len(result.messages) + len(result.ignored) + len(result.errors) >= 3


def is_batch(node: Any, path: tuple[Any, ...]) -> bool:
    for step in path:
        node = node[step]
    return isinstance(node, list) and len(node) == 3 and all(isinstance(item, dict) for item in node)


@every
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_genuine_bytes_with_a_hole_are_read_or_malformed(place, data):
    desk = Desk(place)
    genuine = desk.verified(desk.text())
    body = genuine.request.body
    cut = data.draw(st.integers(0, len(body)))
    length = data.draw(st.integers(1, 20))
    holed = body[:cut] + data.draw(st.binary(max_size=8)) + body[cut + length :]
    desk.read(replace(genuine, request=replace(genuine.request, body=holed)))


@every
@pytest.mark.parametrize(
    "inside", [b"[" * 1000 + b"]" * 1000, b'"' + b"x" * 10_000_000 + b'"', b'"\\ud800"', b"1" * 5000, b"1e999"]
)
def test_depth_size_and_lone_surrogates_do_no_harm(place, inside):
    desk = Desk(place)
    genuine = desk.verified(desk.text())
    for body in (b'{"text":' + inside + b"}", b'[{"content":' + inside + b"}]"):
        desk.read(replace(genuine, request=replace(genuine.request, body=body)))


@given(text=st.text(st.characters(min_codepoint=0xD700, max_codepoint=0xE100) | st.sampled_from("a😀"), max_size=12))
def test_surrogates_that_stand_alone_are_replaced_and_pairs_are_one_character(text):
    wanted = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert strict_json.parse(json.dumps({text: [text]}).encode()) == {wanted: [wanted]}
