"""`postroom person export` and `erase`: everything held under all linked ids, handed out, or gone and proven gone."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import pyzipper
from botocore.client import BaseClient
from typer.testing import CliRunner

from functions.archive.holds import Hold, Holds
from functions.archive.tombstones import Tombstones
from functions.common import aws, keys
from functions.common.clock import system_clock, to_iso
from functions.common.dynamo_links import DynamoLinks
from functions.common.identity import Party, People
from functions.common.vault import Vault
from infra.cli.app import app
from infra.records.guarded import Guarded
from tests.fakes.archive_room import NOW, ArchiveRoom, open_archive_room_now

runner = CliRunner()
ANNA = Party(channel="generic", account="demo", contact="anna")
PHONE = Party(channel="aliyun_sms", account="demo", contact="+8613912345678")
BEN = Party(channel="generic", account="demo", contact="ben")


class Died(BaseException):
    """The process is gone."""


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveRoom]:
    """Anna wrote under two ids, which an operator linked; ben is somebody else in the same parts. There is a pack."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("functions.archive.floods._DAYS", 2)  # sixteen queries each
    with open_archive_room_now() as opened:
        s3 = aws.client("s3")
        s3.put_bucket_versioning(Bucket=opened.bucket.name, VersioningConfiguration={"Status": "Enabled"})
        s3.create_bucket(Bucket="exports")
        s3.put_object(Bucket="exports", Key="month-end/2026-10.zip", Body=b"anna")
        monkeypatch.setenv("EXPORT_BUCKET", "exports")
        secret = aws.client("secretsmanager").create_secret(Name="export", SecretString="p")["ARN"]
        monkeypatch.setenv("EXPORT_PASSWORD", secret)
        live(opened)
        yield opened


def live(room: ArchiveRoom) -> None:
    old = NOW - timedelta(days=20)
    ids = {"contact": PHONE.contact, "channel": PHONE.channel}
    filed = [
        room.message("安娜归档", contact="anna", received_at=old, replied=True),
        room.message("安娜短信", received_at=old, **ids),
        room.message("本归档", contact="ben", received_at=old),
    ]
    room.file(*filed)
    hot = [
        room.message("安娜的", contact="anna", replied=True),
        room.message("短信的", **ids),
        room.message("本的", contact="ben"),
    ]
    room.keep_hot(*hot)
    key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
    room.vault_key = key  # type: ignore[attr-defined]
    sealed = Vault(aws.client("kms"), key, clock=system_clock).seal(
        hot[0].judged.message.message_id, json.dumps({"version": 1, "fields": {"text": "安娜的电话 13800138000"}}).encode()
    )
    room.store.add_original(hot[0].judged.message.message_id, sealed, NOW + timedelta(days=20))
    People(room.store, DynamoLinks(room.table)).link(ANNA, PHONE, by="lee", at=NOW)


def person(command: str, *arguments: str, code: int = 0) -> str:
    outcome = runner.invoke(app, ["person", command, "generic", "demo", "anna", *arguments])
    assert outcome.exit_code == code, outcome.output
    return outcome.stdout.strip() if code == 0 else outcome.output.strip().splitlines()[-1]


def everything(room: ArchiveRoom) -> str:
    """All that is held anywhere, every version of it, but hashes."""
    s3 = room.bucket.client
    bodies = []
    for version in s3.list_object_versions(Bucket=room.bucket.name).get("Versions", []):
        body = s3.get_object(Bucket=room.bucket.name, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
        bodies.append(gzip.decompress(body).decode() if version["Key"].endswith(".gz") else body.decode())
    items = room.table.client.scan(TableName=room.table.name)["Items"]
    packs = s3.list_objects_v2(Bucket="exports").get("Contents", [])
    return "\n".join([*bodies, json.dumps(items, default=str, ensure_ascii=False), *(found["Key"] for found in packs)])


def assert_gone(room: ArchiveRoom) -> None:
    held = everything(room)
    for trace in ("anna", "安娜", PHONE.contact, "短信的", ANNA.conv, PHONE.conv, "month-end"):
        assert trace not in held, trace
    assert "本归档" in held and "本的" in held


def test_a_person_is_gone_under_every_linked_id_and_everybody_else_is_not(room: ArchiveRoom, tmp_path: Path) -> None:
    said = person("erase", "--yes", "--certificate", "anna.json")
    assert "A search of table, parts and copies afterwards found nothing" in said
    assert_gone(room)
    (tmp_path / "anna.json").exists()


def test_the_certificate_has_counts_and_no_personal_data(room: ArchiveRoom, tmp_path: Path) -> None:
    told = json.loads(person("erase", "--yes", "--json"))
    text = Path(told["file"]).read_text()
    certificate = json.loads(text)
    assert certificate["counts"] | {"objects": 0} == {
        "messages": 2, "replies": 1, "originals": 1, "links": 2, "conversations": 2, "archived_messages": 2, "parts": 2, "objects": 0,
    }  # fmt: skip
    assert certificate["packs_removed"] == 1
    assert certificate["complete"]
    for trace in ("anna", "安娜", PHONE.contact, ANNA.conv, PHONE.conv):
        assert trace not in text
    assert [path.name for path in tmp_path.iterdir()] == [told["file"]]


def test_what_was_erased_is_not_found_and_not_restored(room: ArchiveRoom) -> None:
    part = room.file(room.message("安娜再来", contact="anna", received_at=NOW - timedelta(days=30)))  # as a copy would bring it
    body = room.bucket.client.get_object(Bucket=room.bucket.name, Key=part[0].key)["Body"].read()
    person("erase", "--yes")
    room.bucket.put(part[0].key, body)
    from functions.archive.manifests import manifest_item

    room.table.put(manifest_item(part[0]))
    outcome = runner.invoke(app, ["restore", "--since", "2026-10-01", "--json"])
    assert (json.loads(outcome.stdout)["erased"], json.loads(outcome.stdout)["messages"]) == (1, 1)
    assert room.store.messages(ANNA.conv) == []
    assert json.loads(person("erase", "--yes", "--json"))["counts"]["archived_messages"] == 1


def test_a_dry_run_counts_and_removes_nothing(room: ArchiveRoom, tmp_path: Path) -> None:
    before = everything(room)
    told = json.loads(person("erase", "--dry-run", "--json"))
    assert (told["conversations"], told["held"]["messages"], told["held"]["archived_messages"]) == (2, 2, 2)
    assert everything(room) == before
    assert list(tmp_path.iterdir()) == []


def test_a_hold_on_any_linked_id_refuses_everything(room: ArchiveRoom, tmp_path: Path) -> None:
    Holds(room.table).add(
        Hold(kind="contact", channel=PHONE.channel, name=PHONE.contact, because="case 7", by="lee", since=NOW)
    )
    before = everything(room)
    assert "a legal hold stands" in person("erase", "--yes", code=1)
    assert everything(room) == before
    assert list(tmp_path.iterdir()) == []


def test_nobody_is_erased_without_being_asked(room: ArchiveRoom) -> None:
    before = everything(room)
    assert "say --yes" in person("erase", code=1)
    assert everything(room) == before


def erase_until(calls: int) -> bool:
    """Erase, and die before so many calls; False when it came to an end first."""
    call, made = BaseClient._make_api_call, 0

    def dying(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        nonlocal made
        made += 1
        if made > calls:
            raise Died
        return call(client, operation, arguments)

    with mock.patch.object(BaseClient, "_make_api_call", dying):
        try:
            person("erase", "--yes")
        except Died:
            return True
    return False


@pytest.mark.parametrize("calls", range(12, 110, 7))
def test_an_erasure_that_dies_is_finished_by_the_next_with_every_linked_id(
    room: ArchiveRoom, tmp_path: Path, calls: int
) -> None:
    died = erase_until(calls)
    person("erase", "--yes")
    assert_gone(room)
    assert not list(tmp_path.glob(".erasing-*"))
    assert died or calls > 60


def test_an_erasure_that_was_begun_elsewhere_is_not_finished_in_part(room: ArchiveRoom, tmp_path: Path) -> None:
    calls = 20
    while DynamoLinks(room.table).pairs(ANNA.conv):
        assert erase_until(calls)
        calls += 1
    for path in tmp_path.glob(".erasing-*"):
        path.unlink()
    assert "concerned 1 more conversations" in person("erase", "--yes", code=1)
    person("erase", "--yes", "--also", f"aliyun_sms/demo/{PHONE.contact}")
    assert_gone(room)


def test_all_that_is_held_is_handed_out(room: ArchiveRoom, tmp_path: Path) -> None:
    zipped = tmp_path / "anna.zip"
    told = json.loads(person("export", "--to", str(zipped), "--vault-key", room.vault_key, "--json"))  # type: ignore[attr-defined]
    assert told["held"] == {
        "conversations": 2, "messages": 2, "replies": 1, "originals": 1, "actions": 2, "corrections": 0, "links": 2, "campaigns": 0,
        "holds": 0, "archived": 2,
    }  # fmt: skip
    with pyzipper.AESZipFile(io.BytesIO(zipped.read_bytes())) as archive:
        archive.setpassword(b"p")
        found = {name: [json.loads(text) for text in archive.read(name).splitlines()] for name in archive.namelist()}
    assert {m["message"]["text"] for m in found["messages.jsonl"]} == {"安娜的", "短信的"}
    assert {m["message"]["text"] for m in found["archived.jsonl"]} == {"安娜归档", "安娜短信"}
    assert found["originals.jsonl"][0]["fields"] == {"text": "安娜的电话 13800138000"}
    assert "ben" not in json.dumps(found, ensure_ascii=False)
    assert {line["action"] for line in room.items("Z#")} == {"export"}


def erased_before(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Anna is erased, certificate and all, when a command that has begun comes to this step."""
    module, name = step.rsplit(".", 1)
    go_on = getattr(import_module(module), name)

    def late(*arguments: Any, **more: Any) -> Any:
        person("erase", "--yes")
        return go_on(*arguments, **more)

    monkeypatch.setattr(step, late)


def test_an_unmasking_that_outlives_an_erasure_shows_and_leaves_nothing_of_the_person(
    room: ArchiveRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    erased_before(monkeypatch, "infra.cli.searching.answer")
    words = ("search", "--last-days", "30", "--json", "--unmask", "case 7", "--vault-key", room.vault_key)  # type: ignore[attr-defined]
    outcome = runner.invoke(app, words)
    assert outcome.exit_code == 0, outcome.output
    *found, end = map(json.loads, outcome.stdout.splitlines())
    assert {message["text"] for message in found} == {"本的", "本归档"}
    assert end["end"]["count"] == 2
    assert_gone(room)
    assert {line["pk"] for line in room.items("Z#")} == {keys.conversation_pk(BEN.conv)}


def test_an_export_that_outlives_an_erasure_leaves_nothing_of_the_person(
    room: ArchiveRoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erased_before(monkeypatch, "infra.cli.rights._noted")
    told = json.loads(person("export", "--to", str(tmp_path / "anna.zip"), "--json"))
    assert set(told["held"].values()) == {0}
    assert_gone(room)


def test_an_erasure_that_is_the_first_of_all_is_seen_by_a_write_that_looked_for_none(
    room: ArchiveRoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Guarded._tried
    begun: list[bool] = []

    def late(self: Guarded, check: dict[str, Any], put: dict[str, Any]) -> Any:
        if not begun:
            begun.append(True)
            assert check["Key"]["pk"]["S"] == "E#salt", "nobody was ever erased here"
            person("erase", "--yes")
        return write(self, check, put)

    monkeypatch.setattr(Guarded, "_tried", late)
    person("export", "--to", str(tmp_path / "anna.zip"))
    assert begun and not room.items("Z#")
    assert_gone(room)


def test_that_nobody_was_ever_erased_is_looked_up_once_however_much_is_unmasked(room: ArchiveRoom) -> None:
    looked: list[str] = []
    call = BaseClient._make_api_call

    def noted(self: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        if "E#salt" in json.dumps(arguments.get("Key", "")) and operation == "GetItem":
            looked.append(operation)
        return call(self, operation, arguments)

    words = ("search", "--last-days", "30", "--json", "--unmask", "case 7", "--vault-key", room.vault_key)  # type: ignore[attr-defined]
    with mock.patch.object(BaseClient, "_make_api_call", noted):
        outcome = runner.invoke(app, words)
    assert outcome.exit_code == 0 and len(room.items("Z#")) == 6
    assert len(looked) == 1


def test_an_export_writes_nothing_but_that_it_was_made(room: ArchiveRoom, tmp_path: Path) -> None:
    before = {(item["pk"], item["sk"]) for item in room.items()}
    person("export", "--to", str(tmp_path / "anna.zip"))
    made = [item for item in room.items() if (item["pk"], item["sk"]) not in before]
    assert [(item["pk"], item["action"]) for item in made] == [
        (keys.conversation_pk(party.conv), "export")
        for party in sorted((ANNA, PHONE), key=lambda each: keys.conversation_pk(each.conv))
    ]


def test_who_writes_again_after_an_erasure_has_exports_on_record(room: ArchiveRoom, tmp_path: Path) -> None:
    person("erase", "--yes")
    again = system_clock() + timedelta(minutes=1)
    room.keep_hot(room.message("安娜再来", contact="anna", received_at=again))
    room.table.update(keys.conversation_pk(ANNA.conv), "@", "SET #last_at = :at", values={":at": to_iso(again)})
    person("export", "--to", str(tmp_path / "anna.zip"))
    assert [line["pk"] for line in room.items("Z#")] == [keys.conversation_pk(ANNA.conv)]


def test_an_export_of_what_only_the_archive_holds_is_on_record(room: ArchiveRoom, tmp_path: Path) -> None:
    for item in room.items():
        if item["pk"] == keys.conversation_pk(ANNA.conv):
            room.table.delete(item["pk"], item["sk"])
    told = json.loads(person("export", "--to", str(tmp_path / "anna.zip"), "--json"))
    assert (told["held"]["conversations"], told["held"]["archived"]) == (0, 1)
    assert [line["pk"] for line in room.items("Z#")] == [keys.conversation_pk(ANNA.conv)]


def test_a_person_of_whom_nothing_is_held_gets_a_certificate_of_nothing(room: ArchiveRoom) -> None:
    outcome = runner.invoke(app, ["person", "erase", "generic", "demo", "nobody", "--yes", "--json"])
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout)["counts"] == {}


def test_the_name_of_another_contact_must_be_whole(room: ArchiveRoom) -> None:
    assert "CHANNEL/ACCOUNT/ID" in person("erase", "--yes", "--also", "generic/anna", code=1)


def test_salted_hashes_are_all_that_is_left(room: ArchiveRoom) -> None:
    person("erase", "--yes")
    assert Tombstones(room.table).covers(ANNA.conv, NOW - timedelta(days=1))
    assert not Tombstones(room.table).covers(BEN.conv, NOW - timedelta(days=1))
