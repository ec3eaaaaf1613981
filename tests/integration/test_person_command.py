"""`postroom person`: what is linked is shown, made and undone, and what cannot be is said in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws
from typer.testing import CliRunner

from functions.common import aws
from functions.common.clock import from_iso
from functions.common.dynamo_links import DynamoLinks
from functions.common.dynamo_store import DynamoStore
from functions.common.identity import Party, VouchedId
from functions.common.store import Conversation
from functions.common.table import Table
from infra.cli.app import app
from tests.contract.test_store import new_table

ANN = Party(channel="wecom_kf", account="demo", contact="wm-a")
BEN = Party(channel="wecom_kf", account="second", contact="wm-a")
CAT = Party(channel="telegram", account="demo", contact="77")
COMPANY = VouchedId(kind="external_userid", scope="ww1", value="wm-a")
NOW = from_iso("2026-11-20T02:00:00Z")


@pytest.fixture
def table() -> Iterator[str]:
    with mock_aws():
        aws.client.cache_clear()
        made = new_table(aws.client("dynamodb"))
        for party, vouched in ((ANN, (COMPANY,)), (BEN, (COMPANY,)), (CAT, ())):
            before = Conversation(conv=party.conv, channel=party.channel, account=party.account, contact=party.contact)
            for each in vouched:
                DynamoLinks(made).vouch(each, party, NOW)
            DynamoStore(made, shards=1).apply(before, replace(before, count=1, vouched=tuple(each.mark for each in vouched)))
        yield made.name
        aws.client.cache_clear()


def said(table: str, verb: str, *parties: Party, code: int = 0, by: str | None = None) -> str:
    named = [word for party in parties for word in (party.channel, party.account, party.contact)]
    result = CliRunner().invoke(app, ["person", verb, *named, "--table", table, *(("--by", by) if by else ())])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def test_what_the_platform_and_operators_linked_is_shown_with_who_and_when(table: str) -> None:
    assert "linked: wecom_kf second wm-a and telegram demo 77" in said(table, "link", BEN, CAT, by="mei")
    shown = said(table, "show", ANN)
    assert f"same person wecom_kf second wm-a {BEN.conv} external_userid ww1: linked by platform 2026-11-20 02:00Z" in shown
    assert f"same person telegram demo 77 {CAT.conv} operator: linked by mei" in shown


def test_a_link_is_undone_and_the_record_of_it_stays(table: str) -> None:
    said(table, "link", ANN, CAT, by="mei")
    assert "linked before" in said(table, "link", ANN, CAT, by="mei")
    assert "parted: wecom_kf demo wm-a from telegram demo 77" in said(table, "unlink", ANN, CAT, by="bo")
    assert "parted: wecom_kf demo wm-a from wecom_kf second wm-a" in said(table, "unlink", ANN, BEN, by="bo")
    shown = said(table, "show", ANN)
    assert "same person" not in shown
    assert f"parted telegram demo 77 {CAT.conv} operator: linked by mei" in shown and "unlinked by bo" in shown
    assert "same person" not in said(table, "show", BEN)


def test_what_still_links_them_is_said(table: str) -> None:
    for one, other in ((ANN, CAT), (CAT, BEN)):
        said(table, "link", one, other, by="mei")
    assert "still linked over another conversation" in said(table, "unlink", ANN, BEN, by="bo")


def test_what_cannot_be_is_said_in_one_line(table: str) -> None:
    nobody = replace(CAT, contact="78")
    assert "no conversation of telegram demo 78" in said(table, "show", nobody, code=1)
    assert "no conversation of telegram demo 78" in said(table, "link", ANN, nobody, code=1)
    assert "these are one conversation" in said(table, "link", ANN, ANN, code=1)
    assert "nothing links wecom_kf demo wm-a and telegram demo 77 directly" in said(table, "unlink", ANN, CAT, code=1)
    assert "postroom: AWS: " in said("no-such-table", "show", ANN, code=1)


def test_tags_are_put_on_a_conversation_and_taken_off(table: str) -> None:
    def tagged(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["person", "tag", ANN.channel, ANN.account, ANN.contact, *words, "--table", table])
        assert result.exit_code == code, result.output
        return result.output.strip()

    assert tagged() == "wecom_kf demo wm-a: no tags"
    assert tagged("vip", "school") == "wecom_kf demo wm-a: vip, school"
    assert tagged("vip") == "wecom_kf demo wm-a: school, vip"
    assert tagged("school", "--remove") == "wecom_kf demo wm-a: vip"
    assert "is no tag" in tagged("V I P", code=1)
    kept = DynamoStore(Table(aws.client("dynamodb"), table), shards=4).conversation(ANN.conv)
    assert kept is not None and (kept.tags, kept.count) == (("vip",), 1)


def test_the_same_is_said_as_json(table: str) -> None:
    def told(verb: str, *words: str) -> dict[str, Any]:
        result = CliRunner().invoke(app, ["person", verb, *words, "--table", table, "--json"])
        assert result.exit_code == 0, result.output
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    ann, cat = (ANN.channel, ANN.account, ANN.contact), (CAT.channel, CAT.account, CAT.contact)
    assert told("link", *ann, *cat)["new"] is True
    assert [link["conversation"] for link in told("show", *ann)["linked"]] == [CAT.conv, BEN.conv]
    assert told("unlink", *ann, *cat)["still_linked"] == []
    assert [link["acts"][-1]["act"] for link in told("show", *ann)["parted"]] == ["unlinked"]
    assert told("tag", *ann, "vip")["tags"] == ["vip"]
