"""Every channel on any bytes: a refusal or a result, never a fault; and work that grows with what came, counted in lines, not in time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.channels import registry
from functions.channels.codecs import strict_json
from functions.channels.contract import ParseResult, Payload, RawRequest, Rejected, Verified
from functions.common.errors import MalformedPayload
from functions.common.wire import Inbound, dumps, read_inbound
from functions.ingest.gateway_event import query_pairs
from infra.simulators.contract import Webhook
from infra.simulators.registry import simulator_class
from tests.fakes.house import ACCOUNTS
from tests.fakes.simulated_platform import NOW

PLACES = [(channel, account) for channel in sorted(ACCOUNTS) for account in ACCOUNTS[channel]]
every = pytest.mark.parametrize("place", PLACES, ids="/".join)


class Desk:
    """One account of a channel with its simulator."""

    def __init__(self, place: tuple[str, str]) -> None:
        self.channel, self.account = place
        settings_ = ACCOUNTS[self.channel][self.account]
        self.adapter: Any = registry.adapter(self.channel)
        self.credentials = self.adapter.credentials.model_validate(settings_)
        self.simulator: Any = simulator_class(self.channel)(self.account, settings_, now=lambda: NOW)

    def text(self, words: str = "你好") -> Webhook:
        webhook: Webhook = self.simulator.text(self.simulator.person(1), words)
        return webhook

    def webhooks(self) -> list[Webhook]:
        """One of each sort that the simulator makes by itself."""
        person = self.simulator.person(1)
        batch = (
            self.simulator.texts([(person, "一"), (self.simulator.person(2), "二")])
            if hasattr(self.simulator, "texts")
            else None
        )
        odd = self.simulator.unknown(person) if hasattr(self.simulator, "unknown") else None
        return [found for found in (self.text(), batch, odd) if found is not None]

    def request(self, webhook: Webhook, **changes: Any) -> RawRequest:
        headers = {name.lower(): value for name, value in webhook.headers.items()}
        path = f"/webhooks/{self.channel}/{self.account}"
        came = RawRequest(
            webhook.method, path, query_pairs(webhook.query), webhook.query, headers, webhook.body, "192.0.2.1", NOW
        )
        return replace(came, **changes)

    def verified(self, webhook: Webhook) -> Verified:
        outcome = self.adapter.verify(self.request(webhook), self.credentials, NOW)
        assert isinstance(outcome, Verified), outcome
        return outcome

    def read(self, verified: Verified) -> ParseResult | None:
        """What ingest makes of a verified webhook; None when it is malformed or a handshake."""
        try:
            return self.parsed(self.adapter.decode(verified, self.account))
        except MalformedPayload:
            return None

    def parsed(self, payload: Payload) -> ParseResult | None:
        if self.adapter.handshake(payload) is not None:
            return None
        result: ParseResult = self.adapter.parse(payload)
        for message in result.messages:
            assert read_inbound(dumps(Inbound(message=message))).message.message_id == message.message_id
        assert 200 <= self.adapter.acknowledge(payload, result).status < 300
        return result


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


def paths(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a value."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [here, *(path for key, child in children for path in paths(child, (*here, key)))]


def changed(node: Any, path: tuple[Any, ...], value: Any, *, dropped: bool) -> Any:
    """A copy with another value in that place, or none."""
    copy = json.loads(json.dumps(node))
    parent = copy
    for step in path[:-1]:
        parent = parent[step]
    if dropped:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return strict_json.parse(json.dumps(copy).encode())  # what no decoder lets through is not there


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


# --- Work


def lines(work: Callable[[], object]) -> int:
    """How many lines of ours a piece of work executes."""
    count = 0

    def traced(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if "/functions/" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


WORST: dict[str, Callable[[int], bytes]] = {
    "brackets": lambda n: b"[" * n,
    "objects": lambda n: b'{"a":' * n,
    "fields": lambda n: b"a=b&" * n,
    "elements": lambda n: b"<xml>" + b"<a>b</a>" * n + b"</xml>",
    "surrogates": lambda n: b'{"text":"' + b"\\ud83d" * n + b'"}',
    "spaces": lambda n: b'{"text":"' + b" " * n + b'"}',
    "nothings": lambda n: b"[" + b"{}," * n + b"{}]",
    "numbers": lambda n: b'{"events":[' + b"1," * n + b"1]}",
    "entries": lambda n: b'{"object":"page","entry":[' + b'{"messaging":[{}]},' * n + b"{}]}",
    "messages": lambda n: b'{"messages":[' + b"{}," * n + b"{}]}",
}


@every
@pytest.mark.parametrize("shape", WORST)
def test_four_times_the_bytes_are_at_most_four_times_the_work(place, shape):
    desk = Desk(place)
    genuine = desk.verified(desk.text())

    def work(size: int) -> int:
        body = WORST[shape](size)
        return lines(lambda: desk.read(replace(genuine, request=replace(genuine.request, body=body))))

    work(1)  # imports
    small, large = work(100), work(400)
    assert large <= 4.2 * small + 200
    assert large <= 60 * len(WORST[shape](400)) + 3000


@every
def test_the_work_of_refusing_does_not_grow_with_what_was_sent(place):
    desk = Desk(place)
    genuine = desk.text()

    def work(size: int) -> int:
        headers = {name.lower(): value + ",v1=x t=1 " * size for name, value in genuine.headers.items()}
        query = tuple((name, value + "x" * size) for name, value in query_pairs(genuine.query))
        request = desk.request(genuine, headers=headers, query=query, body=b"\x00" * size)
        return lines(lambda: desk.adapter.verify(request, desk.credentials, NOW))

    work(1)
    assert work(4000) <= work(10) + 200


@every
def test_the_work_of_a_batch_is_that_of_its_items(place):
    desk = Desk(place)
    if not hasattr(desk.simulator, "texts") or getattr(desk.simulator, "announces", False):
        pytest.skip("one webhook, one message")

    def work(size: int) -> int:
        verified = desk.verified(desk.simulator.texts([(desk.simulator.person(n), "你好") for n in range(size)]))
        return lines(lambda: desk.read(verified))

    work(1)
    assert work(400) <= 4.2 * work(100)
