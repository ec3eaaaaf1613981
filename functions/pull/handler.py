"""Pull's entry point."""

from __future__ import annotations

from typing import Any

from functions.common.lambda_context import LambdaContext
from functions.common.sqs_batch import batch_answer, records
from functions.pull.service import collect
from functions.pull.wiring import collector


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A batch of pull tasks off `pulls.fifo`; one source's failure takes only its own tasks with it."""
    return batch_answer(collect(records(event), collector(), context.get_remaining_time_in_millis))
