"""`postroom hold` as its user meets it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from typer.testing import CliRunner, Result

from functions.common.clock import system_clock
from infra.cli.app import app
from tests.fakes.archive_room import ArchiveRoom, open_archive_room


@pytest.fixture
def room() -> Iterator[ArchiveRoom]:
    with open_archive_room() as opened:
        yield opened


def postroom(*words: str) -> Result:
    return CliRunner().invoke(app, ["hold", *words])


def test_a_hold_is_put_listed_and_lifted(room: ArchiveRoom) -> None:
    put = postroom("add", "--contact", "generic", "u1", "--because", "case 7", "--by", "lee")
    assert put.exit_code == 0, put.output
    assert put.output == "contact#generic#u1 is held\n"
    assert "as it was before" in postroom("add", "--contact", "generic", "u1", "--because", "case 9", "--by", "kim").output
    assert "by lee: case 7" in postroom("list").output
    (told,) = json.loads(postroom("list", "--json").output)["holds"]
    assert (told["kind"], told["channel"], told["name"], told["because"]) == ("contact", "generic", "u1", "case 7")
    assert postroom("remove", "--contact", "generic", "u1").exit_code == 0
    assert postroom("list").output == "no holds\n"


def test_originals_of_a_contact_that_is_held_are_kept_at_once(room: ArchiveRoom) -> None:
    filed = room.message(contact="u1", received_at=system_clock() - timedelta(days=29))
    room.file(filed, room.message(contact="u2", received_at=system_clock() - timedelta(days=29)))
    message_id = filed.judged.message.message_id
    room.store.add_original(message_id, b"sealed", system_clock() + timedelta(minutes=5))
    told = json.loads(postroom("add", "--contact", "generic", "u1", "--because", "7", "--by", "lee", "--json").output)
    assert told["originals_kept"] == 1
    assert [("exp" in item) for item in room.items("V#")] == [False]


def test_originals_of_what_is_in_no_part_yet_are_kept_at_once_too(room: ArchiveRoom) -> None:
    filed = room.message(contact="u1", received_at=system_clock() - timedelta(days=1))
    room.keep_hot(filed)
    room.store.add_original(filed.judged.message.message_id, b"sealed", system_clock() + timedelta(days=29))
    told = json.loads(postroom("add", "--contact", "generic", "u1", "--because", "7", "--by", "lee", "--json").output)
    assert told["originals_kept"] == 1


def test_a_conversation_is_held_by_its_key(room: ArchiveRoom) -> None:
    assert postroom("add", "--conversation", "a" * 16, "--because", "case 7", "--by", "lee").exit_code == 0
    assert "conversation#aaaaaaaaaaaaaaaa" in postroom("list").output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["add", "--because", "x", "--by", "lee"], "say what to hold"),
        (["add", "--because", "x", "--by", "lee", "--conversation", "c", "--contact", "generic", "u1"], "say what to hold"),
        (["remove", "--contact", "generic", "nobody"], "no hold contact#generic#nobody"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(room: ArchiveRoom, words: list[str], told: str) -> None:
    outcome = postroom(*words)
    assert outcome.exit_code == 1
    assert told in str(outcome.output) and outcome.output.count("\n") == 1
