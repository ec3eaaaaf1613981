"""JSON from outside: the whole body or nothing, UTF-8 only, of bounded size and depth, with text that can be stored; and JSON for it.

A lenient reader that skips what it cannot decode turns a length-extended signature into a forged message (trap T4).
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from functions.common.errors import MalformedPayload

MAX_BYTES = 4 * 1024 * 1024  # a pulled page; ingest takes a quarter of it
# Objects and lists are what costs time, in reading and after it. The largest batch of any platform, Meta's of a thousand, has some 8,000.
MAX_CONTAINERS = 20_000

# So many of them, and what stands between: texts count as one. In linear time: what was taken is never given back.
_TOO_MANY = re.compile(
    rb'(?:(?:[^{\["]++|"(?:[^"\\]++|\\.)*+")*+[{\[]){%d}+' % (MAX_CONTAINERS + 1),
    re.DOTALL,
)
_LONE = re.compile("[\ud800-\udfff]+")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> Any:
    """The JSON value of a body; `MalformedPayload` otherwise. Lone surrogates become U+FFFD."""
    if len(body) > MAX_BYTES or _too_many(body):
        raise MalformedPayload("JSON: too large, or too many objects and lists")
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        return _storable(value) if _SURROGATE_ESCAPE.search(body) else value
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"not JSON: {type(error).__name__}") from None


def parse_object(body: bytes) -> dict[str, Any]:
    """As `parse`, for a body that must be an object."""
    value = parse(body)
    if not isinstance(value, dict):
        raise MalformedPayload("not a JSON object")
    return value


def answered(body: bytes) -> dict[str, Any]:
    """The object that a platform answered a call of ours with; empty when it is none, or comes from something in between that failed."""
    try:
        return parse_object(body)
    except MalformedPayload:
        return {}


def written(value: Any) -> bytes:
    """JSON for a platform: short, characters as themselves (some refuse \\uXXXX), `?` for what UTF-8 cannot carry."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _too_many(body: bytes) -> bool:
    """Whether more objects and lists begin in a body than may; those that stand in texts do not count."""
    return body.count(b"{") + body.count(b"[") > MAX_CONTAINERS and _TOO_MANY.match(body) is not None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _storable(value: Any) -> Any:
    """The value with U+FFFD in the place of each surrogate that stands alone: the reader has joined the pairs."""
    if isinstance(value, str):
        return _LONE.sub(lambda lone: "\ufffd" * len(lone.group()), value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value
