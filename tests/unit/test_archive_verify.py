"""`postroom archive verify`: every way in which a part or a manifest can be wrong is named, and sound ones are called sound."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from functions.archive.bucket import manifest_object_key
from functions.archive.manifests import Manifest
from functions.common import keys
from infra.cli.app import app
from tests.fakes.archive_room import NOW, ArchiveRoom, open_archive_room

runner = CliRunner()


@pytest.fixture
def room() -> Iterator[ArchiveRoom]:
    with open_archive_room() as opened:
        yield opened


def verify(*arguments: str, code: int = 0) -> str:
    outcome = runner.invoke(app, ["archive", "verify", *arguments])
    assert outcome.exit_code == code, outcome.output
    return outcome.stdout


def filed(room: ArchiveRoom) -> Manifest:
    first, second = room.message("一"), room.message("二", received_at=NOW - timedelta(days=3, minutes=1))
    (manifest,) = room.file(first, second)
    return manifest


def body(room: ArchiveRoom, key: str) -> bytes:
    return room.bucket.client.get_object(Bucket=room.bucket.name, Key=key)["Body"].read()


def set_manifest(room: ArchiveRoom, manifest: Manifest, **changed: object) -> None:
    room.table.update(
        *keys.manifest_key(manifest.day, manifest.part),
        "SET " + ", ".join(f"#{name} = :{name}" for name in changed),
        values={f":{name}": value for name, value in changed.items()},
    )
    room.bucket.put_manifest(replace(manifest, **changed))  # type: ignore[arg-type]


def test_sound_parts_are_counted_and_nothing_is_wrong(room: ArchiveRoom) -> None:
    filed(room)
    room.file(room.message(channel="wechat_oa", received_at=NOW - timedelta(days=40)))
    assert verify().startswith("2 parts read, 3 messages sound")
    assert json.loads(verify("--json"))["problems"] == []


def test_messages_that_were_stored_late_are_where_their_manifest_says(room: ArchiveRoom) -> None:
    for day in (4, 3):
        late = room.message(received_at=NOW - timedelta(days=day))
        judged = replace(late.judged, late_at=NOW - timedelta(days=1, hours=day))
        room.file(room.message("一", received_at=NOW - timedelta(days=day, minutes=1)), replace(late, judged=judged))
    assert verify().startswith("2 parts read, 4 messages sound")


def test_an_empty_archive_is_sound(room: ArchiveRoom) -> None:
    assert verify().startswith("0 parts read")


def lose(room: ArchiveRoom, manifest: Manifest) -> None:
    room.bucket.remove_for_good(manifest.key)


def cut(room: ArchiveRoom, manifest: Manifest) -> None:
    room.bucket.put(manifest.key, body(room, manifest.key)[:-5])


def replace_with_text(room: ArchiveRoom, manifest: Manifest) -> None:
    room.bucket.put(manifest.key, b"not gzip")


def double(room: ArchiveRoom, manifest: Manifest) -> None:
    room.bucket.put(manifest.key, body(room, manifest.key) * 2)


def swap(room: ArchiveRoom, manifest: Manifest) -> None:
    lines = gzip.decompress(body(room, manifest.key)).splitlines(keepends=True)
    room.bucket.put(manifest.key, gzip.compress(b"".join(reversed(lines)), 6, mtime=0))


def count_wrongly(room: ArchiveRoom, manifest: Manifest) -> None:
    set_manifest(room, manifest, count=manifest.count + 1)


def date_wrongly(room: ArchiveRoom, manifest: Manifest) -> None:
    room.table.update(
        *keys.manifest_key(manifest.day, manifest.part), "SET #first = :first", values={":first": "2026-11-19T00:00:00.000Z"}
    )


def name_another_bundle(room: ArchiveRoom, manifest: Manifest) -> None:
    set_manifest(room, manifest, bundles=("b2",))


def date_late_ones_wrongly(room: ArchiveRoom, manifest: Manifest) -> None:
    set_manifest(room, manifest, late_until="2026-11-19T00:00:00.000Z")


def lose_manifest(room: ArchiveRoom, manifest: Manifest) -> None:
    room.bucket.remove_for_good(manifest_object_key(manifest.key))


def spoil_manifest(room: ArchiveRoom, manifest: Manifest) -> None:
    room.bucket.put(manifest_object_key(manifest.key), b"[]")


def lose_ledger_entry(room: ArchiveRoom, manifest: Manifest) -> None:
    room.table.delete(*keys.manifest_key(manifest.day, manifest.part))


DAMAGE: list[tuple[Callable[[ArchiveRoom, Manifest], None], str]] = [
    (lose, "not there"),
    (cut, "not one whole gzip member"),
    (replace_with_text, "not gzip"),
    (double, "not one whole gzip member"),
    (swap, "its manifest says"),
    (count_wrongly, "its manifest says count 3, it has 2"),
    (date_wrongly, "were not received from the manifest's first"),
    (name_another_bundle, "other bundles"),
    (date_late_ones_wrongly, "its late messages"),
    (lose_manifest, "not there"),
    (spoil_manifest, "not a manifest"),
    (lose_ledger_entry, "not in the ledger"),
]


@pytest.mark.parametrize(("damage", "named"), DAMAGE, ids=[damage.__name__ for damage, _ in DAMAGE])
def test_damage_is_named_with_its_place_and_the_exit_code_says_so(
    room: ArchiveRoom, damage: Callable[[ArchiveRoom, Manifest], None], named: str
) -> None:
    manifest = filed(room)
    room.file(room.message(received_at=NOW - timedelta(days=9)))
    damage(room, manifest)
    said = verify(code=1)
    wrong = [line for line in said.splitlines() if named in line]
    assert wrong, said
    assert manifest.part in wrong[0]
    assert json.loads(verify("--json", code=1))["problems"]


def test_what_a_crash_left_is_mentioned_and_is_no_problem(room: ArchiveRoom) -> None:
    (writing,) = room.file(room.message(), state="writing")
    room.file(room.message(contact="u2"), state="committed")  # its manifest object was still to be written
    said = verify()
    assert f"{writing.key}: belongs to no committed part" in said
    assert "1 parts read, 1 messages sound" in said


def test_only_the_days_and_channels_asked_for_are_read(room: ArchiveRoom) -> None:
    broken = filed(room)
    room.file(room.message(received_at=NOW - timedelta(days=40)))
    lose(room, broken)
    assert verify("--until", "2026-11-01").startswith("1 parts read")
    assert verify("--channel", "wechat_oa").startswith("0 parts read")
    verify("--since", "2026-11-02", code=1)


def test_a_day_that_is_none_is_one_clear_line(room: ArchiveRoom) -> None:
    outcome = runner.invoke(app, ["archive", "verify", "--since", "2026-02-30"])
    assert outcome.exit_code == 1
    assert outcome.output.strip() == "postroom: not a day: 2026-02-30"


def test_a_bucket_that_refuses_is_one_clear_line(room: ArchiveRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    filed(room)
    monkeypatch.setenv("ARCHIVE_BUCKET", "no-such-bucket")
    outcome = runner.invoke(app, ["archive", "verify"])
    assert outcome.exit_code == 1
    assert outcome.output.strip().splitlines()[-1].startswith("postroom: AWS: ")
