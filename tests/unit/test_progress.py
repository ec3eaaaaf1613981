"""How far long work has come: a bar at a terminal, plain lines elsewhere, and the result's own stream left alone."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from unittest import mock

import pytest
from typer.testing import CliRunner

from infra.cli.app import app
from infra.records import progress
from infra.records.progress import ticks, told
from tests.fakes.archive_room import ArchiveRoom
from tests.unit.test_person_rights import room

__all__ = ["room"]

ANNA = ("generic", "demo", "anna")
LONG = [
    ("archive", "verify"),
    ("restore", "--all", "--dry-run"),
    ("search", "--since", "2026-10-01"),
    ("export", "--to", "pack.zip"),
    ("retention", "preview"),
    ("person", "export", *ANNA, "--to", "anna.zip"),
    ("person", "erase", *ANNA, "--dry-run"),
    ("person", "erase", *ANNA, "--yes"),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_now_and_then_and_one_at_the_end() -> None:
    clock = itertools.count(0.0, 3.0)
    stream = io.StringIO()
    assert list(told("abcd", "parts", total=4, stream=stream, clock=lambda: next(clock))) == list("abcd")
    assert stream.getvalue() == "parts: 2 of 4\nparts: 4 of 4\nparts: 4, done\n"


def test_of_nothing_to_do_nothing_is_said() -> None:
    stream = io.StringIO()
    assert list(told((), "parts", total=0, stream=stream)) == []
    assert stream.getvalue() == ""


def test_a_bar_at_a_terminal_which_leaves_no_line_behind() -> None:
    stream = Terminal()
    assert list(told("ab", "parts", total=2, stream=stream)) == ["a", "b"]
    said = stream.getvalue()
    assert "parts" in said and "2/2" in said and "━" in said
    assert "done" not in said


def test_what_calls_when_something_is_done_is_told_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    with mock.patch.object(progress, "SECONDS_BETWEEN_LINES", 0.0), ticks("parts") as seen:
        for _ in range(3):
            seen(object())
    assert capsys.readouterr().err == "parts: 1\nparts: 2\nparts: 3\n"


@pytest.mark.parametrize("words", LONG, ids=" ".join)
def test_every_long_command_tells_how_far_it_is(room: ArchiveRoom, words: tuple[str, ...]) -> None:
    begun: list[str] = []

    def noted(work: Iterator[object], what: str, *rest: object, **more: object) -> Iterator[object]:
        begun.append(what)
        yield from work

    with mock.patch.object(progress, "_lines", noted):
        outcome = CliRunner().invoke(app, list(words))
    assert outcome.exit_code == 0, outcome.output
    assert begun
