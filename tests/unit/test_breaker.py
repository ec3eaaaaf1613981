"""The circuit breaker of an account works over all the processes that send for it, for a few writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from functions.autoreply.breaker import THRESHOLD, Breaker
from functions.autoreply.circuit_board import LOOK_EVERY, PARTITION, CircuitBoard
from functions.common import aws
from functions.common.errors import Unavailable
from functions.common.table import Table
from tests.contract.test_store import new_table
from tests.fakes.reply_desk import OPEN

DEMO = ("generic", "demo")


@pytest.fixture
def table() -> Iterator[Table]:
    with mock_aws():
        aws.client.cache_clear()
        yield new_table(aws.client("dynamodb"))
        aws.client.cache_clear()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    for name in ("update", "query"):
        verb = getattr(Table, name)

        def noted(*arguments: Any, verb: Any = verb, name: str = name, **named: Any) -> Any:
            made.append(name)
            return verb(*arguments, **named)

        monkeypatch.setattr(Table, name, noted)
    return made


def processes(table: Table, count: int = 2) -> list[Breaker]:
    return [Breaker(CircuitBoard(table)) for _ in range(count)]


def fail(breaker: Breaker, times: int = THRESHOLD, after: float = 0) -> None:
    for _ in range(times):
        breaker.note(*DEMO, reached=False, now=OPEN + timedelta(seconds=after))


def left(breaker: Breaker, after: float) -> int:
    return breaker.seconds_left(*DEMO, OPEN + timedelta(seconds=after))


def test_what_one_process_finds_out_every_other_knows_within_its_look(table: Table) -> None:
    one, *others = processes(table, 5)
    assert [left(each, 0) for each in others] == [0] * 4
    fail(one)
    assert left(one, 1) == 30
    assert [left(each, LOOK_EVERY.total_seconds()) for each in others] == [16] * 4
    assert others[0].seconds_left("generic", "other", OPEN + LOOK_EVERY) == 0


def test_when_its_time_is_over_one_process_is_let_through_and_the_others_wait_for_what_it_finds(table: Table) -> None:
    breakers = processes(table, 5)
    fail(breakers[0])
    assert sorted(left(each, 31) for each in breakers) == [0, 61, 61, 61, 61]
    assert sorted(left(each, 32) for each in breakers) == [0, 60, 60, 60, 60], "the one may go on until it has tried"
    assert sorted(left(each, 32.5 + LOOK_EVERY.total_seconds()) for each in breakers)[:2] == [0, 44]


def test_who_was_let_through_and_sent_nothing_lets_its_next_message_try(table: Table) -> None:
    one, other = processes(table)
    fail(one)
    assert (left(one, 31.123456), left(one, 50), left(other, 50)) == (
        0,
        0,
        42,
    )  # a message that was not to be answered after all
    fail(one, 1, after=51)
    assert (left(one, 52), left(other, 70)) == (60, 42), "it has tried"
    assert left(other, 115) == 0
    other.note(*DEMO, reached=True, now=OPEN + timedelta(seconds=116))
    assert (left(one, 120), left(other, 120)) == (0, 0)


def test_a_send_that_went_through_lets_everybody_through_again(table: Table) -> None:
    one, other = processes(table)
    fail(one)
    assert left(other, 31) == 0
    other.note(*DEMO, reached=True, now=OPEN + timedelta(seconds=32))
    assert (left(other, 33), left(one, 50)) == (0, 0)
    fail(one, THRESHOLD - 1, after=51)
    assert left(one, 52) == 0, "and counting begins anew"


def test_a_probe_that_fails_keeps_the_account_alone_for_twice_as_long_up_to_five_minutes(table: Table) -> None:
    one, other = processes(table)
    fail(one)
    at, waits = 31.0, []
    for _ in range(5):
        assert left(other, at) == 0
        fail(other, 1, after=at)
        waits.append(left(other, at))
        at += waits[-1] + LOOK_EVERY.total_seconds()
    assert waits == [61, 121, 241, 301, 301]


def test_only_changes_are_written_and_looks_are_shared(table: Table, calls: list[str]) -> None:
    (one,) = processes(table, 1)
    for second in range(30):
        assert left(one, second) == 0
        one.note(*DEMO, reached=True, now=OPEN + timedelta(seconds=second))
    assert calls == ["query", "query"]
    fail(one, THRESHOLD - 1, after=29)
    assert "update" not in calls
    fail(one, 1, after=29)
    assert calls.count("update") == 1


def test_without_the_table_a_process_goes_by_what_it_knows(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = processes(table, 1)

    def away(*_: object, **__: object) -> object:
        raise Unavailable("table")

    monkeypatch.setattr(Table, "query", away)
    monkeypatch.setattr(Table, "update", away)
    assert left(one, 0) == 0
    fail(one)
    assert left(one, 1) == 30
    one.note(*DEMO, reached=True, now=OPEN + timedelta(seconds=2))
    assert left(one, 3) == 0


def test_an_item_that_is_over_goes_by_itself(table: Table) -> None:
    (one,) = processes(table, 1)
    fail(one)
    (item,) = table.query("pk = :pk", {":pk": PARTITION})
    assert item["sk"] == "generic/demo" and item["exp"] == int((OPEN + timedelta(days=1, seconds=30)).timestamp())
