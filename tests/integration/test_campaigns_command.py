"""`postroom campaigns`: each text once, with the number of its senders."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from moto import mock_aws
from typer.testing import CliRunner

from functions.common import aws, keys
from functions.common.dynamo_store import DynamoStore
from functions.common.store import Sending
from infra.cli.app import app
from tests.contract.test_store import NOW, new_table


@pytest.fixture
def table() -> Iterator[str]:
    with mock_aws():
        aws.client.cache_clear()
        made = new_table(aws.client("dynamodb"))
        store = DynamoStore(made, shards=1)
        for mark, senders in (("a1b2", 6), ("c3d4", 2)):
            for number in range(senders):
                conv = keys.conversation_key("generic", "demo", f"u{number}")
                store.add_sender(Sending(fingerprint=mark, conv=conv, channel="generic", at=NOW, sample=f"text {mark}"))
        yield made.name
        aws.client.cache_clear()


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["campaigns", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_text_of_many_senders_is_shown_once_with_their_number(table: str) -> None:
    (line,) = said("--table", table, "--day", f"{NOW:%Y-%m-%d}").splitlines()
    assert line.split() == ["a1b2", "6", "senders", f"{NOW:%H:%M}Z", "generic", "text", "a1b2"]


def test_as_json_it_names_the_conversations(table: str) -> None:
    lines = said("--table", table, "--day", f"{NOW:%Y-%m-%d}", "--senders", "2", "--json").splitlines()
    first, second = map(json.loads, lines)
    assert (first["campaign"], first["senders"], second["campaign"], second["senders"]) == ("a1b2", 6, "c3d4", 2)
    assert keys.conversation_key("generic", "demo", "u0") in first["conversations"]


def test_of_a_day_without_any_it_says_so_beside_an_empty_list(table: str) -> None:
    result = CliRunner().invoke(app, ["campaigns", "--table", table, "--day", "2026-01-01"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no campaigns\n")
