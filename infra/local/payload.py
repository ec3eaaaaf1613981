"""API Gateway's payload format 2.0: an HTTP request as an event, a function's result as an HTTP answer.

The path and its parameters are decoded once, `rawQueryString` never; duplicate headers and query parameters are joined by commas, cookies
stand apart. https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from infra.local.resources import Route
from infra.local.template import ACCOUNT_ID

API_ID = "local"
DOMAIN = "localhost"
# Other types, forms among them, go through as base64 (denoland/deno_registry2#33).
_TEXT = re.compile(r"text/|application/(json|xml|javascript)\s*(;|$)", re.IGNORECASE)
_HEADER = re.compile(r"[\x20-\x7e\x80-\xff]*")
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request as it came: path and query undecoded, header names in lower case, in order, duplicates kept."""

    method: str
    raw_path: str
    raw_query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    protocol: str = "HTTP/1.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to be sent."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, status: int, value: Any) -> Answer:
        """An answer whose body is JSON."""
        body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        return cls(status, body, (("content-type", "application/json"),))


def match(routes: tuple[Route, ...], request: HttpRequest) -> tuple[Route, dict[str, str]] | None:
    """The route of a request and its path parameters, decoded; None when there is none."""
    segments = request.raw_path.split("/")
    for route in routes:
        wanted = route.path.split("/")
        if route.method in (request.method, "ANY") and len(wanted) == len(segments):
            pairs = list(zip(wanted, segments, strict=True))
            if all(have if _parameter(want) else want == unquote(have) for want, have in pairs):
                return route, {name: unquote(have) for want, have in pairs if (name := _parameter(want))}
    return None


def event_for(request: HttpRequest, route: Route, parameters: dict[str, str], request_id: str) -> dict[str, Any]:
    """The event of a request that a route matched."""
    route_key = f"{route.method} {route.path}"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": unquote(request.raw_path),
        "rawQueryString": request.raw_query,
        "headers": _headers(request),
        "requestContext": _context(request, route_key, request_id),
        "pathParameters": parameters,
        "isBase64Encoded": False,
    }
    cookies = [part.strip() for name, value in request.headers if name == "cookie" for part in value.split(";")]
    query = _joined(parse_qsl(request.raw_query, keep_blank_values=True, max_num_fields=None))
    event |= {"cookies": cookies} if cookies else {}
    event |= {"queryStringParameters": query} if query else {}
    return event | _body(request)


def answer_of(payload: Any) -> Answer | None:
    """The answer that a function's result asks for; None when it is none that API Gateway takes."""
    if not isinstance(payload, dict) or "statusCode" not in payload:
        return Answer.json(200, payload)
    try:
        body = payload.get("body") or ""
        encoded = b64decode(body, validate=True) if payload.get("isBase64Encoded") else body.encode()
        headers = [(str(name).lower(), str(value)) for name, value in (payload.get("headers") or {}).items()]
        headers += [("set-cookie", str(cookie)) for cookie in payload.get("cookies") or ()]
        if any(not _HEADER.fullmatch(name + value) for name, value in headers):
            return None
        return Answer(int(payload["statusCode"]), encoded, tuple(headers))
    except (AttributeError, TypeError, ValueError):
        return None


def _parameter(segment: str) -> str | None:
    return segment[1:-1] if segment.startswith("{") and segment.endswith("}") else None


def _headers(request: HttpRequest) -> dict[str, str]:
    kept = [(name, value) for name, value in request.headers if name not in _HOP_BY_HOP and name != "cookie"]
    return _joined(kept)


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _context(request: HttpRequest, route_key: str, request_id: str) -> dict[str, Any]:
    now = time.time()
    return {
        "accountId": ACCOUNT_ID,
        "apiId": API_ID,
        "domainName": DOMAIN,
        "domainPrefix": DOMAIN,
        "http": {
            "method": request.method,
            "path": unquote(request.raw_path),
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": dict(request.headers).get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": route_key,
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }


def _body(request: HttpRequest) -> dict[str, Any]:
    if not request.body:
        return {}
    if _TEXT.match(dict(request.headers).get("content-type", "")):
        try:
            return {"body": request.body.decode()}
        except UnicodeDecodeError:
            pass  # what is not the text it says it is goes through as bytes
    return {"body": b64encode(request.body).decode(), "isBase64Encoded": True}
