"""`postroom restore`: what was asked for comes back as it was, nothing is written over, and no part is believed unread."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from functions.archive.parts import Filed
from functions.archive.tombstones import Certificate, Tombstones
from functions.common import keys
from functions.common.store import Conversation
from infra.cli.app import app
from infra.records.restore import Restored, Restorer, Wanted
from tests.fakes.archive_room import NOW, ArchiveRoom, open_archive_room
from tests.fakes.deaths import Death, Watch, watching

runner = CliRunner()


@pytest.fixture
def room() -> Iterator[ArchiveRoom]:
    with open_archive_room() as opened:
        yield opened


def conv(filed: Filed) -> str:
    return keys.split(filed.judged.message.message_id).conv


def restored(room: ArchiveRoom, wanted: Wanted = Wanted(), **more: Any) -> Restored:  # noqa: B008
    more = {"now": NOW, "tombstones": Tombstones(room.table, room.bucket), "writers": 1} | more
    restorer = Restorer(room.table, room.catalogue, **more)
    return restorer.restore(wanted, room.catalogue.parts("2026-01-01", "2026-12-31"))


def run(*arguments: str, code: int = 0) -> str:
    outcome = runner.invoke(app, ["restore", *arguments])
    assert outcome.exit_code == code, outcome.output
    return outcome.output.strip().splitlines()[-1] if code else outcome.stdout.strip()


def test_a_conversation_comes_back_as_it_was_and_no_other(room: ArchiveRoom) -> None:
    one, other = room.message("退款什么时候到?", replied=True), room.message("你好", contact="u2")
    room.file(one, other)
    assert "1 messages restored, 1 replies" in run("--conversation", conv(one))
    assert room.store.messages(conv(one)) == [one.judged]
    assert room.store.reply(one.judged.message.message_id) == one.reply
    assert room.store.messages(conv(other)) == []


def test_a_second_restore_changes_nothing(room: ArchiveRoom) -> None:
    room.file(room.message(replied=True), room.message(contact="u2"))
    restored(room)
    before = room.items()
    again = restored(room)
    assert (again.messages, again.replies, again.kept) == (0, 0, 2)
    assert room.items() == before


def test_what_is_in_the_table_is_never_written_over(room: ArchiveRoom) -> None:
    filed = room.message("如归档时", replied=True)
    room.file(filed)
    newer = replace(filed.judged, judgement=replace(filed.judged.judgement, business="complaint"))
    room.keep_hot(Filed(judged=newer, reply=None))
    before = room.items("M#") + room.items("@")
    outcome = restored(room)
    assert (outcome.messages, outcome.kept, outcome.replies) == (0, 1, 1)
    assert room.items("M#") + room.items("@") == before


def test_a_dry_run_says_the_same_and_writes_nothing(room: ArchiveRoom) -> None:
    room.file(room.message(replied=True), room.message(contact="u2"))
    room.keep_hot(room.message(contact="u3"))
    before = room.items()
    told = restored(room, dry_run=True)
    assert room.items() == before
    assert restored(room) == told


def test_what_is_brought_back_expires_again_and_is_not_archived_again(room: ArchiveRoom) -> None:
    (manifest,) = room.file(room.message(replied=True))
    restored(room, keep=timedelta(days=10))
    for item in room.items("M#") + room.items("R#"):
        assert item["exp"] == int((NOW + timedelta(days=10)).timestamp())
        assert item["archived"] == manifest.part
    assert "archive_pk" not in room.items("@")[0]


def test_a_message_that_is_about_to_vanish_stays(room: ArchiveRoom) -> None:
    filed = room.message()
    room.file(filed)
    restored(room, now=NOW - timedelta(days=40))  # its expiry is past, and DynamoDB has not come round to it
    outcome = restored(room)
    assert (outcome.messages, outcome.prolonged) == (0, 1)
    assert room.items("M#")[0]["exp"] == int((NOW + timedelta(days=30)).timestamp())


def test_a_message_that_no_part_holds_gets_no_expiry(room: ArchiveRoom) -> None:
    filed = room.message()
    room.file(filed)
    room.keep_hot(filed)
    assert restored(room).kept == 1
    assert "exp" not in room.items("M#")[0]


def test_a_conversation_that_is_gone_is_made_anew_from_its_messages(room: ArchiveRoom) -> None:
    first = room.message("一", received_at=NOW - timedelta(days=5), name="小王", locale="zh_CN")
    last = room.message("退订", received_at=NOW - timedelta(days=3))
    last = replace(last, judged=replace(last.judged, seq=2, judgement=replace(last.judged.judgement, opt_out=True)))
    room.file(last, first)
    assert restored(room).conversations == 1
    made = room.store.conversation(conv(first))
    assert made is not None
    assert (made.channel, made.account, made.contact, made.name, made.locale) == ("generic", "demo", "u1", "小王", "zh_CN")
    assert (made.count, made.status, made.unarchived_since, made.opted_out) == (2, "idle", None, True)
    assert (made.first_at, made.last_at) == (first.judged.message.received_at, last.judged.message.received_at)


@pytest.mark.parametrize("together", [True, False])
def test_a_conversation_is_made_anew_as_the_newest_part_knows_it(room: ArchiveRoom, together: bool) -> None:
    first, last = (room.message(received_at=NOW - timedelta(days=days)) for days in (9, 3))
    began = first.judged.message.received_at
    knew = Conversation(
        conv=conv(first), channel="generic", account="demo", contact="u1", count=1, first_at=began, last_at=began
    )
    knows = replace(knew, count=2, last_at=last.judged.message.received_at, opted_out=True, blocked=True, tags=("vip",))
    room.file(replace(first, conversation=knew), replace(last, conversation=knows))
    days = ("2026-01-01",) if together else ("2026-11-16", "2026-01-01")
    for day in days:  # a newer part may come first
        parts = room.catalogue.parts(day, "2026-12-31")
        Restorer(room.table, room.catalogue, now=NOW, tombstones=Tombstones(room.table, room.bucket), writers=1).restore(
            Wanted(), parts
        )
    made = room.store.conversation(conv(first))
    assert made is not None
    assert (made.opted_out, made.blocked, made.tags, made.count) == (True, True, ("vip",), 2)
    assert (made.first_at, made.last_at, made.status) == (began, last.judged.message.received_at, "idle")


def test_a_conversation_that_is_there_stays_as_it_is(room: ArchiveRoom) -> None:
    room.file(room.message(received_at=NOW - timedelta(days=9)))
    room.keep_hot(room.message())
    before = room.items("@")
    restored(room)
    assert room.items("@") == before


def test_an_erased_person_stays_erased(room: ArchiveRoom) -> None:
    gone, other = room.message(), room.message(contact="u2")
    room.file(gone, other)
    tombstones = Tombstones(room.table)
    tombstones.raise_over(Certificate(id="c", at=NOW, conversations=(tombstones.hash_of(conv(gone)),), backups_until=NOW))
    assert restored(room, dry_run=True) == restored(room)
    outcome = restored(room)
    assert (outcome.erased, outcome.messages, outcome.kept) == (1, 0, 1)
    assert {item["pk"] for item in room.items()} == {keys.conversation_pk(conv(other))}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--contact", "u1"], 2),
        (["--contact", "+8613912345678"], 1),
        (["--contact", "u1", "--channel", "wechat_oa"], 1),
        (["--contact", "u1", "--account", "other"], 0),
        (["--day", "2026-11-19"], 2),
        (["--since", "2026-11-18", "--until", "2026-11-19T00:00+08:00"], 1),
        (["--since", "2026-11-18"], 3),
    ],
)
def test_what_is_asked_for_is_what_comes(room: ArchiveRoom, arguments: list[str], expected: int) -> None:
    day = datetime(2026, 11, 19, tzinfo=UTC)
    room.file(
        room.message(received_at=day),
        room.message(channel="wechat_oa", received_at=day - timedelta(hours=8, milliseconds=1)),  # 11-18 in Shanghai
        room.message(contact="+8613912345678", received_at=day + timedelta(hours=15, minutes=59)),
    )
    assert json.loads(run(*arguments, "--json"))["messages"] == expected
    assert len(room.items("M#")) == expected


def test_a_part_that_is_not_what_its_manifest_says_is_not_used(room: ArchiveRoom) -> None:
    (manifest,) = room.file(room.message())
    whole = room.bucket.client.get_object(Bucket=room.bucket.name, Key=manifest.key)["Body"].read()
    room.bucket.put(manifest.key, whole[:-3])
    assert manifest.key in run("--day", "2026-11-19", code=1)
    assert room.items() == []


def test_a_part_that_was_not_committed_does_not_exist(room: ArchiveRoom) -> None:
    room.file(room.message(), state="writing")
    assert restored(room).parts == 0


def test_a_restore_that_dies_goes_on_where_it_stopped(room: ArchiveRoom) -> None:
    room.file(*(room.message(contact=f"u{n}", replied=True) for n in range(4)))
    whole = restored(room, dry_run=True)
    with watching(Watch(at=24)), pytest.raises(Death):
        restored(room)
    assert 0 < len(room.items("M#")) < 4
    done = restored(room)
    assert done.messages + done.kept == whole.messages
    assert len(room.items("M#")) == len(room.items("R#")) == len(room.items("@")) == 4


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "say what to restore"),
        (["--channel", "generic"], "say what to restore"),
        (["--day", "2026-02-30"], "not a day or a time: 2026-02-30"),
        (["--day", "2026-11-19", "--since", "2026-11-18"], "in one way"),
        (["--since", "2026-11-20", "--until", "2026-11-18"], "ends before it begins"),
        (["--until", "2026-11-18"], "not since when"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(room: ArchiveRoom, arguments: list[str], why: str) -> None:
    assert why in run(*arguments, code=1)


def test_a_full_disk_is_one_clear_line_and_nothing_is_restored(room: ArchiveRoom) -> None:
    room.file(room.message())
    with mock.patch("infra.records.catalogue._Copied.read", side_effect=OSError(28, "No space left on device", "/tmp/part")):
        assert run("--day", "2026-11-19", code=1).endswith("/tmp/part: No space left on device")
    assert room.items() == []


def test_february_has_its_leap_day() -> None:
    from infra.records.period import Asked, read_period
    from tests.fakes.archive_room import SHANGHAI

    leap = read_period(Asked(day="2028-02-29"), now=NOW, zone=SHANGHAI)
    assert leap is not None
    assert leap.until - leap.since == timedelta(days=1)
