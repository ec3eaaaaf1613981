"""Packs: what a spreadsheet sees, what an independent unpacker reads, when the month's is due, and that none is there half."""

from __future__ import annotations

import csv
import gc
import io
import json
import re
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest
import pyzipper
from botocore.client import BaseClient
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from functions.archive.allowance import OutOfTime
from functions.archive.claims import Claims
from functions.archive.crew import Crew
from functions.archive.due import DueReader
from functions.archive.hot import HotReader
from functions.archive.manifests import Ledger
from functions.archive.month_end import Exporter, PackUnfinished, cut, due, month_end
from functions.archive.overtaken import Lookout
from functions.archive.pack import Sheet, pack, sheets
from functions.archive.pack_source import Given, PackSource
from functions.archive.packs import Packs
from functions.archive.parts import ArchiveUnproven, Filed, line
from functions.archive.rewriting import Rewriter, is_of
from functions.archive.sheet import BUSINESSES, COLUMNS, may_be, safe, sheet
from functions.archive.tombstones import Certificate, Tombstones
from functions.archive.upload import PIECE, upload
from functions.common import aws, keys
from functions.common.calendar import Calendar, read_calendar
from functions.common.errors import Unavailable
from functions.common.judgement import Judgement
from functions.common.message import Attachment
from functions.common.store import Conversation
from functions.common.telemetry import Telemetry
from infra.cli.app import app
from tests.fakes.archive_room import NOW, SHANGHAI, SHARDS, ArchiveRoom, open_archive_room_now

runner = CliRunner()
PASSWORD = "密码 p4ss"
DAY = [["09:00", "18:00"]]
# 2026-11-28 is a Saturday, worked instead of Monday the 30th: a day moved about as the State Council does.
CALENDAR: Calendar = read_calendar(
    {
        "zone": "Asia/Shanghai",
        "week": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), DAY),
        "days": {"2026-11-28": DAY, "2026-11-30": []},
    }
)


@pytest.fixture
def room() -> Iterator[ArchiveRoom]:
    with open_archive_room_now() as opened:
        secret = aws.client("secretsmanager").create_secret(Name="export", SecretString=PASSWORD)["ARN"]
        with mock.patch.dict("os.environ", {"EXPORT_PASSWORD": secret}):
            aws.client("s3").create_bucket(Bucket="exports")
            yield opened


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def opened(content: bytes, password: str = PASSWORD) -> dict[str, list[dict[str, str]]]:
    """Every CSV's rows, by an unpacker that is not ours."""
    found = {}
    with pyzipper.AESZipFile(io.BytesIO(content)) as archive:
        archive.setpassword(password.encode())
        for info in archive.infolist():
            assert info.flag_bits & 1, "not encrypted"
            body = archive.read(info)
            assert body.startswith(b"\xef\xbb\xbf")
            found[info.filename] = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    return found


def source(room: ArchiveRoom, since: datetime, until: datetime) -> PackSource:
    return PackSource(
        room.bucket,
        Ledger(room.table),
        one_by_one(hot(room).read(since, until)),
        since,
        until,
        tombstones=Tombstones(room.table),
    )


def one_by_one(messages: Iterable[Filed]) -> Given:
    def give(keep: Callable[[Filed], None]) -> None:
        for filed in messages:
            keep(filed)

    return give


def hot(room: ArchiveRoom) -> HotReader:
    return HotReader(room.table, SHARDS, DueReader(room.table, SHARDS, Telemetry("test")))


def claims(room: ArchiveRoom) -> Claims:
    return Claims(table=room.table, hot=hot(room), crew=Crew(1))


def exporter(room: ArchiveRoom, **more: Any) -> Exporter:
    made = Exporter(
        packs=Packs(room.table),
        lookout=lambda: Lookout(Tombstones(room.table)),
        claims=claims(room),
        ledger=Ledger(room.table),
        source=lambda term, time: PackSource.of_pack(room.bucket, Ledger(room.table), claims(room), term, time),
        calendar=lambda: CALENDAR,
        zone=SHANGHAI,
        client=aws.client("s3"),
        bucket="exports",
        password=lambda: PASSWORD,
        telemetry=Telemetry("archive"),
    )
    return replace(made, **more)


def run(room: ArchiveRoom, now: datetime, **more: Any) -> dict[str, Any]:
    return month_end(exporter(room, **more), now=now, remaining=lambda: 600_000)


def stored(name: str) -> dict[str, list[dict[str, str]]]:
    return opened(aws.client("s3").get_object(Bucket="exports", Key=f"month-end/{name}.zip")["Body"].read())


def packs() -> list[str]:
    return [found["Key"] for found in aws.client("s3").list_objects_v2(Bucket="exports").get("Contents", [])]


# --- The sheet ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+86 139",
        "-1",
        "@SUM(A1)",
        " =1",
        "\u3000＝1",
        "＋1",
        "\ufeff=1",
        "\0=1",
        "\u2060=1",
        "\u200e-1",
        "\ufe66=1",
        "\u22121",
        "=cmd|' /C calc'!A0",
        "123456789012345678",
    ],
)
def test_a_cell_that_a_spreadsheet_would_work_on_is_made_text(cell: str) -> None:
    assert safe(cell) == f"'{cell}"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("hi;=HYPERLINK(1)", "hi;'=HYPERLINK(1)"),
        ("hi\n=1+1", "hi\n'=1+1"),
        ("hi\t@SUM(A1)", "hi\t'@SUM(A1)"),
        ("a; \u200b＝1;b", "a; \u200b'＝1;b"),
        ('a;"=1"', 'a;"\'=1"'),
        ("=1;=2\r\n-3", "'=1;'=2\r\n'-3"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\n=1", "'\n'=1"),
    ],
)
def test_what_would_begin_a_cell_within_a_cell_is_made_text_too(cell: str, text: str) -> None:
    assert safe(cell) == text


@given(st.text(alphabet='a;\t\r\n "\u200b=+-@＝', max_size=12))
def test_no_part_of_a_cell_begins_a_formula(cell: str) -> None:
    assert all(not re.match(r'[\s\u200b"]*[=+\-@＝]', part) for part in re.split(r"[;\t\r\n]", safe(cell))[1:])


@pytest.mark.parametrize("cell", ["", "a;b", "好;\n你好", "1;2=3", "你好", "13912345678", "a=b", "1+1=2", "我要退款", "'=1"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert safe(cell) == cell


@given(st.text(max_size=20))
def test_no_cell_begins_a_formula(cell: str) -> None:
    assert not re.match(r"[\s\0-\x1f\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠]", safe(cell))


def test_a_row_says_what_people_want_to_know(room: ArchiveRoom) -> None:
    judgement = Judgement(
        business="complaint", content=("logistics",), urgency="urgent", sentiment="negative", risk=("legal_media",)
    )
    filed = room.message(
        '快递\n丢了,"真的"', contact="+8613912345678", name="=小王", judgement=judgement, team="complaints", replied=True,
        received_at=shanghai("2026-11-19T08:30:05"),
    )  # fmt: skip
    body = b"".join(sheet([line(filed)], "complaint", SHANGHAI)).decode("utf-8-sig")
    (found,) = csv.DictReader(io.StringIO(body, newline=""))
    assert tuple(found) == COLUMNS
    assert found["接收时间"] == "2026-11-19 08:30:05"
    assert (found["联系人"], found["昵称"], found["内容"]) == ("'+8613912345678", "'=小王", '快递\n丢了,"真的"')
    assert [found[c] for c in ("业务类型", "内容属性", "紧急程度", "情绪", "垃圾信息", "风险")] == [
        "投诉", "物流", "加急", "负面", "正常", "法律媒体",
    ]  # fmt: skip
    assert (found["负责团队"], found["回复状态"], found["回复内容"]) == ("complaints", "已回复", "收到")
    assert found["消息编号"] == filed.judged.message.message_id


def test_what_was_heard_stands_for_a_text(room: ArchiveRoom) -> None:
    filed = room.message("", attachments=(Attachment(kind="voice", transcript="喂喂"),))
    assert "喂喂" in b"".join(sheet([line(filed)], "other", SHANGHAI)).decode()


@pytest.mark.parametrize("business", BUSINESSES)
def test_a_line_that_is_passed_over_unread_is_of_another_business(room: ArchiveRoom, business: Any) -> None:
    trap = room.message('"business":"complaint"', judgement=Judgement(business=business, scores={"business.enquiry": 0.5}))
    assert [other for other in BUSINESSES if may_be(other, line(trap))] == [business]


# --- The pack ----------------------------------------------------------------------------------------------------


def test_a_pack_has_a_sheet_per_month_and_business_and_each_message_once(room: ArchiveRoom) -> None:
    complaint = Judgement(business="complaint")
    october = room.message("十月", judgement=complaint, received_at=shanghai("2026-10-31T23:59:59.999"))
    november = room.message("十一月", judgement=complaint, received_at=shanghai("2026-11-01T00:00"))
    both = room.message("两处", received_at=NOW - timedelta(hours=30))
    room.file(october, november, both)
    room.keep_hot(both, room.message("热的", received_at=NOW - timedelta(hours=1)))
    since, until = shanghai("2026-10-15T00:00"), NOW
    wanted = sheets(since, until, SHANGHAI)
    found = opened(b"".join(pack(wanted, source(room, since, until), zone=SHANGHAI, password=PASSWORD, made_at=NOW)))
    assert len(found) == 12
    texts = {name: [row["内容"] for row in rows] for name, rows in found.items() if rows}
    assert texts == {"2026-10_投诉.csv": ["十月"], "2026-11_投诉.csv": ["十一月"], "2026-11_其他.csv": ["两处", "热的"]}


def test_a_wrong_password_opens_nothing(room: ArchiveRoom) -> None:
    content = b"".join(
        pack(sheets(NOW, NOW + timedelta(days=1), SHANGHAI), lambda _: (), zone=SHANGHAI, password="a", made_at=NOW)
    )
    with pytest.raises(RuntimeError, match="Bad password"):
        opened(content, "b")


def test_a_pack_is_made_piece_by_piece() -> None:
    """Of a long sheet the first pieces are there long before its last line is asked for."""
    asked, room = count(), ArchiveRoom(table=None, bucket=None)  # type: ignore[arg-type]

    def lines(_: Sheet) -> Iterator[bytes]:
        for number in range(1_000):
            next(asked)
            yield line(room.message(Random(number).randbytes(2_000).hex(), received_at=NOW))

    wanted = [each for each in sheets(NOW - timedelta(days=1), NOW + timedelta(days=1), SHANGHAI) if each.business == "other"]
    pieces, held = pack(wanted, lines, zone=SHANGHAI, password="x", made_at=NOW), 0
    while held < 200_000:
        held += len(next(pieces))
    assert next(asked) < 200


def test_a_part_that_is_not_what_its_manifest_says_makes_no_pack(room: ArchiveRoom) -> None:
    (manifest,) = room.file(room.message(received_at=shanghai("2026-11-10T10:00")))
    room.bucket.put(manifest.key, b"other")
    with pytest.raises(ArchiveUnproven):
        run(room, shanghai("2026-11-28T20:30"))
    assert packs() == []


# --- The month's end ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "name", "since", "until"),
    [
        ("2026-11-27T20:30", "2026-10", "2026-09-30T20:00", "2026-10-30T20:00"),  # Friday, but the Saturday is worked
        ("2026-11-28T20:29", "2026-10", "2026-09-30T20:00", "2026-10-30T20:00"),
        ("2026-11-28T20:30", "2026-11", "2026-10-30T20:00", "2026-11-28T20:00"),
        ("2026-11-30T20:30", "2026-11", "2026-10-30T20:00", "2026-11-28T20:00"),  # a day off: nothing new is due
        ("2026-12-31T20:30", "2026-12", "2026-11-28T20:00", "2026-12-31T20:00"),
        ("2027-01-15T03:00", "2026-12", "2026-11-28T20:00", "2026-12-31T20:00"),
        ("2028-02-29T20:30", "2028-02", "2028-01-31T20:00", "2028-02-29T20:00"),  # a leap day
    ],
)
def test_the_pack_of_a_month_is_due_on_its_last_working_day(now: str, name: str, since: str, until: str) -> None:
    month = due(CALENDAR, SHANGHAI, shanghai(now))
    before = (month - timedelta(days=1)).replace(day=1)
    assert f"{month:%Y-%m}" == name
    assert [cut(CALENDAR, SHANGHAI, first) for first in (before, month)] == [shanghai(since), shanghai(until)]


def test_the_month_is_packed_once_and_what_came_after_the_last_pack_is_added(room: ArchiveRoom) -> None:
    room.file(
        room.message("早了", received_at=shanghai("2026-10-30T19:59:59")),
        room.message("补", received_at=shanghai("2026-10-31T09:00")),
        room.message("本月", received_at=shanghai("2026-11-02T09:00")),
    )
    room.keep_hot(
        room.message("当天", received_at=shanghai("2026-11-28T19:00")),
        room.message("晚了", received_at=shanghai("2026-11-28T20:00")),
    )
    told = run(room, shanghai("2026-11-28T20:30"))
    assert (told["month"], told["made"]) == ("2026-11", True)
    texts = {name: [row["内容"] for row in rows] for name, rows in stored("2026-11").items() if rows}
    assert texts == {"2026-10_其他_补.csv": ["补"], "2026-11_其他.csv": ["本月", "当天"]}
    assert run(room, shanghai("2026-11-28T20:31")) == {"month": "2026-11", "made": False, "more": False}
    assert run(room, shanghai("2026-12-15T20:30"))["made"] is False


def test_what_an_outage_kept_from_being_made_is_made_the_next_evening(room: ArchiveRoom) -> None:
    room.file(room.message("本月", received_at=shanghai("2026-11-02T09:00")))
    assert run(room, shanghai("2026-12-02T20:30"))["month"] == "2026-11"


def test_no_message_falls_between_two_packs(room: ArchiveRoom) -> None:
    moments = [shanghai("2026-11-28T20:00") + timedelta(milliseconds=ms) for ms in (-1, 0, 1)]
    room.file(*(room.message(f"{n}", received_at=moment) for n, moment in enumerate(moments)))
    run(room, shanghai("2026-11-28T20:30"))
    run(room, shanghai("2026-12-31T20:30"))
    told = [row["内容"] for name in ("2026-11", "2026-12") for rows in stored(name).values() for row in rows]
    assert told == ["0", "1", "2"]


def stored_late(filed: Filed, at: str) -> Filed:
    return replace(filed, judged=replace(filed.judged, late_at=shanghai(at)))


def told_in(*months: str) -> dict[str, list[str]]:
    rows = {(month, name): rows for month in months for name, rows in stored(month).items()}
    return {f"{month} {name}": [row["内容"] for row in some] for (month, name), some in rows.items() if some}


def test_a_message_stored_long_after_its_receipt_is_in_the_pack_of_when_it_was_stored_and_in_no_other(
    room: ArchiveRoom,
) -> None:
    before_cut = shanghai("2026-11-28T19:50")
    known = [
        room.message("及时", received_at=before_cut),
        stored_late(room.message("当晚", received_at=before_cut), "2026-11-28T20:15"),
        stored_late(room.message("上午", received_at=shanghai("2026-11-02T09:00")), "2026-11-28T19:59"),
    ]
    room.keep_hot(*known[:2])
    room.file(known[2])
    run(room, shanghai("2026-11-28T20:30"))
    # A queue that was stuck for days, and one that was stuck for six weeks.
    room.file(stored_late(room.message("三天", received_at=before_cut), "2026-12-01T08:00"), known[0], known[1])
    room.keep_hot(stored_late(room.message("六周", received_at=shanghai("2026-10-20T09:00")), "2026-12-02T08:00"))
    run(room, shanghai("2026-12-31T20:30"))
    run(room, shanghai("2027-01-29T20:30"))
    assert told_in("2026-11", "2026-12", "2027-01") == {
        "2026-11 2026-11_其他.csv": ["上午", "及时"],
        "2026-12 2026-10_其他_补.csv": ["六周"],
        "2026-12 2026-11_其他_补.csv": ["三天", "当晚"],
    }


def test_a_part_written_anew_still_knows_what_was_stored_late(room: ArchiveRoom) -> None:
    gone = room.message("删", contact="gone", received_at=shanghai("2026-11-20T09:00"))
    late = stored_late(room.message("晚", received_at=shanghai("2026-11-20T09:00")), "2026-12-01T08:00")
    (manifest,) = room.file(gone, late)
    Ledger(room.table).open("again", NOW)
    rewriter = Rewriter(Ledger(room.table), room.bucket, run="again", now=NOW)
    rewritten = rewriter.without(manifest, is_of(frozenset({keys.split(gone.judged.message.message_id).conv}), NOW))
    assert rewritten is not None and rewritten.part is not None
    assert (rewritten.part.late_from, rewritten.part.late_until) == (manifest.late_from, manifest.late_until)
    run(room, shanghai("2026-11-28T20:30"))
    run(room, shanghai("2026-12-31T20:30"))
    assert told_in("2026-11", "2026-12") == {"2026-12 2026-11_其他_补.csv": ["晚"]}


@pytest.mark.parametrize("beside", [True, False])
def test_a_message_whose_conversation_learnt_of_it_only_as_a_dead_letter_is_in_one_pack(
    room: ArchiveRoom, beside: bool
) -> None:
    """Stored in time, found by nobody (or beside an older message of its conversation), brought back days later."""
    received = shanghai("2026-11-28T19:00")
    if beside:
        room.keep_hot(room.message("在前", received_at=received - timedelta(hours=1)))
    orphan = room.message("孤儿", received_at=received)
    room.store.add_message(orphan.judged)
    run(room, shanghai("2026-11-28T20:30"))
    assert room.store.note_late(orphan.judged.message.message_id, shanghai("2026-12-02T08:00")) is not beside
    conv = keys.split(orphan.judged.message.message_id).conv
    before = room.store.conversation(conv) or Conversation(conv=conv, channel="generic", account="demo", contact="u1")
    room.store.apply(before, replace(before, count=before.count + 1, unarchived_since=received - timedelta(hours=1)))
    run(room, shanghai("2026-12-31T20:30"))
    found = [text for texts in told_in("2026-11", "2026-12").values() for text in texts]
    assert sorted(found) == sorted(["孤儿", *(["在前"] if beside else [])])


def test_however_much_is_in_the_table_a_pack_holds_no_more_of_it_in_memory(room: ArchiveRoom) -> None:
    def held(count: int) -> int:
        """Bytes that are held when all was read from the table, and half of it again for a sheet."""
        hot = [room.message(Random(n).randbytes(200).hex(), received_at=NOW) for n in range(count)]
        tracemalloc.start()
        try:
            source = PackSource(
                room.bucket, Ledger(room.table), one_by_one(hot), NOW - timedelta(days=1), NOW + timedelta(days=1),
                tombstones=Tombstones(room.table),
            )  # fmt: skip
            found = source(sheets(NOW, NOW + timedelta(days=1), SHANGHAI)[0])
            assert sum(1 for _ in islice(found, count // 2)) == count // 2
            gc.collect()
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    held(100)  # what is imported and cached the first time
    assert held(5_000) < held(500) + 100_000, "of five megabytes"


@pytest.mark.parametrize("change", [{"2026-11-29": DAY}, {"2026-11-28": []}])
def test_a_calendar_that_changes_after_the_pack_leaves_no_message_out_and_none_in_two(
    room: ArchiveRoom, change: dict[str, Any]
) -> None:
    """A make-up day is published, or taken back, when the month's pack is made already."""
    room.file(*(room.message(f"{day}", received_at=shanghai(f"2026-11-{day}T19:00")) for day in (26, 27, 28, 29, 30)))
    assert run(room, shanghai("2026-11-28T20:30"))["made"]
    raw = {"2026-11-28": DAY, "2026-11-30": []} | change
    later = read_calendar(
        {"zone": "Asia/Shanghai", "week": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), DAY), "days": raw}
    )
    for evening in ("2026-11-29T20:30", "2026-11-30T20:30", "2026-12-31T20:30"):
        run(room, shanghai(evening), calendar=lambda: later)
    told = [row["内容"] for name in ("2026-11", "2026-12") for rows in stored(name).values() for row in rows]
    assert sorted(told) == ["26", "27", "28", "29", "30"]


def test_a_month_in_which_nobody_works_has_its_pack_on_its_last_day_and_keeps_no_other_waiting(room: ArchiveRoom) -> None:
    closed = replace(CALENDAR, days=CALENDAR.days | {NOW.date().replace(month=12, day=day): () for day in range(1, 32)})
    room.file(*(room.message(day, received_at=shanghai(f"{day}T19:00")) for day in ("2026-11-27", "2026-12-31", "2027-01-05")))
    for evening in ("2026-11-28T20:30", "2026-12-31T20:30", "2027-01-29T20:30"):
        assert run(room, shanghai(evening), calendar=lambda: closed)["made"], evening
    assert [texts(month) for month in ("2026-11", "2026-12", "2027-01")] == [["2026-11-27"], ["2026-12-31"], ["2027-01-05"]]


@pytest.mark.parametrize("secret", [{"SecretString": " "}, {"SecretBinary": b"p4ss"}])
def test_no_pack_is_made_that_anybody_could_open(room: ArchiveRoom, tmp_path: Path, secret: dict[str, Any]) -> None:
    name = aws.client("secretsmanager").create_secret(Name="blank", **secret)["ARN"]
    assert said("export", "--to", str(tmp_path / "pack.zip"), "--secret", name, code=1).endswith("holds no text")
    assert list(tmp_path.iterdir()) == []


def test_what_came_late_from_somebody_who_was_erased_is_in_no_pack(room: ArchiveRoom, tmp_path: Path) -> None:
    """It was on a queue while its sender was erased, and lies in the table until the night."""
    received = shanghai("2026-11-20T09:00")
    late, later = room.message("erased", received_at=received), room.message("new", received_at=received + timedelta(hours=2))
    erased_at, tombstones = received + timedelta(hours=1), Tombstones(room.table, room.bucket)
    certificate = Certificate(
        id="c", at=erased_at, conversations=(tombstones.hash_of(keys.split(late.judged.message.message_id).conv),),
        backups_until=erased_at, searched=erased_at, complete=erased_at,
    )  # fmt: skip
    tombstones.keep(certificate)
    tombstones.raise_over(certificate)
    room.keep_hot(late, later)
    said("export", "--to", str(tmp_path / "pack.zip"))
    assert [row["内容"] for row in opened((tmp_path / "pack.zip").read_bytes())["2026-11_其他.csv"]] == ["new"]
    run(room, shanghai("2026-11-28T20:30"))
    assert texts("2026-11") == ["new"]


def test_a_pack_that_is_made_again_goes_from_when_to_when_it_went(room: ArchiveRoom) -> None:
    room.file(*(room.message(f"{day}", received_at=shanghai(f"2026-11-{day}T19:00")) for day in (27, 28, 29)))
    run(room, shanghai("2026-11-28T20:30"))
    before = stored("2026-11")
    aws.client("s3").delete_object(Bucket="exports", Key="month-end/2026-11.zip")  # an erasure takes packs away
    moved = replace(CALENDAR, days=CALENDAR.days | {shanghai("2026-11-29T12:00").date(): CALENDAR.week[0]})
    assert run(room, shanghai("2026-11-29T20:30"), calendar=lambda: moved)["made"]
    assert stored("2026-11") == before


def test_every_month_that_an_outage_left_without_a_pack_gets_its_own(room: ArchiveRoom) -> None:
    room.file(*(room.message(day, received_at=shanghai(f"{day}T19:00")) for day in ("2026-10-30", "2026-11-15", "2026-12-15")))
    run(room, shanghai("2026-10-30T20:30"))
    later = shanghai("2027-01-05T20:30")
    told = [run(room, later) for _ in range(3)]
    assert [(each["month"], each["made"], each["more"]) for each in told] == [
        ("2026-11", True, True),
        ("2026-12", True, False),
        ("2026-12", False, False),
    ]
    texts = [
        {name: [row["内容"] for row in rows] for name, rows in stored(month).items() if rows}
        for month in ("2026-11", "2026-12")
    ]
    assert texts == [{"2026-11_其他.csv": ["2026-11-15"]}, {"2026-12_其他.csv": ["2026-12-15"]}]


def test_a_pack_that_failed_every_evening_until_the_next_was_due_is_made_once_it_can_be(room: ArchiveRoom) -> None:
    (damaged,) = room.file(room.message("十一月", received_at=shanghai("2026-11-15T19:00")))
    body = room.bucket.fetched(damaged.key).getvalue()
    room.bucket.put(damaged.key, b"damaged")
    room.file(room.message("十二月", received_at=shanghai("2026-12-15T19:00")))
    for day in range(28, 31):
        with pytest.raises(ArchiveUnproven):
            run(room, shanghai(f"2026-11-{day}T20:30"))
    assert run(room, shanghai("2026-12-31T20:30"))["month"] == "2026-12", "what cannot be made keeps no other waiting"
    assert packs() == ["month-end/2026-12.zip"]
    with pytest.raises(ArchiveUnproven):
        run(room, shanghai("2027-01-01T20:30"))
    room.bucket.put(damaged.key, body)
    assert run(room, shanghai("2027-01-02T20:30"))["month"] == "2026-11"
    assert {row["内容"] for rows in stored("2026-11").values() for row in rows} == {"十一月"}
    assert run(room, shanghai("2027-01-03T20:30"))["made"] is False


def test_a_pack_that_is_missing_is_told_every_evening(room: ArchiveRoom, capsys: pytest.CaptureFixture[str]) -> None:
    """`PackAbsentAlarm` is on as long as `PacksComplete` is not counted."""
    (damaged,) = room.file(room.message(received_at=shanghai("2026-11-15T19:00")))
    body = room.bucket.fetched(damaged.key).getvalue()
    run(room, shanghai("2026-11-27T20:30"))
    assert "PacksComplete" in capsys.readouterr().out
    room.bucket.put(damaged.key, b"damaged")
    for evening in ("2026-11-28T20:30", "2026-12-31T20:30", "2027-01-01T20:30"):
        with pytest.raises(ArchiveUnproven):
            while run(room, shanghai(evening))["more"]:
                pass
    assert "PacksComplete" not in capsys.readouterr().out
    room.bucket.put(damaged.key, body)
    assert not run(room, shanghai("2027-01-02T20:30"))["more"]
    assert "PacksComplete" in capsys.readouterr().out


def test_a_pack_whose_maker_died_before_it_said_so_is_not_made_again(room: ArchiveRoom) -> None:
    run(room, shanghai("2026-11-28T20:30"))
    aws.client("dynamodb").update_item(
        TableName=room.table.name, Key={"pk": {"S": "A#packs"}, "sk": {"S": "2026-11"}}, UpdateExpression="REMOVE made"
    )
    assert run(room, shanghai("2026-11-29T20:30"))["made"] is False
    aws.client("s3").delete_object(Bucket="exports", Key="month-end/2026-11.zip")  # as the bucket's lifecycle does
    assert [run(room, shanghai("2027-01-29T20:30"))["month"] for _ in range(3)] == ["2026-12", "2027-01", "2027-01"]


def test_a_pack_that_time_ran_out_for_is_not_there(room: ArchiveRoom) -> None:
    room.file(room.message(received_at=shanghai("2026-11-02T09:00")))
    # The first has claimed messages too; the second had all its time for the pack.
    for fault in (OutOfTime, PackUnfinished):
        with pytest.raises(fault):
            month_end(exporter(room), now=shanghai("2026-11-28T20:30"), remaining=lambda: 1_000)
        assert packs() == []
        assert "Uploads" not in aws.client("s3").list_multipart_uploads(Bucket="exports")


# --- Uploads -----------------------------------------------------------------------------------------------------


def test_an_upload_of_many_pieces_is_one_object(room: ArchiveRoom) -> None:
    content = [bytes([n]) * (1 << 20) for n in range(20)]
    assert upload(aws.client("s3"), "exports", "k", content) == 20 << 20
    assert aws.client("s3").get_object(Bucket="exports", Key="k")["Body"].read() == b"".join(content)


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
def test_a_bucket_that_refuses_leaves_nothing_behind(room: ArchiveRoom, operation: str) -> None:
    call = BaseClient._make_api_call

    def refusing(client: BaseClient, name: str, arguments: dict[str, Any]) -> Any:
        return call(client, name, arguments | ({"Bucket": "elsewhere"} if name == operation else {}))

    with mock.patch.object(BaseClient, "_make_api_call", refusing), pytest.raises(Unavailable, match=operation):
        upload(aws.client("s3"), "exports", "k", [b"x" * PIECE, b"y"])
    assert packs() == []
    assert "Uploads" not in aws.client("s3").list_multipart_uploads(Bucket="exports")


# --- The commands ------------------------------------------------------------------------------------------------


def said(*arguments: str, code: int = 0) -> str:
    outcome = runner.invoke(app, list(arguments))
    assert outcome.exit_code == code, outcome.output
    return outcome.output.strip().splitlines()[-1] if code else outcome.stdout.strip()


def test_a_pack_of_any_time_is_made_and_opened(room: ArchiveRoom, tmp_path: Path) -> None:
    room.file(
        room.message("三天内", received_at=NOW - timedelta(days=2)), room.message("更早", received_at=NOW - timedelta(days=4))
    )
    room.keep_hot(room.message("=热的", received_at=NOW - timedelta(hours=1)))
    zipped = tmp_path / "pack.zip"
    told = json.loads(said("export", "--to", str(zipped), "--json"))
    assert told["bytes"] == zipped.stat().st_size
    assert [row["内容"] for row in opened(zipped.read_bytes())["2026-11_其他.csv"]] == ["三天内", "'=热的"]
    files = said("unpack", str(zipped), "--to", str(tmp_path / "out")).splitlines()
    assert len(files) == 6
    assert "'=热的" in (tmp_path / "out" / "2026-11_其他.csv").read_text("utf-8-sig")
    said("export", "--month", "2026-11", "--to", str(zipped))
    assert len(opened(zipped.read_bytes())["2026-11_其他.csv"]) == 3


def owed(room: ArchiveRoom) -> str:
    """What the command is told of the export bucket; November's pack is owed, some of it is in no part."""
    room.file(room.message("旧", received_at=shanghai("2026-11-02T09:00")))
    room.keep_hot(
        room.message("新", received_at=shanghai("2026-11-20T19:00")),
        room.message("晚", received_at=shanghai("2026-11-28T20:00")),
    )
    Packs(room.table).decide("2026-11", shanghai("2026-10-30T20:00"), shanghai("2026-11-28T20:00"))
    return "exports"


def texts(month: str) -> list[str]:
    return [row["内容"] for rows in stored(month).values() for row in rows]


def test_a_pack_that_the_function_cannot_make_is_made_by_hand_and_owed_no_more(room: ArchiveRoom) -> None:
    bucket = owed(room)
    told = json.loads(said("export", "--pack", "2026-11", "--export-bucket", bucket, "--json"))
    assert (told["month"], told["key"], told["made"]) == ("2026-11", "month-end/2026-11.zip", True)
    assert texts("2026-11") == ["旧", "新"]
    assert run(room, shanghai("2026-11-28T20:30")) == {"month": "2026-11", "made": False, "more": False}
    again = json.loads(said("export", "--pack", "2026-11", "--export-bucket", bucket, "--json"))
    assert again == {"month": "2026-11", "key": "month-end/2026-11.zip", "made": False}
    assert said("export", "--pack", "2026-11", "--export-bucket", bucket) == "month-end/2026-11.zip: it is there"


def test_a_pack_that_is_made_by_hand_is_the_one_that_the_function_made(room: ArchiveRoom) -> None:
    """Taken away by an erasure, say, and older than the newest, which the function makes again by itself."""
    bucket = owed(room)
    run(room, shanghai("2026-11-28T20:30"))
    before = stored("2026-11")
    aws.client("s3").delete_object(Bucket=bucket, Key="month-end/2026-11.zip")
    room.keep_hot(room.message("更晚", received_at=shanghai("2026-11-29T09:00")))
    said("export", "--pack", "2026-11", "--export-bucket", bucket)
    assert stored("2026-11") == before


def test_a_pack_that_is_there_and_not_noted_is_noted_by_hand(room: ArchiveRoom) -> None:
    bucket = owed(room)
    run(room, shanghai("2026-11-28T20:30"))
    room.table.update("A#packs", "2026-11", "REMOVE #made")
    assert said("export", "--pack", "2026-11", "--export-bucket", bucket).endswith("it is there")
    assert Packs(room.table).decided()[0].made is not None


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--pack", "2026-12"], "no pack of 2026-12 is owed"),
        (["--pack", "2026-13"], "not a month: 2026-13"),
        (["--pack", "2026-11", "--to", "x.zip"], "say --to FILE and the time that is wanted, or --pack"),
        (["--pack", "2026-11", "--last-days", "3"], "say --to FILE and the time that is wanted, or --pack"),
        ([], "say --to FILE and the time that is wanted, or --pack"),
        (["--pack", "2026-11", "--secret", "nowhere"], "GetSecretValue"),
    ],
)
def test_a_pack_that_cannot_be_made_by_hand_is_one_clear_line(room: ArchiveRoom, arguments: list[str], why: str) -> None:
    bucket = owed(room)
    assert why in said("export", "--export-bucket", bucket, *arguments, code=1)
    assert packs() == []
    assert "--export-bucket" in said("export", "--pack", "2026-11", code=1)


def test_a_full_disk_leaves_the_file_that_was_there_and_none_half(room: ArchiveRoom, tmp_path: Path) -> None:
    room.file(room.message())
    zipped = tmp_path / "pack.zip"
    zipped.write_bytes(b"yesterday's")

    def full(*_: Any, **__: Any) -> Iterator[bytes]:
        yield b"x"
        raise OSError(28, "No space left on device", str(zipped))

    with mock.patch("functions.archive.pack.pack", full):
        assert said("export", "--to", str(zipped), code=1).endswith("pack.zip: No space left on device")
    assert [path.name for path in tmp_path.iterdir()] == ["pack.zip"]
    assert zipped.read_bytes() == b"yesterday's"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda body: body[:-200], "pack"),
        (lambda body: body[:60] + bytes([body[60] ^ 1]) + body[61:], "pack"),
        (lambda _: b"not a zip", "no whole pack"),
        (lambda _: b"", "pack"),
    ],
)
def test_a_pack_that_is_spoiled_is_not_half_unpacked(room: ArchiveRoom, tmp_path: Path, spoil: Any, why: str) -> None:
    room.file(room.message())
    zipped = tmp_path / "pack.zip"
    said("export", "--to", str(zipped), "--last-days", "7")
    zipped.write_bytes(spoil(zipped.read_bytes()[:400]))
    assert why in said("unpack", str(zipped), "--to", str(tmp_path / "out"), code=1)
    assert list((tmp_path / "out").iterdir()) == []


def test_another_password_is_said_so(room: ArchiveRoom, tmp_path: Path) -> None:
    zipped = tmp_path / "pack.zip"
    said("export", "--to", str(zipped))
    other = aws.client("secretsmanager").create_secret(Name="other", SecretString="other")["ARN"]
    assert said("unpack", str(zipped), "--secret", other, code=1) == "postroom: pack.zip: the password is another's"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--month", "2026-13"], "not a month: 2026-13"),
        (["--month", "2026-11", "--day", "2026-11-01"], "in one way"),
        (["--secret", "nowhere"], "GetSecretValue"),
        (["--to", "/nonexistent/pack.zip"], "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(room: ArchiveRoom, tmp_path: Path, arguments: list[str], why: str) -> None:
    assert why in said("export", "--to", str(tmp_path / "pack.zip"), *arguments, code=1)
    assert list(tmp_path.iterdir()) == []
