"""Webhooks that carry lists (trap T11): every item once, in order, with its place, so that a bad one spares its siblings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from functions.channels.codecs.json_fields import Fields
from functions.channels.contract import Ignored, ItemError, ParseResult
from functions.common.message import Message

Item = tuple[str, Fields]
Outcome = Message | Ignored | ItemError


def listed(fields: Fields, name: str, where: str) -> Iterator[Item | ItemError]:
    """Every object of a list with its place; an error for a list or an item that is none. A missing list is an empty one."""
    found = fields.get(name)
    if found is None:
        return
    if not isinstance(found, list):
        yield ItemError("not a list", where)
        return
    for place, item in enumerate(found):
        yield (f"{where}.{place}", item) if isinstance(item, dict) else ItemError("not an object", f"{where}.{place}")


def result(outcomes: Iterable[Outcome]) -> ParseResult:
    """What became of the items, by kind."""
    found = tuple(outcomes)
    return ParseResult(
        messages=tuple(each for each in found if isinstance(each, Message)),
        ignored=tuple(each for each in found if isinstance(each, Ignored)),
        errors=tuple(each for each in found if isinstance(each, ItemError)),
    )
