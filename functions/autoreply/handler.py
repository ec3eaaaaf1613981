"""Autoreply's entry point."""

from __future__ import annotations

from typing import Any

from functions.autoreply.config import QUEUE_TRIES
from functions.autoreply.redelivery import Redelivery
from functions.autoreply.service import answer
from functions.autoreply.wiring import desk, queue
from functions.common.lambda_context import LambdaContext
from functions.common.sqs_batch import Record, run_fifo_batch
from functions.common.wire import read_reply_task

# A draft, two token calls and two sends, each at its time limits: a reply that is begun must be able to end.
ONE_REPLY_MS = 34_000


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A batch of reply tasks off `replies.fifo`; a record that fails takes only its own conversation's later ones with it."""
    reply_desk, redelivery = desk(), Redelivery()

    def one(record: Record) -> None:
        with redelivery.noting(record):
            answer(read_reply_task(record.body), reply_desk, last_try=record.tries >= QUEUE_TRIES)

    outcome = run_fifo_batch(
        event, one, reply_desk.telemetry, has_time=lambda: context.get_remaining_time_in_millis() > ONE_REPLY_MS
    )
    redelivery.arrange(event, outcome, queue(), reply_desk.telemetry)
    return outcome
