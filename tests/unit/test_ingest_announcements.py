"""Ingest and webhooks that only announce: a task on the pulls queue before the acknowledgement, and nothing fetched in the deadline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.channels.contract import ItemError, ParseResult
from functions.channels.wecom_kf import ADAPTER
from functions.common.errors import Unavailable
from functions.common.queues import Entry
from functions.common.wire import read_pull_task
from functions.ingest import service
from functions.ingest.replay import ReplayMemory
from infra.simulators.contract import Webhook
from tests.fakes.reply_desk import Heard
from tests.fakes.simulated_platform import NOW
from tests.fakes.wecom_accounts import OPEN_KFID, kf_credentials, kf_simulator, received


class Queue:
    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.down = False

    def send(self, entries: list[Entry]) -> None:
        if self.down and entries:
            raise Unavailable("SendMessageBatch: ServiceUnavailable")
        self.entries += entries


class Telemetry(Heard):
    def error(self, outcome: str, fault: BaseException, **said: Any) -> None:
        self.lines.append((outcome, said))


class Accounts:
    def current(self, channel: str, account: str) -> tuple[Any, ...]:
        return (kf_credentials(),)


@pytest.fixture
def counter() -> Any:
    return service.Counter(
        credentials=Accounts(),  # type: ignore[arg-type]
        queue=Queue(),  # type: ignore[arg-type]
        pulls=Queue(),  # type: ignore[arg-type]
        replays=ReplayMemory(),
        clock=lambda: NOW,
        telemetry=Telemetry(),  # type: ignore[arg-type]
    )


def receive(webhook: Webhook, counter: Any) -> Any:
    return service.receive("wecom_kf", "demo", received(webhook, "wecom_kf"), counter)


def test_an_announcement_is_a_task_before_it_is_acknowledged(counter: Any) -> None:
    answer = receive(kf_simulator().text("wm1", "几点开门?"), counter)
    (entry,) = counter.pulls.entries
    task = read_pull_task(entry.body)
    assert (answer.status, answer.body) == (200, "success")
    assert (task.channel, task.account, task.source, task.announced_at) == ("wecom_kf", "demo", OPEN_KFID, NOW)
    assert counter.queue.entries == []


def test_an_announcement_is_counted_as_one(counter: Any) -> None:
    receive(kf_simulator().text("wm1", "几点开门?"), counter)
    counts = counter.telemetry.counts
    assert counts == {"Verified": 1, "Announced": 1, "Enqueued": 0, "Ignored": 0, "Malformed": 0}
    assert counts["Verified"] == sum(counts[name] for name in ("Enqueued", "Ignored", "Malformed", "Announced"))


def test_a_pulls_queue_that_is_down_makes_the_platform_try_again(counter: Any) -> None:
    webhook = kf_simulator().text("wm1", "几点开门?")
    counter.pulls.down = True
    assert receive(webhook, counter).status == 503
    assert counter.telemetry.counts == {"QueueFailed": 1}
    counter.pulls.down = False
    assert receive(webhook, counter).status == 200 and len(counter.pulls.entries) == 1


def test_the_vendors_retry_is_the_same_task_and_another_announcement_is_not(counter: Any) -> None:
    simulator = kf_simulator()
    webhook, other = simulator.text("wm1", "一", native_id="k1"), simulator.text("wm1", "二", native_id="k2")
    for sent in (webhook, webhook, other):
        receive(sent, counter)
    first, again, second = counter.pulls.entries
    assert first.dedup == again.dedup != second.dedup
    assert first.group == second.group


def test_a_bad_item_beside_an_announcement_does_not_make_the_webhook_malformed(
    counter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = type(ADAPTER).parse

    def with_error(adapter: Any, payload: Any) -> ParseResult:
        return replace(parse(adapter, payload), errors=(ItemError("missing", "x"),))

    monkeypatch.setattr(type(ADAPTER), "parse", with_error)
    assert receive(kf_simulator().text("wm1", "一"), counter).status == 200
    assert counter.telemetry.counts["Malformed"] == counter.telemetry.counts["Announced"] == 1


def test_the_voucher_stays_out_of_the_log(counter: Any) -> None:
    receive(kf_simulator().text("wm1", "一"), counter)
    token = read_pull_task(counter.pulls.entries[0].body).token
    assert token and token not in repr(counter.telemetry.lines)
