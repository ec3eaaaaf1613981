"""Sending to a FIFO queue: many entries in few calls, and an honest account of those that the queue did not take.

Importing this costs the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.common.errors import Unavailable, aws_faults

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html: ten entries in one call.
# Bytes in one call were limited to 256 KiB for years and still are on other engines; 16 KiB stay free for attributes.
MAX_ENTRIES = 10
MAX_BYTES = 240 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One message for a queue. `group` keeps its order, `dedup` makes a repetition within five minutes one message."""

    body: str
    group: str
    dedup: str


class NotSent(Unavailable):
    """The queue did not take some of the entries; `failed` holds their `dedup`, each with why. The others are on the queue."""

    def __init__(self, failed: dict[str, str]) -> None:
        super().__init__("; ".join(f"{dedup}: {reason}" for dedup, reason in failed.items()))
        self.failed = failed


class FifoQueue:
    """A FIFO queue by its URL. `client` is boto3's SQS client."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, entries: list[Entry]) -> None:
        """Put all entries on the queue, in order; what one call does not take is tried once more. `NotSent` names the rest."""
        failed = {entry.dedup: reason for chunk in chunks(entries) for entry, reason in self._send(chunk)}
        if failed:
            raise NotSent(failed)

    def keep_back(self, waits: dict[str, int]) -> None:
        """Let messages that were handed out come again after so many seconds, by their receipts; `NotSent` names those that will not."""
        for begin in range(0, len(waits), MAX_ENTRIES):
            entries = list(waits.items())[begin : begin + MAX_ENTRIES]
            with aws_faults("ChangeMessageVisibilityBatch"):
                answer = self._client.change_message_visibility_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(place), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
                        for place, (receipt, seconds) in enumerate(entries)
                    ],
                )
            if refused := answer.get("Failed"):
                raise NotSent({entry["Id"]: entry["Code"] for entry in refused})

    def _send(self, chunk: list[Entry]) -> list[tuple[Entry, str]]:
        """The entries that the queue did not take at the second try either."""
        refused = self._once(chunk)
        return self._once([entry for entry, _ in refused]) if refused else []

    def _once(self, chunk: list[Entry]) -> list[tuple[Entry, str]]:
        try:
            return self._call(chunk)
        except Unavailable as fault:
            return [(entry, str(fault)) for entry in chunk]

    def _call(self, chunk: list[Entry]) -> list[tuple[Entry, str]]:
        with aws_faults("SendMessageBatch"):
            answer = self._client.send_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {
                        "Id": str(place),
                        "MessageBody": entry.body,
                        "MessageGroupId": entry.group,
                        "MessageDeduplicationId": entry.dedup,
                    }
                    for place, entry in enumerate(chunk)
                ],
            )
        return [(chunk[int(refused["Id"])], refused["Code"]) for refused in answer.get("Failed", [])]


def chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in order, as many to a call as fit. An entry that is too large by itself goes alone, for the queue to refuse."""
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        weight = len(entry.body.encode())
        if chunk and (len(chunk) == MAX_ENTRIES or size + weight > MAX_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += weight
    if chunk:
        yield chunk
