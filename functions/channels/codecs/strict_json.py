"""JSON from outside: the whole body or nothing, UTF-8 only, of bounded depth, with text that can be stored.

A lenient reader that skips what it cannot decode turns a length-extended signature into a forged message (trap T4).
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from functions.common.errors import MalformedPayload

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> Any:
    """The JSON value of a body; `MalformedPayload` otherwise. Lone surrogates become U+FFFD."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        return _paired(value) if _SURROGATE_ESCAPE.search(body) else value
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"not JSON: {type(error).__name__}") from None


def parse_object(body: bytes) -> dict[str, Any]:
    """As `parse`, for a body that must be an object."""
    value = parse(body)
    if not isinstance(value, dict):
        raise MalformedPayload("not a JSON object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _paired(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_paired(item) for item in value]
    if isinstance(value, dict):
        return {_paired(key): _paired(item) for key, item in value.items()}
    return value
