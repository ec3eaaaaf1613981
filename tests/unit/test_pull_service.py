"""Pull between its edges: real adapter and simulator, the cursor in moto's table, queues that keep what they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.channels.contract import NoAnswer, ParseResult, PulledPage, PullFailed
from functions.channels.wecom_kf import ADAPTER
from functions.common.errors import MalformedEnvelope, Unavailable
from functions.common.pulls import pull_entry
from functions.common.queues import Entry
from functions.common.sqs_batch import Record
from functions.common.table import Table
from functions.common.wire import PullTask, dumps, read_inbound, read_pull_task
from functions.pull import service
from functions.pull.cursors import CursorMoved, Cursors
from functions.pull.service import Collector, NotAPullingChannel, PullPostponed, PullStuck, collect, fetch
from tests.fakes.reply_desk import Heard
from tests.fakes.simulated_platform import NOW, SimulatedPlatform
from tests.fakes.template import table_definition
from tests.fakes.wecom_accounts import KF, OPEN_KFID, announced, kf_credentials, kf_simulator


class Queue:
    """Keeps entries; `fault` is raised instead of the next send."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.fault: Exception | None = None

    def send(self, entries: list[Entry]) -> None:
        fault, self.fault = self.fault, None
        if fault:
            raise fault
        self.entries += entries


class Errors(Heard):
    def error(self, outcome: str, fault: BaseException, **said: Any) -> None:
        self.lines.append((outcome, said | {"fault": type(fault).__name__}))


class Accounts:
    def current(self, channel: str, account: str) -> tuple[Any, ...]:
        return (kf_credentials(),)


class Stand:
    """A collector with everything on it that a test may want to look at."""

    def __init__(self, table: Table) -> None:
        self.simulator = kf_simulator()
        self.platform = SimulatedPlatform(self.simulator)
        self.inbound, self.pulls, self.telemetry = Queue(), Queue(), Errors()
        self.cursors = Cursors(table)
        self.milliseconds = 60_000
        self.collector = Collector(
            credentials=Accounts(),  # type: ignore[arg-type]
            cursors=self.cursors,
            inbound=self.inbound,  # type: ignore[arg-type]
            pulls=self.pulls,  # type: ignore[arg-type]
            outbound=lambda channel, request_id: self.platform,
            clock=lambda: NOW,
            telemetry=self.telemetry,  # type: ignore[arg-type]
        )

    def say(self, *texts: str, contact: str = "wm1") -> PullTask:
        items = [self.simulator.item(contact, "text", {"content": text}) for text in texts]
        return announced(self.simulator.batch(items))

    def fetch(self, task: PullTask) -> None:
        fetch(task, self.collector, lambda: self.milliseconds)

    def collect(self, *records: Record) -> list[str]:
        return collect(list(records), self.collector, lambda: self.milliseconds)

    def texts(self) -> list[str | None]:
        return [read_inbound(entry.body).message.text for entry in self.inbound.entries]

    def asked(self) -> int:
        return sum(asked.path.endswith("sync_msg") for asked in self.platform.asked)


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL_DYNAMODB", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(**table_definition())
        yield Stand(Table(client, table_definition()["TableName"]))


def record(task: PullTask, number: int = 1) -> Record:
    entry = pull_entry(task)
    return Record(id=f"r{number}", group=entry.group, body=entry.body)


def test_what_was_announced_is_enqueued_as_ingest_does_and_the_cursor_moved(stand: Stand) -> None:
    task = stand.say("几点开门?", "有发票吗?")
    stand.fetch(task)
    assert stand.texts() == ["几点开门?", "有发票吗?"]
    first = stand.inbound.entries[0]
    assert first.dedup == read_inbound(first.body).message.message_id
    assert first.group == first.dedup.split(".")[0]
    assert stand.cursors.read(task) == stand.simulator._cursor(2)
    assert stand.telemetry.counts == {"Enqueued": 2, "Ignored": 0, "Malformed": 0, "Pulled": 2}


def test_the_next_announcement_goes_on_where_the_last_one_ended(stand: Stand) -> None:
    stand.fetch(stand.say("一"))
    stand.fetch(stand.say("二"))
    assert stand.texts() == ["一", "二"]


def test_pages_are_pulled_until_there_are_no_more_empty_ones_too(stand: Stand) -> None:
    stand.simulator.page, stand.simulator.gaps = 2, 1
    stand.fetch(stand.say(*"一二三四五"))
    assert stand.texts() == list("一二三四五")
    assert stand.asked() == 4 and stand.pulls.entries == []


def test_more_pages_than_one_run_pulls_are_handed_on(stand: Stand) -> None:
    stand.simulator.page = 1
    task = stand.say(*map(str, range(service.PAGES + 2)))
    stand.fetch(task)
    (rest,) = stand.pulls.entries
    assert len(stand.texts()) == service.PAGES
    assert rest.group == pull_entry(task).group and rest.dedup != pull_entry(task).dedup
    stand.fetch(read_pull_task(rest.body))
    assert len(stand.texts()) == service.PAGES + 2 and len(stand.pulls.entries) == 1


def test_a_run_that_is_short_of_time_hands_the_rest_on(stand: Stand) -> None:
    stand.simulator.page = 1
    task, asked = stand.say("一", "二"), stand.platform.request

    def slow(*arguments: Any, **more: Any) -> Any:
        stand.milliseconds -= 20_000
        return asked(*arguments, **more)

    stand.platform.request = slow  # type: ignore[method-assign]
    stand.fetch(task)
    assert stand.texts() == ["一"] and len(stand.pulls.entries) == 1


def test_without_time_for_a_single_page_the_task_comes_again(stand: Stand) -> None:
    stand.milliseconds = 1000
    with pytest.raises(PullPostponed):
        stand.fetch(stand.say("一"))
    assert stand.pulls.entries == [] and stand.asked() == 0


def test_a_queue_that_does_not_take_a_page_leaves_the_cursor_where_it_was(stand: Stand) -> None:
    task = stand.say("一")
    stand.inbound.fault = Unavailable("SendMessageBatch: ServiceUnavailable")
    with pytest.raises(Unavailable):
        stand.fetch(task)
    assert stand.cursors.read(task) is None
    stand.fetch(task)
    assert stand.texts() == ["一"]


def test_a_page_that_is_pulled_twice_has_the_same_ids(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    task = stand.say("一")

    def fails(*arguments: Any, **more: Any) -> None:
        raise Unavailable("UpdateItem: InternalServerError")

    with monkeypatch.context() as patched:
        patched.setattr(stand.cursors, "move", fails)
        with pytest.raises(Unavailable):
            stand.fetch(task)
    stand.fetch(task)
    first, second = stand.inbound.entries
    assert (first.dedup, first.group) == (second.dedup, second.group)


def test_two_that_read_the_same_page_do_not_move_the_cursor_back(stand: Stand) -> None:
    task = stand.say("一")
    stand.cursors.move(task, was=None, to="c1", now=NOW)
    for was in (None, "c0"):
        with pytest.raises(CursorMoved):
            stand.cursors.move(task, was=was, to="c2", now=NOW)
    stand.cursors.move(task, was="c1", to="c2", now=NOW)
    assert stand.cursors.read(task) == "c2"


def test_each_source_has_a_cursor_of_its_own(stand: Stand) -> None:
    task = stand.say("一")
    stand.cursors.move(task, was=None, to="c1", now=NOW)
    for other in (replace(task, source="wk2"), replace(task, account="other"), replace(task, channel="another")):
        assert stand.cursors.read(other) is None


def test_announcements_of_one_source_in_a_batch_are_one_pull(stand: Stand) -> None:
    records = [record(stand.say(text), place) for place, text in enumerate("一二三")]
    assert stand.collect(*records) == []
    assert stand.texts() == list("一二三") and stand.asked() == 1


def test_one_sources_failure_spares_the_others(stand: Stand) -> None:
    good, bad = stand.say("一"), replace(stand.say("二"), channel="generic")
    assert stand.collect(record(bad, 1), record(good, 2), record(replace(bad, announcement="x"), 3)) == ["r1", "r3"]
    assert stand.texts() == ["一", "二"]
    assert ("record_failed", {"record": "r1", "tries": 1, "fault": "NotAPullingChannel"}) in stand.telemetry.lines
    assert stand.telemetry.counts["RecordsFailed"] == 2


def test_a_record_that_cannot_be_read_fails_and_what_came_before_it_is_pulled(stand: Stand) -> None:
    task = stand.say("一")
    broken = replace(record(task, 2), body='{"version": 9}')
    assert stand.collect(record(task, 1), broken, record(task, 3)) == ["r2", "r3"]
    assert stand.texts() == ["一"]


def test_a_platform_that_fails_is_asked_again_later_from_the_same_place(stand: Stand) -> None:
    task = stand.say("一")
    stand.platform.fault = NoAnswer()
    assert stand.collect(record(task)) == ["r1"]
    stand.platform.fault = None
    assert stand.collect(record(task)) == [] and stand.texts() == ["一"]


@pytest.mark.parametrize("cursor", [None, "", "c1"])
def test_more_from_where_we_have_just_been_is_not_believed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, cursor: str | None
) -> None:
    task = stand.say("一")
    stand.cursors.move(task, was=None, to="c1", now=NOW)
    stuck: Callable[..., PulledPage] = lambda *_: PulledPage(result=ParseResult(), next_cursor=cursor, has_more=True)  # noqa: E731
    monkeypatch.setattr(type(ADAPTER), "pull", lambda self, *rest: stuck(*rest))
    with pytest.raises(PullStuck):
        stand.fetch(task)


def test_a_channel_with_nothing_to_pull_is_poison(stand: Stand) -> None:
    with pytest.raises(NotAPullingChannel):
        stand.fetch(replace(stand.say("一"), channel="generic"))


def test_a_message_that_no_queue_would_take_spares_its_siblings(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.common.inbound.MAX_MESSAGE", 1200)
    task = stand.say("一", "长" * 1000, "二")
    stand.fetch(task)
    assert stand.texts() == ["一", "二"]
    assert stand.telemetry.counts["Malformed"] == 1 and stand.cursors.read(task) == stand.simulator._cursor(3)


def test_no_text_no_contact_and_no_voucher_reach_the_log(stand: Stand) -> None:
    task = stand.say("我的手机号是13912345678", contact="wmSECRET")
    stand.collect(record(task))
    stand.platform.fault = PullFailed("45009")
    stand.collect(record(stand.say("again")))
    said = repr(stand.telemetry.lines)
    assert "pulled" in said and "record_failed" in said
    for secret in ("13912345678", "wmSECRET", str(task.token), KF["corp_secret"]):
        assert secret not in said
    assert str(task.token) not in repr(task)


def test_a_task_survives_the_queue_and_another_version_does_not() -> None:
    task = PullTask(
        channel="wecom_kf",
        account="demo",
        source=OPEN_KFID,
        announcement="a",
        announced_at=NOW - timedelta(seconds=1),
        token="t",
    )
    assert read_pull_task(dumps(task)) == task
    with pytest.raises(MalformedEnvelope):
        read_pull_task(dumps(task).replace('"version":1', '"version":2'))


def test_the_announcement_is_the_deduplication_id_and_the_source_the_group() -> None:
    task = PullTask(channel="wecom_kf", account="demo", source=OPEN_KFID, announcement="a", announced_at=NOW)
    entry, later = pull_entry(task), pull_entry(replace(task, announced_at=NOW + timedelta(hours=1)))
    assert (entry.group, entry.dedup) == (later.group, later.dedup)
    assert pull_entry(replace(task, announcement="b")).dedup != entry.dedup
    for other in (replace(task, source="x"), replace(task, account="x")):
        assert pull_entry(other).group != entry.group
