"""The kill switch: who stopped what, that it is seen in time, and that nothing is sent when nobody can know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from moto import mock_aws
from typer.testing import CliRunner

from functions.autoreply.backlog import COUNT_EVERY, Backlog
from functions.autoreply.stop_board import HISTORY, LOOK_EVERY, PARTITION, Change, NoScope, StopBoard, scope_of
from functions.common import aws
from functions.common.dynamo_store import DynamoStore
from functions.common.errors import Unavailable
from functions.common.store import Conversation
from functions.common.table import ConditionFailed, Table
from infra.cli.app import app
from tests.contract.test_store import new_table

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


class Times:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def table() -> Iterator[Table]:
    with mock_aws():
        aws.client.cache_clear()
        yield new_table(aws.client("dynamodb"))
        aws.client.cache_clear()


def change(scope: str, act: str = "stop", **more: object) -> Change:
    return Change(**{"scope": scope, "act": act, "by": "mei", "at": NOW, "why": "wrong price"} | more)  # type: ignore[arg-type]


def test_a_stop_is_seen_within_thirty_seconds_and_a_start_too(table: Table) -> None:
    clock = Times()
    there, here = StopBoard(table, clock), StopBoard(table, clock)
    assert there.current().scopes == frozenset()
    here.note(change("channel:generic"))
    assert there.current().of_account("generic", "demo") is None, "read a moment ago"
    clock.now += timedelta(seconds=30)
    assert timedelta(seconds=15) >= LOOK_EVERY
    assert there.current().of_account("generic", "demo") == "channel:generic"
    assert there.current().of_account("twilio", "demo") is None
    here.note(change("channel:generic", "start"))
    assert here.current().scopes == frozenset(), "who changes it sees it at once"
    clock.now += timedelta(seconds=30)
    assert there.current().scopes == frozenset()


def test_what_took_too_long_to_be_read_is_not_relied_on(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Times()
    board, query = StopBoard(table, clock), Table.query

    def slow(*a: object, **k: object) -> object:
        clock.now += LOOK_EVERY
        return query(*a, **k)  # type: ignore[arg-type]

    monkeypatch.setattr(Table, "query", slow)
    with pytest.raises(Unavailable):
        board.current()
    monkeypatch.setattr(Table, "query", query)
    assert board.current().scopes == frozenset(), "and is read anew"


def test_a_stop_ends_by_itself_also_between_two_looks(table: Table) -> None:
    clock = Times()
    board = StopBoard(table, clock)
    board.note(change("all", until=NOW + timedelta(seconds=5)))
    assert board.current().of_account("generic", "demo") == "all"
    clock.now += timedelta(seconds=5)
    assert board.current().scopes == frozenset()


def test_looks_are_shared_by_the_messages_of_a_process(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, looks = Times(), []
    query = Table.query
    monkeypatch.setattr(Table, "query", lambda *a, **k: looks.append(1) or query(*a, **k))
    board = StopBoard(table, clock)
    for _ in range(60):
        board.current()
        clock.now += timedelta(seconds=1)
    assert len(looks) == 4


def test_who_when_and_why_are_kept_and_two_operators_at_once_lose_nothing(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Times()
    mine, theirs = StopBoard(table, clock), StopBoard(table, clock)
    update, raced = Table.update, []

    def beaten(*arguments: object, **named: object) -> object:
        if not raced:
            raced.append(1)
            theirs.note(change("all", by="bo"))
        return update(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Table, "update", beaten)
    mine.note(change("all", "start", why="mended"))
    assert [(each.act, each.by, each.why) for each in mine.history("all")] == [
        ("stop", "bo", "wrong price"),
        ("start", "mei", "mended"),
    ]


def test_a_scope_that_keeps_changing_is_no_silent_success(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> object:
        raise ConditionFailed(None)

    monkeypatch.setattr(Table, "update", refused)
    with pytest.raises(Unavailable):
        StopBoard(table, Times()).note(change("all"))


def test_the_past_is_bounded(table: Table) -> None:
    board = StopBoard(table, Times())
    past = [{"act": "stop", "by": "x", "at": "2026-01-01T00:00:00.000Z", "why": str(n), "until": ""} for n in range(HISTORY)]
    table.put({"pk": PARTITION, "sk": "all", **past[-1], "history": past})
    board.note(change("all", why="newest"))
    assert len(board.history("all")) == HISTORY and board.history("all")[-1].why == "newest"


@pytest.mark.parametrize(
    "text", ["", "everything", "channel:", "account:generic", "rule:Return How", "channel:generic/x", "all!"]
)
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(NoScope):
        scope_of(text)


def test_the_commands_stop_start_and_list(table: Table) -> None:
    def said(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, [*words, "--table", table.name])
        assert result.exit_code == code, result.output
        return result.output.strip()

    assert said("stops") == "nothing is stopped"
    assert said("stop", "global", "--why", "loop", "--by", "mei", "--for", "2h").startswith("stopped: all, until 20")
    said("stop", "rule:return_how", "--why", "out of date", "--by", "bo")
    listed = said("stops")
    assert "all  stop by mei" in listed and ": loop" in listed and "rule:return_how  stop by bo" in listed
    assert said("start", "all", "--by", "mei", "--why", "mended") == "started: all"
    assert [each["scope"] for each in json.loads(said("stops", "--json"))["stops"]] == ["rule:return_how"]
    assert "all  start by mei" in said("stops", "--all") and "all  stop by mei" in said("stops", "--all")
    assert "is no scope" in said("stop", "nothing", "--why", "x", code=1)
    assert "no length of time" in said("stop", "all", "--why", "x", "--for", "soon", code=2)


def test_a_teams_backlog_is_counted_once_a_minute_over_all_that_waits(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    store, clock = DynamoStore(table, shards=4), Times()
    for number, (team, status) in enumerate(
        [("a", "waiting"), ("a", "held"), ("a", "escalated"), ("a", "idle"), ("b", "waiting")]
    ):
        before = Conversation(conv=f"conv{number:012d}", channel="generic", account="demo", contact=f"u{number}")
        store.apply(before, replace(before, status=status, team=team, due_at=NOW))  # type: ignore[arg-type]
    backlog = Backlog(table, shards=4, clock=clock)
    assert (backlog.of("a"), backlog.of("b"), backlog.of("c")) == (3, 1, 0)
    asked: list[object] = []
    query = Table.query
    monkeypatch.setattr(Table, "query", lambda *a, **k: asked.append(k.get("limit")) or query(*a, **k))
    assert backlog.of("a") == 3 and asked == []
    clock.now += COUNT_EVERY
    assert backlog.of("a") == 3 and len(asked) == 12 and all(asked), "bounded"
