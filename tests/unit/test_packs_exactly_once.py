"""Every message stands in one month-end pack, and in one only, whatever order things happen in: receipts, queues that are stuck, dead
letters brought back, nights of the archive, packs that are tried, die, meet each other and the archive.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
import pyzipper
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from functions.archive import claims
from functions.archive.allowance import OutOfTime
from functions.archive.bucket import ArchiveBucket
from functions.archive.claims import Claims
from functions.archive.crew import Crew
from functions.archive.due import DueReader
from functions.archive.hot import HotReader
from functions.archive.manifests import Ledger
from functions.archive.marks import Marks
from functions.archive.month_end import Exporter, month_end
from functions.archive.overtaken import Lookout
from functions.archive.pack_source import PackSource
from functions.archive.packs import Packs, Sealed
from functions.archive.remains import Remains
from functions.archive.removals import Removals
from functions.archive.retention import read_retention
from functions.archive.service import Cabinet, archive
from functions.archive.tombstones import Tombstones
from functions.common import aws, keys
from functions.common.dynamo_links import DynamoLinks
from functions.common.errors import Unavailable
from functions.common.identity import People
from functions.common.judgement import Judged
from functions.common.store import LATE, AlreadyStored, Conversation, applied_mark, with_unarchived
from functions.common.table import Table
from functions.common.telemetry import Telemetry
from tests.fakes.archive_room import SHANGHAI, SHARDS, ArchiveRoom, open_archive_room
from tests.fakes.deaths import Death, Watch, watching
from tests.fakes.template import table_definition
from tests.unit.test_export import CALENDAR, PASSWORD, shanghai

POLICY = read_retention({"archive": {"zone": "Asia/Shanghai", "quiet_hours": 24, "at_latest_days": 7, "hot_days": 30}})
pytestmark = pytest.mark.timeout(280)
ROOMS = count()
FIRST = shanghai("2026-11-27T20:00")


@dataclass
class Meeting(Watch):
    """Lets something else happen just before a call, once."""

    act: Callable[[], Any] = lambda: None

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        mine = len(self.calls) == self.at
        self.calls.append(name)
        if mine:
            self.at = None
            self.act()
        return call()


@dataclass
class PostRoom:
    """A room with a clock. `known` is what was stored, `orphans` those of which no conversation knows."""

    room: ArchiveRoom
    now: datetime = FIRST
    known: dict[str, Judged] = field(default_factory=dict)
    orphans: dict[str, Judged] = field(default_factory=dict)
    runs: Iterator[int] = field(default_factory=count)

    @property
    def exports(self) -> str:
        return f"{self.room.bucket.name}-exports"

    # --- What may happen ---

    def wait(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    def receive(self, contact: str, delay: float, sent_before: float, *, applied: bool) -> Judged:
        """A message that is stored now, so many hours after its receipt; what finds it may fail."""
        received = self.now - timedelta(hours=delay)
        filed = self.room.message(f"m{len(self.known)}", contact=contact, received_at=received)
        message_id = keys.message_id(
            "generic", "demo", contact, received - timedelta(hours=sent_before), filed.judged.message.text
        )
        message = replace(filed.judged.message, message_id=message_id)
        judged = replace(filed.judged, message=message, late_at=self.now if timedelta(hours=delay) > LATE else None)
        self.known[message_id] = self.orphans[message_id] = judged  # acknowledged: whatever dies from here on, it comes again
        self.room.store.add_message(judged)
        if applied:
            self.apply(judged)
        return judged

    def bring_back(self, judged: Judged) -> None:
        """A dead letter, or a redelivery of a message that its conversation has forgotten: as classify takes it."""
        conv = keys.split(judged.message.message_id).conv
        conversation = self.room.store.conversation(conv)
        if conversation is not None and conversation.notes(judged):
            return
        late_at = self.now if self.now - judged.message.received_at > LATE else None
        try:
            self.room.store.add_message(replace(judged, late_at=late_at))
        except AlreadyStored:
            if late_at is not None:
                self.room.store.note_late(judged.message.message_id, late_at)
        self.apply(judged)

    def forget(self, contact: str) -> None:
        """So many messages came that the conversation no longer notes the earlier ones."""
        conv = keys.conversation_key("generic", "demo", contact)
        before = self.room.store.conversation(conv)
        if before is not None:
            self.room.store.apply(before, replace(before, applied=()))

    def apply(self, judged: Judged) -> None:
        message = judged.message
        conv = keys.split(message.message_id).conv
        before = self.room.store.conversation(conv) or Conversation(
            conv=conv, channel="generic", account="demo", contact=message.contact.primary
        )
        after = with_unarchived(before, message.message_id, message.received_at)
        applied = (*before.applied, applied_mark(message.message_id))[-8:]
        self.room.store.apply(before, replace(after, count=before.count + 1, applied=applied))
        self.orphans.pop(message.message_id, None)

    def archive(self) -> None:
        archive(self.cabinet(), run=f"run{next(self.runs)}", now=self.now, remaining=lambda: 900_000)

    def pack(self, remaining: Callable[[], int] = lambda: 900_000) -> dict[str, Any]:
        return month_end(self.exporter(), now=self.now, remaining=remaining)

    # --- Who does it ---

    def cabinet(self) -> Cabinet:
        table, store, telemetry = self.room.table, self.room.store, Telemetry("test")
        reader = DueReader(table, SHARDS, telemetry)
        return Cabinet(
            ledger=Ledger(table),
            bucket=self.room.bucket,
            reader=reader,
            marks=Marks(table, store, reader, telemetry),
            crew=Crew(1),
            tombstones=Tombstones(table, self.room.bucket),
            removals=Removals(table, (self.room.bucket,)),
            remains=Remains(table=table, people=People(store, DynamoLinks(table))),
            retention=lambda: POLICY,
            telemetry=telemetry,
            sealed=lambda: Sealed.of(Packs(table)),
        )

    def exporter(self) -> Exporter:
        table, ledger = self.room.table, Ledger(self.room.table)
        claiming = Claims(table=table, hot=HotReader(table, SHARDS, DueReader(table, SHARDS, Telemetry("test"))), crew=Crew(1))
        return Exporter(
            packs=Packs(table),
            lookout=lambda: Lookout(Tombstones(table)),
            claims=claiming,
            ledger=ledger,
            source=lambda term, time: PackSource.of_pack(self.room.bucket, ledger, claiming, term, time),
            calendar=lambda: CALENDAR,
            zone=SHANGHAI,
            client=aws.client("s3"),
            bucket=self.exports,
            password=lambda: PASSWORD,
            telemetry=Telemetry("test"),
        )

    # --- What came of it ---

    def finish(self) -> None:
        """Whatever was left is done, over the month that follows."""
        for evening in ("2026-12-02T20:30", "2026-12-04T20:30", "2026-12-31T20:30"):
            self.now = max(self.now, shanghai(evening))
            for judged in list(self.orphans.values()):
                self.bring_back(judged)
            self.archive()
            while self.pack()["more"]:
                pass

    def told(self) -> Counter[str]:
        """How often each message stands in a pack."""
        found: Counter[str] = Counter()
        s3 = aws.client("s3")
        for listed in s3.list_objects_v2(Bucket=self.exports, Prefix="month-end/").get("Contents", []):
            body = s3.get_object(Bucket=self.exports, Key=listed["Key"])["Body"].read()
            with pyzipper.AESZipFile(io.BytesIO(body)) as zipped:
                zipped.setpassword(PASSWORD.encode())
                for name in zipped.namelist():
                    rows = zipped.read(name).decode("utf-8-sig").splitlines()[1:]
                    found.update(row.rpartition(",")[2] for row in rows)
        return found

    def assert_each_is_told_once(self) -> None:
        self.finish()
        assert self.told() == Counter(list(self.known))


@pytest.fixture(scope="module", autouse=True)
def cloud() -> Iterator[None]:
    with open_archive_room() as room:
        room.table.client.delete_table(TableName=room.table.name)
        yield


@contextmanager
def opened() -> Iterator[PostRoom]:
    """A table and buckets of its own, in a cloud that is built once: clients are dear to make."""
    name = f"postroom-{next(ROOMS)}"
    dynamodb, s3 = aws.client("dynamodb"), aws.client("s3")
    dynamodb.create_table(**table_definition() | {"TableName": name})
    for bucket in (name, f"{name}-exports"):
        s3.create_bucket(Bucket=bucket)
    yield PostRoom(ArchiveRoom(Table(dynamodb, name), ArchiveBucket(s3, name)))
    dynamodb.delete_table(TableName=name)  # moto copies every table that it has for each transaction


# --- Any order ---------------------------------------------------------------------------------------------------

contacts = st.sampled_from(["anna", "ben"])
delays = st.sampled_from([0.0, 0.1, 3.0, 30.0])
steps = st.one_of(
    st.tuples(st.just("receive"), contacts, delays, st.sampled_from([0.0, 0.0, 5.0, 40.0]), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.2, 1.0, 12.0, 26.0])),
    st.tuples(st.just("bring back"), st.integers(0, 5)),
    st.tuples(st.just("forget"), contacts),
    st.tuples(st.just("archive")),
    st.tuples(st.just("pack")),
)
# A night or a pack may die at a call, or meet something else there.
mishaps = st.one_of(
    st.none(), st.tuples(st.integers(0, 60), st.sampled_from(["before", "after"])), st.tuples(st.integers(0, 60), steps)
)


def do(there: PostRoom, step: tuple[Any, ...]) -> None:
    match step:
        case ("receive", contact, delay, sent_before, applied):
            there.receive(contact, delay, sent_before, applied=applied)
        case ("wait", hours):
            there.wait(hours)
        case ("bring back", number) if there.known:
            there.bring_back(list(there.known.values())[number % len(there.known)])
        case ("forget", contact):
            there.forget(contact)
        case ("archive",):
            there.archive()
        case ("pack",):
            there.pack()


def do_with(there: PostRoom, step: tuple[Any, ...], mishap: Any) -> None:
    watch: Watch = Watch()
    match mishap:
        case (at, "before" | "after" as when):
            watch = Watch(at=at, when=when)
        case (at, tuple() as other) if other != step:
            watch = Meeting(at=at, act=lambda: do(there, other))
    with watching(watch), suppress(Death):
        do(there, step)


# No shrinking: a story is short, and takes seconds to be told again.
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(st.lists(st.tuples(steps, mishaps), min_size=4, max_size=10))
@example([  # stored in time, found by nobody; filed beside another message, after the pack; brought back
    (("receive", "anna", 0.0, 0.0, False), None), (("wait", 26.0), None), (("receive", "anna", 0.0, 40.0, True), None),
    (("pack",), None), (("wait", 26.0), None), (("archive",), None), (("bring back", 0), None),
])  # fmt: skip
@example([  # told as one that its conversation knows, forgotten, and delivered again
    (("receive", "anna", 0.0, 0.0, True), None), (("wait", 26.0), None), (("pack",), None), (("forget", "anna"), None),
    (("bring back", 0), None),
])  # fmt: skip
def test_in_any_order_every_message_stands_in_one_pack(story: list[tuple[Any, Any]]) -> None:
    with opened() as there:
        for step, mishap in story:
            do_with(there, step, mishap)
        there.assert_each_is_told_once()


# --- At any call -------------------------------------------------------------------------------------------------


def orphan_beside(there: PostRoom) -> None:
    """Of November, stored and found by nobody; filed beside a message that came after the pack's end."""
    there.receive("anna", 0.0, 0.0, applied=False)
    there.wait(26.0)
    there.receive("anna", 0.0, 40.0, applied=True)


@pytest.mark.parametrize("meanwhile", ["archive", "pack"])
def test_a_pack_that_is_made_at_any_call_of_a_night_or_of_another_pack_leaves_no_message_out(meanwhile: str) -> None:
    with opened() as there:
        watch = met(there, meanwhile, Watch())
    writes = [n for n, name in enumerate(watch.calls) if not name.startswith(("Get", "List", "Query"))]
    assert len(writes) > 5
    for n in writes:
        with opened() as there:
            met(there, meanwhile, Meeting(at=n, act=there.pack))
            there.now = shanghai("2026-12-03T20:30")
            there.bring_back(next(iter(there.known.values())))
            there.assert_each_is_told_once()


def met(there: PostRoom, meanwhile: str, watch: Watch) -> Watch:
    orphan_beside(there)
    there.receive("ben", 24.0, 0.0, applied=True)
    there.wait(0.0 if meanwhile == "pack" else 26.0)
    with watching(watch):
        do(there, (meanwhile,))
    return watch


# --- Claims ------------------------------------------------------------------------------------------------------


def calls_of(there: PostRoom, **how: Any) -> Counter[str]:
    watch = Watch()
    with watching(watch), suppress(OutOfTime, Unavailable):
        there.pack(**how)
    return Counter(watch.calls)


def wide(there: PostRoom, contacts: int) -> None:
    for number in range(contacts):
        there.receive(f"u{number:03}", 0.0, 0.0, applied=True)
        there.wait(0.01)
    there.now = shanghai("2026-11-28T20:30")


def claimed(there: PostRoom) -> int:
    return sum("packed" in item for item in there.room.items("M#"))


def test_what_is_claimed_is_claimed_together_and_once_however_often_the_pack_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with opened() as there:
        wide(there, 7)
        monkeypatch.setattr(claims, "_TOGETHER", 3)
        monkeypatch.setattr("functions.archive.month_end.upload", refuse)
        first, second = calls_of(there), calls_of(there)
        assert first["TransactWriteItems"] == 3 and claimed(there) == 7
        assert second["TransactWriteItems"] == 0
        monkeypatch.undo()
        there.assert_each_is_told_once()


def refuse(*_: Any, **__: Any) -> int:
    raise Unavailable("CreateMultipartUpload")


def test_claims_that_time_ran_out_for_go_on_where_they_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each invocation has time for four conversations; nothing is read twice but the last."""
    with opened() as there:
        wide(there, 10)
        monkeypatch.setattr(claims, "_CONVERSATIONS", 2)
        claims_after, reads = [], []
        for _ in range(9):
            looks = iter([900_000, 900_000, 900_000, 900_000])  # of the whole, of the claims' own, before each two
            calls = calls_of(there, remaining=lambda looks=looks: next(looks, 0))
            claims_after.append(claimed(there))
            reads.append(calls["GetItem"])
            if Packs(there.room.table).decided()[0].sealed:
                break
        assert claims_after[-1] == 10 and claims_after == sorted(claims_after) and len(claims_after) > 2
        assert max(reads) <= 6, "of ten"
        there.assert_each_is_told_once()


def test_a_conversation_that_the_index_gives_twice_is_claimed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entry moved while the index was read."""
    entries = HotReader.entries

    def twice(*given: Any) -> Iterator[Any]:
        for entry in entries(*given):
            yield from (entry, entry)

    with opened() as there:
        wide(there, 2)
        monkeypatch.setattr(HotReader, "entries", twice)
        assert there.pack()["made"] and claimed(there) == 2
        there.assert_each_is_told_once()


def test_an_invocation_that_sealed_a_pack_late_leaves_the_rest_to_the_next() -> None:
    with opened() as there:
        wide(there, 2)
        looks = iter([900_000, 900_000, 900_000])
        with pytest.raises(OutOfTime):
            there.pack(lambda: next(looks, 300_000))
        assert Packs(there.room.table).decided()[0].sealed
        assert there.pack()["made"]
        there.assert_each_is_told_once()


def test_a_message_that_changes_while_it_is_claimed_keeps_the_others_from_nothing() -> None:
    with opened() as there:
        wide(there, 5)
        late = list(there.known.values())[2].message.message_id
        n = next(n for n, name in enumerate(dry_run(there)) if name == "TransactWriteItems")
    with opened() as there:
        wide(there, 5)
        act = lambda: there.room.store.note_late(late, there.now)  # noqa: E731
        with watching(Meeting(at=n, act=act)):
            there.pack()
        assert claimed(there) == 4
        there.assert_each_is_told_once()


def dry_run(there: PostRoom) -> list[str]:
    watch = Watch()
    with watching(watch):
        there.pack()
    return watch.calls
