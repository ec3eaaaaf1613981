"""The archive against moto: what is filed, what is marked, and what is left after a crash, a take-over or a lie of the bucket."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import Any
from unittest import mock

import boto3
import pytest
from moto import mock_aws

from functions.archive import due, wiring
from functions.archive.allowance import Allowance, OutOfTime
from functions.archive.bucket import ArchiveBucket, manifest_object_key
from functions.archive.crew import Crew
from functions.archive.due import DueReader
from functions.archive.handler import lambda_handler
from functions.archive.manifests import Ledger
from functions.archive.marks import Marks
from functions.archive.parts import ArchiveUnproven, Filed, read_part
from functions.archive.remains import Remains
from functions.archive.removals import Removals
from functions.archive.retention import read_retention
from functions.archive.service import Cabinet, archive
from functions.archive.tombstones import Tombstones
from functions.common import aws, keys
from functions.common.bundle import dump_bundle
from functions.common.clock import to_iso
from functions.common.dynamo_links import DynamoLinks
from functions.common.dynamo_store import DynamoStore
from functions.common.identity import People
from functions.common.judgement import Judged, Judgement, Routing
from functions.common.message import Contact, Message, Verification
from functions.common.schedule import MalformedSchedule
from functions.common.store import Conversation, Reply, Status
from functions.common.table import Table, from_item
from functions.common.telemetry import Telemetry
from tests.fakes.template import table_definition

NOW = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
SETTLED, FRESH = NOW - timedelta(hours=30), NOW - timedelta(hours=2)
POLICY = {"archive": {"zone": "Asia/Shanghai", "quiet_hours": 24, "at_latest_days": 7, "hot_days": 30}}
SHARDS = 2


class ProcessDied(BaseException):
    """Nothing of ours catches it, as nothing catches a process that is gone."""


@dataclass
class Calls:
    """Counts the AWS calls of one process and does something just before or just after one of them.

    `writes` are the places of those that change something: between two reads nothing has changed.
    """

    at: int | None = None
    when: str = "before"
    act: Callable[[], None] = lambda: None
    seen: int = 0
    writes: list[int] = field(default_factory=list)

    def before(self, operation: str) -> None:
        self.seen += 1
        if not operation.startswith(("Get", "List", "Query", "Head", "Describe")):
            self.writes.append(self.seen)
        self._maybe("before")

    def after(self) -> None:
        self._maybe("after")

    def _maybe(self, when: str) -> None:
        if self.seen == self.at and self.when == when:
            self.at = None  # what we do here may make calls of its own
            self.act()


def die() -> None:
    raise ProcessDied


class Cloud:
    """AWS's clients, watched on behalf of the process that was started last."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.name = ""
        self.tables = itertools.count(1)
        self.dynamodb, self.s3 = boto3.client("dynamodb"), boto3.client("s3")
        for client in (self.dynamodb, self.s3):
            client.meta.events.register("before-call", lambda model, **_: self.calls.before(model.name))
            client.meta.events.register("after-call", lambda **_: self.calls.after())

    def world(self) -> World:
        if self.name:
            self.dynamodb.delete_table(TableName=self.name)  # moto copies every table that it has for each transaction
        name = self.name = f"postroom-{next(self.tables)}"
        self.dynamodb.create_table(**table_definition() | {"TableName": name})
        self.s3.create_bucket(Bucket=name)
        table = Table(self.dynamodb, name)
        return World(cloud=self, table=table, store=DynamoStore(table, shards=SHARDS), s3=self.s3, bucket=name)


@dataclass
class World:
    """One table and one bucket, and processes that work on them."""

    cloud: Cloud
    table: Table
    store: DynamoStore
    s3: Any
    bucket: str
    runs: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    clock: itertools.count[int] = field(default_factory=itertools.count)

    def receive(
        self,
        contact: str,
        received_at: datetime,
        *,
        channel: str = "generic",
        status: Status = "idle",
        timeless: bool = False,
        late: timedelta = timedelta(),
        replied: bool = False,
    ) -> str:
        """Store a message and change its conversation, as classify does."""
        sent_at = None if timeless else received_at - late
        message_id = keys.message_id(channel, "demo", contact, sent_at, f"{received_at}{next(self.clock)}")
        conv = keys.split(message_id).conv
        before = self.store.conversation(conv) or Conversation(conv=conv, channel=channel, account="demo", contact=contact)
        message = Message(
            message_id=message_id,
            channel=channel,
            account="demo",
            contact=Contact(primary=contact),
            kind="text",
            text="我的手机号是 [phone]",
            sent_at=sent_at,
            received_at=received_at,
            verification=Verification(scheme="standard", body_signed=True, timestamped=True),
        )
        routing = Routing(team="frontdesk", priority=1, due_at=received_at)
        self.store.add_message(
            Judged(
                message=message, judgement=Judgement(), routing=routing, bundle="b1", seq=before.count + 1, masked={"phone": 1}
            )
        )
        if replied:
            self.store.add_reply(Reply(message_id=message_id, state="none", reason="held", at=received_at))
        suffix = keys.split(message_id).suffix
        since = min(received_at, before.unarchived_since or received_at)
        start = min(suffix, before.unarchived_from or suffix)
        named = before.unarchived_few if before.unarchived_since else ()
        few = (*named, keys.split(message_id).h) if timeless and (named or not before.unarchived_since) else ()
        few = few if len(few) <= 16 else ()
        person: dict[str, Any] = {"team": "frontdesk", "due_at": received_at} if status != "idle" else {}
        after = replace(
            before,
            count=before.count + 1,
            first_at=min(received_at, before.first_at or received_at),
            last_at=max(received_at, before.last_at or received_at),
            status=status,
            unarchived_since=since,
            unarchived_from=start,
            unarchived_few=few,
            **person,
        )
        self.store.apply(before, after)
        return message_id

    def process(self, calls: Calls | None = None, bucket: type[ArchiveBucket] = ArchiveBucket, **batch: int) -> Cabinet:
        """The collaborators of one process of its own."""
        self.cloud.calls, telemetry = calls or Calls(), Telemetry("archive")
        reader, found = DueReader(self.table, SHARDS, telemetry), bucket(self.s3, self.bucket)
        policy = read_retention({"archive": POLICY["archive"] | {"batch": batch}})
        return Cabinet(
            ledger=Ledger(self.table),
            bucket=found,
            reader=reader,
            marks=Marks(self.table, self.store, reader, telemetry),
            crew=Crew(1),
            tombstones=Tombstones(self.table, found),
            removals=Removals(self.table, (found,)),
            remains=Remains(table=self.table, people=People(self.store, DynamoLinks(self.table))),
            retention=lambda: policy,
            telemetry=telemetry,
        )

    def run(
        self, cabinet: Cabinet | None = None, now: datetime = NOW, remaining: Callable[[], int] = lambda: 900_000
    ) -> dict[str, Any]:
        try:
            return archive(cabinet or self.process(), run=f"run{next(self.runs)}", now=now, remaining=remaining)
        finally:
            self.cloud.calls = Calls()  # what the test does itself is no process's doing

    def items(self, prefix: str, sk: str = "") -> list[dict[str, Any]]:
        plain = [from_item(item) for item in self.table.client.scan(TableName=self.table.name)["Items"]]
        return [item for item in plain if item["pk"].startswith(prefix) and item["sk"].startswith(sk)]

    def objects(self, prefix: str = "dt=") -> dict[str, bytes]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return {found["Key"]: self.s3.get_object(Bucket=self.bucket, Key=found["Key"])["Body"].read() for found in listed}

    def manifests(self) -> list[dict[str, Any]]:
        return [item for item in self.items("A#2") if item["state"] in ("committed", "done")]

    def filed(self) -> Counter[str]:
        """How often each message is in parts that readers trust, each part being what its manifest says."""
        objects, found = self.objects(), Counter[str]()
        for manifest in self.manifests():
            body = objects[manifest["key"]]
            assert sha256(body).hexdigest() == manifest["sha256"]
            messages = list(read_part(BytesIO(body)))
            assert len(messages) == manifest["count"]
            found.update(filed.judged.message.message_id for filed in messages)
        return found

    def marked(self) -> dict[str, dict[str, Any]]:
        """Every message item that may expire."""
        return {item["message"]["message_id"]: item for item in self.items("C#", "M#") if "exp" in item}

    def since(self) -> dict[str, datetime | None]:
        return {
            item["contact"]: (
                conversation.unarchived_since if (conversation := self.store.conversation(item["pk"][2:])) else None
            )
            for item in self.items("C#", "@")
        }

    def assert_archived(self, *message_ids: str) -> None:
        """Exactly these are filed, once each, and exactly these may expire; nothing is half-done."""
        assert self.filed() == Counter(message_ids)
        assert set(self.marked()) == set(message_ids)
        manifests = self.manifests()
        assert {manifest["state"] for manifest in manifests} <= {"done"}
        assert set(self.objects()) == {manifest["key"] for manifest in manifests}
        assert set(self.objects("_manifests/")) == {manifest_object_key(manifest["key"]) for manifest in manifests}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Cloud()


@pytest.fixture
def world(cloud: Cloud) -> World:
    return cloud.world()


def test_settled_messages_are_filed_once_and_may_expire(world: World) -> None:
    first = world.receive("anna", SETTLED, replied=True)
    second = world.receive("anna", SETTLED + timedelta(minutes=1))
    fresh = world.receive("anna", FRESH)
    other = world.receive("ben", SETTLED, channel="twilio")
    summary = world.run()
    world.assert_archived(first, second, other)
    assert summary["messages"] == 3
    assert not summary["more"]
    assert {part["key"] for part in summary["parts"]} == set(world.objects())
    assert {part["sha256"] for part in summary["parts"]} == {sha256(body).hexdigest() for body in world.objects().values()}
    assert world.since() == {"anna": FRESH, "ben": None}
    assert fresh not in world.filed()


def test_marks_name_the_part_and_the_day_of_expiry_on_message_and_reply(world: World) -> None:
    message_id = world.receive("anna", SETTLED, replied=True)
    world.run()
    (manifest,), (reply,), message = world.manifests(), world.items("C#", "R#"), world.marked()[message_id]
    assert message["archived"] == reply["archived"] == manifest["part"]
    assert message["exp"] == reply["exp"] == int((SETTLED + timedelta(days=30)).timestamp())
    stored = world.store.message(message_id)
    assert stored is not None
    assert stored.message.text == "我的手机号是 [phone]"
    answered = world.store.reply(message_id)
    assert answered is not None
    assert answered.reason == "held"


def test_the_part_holds_the_reply_and_the_manifest_object_says_what_the_table_says(world: World) -> None:
    world.receive("anna", SETTLED, replied=True)
    world.run()
    ((key, body),) = world.objects().items()
    (filed,) = read_part(BytesIO(body))
    assert filed.reply is not None
    assert filed.reply.reason == "held"
    said = json.loads(world.objects("_manifests/")[manifest_object_key(key)])
    (manifest,) = world.manifests()
    assert {name: value for name, value in manifest.items() if name not in ("pk", "sk", "state")} == {
        name: value for name, value in said.items() if name not in ("version", "state")
    }
    assert (said["first"], said["bundles"], said["channel"], said["day"]) == (to_iso(SETTLED), ["b1"], "generic", "2026-11-21")


def test_a_run_with_nothing_due_writes_nothing(world: World) -> None:
    world.receive("anna", FRESH)
    assert world.run()["parts"] == []
    world.assert_archived()


def test_a_second_run_finds_nothing_more(world: World) -> None:
    message_id = world.receive("anna", SETTLED)
    world.run()
    assert world.run()["parts"] == []
    world.assert_archived(message_id)


@pytest.mark.parametrize("status", ["waiting", "held", "escalated"])
def test_a_conversation_that_needs_a_person_waits_until_it_is_a_week_old(world: World, status: Status) -> None:
    old = world.receive("anna", NOW - timedelta(days=8), status=status)
    world.receive("anna", SETTLED, status=status)
    world.receive("ben", SETTLED, status=status)
    world.run()
    world.assert_archived(old)
    assert world.since() == {"anna": SETTLED, "ben": SETTLED}


def test_a_conversation_before_its_time_is_not_read(world: World) -> None:
    world.receive("anna", SETTLED, status="waiting")
    summary = world.run()
    assert (summary["entries_read"], summary["items_read"]) == (1, 1)  # its entry in the index, and itself


def test_a_message_that_came_days_late_is_filed_by_its_receipt(world: World) -> None:
    archived = world.receive("anna", NOW - timedelta(days=3))
    world.run()
    late = world.receive("anna", SETTLED, late=timedelta(days=20))
    world.run()
    world.assert_archived(archived, late)
    assert {manifest["day"] for manifest in world.manifests()} == {"2026-11-20", "2026-11-21"}


def test_messages_without_a_time_are_filed(world: World) -> None:
    ids = [
        world.receive("anna", SETTLED + timedelta(minutes=n), channel="twilio", timeless=True, replied=n != 1) for n in range(4)
    ]
    world.receive("anna", FRESH, channel="twilio", timeless=True)
    world.run()
    world.assert_archived(*ids)
    replies = {f.judged.message.message_id: f.reply for body in world.objects().values() for f in read_part(BytesIO(body))}
    assert {message_id: reply is not None for message_id, reply in replies.items()} == {i: i != ids[1] for i in ids}
    assert all(reply is None or reply.message_id == message_id for message_id, reply in replies.items())


def test_an_unreadable_message_hurts_only_itself(world: World) -> None:
    bad = world.receive("anna", SETTLED)
    good = world.receive("anna", SETTLED + timedelta(minutes=1))
    key = keys.split(bad)
    world.table.update(keys.conversation_pk(key.conv), keys.message_sk(key), "SET #seq = :none", values={":none": "none"})
    world.run()
    world.assert_archived(good)
    assert world.since() == {"anna": SETTLED}  # still due, until somebody has seen to it


def test_every_item_is_read_once_while_none_is_archived(world: World) -> None:
    for n in range(20):
        world.receive(f"contact{n % 4}", SETTLED + timedelta(minutes=n))
    summary = world.run()
    assert (summary["entries_read"], summary["items_read"]) == (4, 20 + 4)  # messages, and each conversation


def test_a_short_conversation_of_which_nothing_is_archived_is_read_by_one_query(world: World) -> None:
    for n in range(3):
        world.receive("anna", SETTLED + timedelta(minutes=n), replied=n != 1)
    reader = world.process().reader
    asked: list[str] = []
    query = reader.table.query

    def noted(key: str, values: dict[str, Any], **how: Any) -> Any:
        asked.append(values.get(":first", key))
        return query(key, values, **how)

    with mock.patch.object(reader.table, "query", noted):
        found = list(reader.read(read_retention(POLICY), NOW, Tombstones(world.table).lately(NOW)))
    assert [f.reply is not None for f in found if isinstance(f, Filed)] == [True, False, True]
    assert [first for first in asked if first.startswith(("M#", "R#"))] == ["M#"]
    assert reader.items_read == 1 + 3 + 2


def test_what_is_archived_already_is_not_read_again(world: World) -> None:
    start = NOW - timedelta(days=25)
    for day in range(20):
        for turn in range(6):
            world.receive("anna", start + timedelta(days=day, minutes=turn), replied=True)
    world.run(now=start + timedelta(days=19))
    summary = world.run()
    assert (summary["messages"], summary["items_filed"]) == (12, 25)  # two days, their replies, and the conversation
    assert (summary["entries_read"], summary["items_read"]) == (1, 25)


def test_less_than_a_fifth_is_read_beside_what_is_filed(world: World) -> None:
    read = filed = 0
    for day in range(8):
        for contact in range(4):
            for turn in range(3):
                at = NOW + timedelta(days=day, minutes=contact * 10 + turn)
                world.receive(f"contact{contact}", at - timedelta(hours=30), replied=True)
        summary = world.run(now=NOW + timedelta(days=day, hours=1))
        read += summary["items_read"] + summary["entries_read"]
        filed += summary["items_filed"]
    assert filed == 8 * 4 * (3 + 3 + 1)
    assert read / filed <= 1.2


def test_messages_without_a_time_are_not_read_again_either(world: World) -> None:
    start = NOW - timedelta(days=25)
    for day in range(20):
        for turn in range(4):
            world.receive("anna", start + timedelta(days=day, minutes=turn), channel="twilio", timeless=True, replied=True)
        summary = world.run(now=start + timedelta(days=day, hours=25))
        assert summary["items_filed"] == 9
        assert (summary["entries_read"], summary["items_read"]) == (1, 9), day


def test_many_messages_without_a_time_are_found_among_those_that_are_archived(world: World) -> None:
    for n in range(30):
        world.receive("anna", SETTLED + timedelta(minutes=n), channel="twilio", timeless=True, replied=True)
    fresh = [world.receive("anna", FRESH, channel="twilio", timeless=True) for _ in range(3)]
    assert world.run()["messages"] == 30
    conversation = world.store.conversation(keys.split(fresh[0]).conv)
    assert conversation and set(conversation.unarchived_few) == {keys.split(message_id).h for message_id in fresh}
    assert world.run(now=NOW + timedelta(days=2))["items_read"] == 1 + 2 * 3


def test_a_run_cut_short_in_a_long_conversation_is_not_repeated(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "NOTE_EVERY", 5)
    ids = [world.receive("anna", SETTLED + timedelta(minutes=n)) for n in range(30)]
    read = 0
    for _ in range(4):
        cabinet = world.process(messages=7)
        stop_after(cabinet, parts=2)
        with suppress(ProcessDied):
            world.run(cabinet)
        read += cabinet.reader.items_read + cabinet.reader.entries_read
    world.assert_archived(*ids)
    assert read < 2 * 30  # 30 + 20 + 10 without notes, and as much again for each note that is not the first


def stop_after(cabinet: Cabinet, *, parts: int) -> None:
    """Let the process die when it begins to write one part more."""
    put, count = cabinet.bucket.put, itertools.count(1)

    def put_or_die(key: str, body: bytes) -> None:
        if next(count) > parts:
            die()
        put(key, body)

    cabinet.bucket.put = put_or_die  # type: ignore[method-assign]


def test_several_writers_leave_what_one_leaves(world: World) -> None:
    ids = [world.receive(f"contact{n % 7}", SETTLED + timedelta(minutes=n), replied=True) for n in range(40)]
    cabinet = replace(world.process(), crew=Crew(4))
    world.run(cabinet)
    world.assert_archived(*ids)


def test_no_scan_on_any_path(world: World) -> None:
    world.receive("anna", SETTLED)
    cabinet, operations = world.process(), []
    world.table.client.meta.events.register("before-call", lambda model, **_: operations.append(model.name))
    world.run(cabinet)
    assert "Scan" not in operations
    assert "Query" in operations


def test_small_batches_make_more_parts_and_the_same_archive(world: World) -> None:
    ids = [world.receive(f"contact{n % 3}", SETTLED + timedelta(minutes=n)) for n in range(9)]
    summary = world.run(world.process(messages=2))
    assert len(summary["parts"]) >= 5
    world.assert_archived(*ids)
    assert set(world.since().values()) == {None}


def test_a_run_short_of_time_ends_by_itself_and_the_next_goes_on(world: World) -> None:
    ids = [world.receive(f"contact{n % 3}", SETTLED + timedelta(minutes=n)) for n in range(12)]
    runs = 0
    while True:
        left = itertools.count(60_000, -2_000)
        summary = world.run(world.process(messages=4), remaining=lambda left=left: max(next(left), 0))
        runs += 1
        if not summary["more"]:
            break
        assert runs < 50
    assert runs > 1
    world.assert_archived(*ids)
    assert set(world.since().values()) == {None}


def test_a_run_checks_its_time() -> None:
    left = iter([900_000, 60_001, 60_000, 5_001, 5_000])
    allowance = Allowance(lambda: next(left))
    assert [allowance.has_time_to_collect() for _ in range(2)] == [True, False]
    allowance.check()
    with pytest.raises(OutOfTime):
        allowance.check()


class Truncating(ArchiveBucket):
    """A bucket that loses the end of what it is given."""

    def put(self, key: str, body: bytes) -> None:
        super().put(key, body[:-8])


class Losing(ArchiveBucket):
    """A bucket that takes a part and has none."""

    def put(self, key: str, body: bytes) -> None:
        pass


@pytest.mark.parametrize("bucket", [Truncating, Losing])
def test_an_unproven_part_lets_nothing_expire(
    world: World, bucket: type[ArchiveBucket], capsys: pytest.CaptureFixture[str]
) -> None:
    message_id = world.receive("anna", SETTLED, replied=True)
    with pytest.raises(ArchiveUnproven):
        world.run(world.process(bucket=bucket))
    assert world.manifests() == []
    assert world.marked() == {}
    assert not any("archived" in item for item in world.items("C#"))
    assert [item["sk"][0] for item in world.items("C#") if "exp" in item] == ["R"]  # a record's own, in more than a year
    assert '"ArchiveUnproven":[1.0]' in capsys.readouterr().out.replace(" ", "")
    world.run()
    world.assert_archived(message_id)


def small_world(cloud: Cloud) -> tuple[World, list[str]]:
    """Two channels, a conversation that goes on, a reply: enough for every kind of call."""
    world = cloud.world()
    settled = [
        world.receive("anna", SETTLED, replied=True),
        world.receive("anna", SETTLED + timedelta(minutes=5)),
        world.receive("ben", SETTLED, channel="twilio", timeless=True),
    ]
    world.receive("anna", FRESH)
    return world, settled


def calls_of_an_undisturbed_run(cloud: Cloud) -> int:
    world, settled = small_world(cloud)
    calls = Calls()
    world.run(world.process(calls))
    total = calls.seen
    world.assert_archived(*settled)
    return total


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_call_loses_nothing_and_files_nothing_twice(cloud: Cloud, when: str) -> None:
    total = calls_of_an_undisturbed_run(cloud)
    assert total > 30
    for n in range(1, total + 1):
        world, settled = small_world(cloud)
        # The first process dies at call n, the next one somewhere else, the third is left alone.
        for at in (n, 1 + 7 * n % total):
            with pytest.raises(ProcessDied):
                world.run(world.process(Calls(at=at, when=when, act=die)))
                raise ProcessDied  # it had fewer calls to make this time
            assert set(world.marked()) <= set(world.filed()), (n, at)
        world.run()
        # What a dead process may still have been writing is looked for once more when it can no longer be.
        world.run(now=NOW + timedelta(hours=1))
        world.assert_archived(*settled)
        assert world.items("A#pending") == [], n
        assert world.since() == {"anna": FRESH, "ben": None}, n


def test_two_runs_at_once_do_not_harm_each_other(cloud: Cloud) -> None:
    for n in range(1, calls_of_an_undisturbed_run(cloud) + 1):
        world, settled = small_world(cloud)
        other: list[dict[str, Any]] = []
        calls = Calls(at=n, act=lambda world=world, other=other: other.append(world.run()))
        first = world.run(world.process(calls))
        assert len(other) == 1
        assert first["messages"] + other[0]["messages"] >= len(settled)
        world.run(now=NOW + timedelta(hours=1))
        world.assert_archived(*settled)
        assert world.items("A#pending") == [], n
        assert world.since() == {"anna": FRESH, "ben": None}, n


def test_a_message_that_comes_during_a_run_is_filed_by_a_later_one(cloud: Cloud) -> None:
    for n in range(1, calls_of_an_undisturbed_run(cloud) + 1):
        world, settled = small_world(cloud)
        came: list[str] = []
        calls = Calls(
            at=n, act=lambda world=world, came=came: came.append(world.receive("ben", NOW, channel="twilio", timeless=True))
        )
        world.run(world.process(calls))
        world.assert_archived(*settled)
        assert world.since() == {"anna": FRESH, "ben": NOW}, n
        world.run(now=NOW + timedelta(days=2))
        assert world.filed()[came[0]] == 1
        assert set(world.since().values()) == {None}


def test_an_earlier_run_that_was_held_up_can_commit_nothing(world: World) -> None:
    world.receive("anna", SETTLED)
    summaries: list[dict[str, Any]] = []
    slow = world.process()
    prove = slow.bucket.prove

    def held_up(manifest: Any) -> None:
        prove(manifest)
        summaries.append(world.run())

    slow.bucket.prove = held_up  # type: ignore[method-assign]
    summary = world.run(slow)
    assert summary["superseded"]
    assert summary["parts"] == []
    assert [s["messages"] for s in summaries] == [1]
    assert len(world.objects()) == 1


def test_an_object_that_came_after_its_part_was_discarded_is_removed(world: World) -> None:
    message_id = world.receive("anna", SETTLED)
    slow = world.process()
    put = slow.bucket.put

    def put_late_and_die(key: str, body: bytes) -> None:
        world.run()
        put(key, body)
        die()

    slow.bucket.put = put_late_and_die  # type: ignore[method-assign]
    with pytest.raises(ProcessDied):
        world.run(slow)
    assert len(world.objects()) == 2
    assert world.filed() == Counter([message_id])
    world.run(now=NOW + timedelta(hours=1))
    world.assert_archived(message_id)


def test_an_object_that_came_too_late_leaves_no_version_behind(world: World) -> None:
    """Somebody may have been erased meanwhile, and an older version is read by whoever asks for it."""
    world.s3.put_bucket_versioning(Bucket=world.bucket, VersioningConfiguration={"Status": "Enabled"})
    world.receive("anna", SETTLED)
    slow = world.process()
    put = slow.bucket.put

    def put_late(key: str, body: bytes) -> None:
        world.run()
        put(key, body)

    slow.bucket.put = put_late  # type: ignore[method-assign]
    assert world.run(slow)["superseded"]
    listed = world.s3.list_object_versions(Bucket=world.bucket, Prefix="dt=")
    assert [found["Key"] for found in listed["Versions"]] == list(world.objects())
    assert "DeleteMarkers" not in listed


class Context:
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture
def deployed(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[World]:
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(dump_bundle({"retention": POLICY}))
    world.s3.create_bucket(Bucket="configuration")
    settings = {"STAGE": "test", "TABLE_NAME": world.table.name, "INDEX_SHARDS": str(SHARDS), "ARCHIVE_BUCKET": world.bucket}
    settings |= dict.fromkeys(("EXPORT_BUCKET", "EXPORT_PASSWORD", "BACKUP_BUCKET", "DRILL_TABLE"), "unused")
    for name, value in (settings | {"CONFIG_BUCKET": "configuration", "BUNDLE_PATH": str(bundle)}).items():
        monkeypatch.setenv(name, value)
    caches = (aws.client, wiring._settings, wiring._telemetry, wiring._retention)
    for cached in caches:
        cached.cache_clear()
    yield world
    for cached in caches:
        cached.cache_clear()


def test_the_handler_archives_for_the_moment_the_event_names(deployed: World) -> None:
    message_id = deployed.receive("anna", SETTLED)
    assert lambda_handler({"now": "2026-11-21T15:00:00+08:00"}, Context())["parts"] == []
    summary = lambda_handler({"now": "2026-11-22T19:00:00Z"}, Context())
    assert [part["count"] for part in summary["parts"]] == [1]
    deployed.assert_archived(message_id)
    assert json.loads(json.dumps(summary)) == summary


@pytest.mark.parametrize("now", ["yesterday", "2026-11-22T19:00:00", 7e30, [], ""])
def test_the_handler_refuses_a_moment_that_is_none(deployed: World, now: Any) -> None:
    with pytest.raises(MalformedSchedule):
        lambda_handler({"now": now}, Context())
