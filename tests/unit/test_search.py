"""`postroom search`: the table and the archive in one answer, each message once, nothing shown that need not be."""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.client import BaseClient
from typer.testing import CliRunner

from functions.archive.parts import Filed
from functions.common import aws, keys
from functions.common.clock import set_ahead, system_clock
from functions.common.judgement import Judgement
from functions.common.vault import Vault
from infra.cli.app import app
from infra.records.athena import Athena, AthenaRefused
from infra.records.errors import PeriodInvalid
from infra.records.hot import HotMessages
from infra.records.period import Asked, Period, at_most, read_period
from infra.records.question import Question, sql
from infra.records.search import OnAws, Search
from tests.fakes.archive_room import NOW, SHANGHAI, SHARDS, ArchiveRoom, open_archive_room_now

runner = CliRunner()
PHONE = "+8613912345678"


@pytest.fixture
def room() -> Iterator[ArchiveRoom]:
    with open_archive_room_now() as opened:
        yield opened


def search(*arguments: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    outcome = runner.invoke(app, ["search", "--json", *arguments])
    assert outcome.exit_code == 0, outcome.output
    *messages, end = map(json.loads, outcome.stdout.splitlines())
    return messages, end["end"]


def refused(*arguments: str) -> str:
    outcome = runner.invoke(app, ["search", *arguments])
    assert outcome.exit_code == 1, outcome.output
    return outcome.output.strip().splitlines()[-1]


def texts(*arguments: str) -> list[str]:
    return [message["text"] for message in search(*arguments)[0]]


def id_of(filed: Filed) -> str:
    return filed.judged.message.message_id


def test_hot_and_archived_messages_come_in_one_answer_newest_first(room: ArchiveRoom) -> None:
    room.file(
        room.message("旧的", received_at=NOW - timedelta(days=3)), room.message("更旧", received_at=NOW - timedelta(days=5))
    )
    room.keep_hot(room.message("新的", received_at=NOW - timedelta(hours=1)))
    assert texts() == ["新的", "旧的", "更旧"]


def test_a_message_that_is_in_a_part_and_still_in_the_table_comes_once(room: ArchiveRoom) -> None:
    both = room.message("两处")
    room.keep_hot(both)
    room.file(both)  # the run died before it could mark the item
    messages, end = search()
    assert [message["message_id"] for message in messages] == [id_of(both)]
    assert end == {"count": 1, "cursor": None, "unreadable": 0}


def test_a_message_that_was_marked_as_archived_is_found_in_its_part_alone(room: ArchiveRoom) -> None:
    both, fresh = room.message("两处"), room.message("新的", received_at=NOW - timedelta(hours=1))
    room.keep_hot(both, fresh)
    (manifest,) = room.file(both)
    key = keys.split(id_of(both))
    room.table.update(f"C#{key.conv}", keys.message_sk(key), "SET #archived = :p", values={":p": manifest.part})
    period = Period(since=NOW - timedelta(days=7), until=NOW)
    hot = HotMessages(room.table, SHARDS).read(Question(period=period))
    assert [id_of(filed) for filed in hot] == [id_of(fresh)]
    assert texts() == ["新的", "两处"]


def test_a_part_that_was_not_committed_is_not_searched(room: ArchiveRoom) -> None:
    room.file(room.message("没有提交"), state="writing")
    assert texts() == []


def test_nothing_reads_the_whole_table(room: ArchiveRoom) -> None:
    room.keep_hot(room.message("新的", received_at=NOW - timedelta(hours=1)))
    room.file(room.message("旧的"))
    made: list[str] = []
    call = BaseClient._make_api_call

    def noted(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        made.append(operation)
        return call(client, operation, arguments)

    with mock.patch.object(BaseClient, "_make_api_call", noted):
        assert len(texts()) == 2
    assert "Scan" not in made
    # The index per shard, each conversation once, its messages and its replies; the ledger by month.
    assert made.count("Query") <= SHARDS + 2 + 2
    assert made.count("GetObject") == 1


def test_the_cursor_goes_on_where_the_page_ended_and_keeps_the_times(room: ArchiveRoom) -> None:
    wanted = [room.message(f"第{n}条", received_at=NOW - timedelta(hours=5, minutes=n)) for n in range(5)]
    room.file(*wanted[2:])
    room.keep_hot(*wanted[:2])
    first, end = search("--last-days", "2", "--limit", "2")
    room.keep_hot(room.message("后来的", received_at=NOW + timedelta(seconds=1)))
    set_ahead(NOW + timedelta(days=3) - system_clock())
    second, end = search("--last-days", "2", "--limit", "2", "--cursor", end["cursor"])
    third, end = search("--last-days", "2", "--limit", "2", "--cursor", end["cursor"])
    assert [message["message_id"] for message in first + second + third] == [id_of(filed) for filed in wanted]
    assert end["cursor"] is None


@pytest.mark.parametrize(
    "spoil", [lambda c: c[:-3], lambda _: "rubbish", lambda c: c[::-1], lambda _: "e30", lambda _: "W1tb" * 50_000]
)
def test_a_cursor_that_is_none_is_refused(room: ArchiveRoom, spoil: Callable[[str], str]) -> None:
    room.file(room.message(), room.message())
    _, end = search("--limit", "1")
    assert "cursor" in refused("--limit", "1", "--cursor", spoil(end["cursor"]))


def test_a_cursor_cannot_be_made_to_ask_for_more_than_six_months(room: ArchiveRoom) -> None:
    room.file(room.message(), room.message())
    _, end = search("--limit", "1")
    told = json.loads(urlsafe_b64decode(end["cursor"] + "=" * (-len(end["cursor"]) % 4)))
    told[2] = "2020-01-01T00:00:00.000Z"
    assert "cursor" in refused("--limit", "1", "--cursor", urlsafe_b64encode(json.dumps(told).encode()).decode())


def test_a_cursor_of_another_search_is_refused(room: ArchiveRoom) -> None:
    room.file(room.message(), room.message())
    _, end = search("--limit", "1")
    assert "another search" in refused("--limit", "1", "--keyword", "x", "--cursor", end["cursor"])


def test_any_combination_narrows_it_down(room: ArchiveRoom) -> None:
    complaint = Judgement(business="complaint", content=("logistics",), sentiment="negative")
    room.file(
        room.message("快递丢了", judgement=complaint, team="complaints", contact=PHONE),
        room.message("快递到哪了", judgement=Judgement(business="enquiry", content=("logistics",))),
        room.message("快递", channel="wechat_oa", judgement=complaint),
    )
    room.keep_hot(room.message("Express lost", judgement=complaint, account="shop", received_at=NOW - timedelta(hours=2)))
    assert sorted(texts("--label", "投诉")) == ["Express lost", "快递", "快递丢了"]
    assert texts("--keyword", "快递", "--label", "投诉", "--channel", "generic") == ["快递丢了"]
    assert texts("--team", "complaints") == ["快递丢了"]
    assert texts("--keyword", "express") == ["Express lost"]
    assert texts("--account", "shop") == ["Express lost"]
    assert texts("--label", "content=物流", "--label", "sentiment=neutral") == ["快递到哪了"]
    assert texts("--today") == ["Express lost"]
    assert texts("--day", "2026-11-19", "--region", "江苏") == ["快递丢了"]
    assert texts("--region", "CN", "--keyword", "丢") == ["快递丢了"]
    assert texts("--region", "广东") == []


def test_contacts_come_from_a_csv(room: ArchiveRoom, tmp_path: Path) -> None:
    room.file(
        room.message("号码", contact=PHONE),
        room.message("别人", contact="+8613912345679"),
        room.message("openid", contact="oABC123"),
    )
    listed = tmp_path / "people.csv"
    listed.write_text("手机号\n139-1234-5678\nhello\noABC123\n")
    outcome = runner.invoke(app, ["search", "--json", "--contacts", str(listed)])
    assert {json.loads(text).get("text") for text in outcome.stdout.splitlines()} == {"号码", "openid", None}
    assert "3 lines: 1 numbers, 1 other ids, 0 repeated, 0 empty, 1 not understood" in outcome.stderr
    assert "line 3: neither a number nor an id" in outcome.stderr
    assert refused("--contacts", str(tmp_path / "none.csv")).endswith("none.csv: No such file or directory")


def test_contacts_are_veiled_and_texts_masked(room: ArchiveRoom) -> None:
    room.file(room.message("我的电话是 [phone]", contact=PHONE, name="王小明"), room.message(contact="oGZUI0egBJY1zhBYw2Kh"))
    outcome = runner.invoke(app, ["search", "--last-days", "7"])
    assert "+86139****5678 王… 江苏省常州市" in outcome.stdout
    assert "oGZ…Kh" in outcome.stdout
    assert PHONE not in outcome.output
    assert "王小明" not in outcome.output


def unmaskable(room: ArchiveRoom) -> Filed:
    key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
    os.environ["VAULT_KEY_ID"] = key
    filed = room.message("电话 [phone]", contact=PHONE)
    room.file(filed)
    sealed = Vault(aws.client("kms"), key, clock=system_clock).seal(
        id_of(filed), json.dumps({"version": 1, "fields": {"text": "电话 13800138000"}}).encode()
    )
    room.store.add_original(id_of(filed), sealed, NOW + timedelta(days=20))
    return filed


def test_who_unmasks_sees_originals_and_is_on_record(room: ArchiveRoom) -> None:
    filed = unmaskable(room)
    (message,), _ = search("--unmask", "客户来电核实")
    assert (message["text"], message["contact"], message["original"]) == ("电话 13800138000", PHONE, "kept")
    (line,) = room.items("Z#")
    assert (line["action"], line["reason"], line["message_id"]) == ("unmask", "客户来电核实", id_of(filed))
    assert line["by"].startswith("arn:aws:")
    search("--unmask", "再看一次")
    assert len(room.items("Z#")) == 2


def test_nothing_is_unmasked_that_could_not_be_recorded(room: ArchiveRoom) -> None:
    unmaskable(room)
    put = BaseClient._make_api_call

    def full(client: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "TransactWriteItems":
            for each in arguments["TransactItems"]:
                each.get("Put", {})["TableName"] = "elsewhere"
        return put(client, operation, arguments)

    with mock.patch.object(BaseClient, "_make_api_call", full):
        outcome = runner.invoke(app, ["search", "--unmask", "x"])
    assert outcome.exit_code == 1
    assert "13800138000" not in outcome.output
    assert PHONE not in outcome.output


def test_unmasking_needs_a_reason_and_a_key(room: ArchiveRoom) -> None:
    with mock.patch.dict("os.environ"):
        os.environ.pop("VAULT_KEY_ID", None)
        assert "--vault-key" in refused("--unmask", "x")
        assert "reason" in refused("--unmask", " ", "--vault-key", "k")


def test_fetched_parts_are_kept_only_if_asked_for_and_only_while_they_count(room: ArchiveRoom, tmp_path: Path) -> None:
    (first,) = room.file(room.message("甲"))
    keep = tmp_path / "parts"
    assert texts("--keep", str(keep)) == ["甲"]
    (kept,) = keep.rglob("*.gz")
    with mock.patch("infra.records.catalogue.Catalogue.fetch", side_effect=AssertionError("it is there")):
        assert texts("--keep", str(keep)) == ["甲"]
    kept.write_bytes(b"spoiled")
    assert texts("--keep", str(keep)) == ["甲"]
    room.table.delete(*keys.manifest_key(first.day, first.part))
    assert texts("--keep", str(keep)) == []
    assert not list(keep.rglob("*.gz"))


def test_a_part_that_cannot_be_had_is_named_and_nothing_is_said(room: ArchiveRoom) -> None:
    (manifest,) = room.file(room.message("甲"))
    room.bucket.remove_for_good(manifest.key)
    assert refused() == f"postroom: {manifest.key}: not there"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--since", "2026-01-01"], "at most 6 months"),
        (["--today", "--this-month"], "in one way"),
        (["--day", "yesterday"], "not a day or a time: yesterday"),
        (["--day", "2026-02-29"], "not a day or a time: 2026-02-29"),
        (["--day", "0001-01-01"], "before 1970"),
        (["--since", "9999-11-01", "--until", "9999-12-30"], "after 9998"),
        (["--day", "9999-12-31"], "beyond the calendar"),
        (["--label", "colour"], "no label colour; there are 咨询, "),
        (["--region", "Atlantis"], "Atlantis"),
        (["--keyword", "a\nb"], "control character"),
        (["--athena", "w"], "--database"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(room: ArchiveRoom, arguments: list[str], why: str) -> None:
    assert why in refused(*arguments)


def test_six_months_are_not_too_many(room: ArchiveRoom) -> None:
    room.file(room.message("五月", received_at=NOW - timedelta(days=184) + timedelta(minutes=1)))
    assert texts("--since", "2026-05-22", "--until", "2026-11-21") == ["五月"]


@pytest.mark.parametrize(
    ("since", "until", "longer"),
    [
        ("2026-08-31", "2027-02-28", "2027-03-01"),
        ("2027-08-30", "2028-02-29", "2028-03-01"),
        ("2026-08-28", "2027-02-27", "2027-02-28"),
        ("2026-03-31", "2026-09-30", "2026-10-01"),
        ("2026-01-01", "2026-06-30", "2026-07-01"),
    ],
)
def test_six_calendar_months_may_begin_on_any_day(since: str, until: str, longer: str) -> None:
    def asked(last: str) -> Period:
        found = read_period(Asked(since=since, until=last), now=NOW, zone=SHANGHAI)
        assert found is not None
        return at_most(found, 6, SHANGHAI)

    assert asked(until).until.astimezone(SHANGHAI).date().isoformat() == longer
    with pytest.raises(PeriodInvalid, match="at most 6 months"):
        asked(longer)


def test_a_day_ends_at_its_end_however_it_is_written(room: ArchiveRoom) -> None:
    room.file(room.message("晚上", received_at=datetime(2026, 11, 20, 12, tzinfo=UTC)))
    for day in ("2026-11-20", "20261120", "2026-W47-5"):
        assert texts("--day", day) == texts("--since", "2026-11-20", "--until", day) == ["晚上"]


# --- Athena ------------------------------------------------------------------------------------------------------


class AthenaInMoto:
    """moto's Athena, which executes nothing: what a query returns is set before."""

    def __init__(self, room: ArchiveRoom, *found: Filed) -> None:
        from functions.archive.parts import line

        self.client, self.s3 = aws.client("athena"), aws.client("s3")
        self.s3.create_bucket(Bucket="results")
        place = {"ResultConfiguration": {"OutputLocation": "s3://results/results/"}}
        self.client.create_work_group(Name="w", Configuration=place)
        rows = [{"Data": [{"VarCharValue": text}]} for text in ("line", *(line(one).decode().rstrip() for one in found))]
        import requests

        result = {"results": [{"rows": rows, "column_info": []}]}
        answer = requests.post("http://motoapi.amazonaws.com/moto-api/static/athena/query-results", json=result, timeout=5)
        assert answer.status_code == 201
        self.asked = Athena(self.client, self.s3, workgroup="w", database="d", sleep=lambda _: None)

    def queries(self) -> list[str]:
        listed = self.client.list_query_executions()["QueryExecutionIds"]
        return [self.client.get_query_execution(QueryExecutionId=each)["QueryExecution"]["Query"] for each in listed]


def answered(room: ArchiveRoom, athena: AthenaInMoto, question: Question, tmp_path: Path, **lists: Path) -> list[str]:
    searched = Search(HotMessages(room.table, SHARDS), OnAws(athena.asked, room.catalogue, tmp_path), tmp_path)
    with searched.page(question, lists, limit=10) as page:
        return [message["message"]["message_id"] for message in page.messages]


def test_athena_is_asked_the_same_text_and_hot_messages_are_merged_in(room: ArchiveRoom, tmp_path: Path) -> None:
    old, both, new = (room.message("退款", received_at=NOW - timedelta(days=days)) for days in (5, 3, 1))
    room.file(old, both)
    room.keep_hot(both, new, room.message("无关", received_at=NOW - timedelta(days=2)))
    (left,) = room.file(room.message(), state="writing")
    athena = AthenaInMoto(room, both, old)
    question = Question(period=Period(since=NOW - timedelta(days=7), until=NOW), keywords=("退款",))
    assert answered(room, athena, question, tmp_path) == [id_of(new), id_of(both), id_of(old)]
    assert athena.queries() == [sql(question, limit=22, without=(left.key,))]


def test_lists_lie_in_the_results_bucket_only_while_they_are_needed(room: ArchiveRoom, tmp_path: Path) -> None:
    athena = AthenaInMoto(room)
    people = tmp_path / "people"
    people.write_text(f"{PHONE}\n")
    with athena.asked.holding({"people": people}), athena.asked.holding({"people": people}):
        first, second = (found["Key"] for found in athena.s3.list_objects_v2(Bucket="results")["Contents"])
        assert first.startswith("lists/list=people/")
        assert athena.s3.get_object(Bucket="results", Key=second)["Body"].read().decode() == f"{PHONE}\n"
    assert athena.s3.list_objects_v2(Bucket="results")["KeyCount"] == 0


class FailingAthena:
    """An Athena that refuses; `stopped` are the queries that were given up."""

    def __init__(self, *states: dict[str, str]) -> None:
        self.states = list(states)
        self.stopped: list[str] = []

    def start_query_execution(self, **_: Any) -> dict[str, str]:
        return {"QueryExecutionId": "q1"}

    def get_query_execution(self, **_: Any) -> dict[str, Any]:
        return {"QueryExecution": {"Status": self.states.pop(0)}}

    def stop_query_execution(self, *, QueryExecutionId: str) -> None:  # noqa: N803
        self.stopped.append(QueryExecutionId)


def test_who_is_through_first_takes_no_list_from_another(room: ArchiveRoom, tmp_path: Path) -> None:
    athena = AthenaInMoto(room)
    people = tmp_path / "people"
    people.write_text(f"{PHONE}\n")
    with athena.asked.holding({"people": people}):
        with athena.asked.holding({"people": people}):
            pass
        assert athena.s3.list_objects_v2(Bucket="results")["KeyCount"] == 1


def test_a_query_that_athena_refuses_is_said_with_its_reason() -> None:
    failing = FailingAthena({"State": "QUEUED"}, {"State": "FAILED", "StateChangeReason": "TABLE_NOT_FOUND"})
    asked = Athena(failing, None, workgroup="w", database="d", sleep=lambda _: None)  # type: ignore[arg-type]
    with pytest.raises(AthenaRefused, match="failed: TABLE_NOT_FOUND"):
        list(asked.lines("SELECT 1"))


def test_a_query_that_nobody_waits_for_is_stopped() -> None:
    failing = FailingAthena({"State": "RUNNING"})

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    asked = Athena(failing, None, workgroup="w", database="d", sleep=interrupted)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        list(asked.lines("SELECT 1"))
    assert failing.stopped == ["q1"]


def test_a_query_that_is_too_long_is_not_sent() -> None:
    asked = Athena(FailingAthena(), None, workgroup="w", database="d")  # type: ignore[arg-type]
    with pytest.raises(AthenaRefused, match="--contacts"):
        list(asked.lines("x" * 262_145))
