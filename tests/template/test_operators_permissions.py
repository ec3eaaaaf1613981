"""The operators' policies against the calls that their commands really make: nothing missing, nothing to spare."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.client import BaseClient
from typer.testing import CliRunner

from functions.archive import places
from functions.archive.packs import Packs
from functions.archive.places import Place
from functions.common.aws import client, s3_elsewhere
from infra.cli.app import app
from infra.local import template
from tests.fakes.archive_room import NOW, ArchiveRoom
from tests.template.test_permissions import ACTIONS
from tests.unit.test_erasure_reach import SECRET, copied, versioned
from tests.unit.test_person_rights import ANNA, PHONE, room

__all__ = ["room"]

ANNAS, PHONES = ((party.channel, party.account, party.contact) for party in (ANNA, PHONE))
OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
ROLES = {
    name: about for name, about in template.translated()["Resources"].items() if about["Type"] == "AWS::IAM::ManagedPolicy"
}
# Which object is removed for good, or read, by its version is not in a call's name.
NAMED_BY_VERSION = {"s3:DeleteObject": "s3:DeleteObjectVersion", "s3:GetObject": "s3:GetObjectVersion"}
# Everybody may ask who they are.
FREE = {"sts:GetCallerIdentity"}
COMMANDS: dict[str, list[tuple[str, ...]]] = {
    "RecordsReaderPolicy": [
        ("search", "--since", "2026-10-01"),
        ("archive", "verify"),
        ("retention", "preview"),
        ("person", "show", *ANNAS),
        ("hold", "list"),
        ("restore", "--all", "--dry-run"),
    ],
    "RecordsExporterPolicy": [
        ("export", "--to", "pack.zip"),
        ("unpack", "pack.zip"),
        ("person", "export", *ANNAS, "--to", "anna.zip", "--vault-key", "KEY"),
        ("search", "--last-days", "9", "--unmask", "why", "--vault-key", "KEY"),
    ],
    "RecordsPackerPolicy": [("export", "--pack", "2026-11")],
    "RecordsKeeperPolicy": [
        ("restore", "--all", "--keep-days", "9"),
        ("restore", "--all", "--from-manifests", "--keep-days", "99"),
        ("hold", "add", "--contact", "generic", "anna", "--because", "case 7"),
        ("hold", "remove", "--contact", "generic", "anna"),
        ("person", "tag", *ANNAS, "vip"),
        ("person", "unlink", *ANNAS, *PHONES),
        ("person", "link", *ANNAS, *PHONES),
    ],
    "RecordsEraserPolicy": [("person", "erase", *ANNAS, "--yes")],
}


def granted(policy: str) -> set[str]:
    actions: set[str] = set()
    for statement in ROLES[policy]["Properties"]["PolicyDocument"]["Statement"]:
        assert statement["Resource"] != "*"
        assert not any("*" in action or action.endswith("Scan") for action in statement["Action"])
        actions |= set(statement["Action"])
    return actions


@contextmanager
def noted(made: dict[str, set[str]]) -> Iterator[None]:
    """The actions that calls need, by bucket where they have one."""
    api_call = BaseClient._make_api_call

    def call(self: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        name = f"{self.meta.service_model.service_name}:{operation}"
        needed = set(ACTIONS.get(name, {name}))
        if name == "dynamodb:TransactWriteItems":
            kinds = {"ConditionCheck": "ConditionCheckItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
            needed = {f"dynamodb:{kinds[kind]}" for item in arguments["TransactItems"] for kind in item}
        if name == "s3:ListObjectVersions":
            needed = {"s3:ListBucketVersions"}
        if "VersionId" in arguments:
            needed = {NAMED_BY_VERSION[name]}
        made.setdefault(arguments.get("Bucket", ""), set()).update(needed - FREE)
        return api_call(self, operation, arguments)

    with mock.patch.object(BaseClient, "_make_api_call", call):
        yield


def called(room: ArchiveRoom, policy: str) -> dict[str, set[str]]:
    made: dict[str, set[str]] = {}
    client("s3").create_multipart_upload(Bucket="exports", Key="month-end/2026-11.zip")  # a pack is being made
    Packs(room.table).decide("2026-11", NOW - timedelta(days=40), NOW + timedelta(days=1))  # one is owed
    for words in COMMANDS[policy]:
        key = room.vault_key  # type: ignore[attr-defined]
        with noted(made):
            outcome = CliRunner().invoke(app, [key if word == "KEY" else word for word in words])
        assert outcome.exit_code == 0, (words, outcome.output)
    return made


def together(made: dict[str, set[str]]) -> set[str]:
    return set().union(*made.values())


@pytest.mark.parametrize("policy", COMMANDS)
def test_a_policy_allows_what_its_commands_call_and_nothing_else(room: ArchiveRoom, policy: str) -> None:
    reader = granted("RecordsReaderPolicy") if policy != "RecordsReaderPolicy" else set()
    needed = together(called(room, policy))
    assert needed - granted(policy) - reader == set(), "missing"
    # A part that was begun and not committed is removed by whoever finds it; no version is named then. An upload that fails is given up.
    assert granted(policy) - needed - {"s3:DeleteObject", "s3:AbortMultipartUpload"} == set(), "to spare"


def test_the_second_copys_policies_allow_what_an_erasure_calls_there(room: ArchiveRoom) -> None:
    s3_elsewhere.cache_clear()
    bucket = versioned("copy")
    copied(room, bucket)
    secret = client("secretsmanager").create_secret(Name="copy-keys", SecretString=SECRET)["Name"]
    places.note(room.bucket, Place(bucket="copy", secret=secret))
    made = called(room, "RecordsEraserPolicy")
    assert made["copy"] - granted("RecordsEraserCopyPolicy") == set()
    assert granted("RecordsEraserCopyPolicy") - made["copy"] - {"s3:DeleteObject"} == set()
    assert "secretsmanager:GetSecretValue" in made[""] & granted("RecordsEraserCopyKeysPolicy")
    assert [ROLES[name]["Condition"] for name in ("RecordsEraserCopyPolicy", "RecordsEraserCopyKeysPolicy")] == [
        "HasCopyBucket",
        "HasCopySecret",
    ]
    s3_elsewhere.cache_clear()


def test_every_policy_is_explained_with_its_commands() -> None:
    section = OPERATIONS.partition("## Who may do what with the records")[2].partition("\n## ")[0]
    for name in ROLES:
        assert f"`{name}`" in section, name
    for policy, commands in COMMANDS.items():
        (row,) = [line for line in section.splitlines() if line.startswith(f"| `{policy}`")]
        for words in commands:
            named = words[0] if words[0] in ("search", "export", "unpack", "restore") else " ".join(words[:2])
            assert named in row, (policy, named)
