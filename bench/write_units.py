"""AWS calls and DynamoDB units per message, counted: by DynamoDB Local where it can be had, which bills writes as AWS does."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from bench.rig.figures import Figures, NotMeasurable, aim

CONVERSATIONS = 10
TURNS = 10
# All of it is a machine's to answer: a message that a person must see to costs a write more, in the index of work.
ASKED = "您好,请问你们几点开门?周末也营业吗?谢谢。"


class Bill:
    """Calls and units, by the function that caused them."""

    def __init__(self) -> None:
        self.function = ""
        self.calls: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.read: Counter[str] = Counter()

    def note(self, operation: str, answer: dict[str, Any]) -> None:
        """Add one call."""
        self.calls[self.function] += 1
        consumed = answer.get("ConsumedCapacity") or {}
        for part in consumed if isinstance(consumed, list) else [consumed]:
            kind = self.read if operation in ("GetItem", "Query") else self.written
            kind[self.function] += part.get("CapacityUnits", 0.0)


def measure() -> Figures:
    """Per message: a conversation's first, its later ones, and both together."""
    first, later = _billed()
    whole, messages = _both(first, later), CONVERSATIONS * TURNS
    classify = whole.written["classify"] / messages
    # Every first message is answered; later ones meet the loop guard, as they should.
    reply = first.written["autoreply"] / CONVERSATIONS
    return Figures(
        title="AWS calls and DynamoDB units per message",
        how=f"{CONVERSATIONS} conversations of {TURNS} messages through the real handlers in batches of ten; units as DynamoDB Local "
        "counts them, indexes included; an eventually consistent read counts half; first messages are all answered by machine",
        columns=("per message", "calls", "write units", "read units"),
        rows=(
            _row("classify", "a first message", first, CONVERSATIONS),
            _row("classify", "a later message", later, CONVERSATIONS * (TURNS - 1)),
            _row("classify", f"a conversation of {TURNS}", whole, messages),
            _row("autoreply", "a reply sent", first, CONVERSATIONS),
            _row("autoreply", "a later message", later, CONVERSATIONS * (TURNS - 1)),
        ),
        aims=(
            aim("classify, write units", classify, 2.2),
            aim("classify and an automatic answer, write units", classify + reply, 4.2),
            aim("a reply sent, write units", reply, 2),
            aim("a reply sent, read units", first.read["autoreply"] / CONVERSATIONS, 1),
        ),
    )


def _billed() -> tuple[Bill, Bill]:
    """What the first messages cost and what the later ones, by DynamoDB Local."""
    from infra.engines.__main__ import CACHE, environment
    from infra.engines.maven import EngineUnavailable
    from infra.engines.servers import dynamodb_local, java

    try:
        java()
        with dynamodb_local(CACHE) as endpoint:
            engine = {name: value for name, value in environment(endpoint, "").items() if name != "AWS_ENDPOINT_URL_SQS"}
            with mock.patch.dict(os.environ, engine):
                return _bills()
    except EngineUnavailable as missing:
        raise NotMeasurable(str(missing)) from None


def _both(first: Bill, later: Bill) -> Bill:
    whole = Bill()
    for name in ("calls", "written", "read"):
        setattr(whole, name, getattr(first, name) + getattr(later, name))
    return whole


def _row(function: str, what: str, bill: Bill, messages: int) -> tuple[str, ...]:
    counts = (bill.calls, bill.written, bill.read)
    return (f"{function}, {what}", *(f"{count[function] / messages:.2f}" for count in counts))


def _bills() -> tuple[Bill, Bill]:
    from functions.common import aws
    from functions.common.calendar import Calendar
    from tests.fakes.house import open_house

    bills = []
    # As within working hours, whenever it is run: outside them a process counts who waits for a team, in twelve queries a minute.
    there = mock.patch.object(Calendar, "is_open", lambda *_: True)
    with tempfile.TemporaryDirectory() as directory, open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), there:
        aws.client.cache_clear()
        with open_house(Path(directory), only=("generic",)) as house:
            platform = house.simulators["generic"]
            for turns in (range(1), range(1, TURNS)):
                bill = Bill()
                with _counting(house, bill):
                    for turn in turns:
                        items = [platform.item(f"u{n}", text=ASKED, native_id=f"{n}-{turn}") for n in range(CONVERSATIONS)]
                        house.receive("generic", platform.batch(items))
                        house.pump()
                bills.append(bill)
        aws.client.cache_clear()
    first, later = bills
    return first, later


@contextmanager
def _counting(house: Any, bill: Bill) -> Iterator[None]:
    from botocore.client import BaseClient

    call, invoke = BaseClient._make_api_call, type(house).invoke
    told = {"GetItem", "Query", "PutItem", "UpdateItem", "TransactWriteItems"}

    def counted(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        if not bill.function:
            return call(client, operation, arguments)
        asked = {"ReturnConsumedCapacity": "INDEXES"} if operation in told else {}
        answer = call(client, operation, {**arguments, **asked})
        bill.note(operation, answer)
        return answer

    def named(this: Any, function: str, event: Any) -> Any:
        bill.function = function
        try:
            return invoke(this, function, event)
        finally:
            bill.function = ""

    with mock.patch.object(BaseClient, "_make_api_call", counted), mock.patch.object(type(house), "invoke", named):
        yield
