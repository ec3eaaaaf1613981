"""Whatever second copies there are, an erasure reaches them without being told; one that does not answer leaves it incomplete."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from typer.testing import CliRunner

from functions.archive import places
from functions.archive.bucket import ArchiveBucket, manifest_object_key
from functions.archive.manifests import Ledger
from functions.archive.parts import line
from functions.archive.places import Place
from functions.archive.tombstones import Tombstones
from functions.common import aws
from infra.cli.app import app
from tests.fakes.archive_room import NOW, ArchiveRoom
from tests.unit.test_person_rights import ANNA, assert_gone, live, person, room

__all__ = ["room"]

runner = CliRunner()
SECRET = '{"access_key_id": "other", "secret_access_key": "store"}'


def copied(room: ArchiveRoom, bucket: Any) -> None:
    """Every part and manifest, and a part that no ledger knows: left by a run that died, say."""
    s3 = room.bucket.client
    for found in s3.list_objects_v2(Bucket=room.bucket.name)["Contents"]:
        if not found["Key"].startswith("_copies"):
            body = s3.get_object(Bucket=room.bucket.name, Key=found["Key"])["Body"].read()
            bucket.client.put_object(Bucket=bucket.name, Key=found["Key"], Body=body)
            if found["Key"].startswith("dt=") and "安娜".encode() in gzip.decompress(body):
                bucket.client.put_object(Bucket=bucket.name, Key=found["Key"].replace("part-", "part-stray-"), Body=body)


def held_in(bucket: Any) -> str:
    listed = bucket.client.list_object_versions(Bucket=bucket.name).get("Versions", [])
    bodies = [
        bucket.client.get_object(Bucket=bucket.name, Key=v["Key"], VersionId=v["VersionId"])["Body"].read() for v in listed
    ]
    return "".join((gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode() for body in bodies)


def versioned(name: str, **client: Any) -> ArchiveBucket:
    s3 = boto3.client("s3", region_name="us-east-1", **client)
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return ArchiveBucket(s3, name)


@contextmanager
def another_store(port: int = 0) -> Iterator[ThreadedMotoServer]:
    """A store that speaks S3 at an address of its own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def endpoint(server: ThreadedMotoServer) -> str:
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


@pytest.fixture
def elsewhere(room: ArchiveRoom) -> Iterator[Callable[[], ArchiveBucket]]:
    """A copy in another store, which the archive noted when it began to copy; called, it answers from then on."""
    aws.s3_elsewhere.cache_clear()
    secret = aws.client("secretsmanager").create_secret(Name="minio", SecretString=SECRET)["Name"]
    with another_store() as server:
        address = endpoint(server)
        keys = {"aws_access_key_id": "other", "aws_secret_access_key": "store"}
        bucket = versioned("minio-copy", endpoint_url=address, **keys)
        copied(room, bucket)
    places.note(room.bucket, Place(bucket="minio-copy", endpoint=address, secret=secret))
    servers: list[ThreadedMotoServer] = []

    def answer() -> ArchiveBucket:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(address.rpartition(":")[2]), verbose=False)
        server.start()
        servers.append(server)
        return bucket

    yield answer
    for server in servers:
        server.stop()
    aws.s3_elsewhere.cache_clear()


def test_a_copy_that_the_archive_noted_is_cleared_without_being_named(room: ArchiveRoom) -> None:
    bucket = versioned("copy")
    copied(room, bucket)
    places.note(room.bucket, Place(bucket="copy"))
    assert "anna" in held_in(bucket)
    person("erase", "--yes")
    assert_gone(room)
    assert "anna" not in held_in(bucket)
    assert [
        note["key"] for note in room.table.query("pk = :pk", {":pk": "A#copies"})
    ]  # what is left of its part is copied tonight


def test_a_copy_in_another_store_is_cleared_with_that_stores_keys(
    room: ArchiveRoom, elsewhere: Callable[[], ArchiveBucket]
) -> None:
    bucket = elsewhere()
    person("erase", "--yes")
    assert_gone(room)
    assert "anna" not in held_in(bucket) and "安娜" not in held_in(bucket)


def test_a_copy_that_does_not_answer_leaves_the_erasure_incomplete_until_it_does(
    room: ArchiveRoom, tmp_path: Path, elsewhere: Callable[[], ArchiveBucket]
) -> None:
    outcome = runner.invoke(app, ["person", "erase", "generic", "demo", "anna", "--yes", "--json"])
    assert outcome.exit_code == 1
    told = json.loads(outcome.stdout)
    assert told["complete"] is None and told["incomplete"] == ["minio-copy"]
    assert json.loads(Path(told["file"]).read_text())["incomplete"] == ["minio-copy"]
    assert list(tmp_path.glob(".erasing-*"))
    assert_gone(room)  # everything that could be reached
    bucket = elsewhere()
    assert "anna" in held_in(bucket)
    again = json.loads(person("erase", "--yes", "--json"))
    assert again["id"] == told["id"] and again["complete"] and "incomplete" not in again
    assert "anna" not in held_in(bucket)
    assert not list(tmp_path.glob(".erasing-*"))


def test_a_copy_whose_keys_cannot_be_had_leaves_the_erasure_incomplete(room: ArchiveRoom) -> None:
    places.note(room.bucket, Place(bucket="lost", endpoint="http://127.0.0.1:1", secret="nobody-knows"))
    said = person("erase", "--yes", code=1)
    assert said.startswith("INCOMPLETE") and "the second copy lost did not answer" in said


def test_an_older_version_of_a_part_that_never_counted_is_reached_too(room: ArchiveRoom) -> None:
    filed = line(room.message("安娜", contact="anna", received_at=NOW - timedelta(days=20)))
    room.bucket.put("dt=2026-11-02/channel=generic/part-dead-1.jsonl.gz", gzip.compress(filed))
    room.bucket.put("dt=2026-11-02/channel=generic/part-dead-2.jsonl.gz", b"nobody can read this")
    for number in (1, 2):
        key = f"dt=2026-11-02/channel=generic/part-dead-{number}.jsonl.gz"
        room.bucket.client.delete_object(Bucket=room.bucket.name, Key=key)
    person("erase", "--yes")
    listed = room.bucket.client.list_object_versions(Bucket=room.bucket.name, Prefix="dt=2026-11-02/channel=generic/part-dead")
    assert "Versions" not in listed
    assert "DeleteMarkers" not in listed


def test_a_part_that_a_run_began_a_moment_ago_is_reached_too(room: ArchiveRoom) -> None:
    """It was never committed, and whoever began it may be alive: the ledger still points at it."""
    room.file(room.message("安娜", contact="anna", received_at=NOW - timedelta(days=20)), state="writing")
    assert list(Ledger(room.table).pending())
    person("erase", "--yes")
    assert list(Ledger(room.table).pending())
    assert "anna" not in held_in(room.bucket)


def test_nobody_is_erased_by_a_ledger_that_lacks_parts(room: ArchiveRoom) -> None:
    (manifest,) = room.file(room.message("安娜前", contact="anna", received_at=NOW - timedelta(days=30)))
    room.table.delete(f"A#{manifest.day[:4]}{manifest.day[5:7]}", f"{manifest.day[8:]}#{manifest.part}")
    said = person("erase", "--yes", code=1)
    assert "1 parts are in the bucket and not in the ledger" in said
    assert room.store.messages(ANNA.conv)  # nothing was begun
    assert room.bucket.client.head_object(Bucket=room.bucket.name, Key=manifest_object_key(manifest.key))


def test_who_was_erased_is_known_to_a_new_table(room: ArchiveRoom) -> None:
    person("erase", "--yes")
    for item in [i for pk in ("E#salt", "E#erased", "E#certificates") for i in room.table.query("pk = :pk", {":pk": pk})]:
        room.table.delete(item["pk"], item["sk"])
    anew = Tombstones(room.table, room.bucket)
    assert anew.erased_at(ANNA.conv) is None
    assert anew.bring_back() == 2
    assert anew.covers(ANNA.conv, NOW - timedelta(minutes=1))
    assert anew.bring_back() == 0
    live(room)
    assert json.loads(person("erase", "--yes", "--json"))["complete"]
    assert_gone(room)


def test_a_message_that_came_late_is_not_found_in_the_hours_before_it_is_removed(room: ArchiveRoom) -> None:
    person("erase", "--yes")
    room.keep_hot(room.message("安娜迟到", contact="anna", received_at=NOW - timedelta(hours=5)))
    outcome = runner.invoke(app, ["search", "--last-days", "9", "--json"])
    assert outcome.exit_code == 0 and "本的" in outcome.stdout and "安娜" not in outcome.stdout
