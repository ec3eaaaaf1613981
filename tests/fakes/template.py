"""What template.yaml says of each resource, as the arguments by which a test makes it, through the local stack's own code."""

from __future__ import annotations

from functools import cache
from typing import Any

from infra.local import template
from infra.local.template import Queue, Template


@cache
def loaded() -> Template:
    """The real template, for stage `local`."""
    return template.load()


def table_definition() -> dict[str, Any]:
    """The arguments of CreateTable for the one table."""
    return dict(loaded().table.definition)


def ttl_definition() -> dict[str, Any]:
    """The arguments of UpdateTimeToLive for the one table."""
    table = loaded().table
    return {"TableName": table.name, "TimeToLiveSpecification": {"AttributeName": table.ttl_attribute, "Enabled": True}}


def queue_definition(logical_id: str, dead_letters_arn: str | None = None) -> dict[str, Any]:
    """The arguments of CreateQueue for a queue, with its redrive policy when its dead-letter queue's ARN is given."""
    from infra.local.provision import queue_attributes

    return {"QueueName": queue(logical_id).name, "Attributes": queue_attributes(queue(logical_id), dead_letters_arn)}


def queue(logical_id: str) -> Queue:
    """A queue of the template: `InboundQueue`, `RepliesQueue`, or one of their `…DeadLetters`."""
    return next(queue for queue in loaded().queues if queue.logical_id == logical_id)


def bucket_name(logical_id: str) -> str:
    """A bucket's local name: of `ArchiveBucket` or `ConfigBucket`."""
    return next(bucket.name for bucket in loaded().buckets if bucket.logical_id == logical_id)


def bus_name() -> str:
    """The local name of the escalation bus."""
    (bus,) = loaded().buses
    return bus.name
