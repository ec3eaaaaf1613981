"""read cursor → pull page → enqueue → move cursor, page by page.

The announcements of one source in a batch are one pull: what is fetched after they came is what all of them announce. A pull that
finds more than `PAGES` pages hands the rest on as a task of its own, so no source keeps the others waiting for long.
Pulled = Enqueued + Ignored + Malformed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from functions.channels import registry
from functions.channels.contract import Outbound, PulledPage, PullingAdapter
from functions.common.clock import Clock
from functions.common.credentials import CredentialStore
from functions.common.errors import MalformedEnvelope, Poison, Retryable
from functions.common.inbound import inbound_entries
from functions.common.pulls import pull_entry
from functions.common.queues import FifoQueue
from functions.common.sqs_batch import Failures, Record
from functions.common.telemetry import Telemetry
from functions.common.wire import PullTask, read_pull_task
from functions.pull.cursors import Cursors

PAGES = 5
# What one page may take at worst: a token fetched elsewhere, a token fetched here, the page, its messages enqueued.
RESERVE_MS = 25_000


class NotAPullingChannel(Poison):
    """The task is for a channel whose platform has nothing to pull."""


class PullPostponed(Retryable):
    """No time was left to ask for a page: the queue is to hand the task out again."""


class PullStuck(Retryable):
    """The platform says that there is more, from where we have just been."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """What pull needs. `outbound` makes the way out for (channel, request id); `remaining` tells ms, so many to the end."""

    credentials: CredentialStore
    cursors: Cursors
    inbound: FifoQueue
    pulls: FifoQueue
    outbound: Callable[[str, str], Outbound]
    clock: Clock
    telemetry: Telemetry


def collect(batch: list[Record], collector: Collector, remaining: Callable[[], int]) -> list[str]:
    """Fetch what a batch of tasks announces; the ids of the records that must come again."""
    failures = Failures(batch)
    for records in _by_group(batch):
        _collect_source(records, failures, collector, remaining)
    failed = failures.ids()
    collector.telemetry.count({"RecordsFailed": len(failed)})
    return failed


def _by_group(batch: Iterable[Record]) -> Iterable[list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in batch:
        groups.setdefault(record.group, []).append(record)
    return groups.values()


def _collect_source(records: list[Record], failures: Failures, collector: Collector, remaining: Callable[[], int]) -> None:
    tasks: list[PullTask] = []
    for record in records:
        try:
            tasks.append(read_pull_task(record.body))
        except MalformedEnvelope as fault:
            _fail(record, fault, failures, collector)
            break
    if not tasks:
        return
    try:
        fetch(max(tasks, key=lambda task: task.announced_at), collector, remaining)
    except Exception as fault:  # one source's trouble must not keep the others from theirs
        _fail(records[0], fault, failures, collector)


def _fail(record: Record, fault: Exception, failures: Failures, collector: Collector) -> None:
    failures.fail(record)
    collector.telemetry.error("record_failed", fault, record=record.id, tries=record.tries)


def fetch(task: PullTask, collector: Collector, remaining: Callable[[], int]) -> None:
    """Pull what the task announces, from the cursor on. Safe to repeat at any time; whatever it raises is worth another try or poison."""
    adapter = _adapter(task.channel)
    credentials = collector.credentials.current(task.channel, task.account)[0]
    outbound = collector.outbound(task.channel, task.announcement)
    cursor, pages = collector.cursors.read(task), 0
    while pages < PAGES and remaining() >= RESERVE_MS:
        page = adapter.pull(task, cursor, credentials, outbound)
        cursor, pages = _take(page, task, cursor, collector, receive_only=credentials.receive_only), pages + 1
        if not page.has_more:
            return
    if cursor is None or not pages:
        raise PullPostponed(task.source)
    collector.pulls.send([pull_entry(task, after=cursor)])


def _adapter(channel: str) -> PullingAdapter:
    found: Any = registry.adapter(channel)
    if not hasattr(found, "pull"):
        raise NotAPullingChannel(channel)
    return cast("PullingAdapter", found)


def _take(page: PulledPage, task: PullTask, cursor: str | None, collector: Collector, *, receive_only: bool) -> str | None:
    """Put a page's messages on the queue, then move the cursor; where the next page begins."""
    entries, result = inbound_entries(page.result, receive_only=receive_only)
    collector.inbound.send(entries)
    counts = {"Enqueued": len(result.messages), "Ignored": len(result.ignored), "Malformed": len(result.errors)}
    collector.telemetry.count(counts | {"Pulled": sum(counts.values())}, channel=task.channel)
    collector.telemetry.info(
        "pulled",
        channel=task.channel,
        account=task.account,
        source=task.source,
        messages=[message.message_id for message in result.messages],
        ignored=[item.kind for item in result.ignored],
        malformed=[f"{item.where}: {item.reason}" for item in result.errors],
        more=page.has_more,
    )
    reached = page.next_cursor or cursor
    if reached is not None and reached != cursor:
        collector.cursors.move(task, was=cursor, to=reached, now=collector.clock())
    elif page.has_more:
        raise PullStuck(task.source)
    return reached
