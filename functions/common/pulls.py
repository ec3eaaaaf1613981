"""Pull tasks on their way to `pulls.fifo`: one source's tasks are one group, so that nobody else moves its cursor meanwhile."""

from __future__ import annotations

from functions.common import keys
from functions.common.queues import Entry
from functions.common.wire import PullTask, dumps


def pull_entry(task: PullTask, *, after: str = "") -> Entry:
    """The task's entry. `after` is the cursor from which a continued pull goes on: its place tells it from the task it continues."""
    group = keys.short_hash(task.channel, task.account, task.source, size=16)
    return Entry(body=dumps(task), group=group, dedup=keys.short_hash(task.announcement, after, size=16))
