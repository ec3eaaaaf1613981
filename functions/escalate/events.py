"""Escalation events: what is said, and the bus it is said on. Ids, teams and times only: no text and no contact."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from functions.common.errors import Retryable, aws_faults

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "postroom.escalate"
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html: ten entries in one call.
MAX_ENTRIES = 10

Kind = Literal["ConversationOverdue", "HoldUnattended", "DeadLetter"]
T = TypeVar("T")


class EventsRefused(Retryable):
    """The bus did not take every event; those it did not take are tried again by the next run."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `detail["id"]` is the same whenever the same thing is said again, for whoever must not act twice."""

    kind: Kind
    detail: dict[str, Any]


class EventBus:
    """`client` is boto3's EventBridge client."""

    def __init__(self, client: EventBridgeClient, name: str) -> None:
        self._client = client
        self._name = name

    def put(self, events: list[Event]) -> list[bool]:
        """Emit at most ten events; for each whether the bus took it. `Unavailable` when nobody can say."""
        with aws_faults("PutEvents"):
            answer = self._client.put_events(
                Entries=[
                    {
                        "EventBusName": self._name,
                        "Source": SOURCE,
                        "DetailType": event.kind,
                        "Detail": json.dumps({"version": 1, **event.detail}, ensure_ascii=False),
                    }
                    for event in events
                ]
            )
        if not answer["FailedEntryCount"]:
            return [True] * len(events)
        return ["EventId" in entry for entry in answer["Entries"]]


def in_tens(found: Iterable[T]) -> Iterator[list[T]]:
    """What was found, as many at a time as one call takes."""
    chunk: list[T] = []
    for one in found:
        chunk.append(one)
        if len(chunk) == MAX_ENTRIES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
