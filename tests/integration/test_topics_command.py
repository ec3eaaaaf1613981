"""`postroom topics`: rising phrases of what is in the table and in the archive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from infra.cli.app import app
from tests.fakes.archive_room import NOW, ArchiveRoom, open_archive_room_now


@pytest.fixture
def room() -> Iterator[ArchiveRoom]:
    with open_archive_room_now() as opened:
        yield opened


def test_what_is_hot_is_compared_with_what_is_archived(room: ArchiveRoom) -> None:
    before = [room.message("请问发票怎么开", received_at=NOW - timedelta(days=9, minutes=number)) for number in range(30)]
    room.file(*before)
    for number in range(12):
        room.keep_hot(
            room.message(f"付款页面打不开{number}", contact=f"u{number}", received_at=NOW - timedelta(hours=1 + number))
        )
    outcome = CliRunner().invoke(app, ["topics", "--json", "--by", "channel"])
    assert outcome.exit_code == 0, outcome.output
    first = json.loads(outcome.stdout.splitlines()[0])
    assert (first["group"], first["now"], first["before"]) == ("channel=generic", 12, 0)
    assert first["phrase"] in "付款页面打不开" and len(first["phrase"]) >= 4


def test_an_axis_that_is_none_is_refused(room: ArchiveRoom) -> None:
    outcome = CliRunner().invoke(app, ["topics", "--by", "mood"])
    assert outcome.exit_code == 1 and "not by mood" in outcome.output


def test_where_nothing_rises_it_says_so_beside_an_empty_list(room: ArchiveRoom) -> None:
    outcome = CliRunner().invoke(app, ["topics"])
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (0, "", "no phrase rises\n")
