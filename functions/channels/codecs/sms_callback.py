"""What the callbacks of SMS gateways that sign nothing have in common: a token in the URL, and items that are read one by one.

The route of a webhook is given, so the token is the query parameter `token`: the URL is the secret (trap T17).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from functions.channels.codecs import static_token
from functions.channels.codecs.json_fields import Fields, FieldUnreadable
from functions.channels.contract import Credentials, Ignored, ItemError, ParseResult, Payload, RawRequest, Rejected, Verified
from functions.common.message import Message, Verification

MAX_ITEMS = 1000


class CallbackCredentials(Credentials):
    """`token` stands in the callback URL; `allowed_ips` are the networks that may call, any where none is listed."""

    token: static_token.Token
    allowed_ips: static_token.Addresses = ()


def verify(request: RawRequest, credentials: CallbackCredentials) -> Verified | Rejected:
    """Whether a listed address gave the token."""
    if request.method != "POST":
        return Rejected("method", 403)
    if not static_token.from_listed(request.source_ip, credentials.allowed_ips):
        return Rejected("address", 403)
    if not static_token.matches(request.parameter("token"), credentials.token):
        return Rejected("bad_token", 403)
    return Verified(request, credentials, Verification(scheme="static-token", body_signed=False, timestamped=False))


def parse(payload: Payload, items: Iterable[Any], read: Callable[[Fields, Payload], Message | Ignored]) -> ParseResult:
    """Every item as `read` has it, or as an error with its place."""
    messages: list[Message] = []
    ignored: list[Ignored] = []
    errors: list[ItemError] = []
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            errors.append(ItemError("not an object", str(place)))
            continue
        try:
            found = read(item, payload)
        except FieldUnreadable as fault:
            errors.append(ItemError(fault.reason, f"{place}.{fault.where}"))
            continue
        if isinstance(found, Message):
            messages.append(found)
        else:
            ignored.append(found)
    return ParseResult(tuple(messages), tuple(ignored), tuple(errors))
