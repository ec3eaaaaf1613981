"""The commands over the records as an adversary finds them: whatever is wrong with ledger, bucket, network or terminal is one clear line,
and nothing half-done is taken for done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from typer.testing import CliRunner

from functions.archive.manifests import Manifest
from functions.common import keys
from infra.cli.app import app
from tests.fakes.archive_room import NOW, ArchiveRoom, open_archive_room_now

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "search": ("search", "--last-days", "7"),
    "search by contacts": ("search", "--last-days", "7", "--contacts", "people.csv"),
    "restore": ("restore", "--all"),
    "restore of a contact": ("restore", "--contact", "u1", "--dry-run"),
    "verify": ("archive", "verify"),
    "topics": ("topics",),
}


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveRoom]:
    """One message in a part, a newer one of the same contact in the table, and a list of contacts."""
    monkeypatch.chdir(tmp_path)
    Path("people.csv").write_text("13912345678\nu1234567890123456\n")
    with open_archive_room_now() as opened:
        opened.file(opened.message("甲"))
        opened.keep_hot(opened.message("乙", received_at=NOW - timedelta(hours=2)))
        yield opened


def manifest(room: ArchiveRoom) -> Manifest:
    return next(room.catalogue.parts("2026-11-01", "2026-11-30"))


def changed(attribute: str, value: Any) -> Callable[[ArchiveRoom], None]:
    def change(room: ArchiveRoom) -> None:
        found = manifest(room)
        key = keys.manifest_key(found.day, found.part)
        if value is None:
            room.table.update(*key, f"REMOVE #{attribute}")
        else:
            room.table.update(*key, f"SET #{attribute} = :value", values={":value": value})

    return change


def refused(fault: Exception, *operations: str) -> AbstractContextManager[Any]:
    """Every such call fails."""
    call = BaseClient._make_api_call

    def made(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        if operation in operations:
            raise fault
        return call(client, operation, arguments)

    return mock.patch.object(BaseClient, "_make_api_call", made)


def aws(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Call")


def one_line(words: tuple[str, ...]) -> str:
    outcome = CliRunner().invoke(app, [*words, "--json"])
    assert isinstance(outcome.exception, SystemExit), repr(outcome.exception)
    assert str(outcome.exception.code).startswith("postroom: "), outcome.output
    assert "\n" not in str(outcome.exception.code)
    return str(outcome.exception.code)


@pytest.mark.parametrize("words", COMMANDS.values(), ids=list(COMMANDS))
@pytest.mark.parametrize(
    ("attribute", "value"), [("sha256", None), ("first", None), ("first", "yesterday"), ("last", 7)], ids=str
)
def test_a_ledger_entry_that_is_no_manifest_is_named(
    room: ArchiveRoom, words: tuple[str, ...], attribute: str, value: Any
) -> None:
    found = manifest(room)
    changed(attribute, value)(room)
    assert one_line(words) == f"postroom: A#202611 19#{found.part}: not a manifest of ours"
    assert room.items("M#")[1:] == []


@pytest.mark.parametrize("words", [words for words in COMMANDS.values() if words[0] != "archive"], ids=str)
@pytest.mark.parametrize(
    ("attribute", "value"), [("channel", "wechat_oa"), ("day", "2026-11-20"), ("key", "dt=2026-11-19/channel=generic/../../x")]
)
def test_a_manifest_that_lies_about_the_place_is_not_passed_over(
    room: ArchiveRoom, words: tuple[str, ...], attribute: str, value: str
) -> None:
    """By channel or day its messages would be missing from an answer that looks whole."""
    changed(attribute, value)(room)
    narrowed = (*words, "--channel", "generic") if words[0] in ("search", "restore") else words
    assert one_line(narrowed).endswith("it lies elsewhere than its manifest's day and channel say")
    assert len(room.items("M#")) == 1
    assert not Path("../x").exists()


FAULTS = {
    "a bucket that refuses": (aws("AccessDenied"), "GetObject", "AccessDenied"),
    "a bucket that is not there": (aws("NoSuchBucket"), "GetObject", "NoSuchBucket"),
    "a bucket that is slow": (aws("SlowDown"), "GetObject", "SlowDown"),
    "a body that does not come": (ReadTimeoutError(endpoint_url="s3"), "GetObject", "Read timeout"),
    "a table that throttles": (aws("ProvisionedThroughputExceededException"), "Query", "ProvisionedThroughput"),
    "a table that refuses": (aws("AccessDeniedException"), "Query", "AccessDenied"),
    "a network that breaks": (ConnectionClosedError(endpoint_url="dynamodb"), "Query", "Connection was closed"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=list(COMMANDS))
@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_fault_of_aws_is_one_line(room: ArchiveRoom, words: tuple[str, ...], fault: tuple[Exception, str, str]) -> None:
    error, operation, said = fault
    before = room.items()
    with refused(error, operation):
        assert said in one_line(words)
    assert room.items() == before


@pytest.mark.parametrize("words", COMMANDS.values(), ids=list(COMMANDS))
def test_who_is_interrupted_leaves_nothing_behind(
    room: ArchiveRoom, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    Path("tmp").mkdir()
    with mock.patch("infra.records.catalogue._Copied.read", side_effect=KeyboardInterrupt):
        outcome = CliRunner().invoke(app, [*words, *(["--keep", "kept"] if words[0] == "search" else [])])
    assert outcome.exit_code == 130
    assert list(Path("tmp").iterdir()) == []
    assert [path for path in Path("kept").rglob("*") if path.is_file()] == []
    assert len(room.items("M#")) == 1


@pytest.mark.parametrize("where", ["infra.records.local_archive.LocalArchive.hold", "infra.records.search.Search._followed"])
def test_a_full_disk_is_one_line(room: ArchiveRoom, where: str) -> None:
    with mock.patch(where, side_effect=OSError(28, "No space left on device", "/tmp/list")):
        assert one_line(COMMANDS["search by contacts"]) == "postroom: /tmp/list: No space left on device"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("folder", None, "Is a directory"),
        ("none.csv", None, "No such file or directory"),
        ("empty.csv", b"", "no contact in it"),
        ("heading.csv", "手机号\n".encode(), "no contact in it"),
        ("picture.csv", bytes(range(256)) * 40, "no contact in it"),
        ("zeros.csv", b"\0" * 5000, "no contact in it"),
    ],
)
def test_a_list_of_contacts_that_is_none_is_one_line(room: ArchiveRoom, name: str, content: bytes | None, said: str) -> None:
    Path("folder").mkdir()
    if content is not None:
        Path(name).write_bytes(content)
    assert said in one_line(("search", "--contacts", name))


def run(code: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """`postroom` as a shell starts it; `code` stands for a command that is there."""
    main = f"import infra.cli.app as cli, typer, sys\ncli.app = typer.Typer()\n@cli.app.command()\ndef said():\n    {code}\n"
    main += "sys.argv = ['postroom']\nfrom infra.cli.__main__ import main\nmain()"
    given = os.environ | {"PYTHONUTF8": "0"} | environ
    return subprocess.run([sys.executable, "-c", main], cwd=ROOT, capture_output=True, env=given, check=False)


def test_a_terminal_that_lacks_a_letter_shows_the_others() -> None:
    done = run("print('退款\U0001f600'); print('退款\U0001f600', file=sys.stderr)", PYTHONIOENCODING="gbk")
    assert (done.returncode, done.stdout.strip()) == (0, "退款?".encode("gbk"))
    assert done.stderr.strip() == "退款?".encode("gbk")
    done = run("import json; print(json.dumps({'text': '\U0001f600'}, ensure_ascii=False))", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout) == {"text": "?"}


def test_what_is_said_to_a_closed_stream_ends_no_command() -> None:
    code = "import infra.cli.app; import sys; sys.stdout = None; from infra.cli.__main__ import main; sys.argv = ['p', 'channels']; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
