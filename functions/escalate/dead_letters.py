"""Messages that their queue gave up: looked at, told of once, never removed. Sending them back is for an operator to do.

SQS counts a message's receipts across all queues, so a dead letter's first receipt here is not its first
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html): what has been told is
remembered beside its id instead. A message that is sent back and comes to grief again has a new id, and is told of again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from functions.common import keys
from functions.common.errors import MalformedEnvelope, aws_faults
from functions.common.message import Message
from functions.common.table import Table
from functions.common.wire import read_inbound, read_reply_task

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Queue = Literal["inbound", "replies", "pulls"]

# Longer than SQS keeps any message.
_REMEMBERED = timedelta(days=15)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message in a dead-letter queue. `body` may hold raw text and goes nowhere."""

    queue: Queue
    id: str
    body: str = field(repr=False)

    def message_id(self) -> str | None:
        """The id of the message it carries; None when it cannot be read, or carries none, as an announcement does."""
        if self.queue == "pulls":
            return None
        try:
            message = self._message()
            keys.split(message.message_id)
        except (MalformedEnvelope, keys.NotAMessageId):
            return None
        return message.message_id

    def _message(self) -> Message:
        if self.queue == "inbound":
            return read_inbound(self.body).message
        return read_reply_task(self.body).judged.message


class DeadLetterQueue:
    """`client` is boto3's SQS client.

    Each call waits up to `wait` seconds for a letter: with none SQS asks only some of its servers. Letters are hidden for `hidden`
    seconds: enough for one look, and not long in the way of an operator who sends them back.
    """

    def __init__(self, client: SQSClient, name: Queue, url: str, *, wait: int = 1, hidden: int = 30) -> None:
        self._client = client
        self._name = name
        self._url = url
        self._wait = wait
        self._hidden = hidden

    def look(self, limit: int) -> Iterator[DeadLetter]:
        """Up to `limit` letters (of one conversation's, FIFO as it is, the first ten); they stay in the queue."""
        seen: set[str] = set()
        while len(seen) < limit:
            with aws_faults("ReceiveMessage"):
                answer = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=min(10, limit - len(seen)),
                    VisibilityTimeout=self._hidden,
                    WaitTimeSeconds=self._wait,
                )
            fresh = [found for found in answer.get("Messages", []) if found["MessageId"] not in seen]
            if not fresh:
                return
            seen |= {found["MessageId"] for found in fresh}
            yield from (DeadLetter(self._name, found["MessageId"], found["Body"]) for found in fresh)


class LetterBook:
    """Which letters have been told of: items `D#<queue>` / the letter's id, which expire after the letter itself."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def has(self, letter: DeadLetter) -> bool:
        """Whether the letter has been told of."""
        return self._table.get(f"D#{letter.queue}", letter.id) is not None

    def note(self, letter: DeadLetter, now: datetime) -> None:
        """Note that it has."""
        expires = int((now + _REMEMBERED).timestamp())
        self._table.update(f"D#{letter.queue}", letter.id, "SET #exp = :expires", values={":expires": expires})
