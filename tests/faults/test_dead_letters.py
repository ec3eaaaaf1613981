"""What was dead-lettered and is redriven is done as if it had never been away, however much came after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from functions.common import aws
from tests.fakes.house import House, open_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, only=("generic",)) as opened:
        yield opened


def refusing(operation: str) -> Any:
    """A service whose operation fails for everybody."""
    call = BaseClient._make_api_call

    def refuse(client: BaseClient, name: str, arguments: dict[str, Any]) -> Any:
        if name == operation and "inbound" not in arguments.get("QueueUrl", ""):
            raise ClientError({"Error": {"Code": "InternalFailure"}}, name)
        return call(client, name, arguments)

    return mock.patch.object(BaseClient, "_make_api_call", refuse)


def redrive(house: House) -> None:
    """What `aws sqs start-message-move-task` does: every dead letter back on its queue, under a new deduplication id."""
    sqs, dead, alive = aws.client("sqs"), house.queues["InboundDeadLetters"], house.queues["InboundQueue"]
    while messages := sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]).get(
        "Messages"
    ):
        for number, message in enumerate(messages):
            group = message["Attributes"]["MessageGroupId"]
            again = f"redriven-{number}-{message['MessageId']}"
            sqs.send_message(QueueUrl=alive, MessageBody=message["Body"], MessageGroupId=group, MessageDeduplicationId=again)
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
    house.pump()


def test_a_threat_that_was_stored_and_never_told_is_told_after_nine_later_messages(house: House) -> None:
    platform = house.simulators["generic"]
    with refusing("PutEvents"):
        house.receive("generic", platform.text("u1", "再不退款我就去法院起诉你们", native_id="m0"))
        house.pump()
    assert house.depths()["InboundDeadLetters"] == 1 and house.told == []
    for number in range(1, 10):
        house.receive("generic", platform.text("u1", f"发票怎么开? {number}", native_id=f"m{number}"))
        house.pump()
    redrive(house)
    assert [kind for kind, _ in house.told] == ["MessageEscalated"]
    (conversation,) = house.of_kind("@")
    assert (conversation["status"], conversation["count"]) == ("escalated", 10)
    assert len(house.of_kind("R#")) == len(house.of_kind("M#")) == 10


def test_twenty_five_messages_of_one_person_through_an_outage_of_the_reply_queue(house: House) -> None:
    platform = house.simulators["generic"]
    items = [platform.item("u1", text=f"请问发票怎么开? {number}", native_id=f"m{number}") for number in range(25)]
    with refusing("SendMessageBatch"):
        house.receive("generic", platform.batch(items))
        house.pump()
    assert house.depths()["InboundDeadLetters"] == 25 and house.of_kind("@") == []
    redrive(house)
    (conversation,) = house.of_kind("@")
    assert conversation["count"] == len(house.of_kind("M#")) == len(house.of_kind("R#")) == 25
