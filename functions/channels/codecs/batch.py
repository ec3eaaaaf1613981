"""Webhooks that carry lists (trap T11): every item once, in order, with its place, so that a bad one spares its siblings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from functions.channels.codecs.json_fields import Fields
from functions.channels.contract import Ignored, ItemError, ParseResult
from functions.common.errors import MalformedPayload
from functions.common.message import Message

# No platform sends more at once; Meta names this very number. Receipts may stand beside the messages.
MAX_ITEMS, MAX_OUTCOMES = 1000, 3000

Item = tuple[str, Fields]
Outcome = Message | Ignored | ItemError


def listed(fields: Fields, name: str, where: str) -> Iterator[Item | ItemError]:
    """Every object of a list with its place; an error for an item that is none, and one for a list that is none or has more than
    `MAX_ITEMS`. A missing list is an empty one.
    """
    found = fields.get(name)
    if found is None:
        return
    if not isinstance(found, list) or len(found) > MAX_ITEMS:
        yield ItemError("too many" if isinstance(found, list) else "not a list", where)
        return
    for place, item in enumerate(found):
        yield (f"{where}.{place}", item) if isinstance(item, dict) else ItemError("not an object", f"{where}.{place}")


def result(outcomes: Iterable[Outcome]) -> ParseResult:
    """What became of the items, by kind; `MalformedPayload` when there are more than `MAX_OUTCOMES` in all lists together."""
    found = tuple(islice(outcomes, MAX_OUTCOMES + 1))
    if len(found) > MAX_OUTCOMES:
        raise MalformedPayload("too many items")
    return ParseResult(
        messages=tuple(each for each in found if isinstance(each, Message)),
        ignored=tuple(each for each in found if isinstance(each, Ignored)),
        errors=tuple(each for each in found if isinstance(each, ItemError)),
    )
