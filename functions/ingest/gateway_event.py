"""API Gateway's payload format 2.0, both ways.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from functions.channels.contract import HttpAnswer, RawRequest


def raw_request(event: dict[str, Any], received_at: datetime) -> RawRequest:
    """The request in an event. Whether the body is base64 is for the event to say, not for its content type (trap T7)."""
    http = event["requestContext"]["http"]
    parameters = event["pathParameters"]
    body = event.get("body") or ""
    raw_query = event.get("rawQueryString") or ""
    return RawRequest(
        method=http["method"],
        path=f"/webhooks/{parameters['channel']}/{parameters['account']}",
        query=query_pairs(raw_query),
        raw_query=raw_query,
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        body=b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass"),
        source_ip=http.get("sourceIp", ""),
        received_at=received_at,
    )


def query_pairs(raw_query: str) -> tuple[tuple[str, str], ...]:
    """Names and values, decoded once. A plus stays a plus: platforms put base64 into queries, never form-encoded spaces."""
    pairs = (part.partition("=") for part in raw_query.split("&")[:100] if part)
    return tuple((unquote(name), unquote(value)) for name, _, value in pairs)


def gateway_response(answer: HttpAnswer) -> dict[str, Any]:
    """An answer for API Gateway. Challenges are reflected text: no browser may take them for a page (trap T20)."""
    headers = {"content-type": answer.content_type, "x-content-type-options": "nosniff"}
    return {"statusCode": answer.status, "headers": headers, "body": answer.body, "isBase64Encoded": False}
