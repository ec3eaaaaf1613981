"""Ingest's entry point."""

from __future__ import annotations

from typing import Any

from functions.common.lambda_context import LambdaContext
from functions.ingest.gateway_event import gateway_response, raw_request
from functions.ingest.service import TRY_AGAIN, receive
from functions.ingest.wiring import counter


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One webhook, in API Gateway's payload format 2.0."""
    post = counter()
    try:
        parameters = event["pathParameters"]
        request = raw_request(event, post.clock())
        answer = receive(parameters["channel"], parameters["account"], request, post)
    except Exception as fault:  # a fault of ours: the platform sends the webhook again, and no text reaches the log
        post.telemetry.error("ingest_failed", fault)
        answer = TRY_AGAIN
    return gateway_response(answer)
