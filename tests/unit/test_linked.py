"""Who is named by an id is found under every linked one: in the table and in the archive, by DuckDB and by Athena."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.client import BaseClient
from typer.testing import CliRunner

from functions.archive.parts import Filed, line
from functions.common import aws, keys
from functions.common.dynamo_links import DynamoLinks
from functions.common.identity import Party, People, VouchedId
from functions.common.store import Conversation
from infra.cli.app import app
from infra.records.athena import Athena
from infra.records.contact_list import read_contacts
from infra.records.hot import HotMessages
from infra.records.linked import Links, Sightings
from infra.records.period import Period
from infra.records.question import Question, who
from infra.records.search import OnAws, Search
from tests.fakes.archive_room import NOW, SHARDS, ArchiveRoom, open_archive_room_now

runner = CliRunner()
PHONE, OPENID = "+8613912345678", "oGZUI0egBJY1zhBYw2Kh"
SMS = Party(channel="aliyun_sms", account="shop", contact=PHONE)
WECHAT = Party(channel="wechat_oa", account="brand", contact=OPENID)


@pytest.fixture
def room() -> Iterator[ArchiveRoom]:
    with open_archive_room_now() as opened:
        yield opened


def of(room: ArchiveRoom, party: Party, text: str, days: float = 3) -> Filed:
    about = {"channel": party.channel, "account": party.account, "contact": party.contact}
    return room.message(text, received_at=NOW - timedelta(days=days), **about)


def people(room: ArchiveRoom) -> People:
    return People(room.store, DynamoLinks(room.table))


def link(room: ArchiveRoom, one: Party = SMS, other: Party = WECHAT) -> None:
    """An operator's link, which only conversations that are there can have."""
    for party in (one, other):
        if room.store.conversation(party.conv) is None:
            known(room, party)
    people(room).link(one, other, by="lee", at=NOW)


def known(room: ArchiveRoom, party: Party, *vouched: VouchedId) -> None:
    """A conversation of which nothing is left but itself."""
    there = Conversation(conv=party.conv, channel=party.channel, account=party.account, contact=party.contact)
    room.store.apply(there, replace(there, count=1, vouched=tuple(each.mark for each in vouched)))
    for each in vouched:
        people(room).links.vouch(each, party, NOW)


@pytest.fixture
def numbers(tmp_path: Path) -> str:
    path = tmp_path / "numbers.csv"
    path.write_text("手机号\n139-1234-5678\n")
    return str(path)


def found(*arguments: str) -> list[str]:
    outcome = runner.invoke(app, ["search", "--json", *arguments])
    assert outcome.exit_code == 0, outcome.output
    return [json.loads(text)["text"] for text in outcome.stdout.splitlines()[:-1]]


def test_a_list_of_numbers_finds_what_the_same_persons_wrote_elsewhere(room: ArchiveRoom, numbers: str) -> None:
    room.file(
        of(room, SMS, "短信"),
        of(room, WECHAT, "微信,已归档", 4),
        of(room, replace(WECHAT, contact="oSomebody12345678"), "别人"),
    )
    room.keep_hot(of(room, WECHAT, "微信,刚才", 1))
    assert found("--contacts", numbers) == ["短信"]
    link(room)
    assert found("--contacts", numbers) == ["微信,刚才", "短信", "微信,已归档"]
    people(room).unlink(SMS, WECHAT, by="lee", at=NOW)
    assert found("--contacts", numbers) == ["短信"]


def test_it_is_narrowed_down_like_any_search(room: ArchiveRoom, numbers: str) -> None:
    room.file(of(room, SMS, "短信"), of(room, WECHAT, "微信"))
    link(room)
    assert found("--contacts", numbers, "--channel", "wechat_oa") == ["微信"]
    assert found("--contacts", numbers, "--account", "brand", "--keyword", "微") == ["微信"]
    assert found("--contacts", numbers, "--conversation", WECHAT.conv) == ["微信"]
    assert found("--contacts", numbers, "--keyword", "短") == ["短信"]
    assert found("--contacts", numbers, "--region", "江苏") == ["短信"]


def test_who_wrote_long_ago_only_is_followed_too(room: ArchiveRoom, numbers: str) -> None:
    room.file(of(room, WECHAT, "微信"), of(room, replace(SMS, contact="+8613900000000"), "别人的短信"))
    known(room, SMS)
    link(room)
    assert found("--contacts", numbers) == ["微信"]


def test_an_id_that_a_platform_vouches_for_links_accounts_and_a_third_hangs_on(room: ArchiveRoom, tmp_path: Path) -> None:
    union = VouchedId(kind="unionid", scope="op", value="u-1")
    other = Party(channel="wechat_oa", account="service", contact="oOther00000000001")
    for party in (WECHAT, other):
        known(room, party, union)
    link(room, other, SMS)
    room.file(of(room, WECHAT, "一号"), of(room, other, "二号", 4), of(room, SMS, "短信", 5))
    listed = tmp_path / "ids.csv"
    listed.write_text(f"{OPENID}\n")
    assert found("--contacts", str(listed)) == ["一号", "二号", "短信"]


def test_pages_go_on_through_what_is_linked(room: ArchiveRoom, numbers: str) -> None:
    room.file(*(of(room, party, f"{party.channel} {n}", n) for n in range(1, 4) for party in (SMS, WECHAT)))
    link(room)
    arguments, pages, cursor = ["search", "--json", "--contacts", numbers, "--limit", "2"], [], ""
    while True:
        *page, end = runner.invoke(app, [*arguments, *(["--cursor", cursor] if cursor else [])]).stdout.splitlines()
        pages += [json.loads(text)["text"] for text in page]
        cursor = json.loads(end)["end"]["cursor"]
        if cursor is None:
            break
    assert sorted(pages) == sorted(f"{party.channel} {n}" for n in range(1, 4) for party in (SMS, WECHAT))


def test_what_was_followed_is_said(room: ArchiveRoom, numbers: str) -> None:
    room.file(of(room, SMS, "短信"), of(room, WECHAT, "微信"))
    link(room)
    outcome = runner.invoke(app, ["search", "--contacts", numbers])
    assert "1 conversations of theirs in this time, 1 linked with them" in outcome.stderr


def test_more_ids_than_can_be_looked_up_are_followed_where_they_wrote(room: ArchiveRoom) -> None:
    for party in (SMS, WECHAT):
        known(room, party)
    link(room)
    accounts = frozenset({("aliyun_sms", "shop"), ("generic", "demo")})
    asked: list[str] = []
    call = BaseClient._make_api_call

    def noted(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        asked.append(operation)
        return call(client, operation, arguments)

    with mock.patch.object(BaseClient, "_make_api_call", noted):
        few = Links(room.table, most=4, looking=1).meant(Sightings(own=frozenset(), accounts=accounts), [PHONE, "x"])
    assert (few.linked, few.whole) == ({WECHAT.conv}, True)
    assert asked.count("Query") == 4 + 2, "one for each id and account, and the links of the two that have any"
    million = iter(range(1_000_000))
    many = Links(room.table, most=3).meant(Sightings(own=frozenset(), accounts=accounts), map(str, million))
    assert next(million) == 2, "no more are read"
    assert (many.linked, many.whole) == (frozenset(), False)
    assert "too many ids" in many.words()
    there = Links(room.table, most=3).meant(Sightings(own=frozenset({SMS.conv}), accounts=accounts), [PHONE, "x"])
    assert there.linked == {WECHAT.conv}


def test_athena_is_asked_who_is_meant_and_then_for_what_they_wrote(room: ArchiveRoom, tmp_path: Path, numbers: str) -> None:
    import requests

    filed = of(room, WECHAT, "微信")
    for party in (SMS, WECHAT):
        known(room, party)
    link(room)
    hot = of(room, SMS, "刚才", 1)
    room.keep_hot(hot)
    client, s3 = aws.client("athena"), aws.client("s3")
    s3.create_bucket(Bucket="results")
    client.create_work_group(Name="w", Configuration={"ResultConfiguration": {"OutputLocation": "s3://results/results/"}})
    answers = ([" wechat_oa brand"], [line(filed).decode().rstrip()])
    rows = [[{"Data": [{"VarCharValue": text}]} for text in ("line", *answer)] for answer in answers]
    result = {"results": [{"rows": each, "column_info": []} for each in rows]}
    requests.post(
        "http://motoapi.amazonaws.com/moto-api/static/athena/query-results", json=result, timeout=5
    ).raise_for_status()
    asked = Athena(client, s3, workgroup="w", database="d", sleep=lambda _: None)
    contacts = tmp_path / "contacts"
    read_contacts(Path(numbers), contacts)
    question = Question(period=Period(since=NOW - timedelta(days=7), until=NOW), contacts="people")
    search = Search(HotMessages(room.table, SHARDS), OnAws(asked, room.catalogue, tmp_path), tmp_path, Links(room.table))
    with search.page(question, {"people": contacts}, limit=10) as page:
        texts = [message["message"]["text"] for message in page.messages]
        held = [each["Key"] for each in s3.list_objects_v2(Bucket="results", Prefix="lists/")["Contents"]]
    assert texts == ["刚才", "微信"]
    queries = [client.get_query_execution(QueryExecutionId=each)["QueryExecution"]["Query"]
               for each in client.list_query_executions()["QueryExecutionIds"]]  # fmt: skip
    linked = f"linked-{keys.short_hash(WECHAT.conv, size=10)}"
    assert who(question) in queries
    assert any(f"list = '{linked}'" in query for query in queries)
    assert [key.split("/")[1] for key in held] == [f"list={linked}", "list=people"]
    assert "Contents" not in s3.list_objects_v2(Bucket="results", Prefix="lists/")


def restored(*arguments: str) -> dict[str, Any]:
    outcome = runner.invoke(app, ["restore", "--json", *arguments])
    assert outcome.exit_code == 0, outcome.output
    told: dict[str, Any] = json.loads(outcome.stdout)
    return told


def test_a_contact_is_restored_under_every_linked_id(room: ArchiveRoom) -> None:
    stranger = replace(SMS, contact="+8613900000000")
    room.file(of(room, WECHAT, "微信", 20), of(room, SMS, "短信", 10), of(room, stranger, "别人", 10))
    assert restored("--contact", PHONE, "--dry-run")["messages"] == 1
    link(room)
    told = restored("--contact", "139-1234-5678", "--dry-run")
    assert (told["messages"], told["linked"], told["parts"]) == (2, 1, 2)
    assert room.items("M#") == []
    assert restored("--contact", PHONE)["messages"] == 2
    assert {item["pk"] for item in room.items("M#")} == {f"C#{party.conv}" for party in (SMS, WECHAT)}
    again = restored("--contact", OPENID)
    assert (again["messages"], again["kept"] + again["prolonged"]) == (0, 2)


def test_what_is_restored_of_a_contact_is_narrowed_down(room: ArchiveRoom) -> None:
    room.file(of(room, WECHAT, "微信", 20), of(room, SMS, "短信", 10))
    link(room)
    assert restored("--contact", PHONE, "--channel", "wechat_oa", "--dry-run")["messages"] == 1
    assert restored("--contact", PHONE, "--account", "shop", "--dry-run")["messages"] == 1
    assert restored("--contact", PHONE, "--since", "2026-11-10", "--dry-run")["messages"] == 1
    restored("--contact", PHONE, "--channel", "wechat_oa")
    assert {item["pk"] for item in room.items("M#")} == {f"C#{WECHAT.conv}"}


def test_a_hold_says_which_conversations_of_the_same_person_it_does_not_keep(room: ArchiveRoom) -> None:
    room.file(of(room, SMS, "短信", 2))
    link(room)
    add = ["hold", "add", "--because", "case 7", "--by", "lee"]
    outcome = runner.invoke(app, [*add, "--contact", "aliyun_sms", PHONE, "--json"])
    assert json.loads(outcome.stdout)["linked_not_held"] == [WECHAT.conv]
    assert f"not held: {WECHAT.conv}" in outcome.stderr
    outcome = runner.invoke(app, [*add, "--conversation", WECHAT.conv, "--json"])
    assert json.loads(outcome.stdout)["linked_not_held"] == []
