"""What a channel's work on any bytes may cost, counted and not timed: the lines of ours that run, and the bytes and characters that are
handed to what runs in C (JSON, forms, patterns). docs/testing.md says what the two make in milliseconds.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from re import _parser as sre  # type: ignore[attr-defined]
from types import FrameType, ModuleType
from typing import Any
from unittest import mock

import pytest

import functions.channels as channels
from functions.channels.codecs import strict_json
from functions.common.errors import MalformedPayload
from functions.ingest.gateway_event import query_pairs
from functions.ingest.service import MAX_BODY
from tests.fakes.channel_places import PLACES, WORST, Desk, largest
from tests.fakes.simulated_platform import NOW

every = pytest.mark.parametrize("place", PLACES, ids="/".join)
# At some ten million lines a second these are twenty milliseconds.
MOST_LINES = 200_000
# JSON is read at some fifty megabytes a second at worst, patterns far faster: of what may come, five times over.
MOST_BYTES = 5 * MAX_BODY


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


# --- The largest body that ingest takes


class Fed:
    """How many bytes and characters were handed to C."""

    def __init__(self) -> None:
        self.count = 0

    def through(self, real: Callable[..., Any], place: int = 0) -> Callable[..., Any]:
        """The same function, whose argument in this place is counted."""

        def counted(*arguments: Any, **named: Any) -> Any:
            self.count += len(arguments[place])
            return real(*arguments, **named)

        return counted


class CountedPattern:
    """A compiled pattern that counts what it is asked to look through."""

    def __init__(self, real: re.Pattern[Any], fed: Fed) -> None:
        self._real, self._fed = real, fed

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._fed.through(found, 1 if name in ("sub", "subn") else 0) if callable(found) else found


def modules() -> Iterator[ModuleType]:
    """Every module of the channels."""
    for found in pkgutil.walk_packages(channels.__path__, "functions.channels."):
        yield importlib.import_module(found.name)


@contextmanager
def counted() -> Iterator[Fed]:
    """Count what patterns, JSON and forms are fed."""
    fed = Fed()
    with mock.patch.object(json, "loads", fed.through(json.loads)):
        patches = [
            mock.patch.object(module, name, CountedPattern(value, fed) if isinstance(value, re.Pattern) else fed.through(value))
            for module in modules()
            for name, value in vars(module).items()
            if isinstance(value, re.Pattern) or name in ("parse_qsl", "unescape", "message_from_bytes")
        ]
        for each in patches:
            each.start()
        try:
            yield fed
        finally:
            for each in patches:
                each.stop()


@every
@pytest.mark.parametrize("shape", WORST)
def test_the_largest_body_of_any_shape_costs_a_bounded_number_of_lines_and_bytes(place, shape):
    desk = Desk(place)
    genuine = desk.verified(desk.text())
    body = largest(shape)
    assert MAX_BODY // 2 < len(body) <= MAX_BODY
    verified = replace(genuine, request=replace(genuine.request, body=body))
    desk.read(genuine)  # imports
    with counted() as fed:
        assert lines(lambda: desk.read(verified)) <= MOST_LINES
    assert fed.count <= MOST_BYTES


@every
@pytest.mark.parametrize("shape", WORST)
def test_so_does_verifying_it_whoever_sent_it(place, shape):
    desk = Desk(place)
    genuine = desk.text()
    request = desk.request(genuine, body=largest(shape))
    desk.verified(genuine)  # imports
    with counted() as fed:
        assert lines(lambda: desk.adapter.verify(request, desk.credentials, NOW)) <= MOST_LINES
    assert fed.count <= MOST_BYTES


@pytest.mark.parametrize("begin", [b"{", b"["])
def test_more_objects_and_lists_than_any_batch_has_are_refused_before_they_are_read(begin):
    end = b"}" if begin == b"{" else b"]"
    most = b"[" + b",".join([begin + end] * (strict_json.MAX_CONTAINERS - 1)) + b"]"
    assert len(strict_json.parse(most)) == strict_json.MAX_CONTAINERS - 1
    with mock.patch.object(json, "loads") as read, pytest.raises(MalformedPayload):
        strict_json.parse(most[:-1] + b"," + begin + end + b"]")
    assert not read.called


def test_braces_in_a_text_are_words_and_no_objects():
    words = '{"a":[\\" ' * 12_000
    assert strict_json.parse(json.dumps({"text": words}).encode()) == {"text": words}
    with pytest.raises(MalformedPayload, match="not JSON"):
        strict_json.parse(b'{"text":"' + b"{" * 30_000)


def test_json_beyond_what_a_pulled_page_may_have_is_refused_before_it_is_read():
    with mock.patch.object(json, "loads") as read, pytest.raises(MalformedPayload):
        strict_json.parse(b" " * (strict_json.MAX_BYTES + 1))
    assert not read.called


# --- Patterns

# Of what we say ourselves, to split it: nothing of theirs can fail, so nothing is tried twice.
OURS = {"text_parts._ATOM", "text_parts._ONE"}


def patterns() -> dict[str, re.Pattern[Any]]:
    """Every compiled pattern of the channels by its name."""
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": value
        for module in modules()
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern)
    }


def endless(node: Any) -> Iterator[bool]:
    """Every repeat without an end that may give back what it took: whether it is the last thing in its pattern."""
    for place, (op, argument) in enumerate(node):
        last = place == len(node) - 1
        if str(op) in ("MAX_REPEAT", "MIN_REPEAT"):
            _, most, inner = argument
            yield from (False for _ in endless(inner))
            if str(most) == "MAXREPEAT":
                yield last
        else:
            yield from (last and found for part in parts(argument) for found in endless(part))


def parts(argument: Any) -> Iterator[Any]:
    """The patterns within an operation's argument."""
    for each in argument if isinstance(argument, list | tuple) else ():
        if hasattr(each, "getwidth"):
            yield each
        elif isinstance(each, list):
            yield from (inner for inner in each if hasattr(inner, "getwidth"))


@pytest.mark.parametrize("name", sorted(patterns().keys() - OURS))
def test_no_pattern_looks_at_the_same_text_again_and_again(name):
    """Repeats have an end. One that has none is the last thing in its pattern, and in no other repeat: nothing behind it can fail."""
    parsed = sre.parse(patterns()[name].pattern, patterns()[name].flags & ~re.DEBUG)
    assert all(endless(parsed))


@pytest.mark.parametrize("bad", [r"<@(?:\|[^>]*)?>", r"(a+)+", r"\s*\s*x", r"([+.-].*)?@.*", r"(?:a|b*)c"])
def test_what_would_is_found(bad):
    assert not all(endless(sre.parse(bad)))
