"""Every trap of docs/testing.md, and all that a channel must do, names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (
    (ROOT / "docs" / "testing.md").read_text(encoding="utf-8").partition("## Traps of the platforms")[2].partition("\n## ")[0]
)
TRAPS = {
    trap: re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
    for trap, tests in re.findall(r"^\| (T\d+) [^|]+\| (.+) \|$", PAGE, re.MULTILINE)
}


DUTIES = {
    what: re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
    for what, tests in re.findall(
        r"^\| ([^|]+) \| (`.+) \|$",
        (ROOT / "docs" / "testing.md")
        .read_text(encoding="utf-8")
        .partition("## What a channel must do")[2]
        .partition("\n## ")[0],
        re.MULTILINE,
    )
}


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_trap_has_its_row():
    assert list(TRAPS) == [f"T{number}" for number in range(1, 22)]


@pytest.mark.parametrize("trap", TRAPS)
def test_the_names_in_a_trap_exist(trap):
    assert TRAPS[trap]
    assert [name for path, name in TRAPS[trap] if name not in names_in(path)] == []


def test_what_a_channel_must_do_is_written_down():
    assert len(DUTIES) > 15


@pytest.mark.parametrize("what", DUTIES)
def test_the_names_behind_a_duty_exist(what):
    assert DUTIES[what]
    assert [name for path, name in DUTIES[what] if name not in names_in(path)] == []
