"""`application/x-www-form-urlencoded` from outside: every field in order, blank values and duplicates kept, or nothing at all.

Whether a body is a form is decided by its bytes, never by the content type; blank fields are part of what Twilio signs (trap T8).
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from functions.common.errors import MalformedPayload

MAX_BYTES = 256 * 1024
MAX_FIELDS = 500

Fields = tuple[tuple[str, str], ...]


def parse(body: bytes) -> Fields:
    """The fields of a form in UTF-8; `MalformedPayload` when it is not one, or larger than `MAX_BYTES` or `MAX_FIELDS`."""
    if len(body) > MAX_BYTES:
        raise MalformedPayload("form too large")
    try:
        text = body.decode("utf-8")
        return tuple(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise MalformedPayload(f"not a form: {type(error).__name__}") from None
