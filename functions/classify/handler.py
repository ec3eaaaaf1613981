"""Classify's entry point."""

from __future__ import annotations

from typing import Any

from functions.classify.service import classify
from functions.classify.wiring import desk
from functions.common.lambda_context import LambdaContext
from functions.common.sqs_batch import batch_answer, records


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A batch of records of `inbound.fifo`; answers with those that must come again."""
    return batch_answer(classify(records(event), desk()))
