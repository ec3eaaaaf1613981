"""Labels that people correct: a line in the conversation's audit, and beside it, in the same transaction, an item that training reads.

The judgement stays as it was stored: it says what the machine thought, and by which bundle. The item holds the masked words and the axes
that somebody looked at. It is kept under its month, so that who trains reads corrections and nothing else; it goes after 400 days, or
with the person (functions/archive/erasure.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from functions.classify.reading import words
from functions.common import keys
from functions.common.clock import from_iso, to_iso, to_ms
from functions.common.dynamo_actions import MessageGone
from functions.common.errors import Poison
from functions.common.handling import Action
from functions.common.judgement import Judged
from functions.common.table import Table
from infra.inbox.desk import PeopleDesk
from infra.records.labels import FLAGS, SEVERAL, labels

KEPT = timedelta(days=400)
_NOT_OURS = ("language",)


class CannotCorrect(Poison):
    """Nothing was written; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A message's masked words, and the labels that people gave it, by axis."""

    message_id: str
    text: str
    labels: dict[str, Any]


def corrected(said: Iterable[str]) -> dict[str, Any]:
    """Labels as people say them, by axis: `business=complaint`, `退款`, `content=none`, `wants_human=false`; `NoSuchLabel` or
    `CannotCorrect`.
    """
    asked = [each.strip() for each in said]
    empty = [axis for axis in SEVERAL if f"{axis}=none" in asked]
    denied = [flag for flag in FLAGS if f"{flag}=false" in asked]
    special = {f"{axis}=none" for axis in empty} | {f"{flag}=false" for flag in denied}
    plainly = [each.removesuffix("=true") if each.endswith("=true") else each for each in asked if each not in special]
    found: dict[str, Any] = {axis: _fitting(axis, values) for axis, values in labels(plainly)}
    if twice := found.keys() & {*empty, *denied}:
        raise CannotCorrect(f"{min(twice)} cannot both have a value and have none")
    return found | {axis: [] for axis in empty} | dict.fromkeys(denied, False)


def correct(desk: PeopleDesk, conv: str, said: Iterable[str], *, message_id: str | None = None, why: str = "") -> Action:
    """Write down what a person says of a message, the conversation's newest if none is named."""
    wanted = corrected(said)
    if not wanted:
        raise CannotCorrect("say at least one label, as in --label business=complaint")
    desk.conversation(conv)
    judged = _message(desk, conv, message_id)
    text = words(judged.message)
    if not text.strip():
        raise CannotCorrect("there are no words in this message")
    now = desk.clock()
    action = Action(
        id=desk.random(), verb="correct", by=desk.by, at=now, why=why, labels=wanted, message_id=judged.message.message_id
    )
    item = {"message_id": action.message_id, "at": to_iso(now), "text": text, "labels": wanted}
    try:
        desk.actions.correct(conv, action, item | {"exp": int((now + KEPT).timestamp())})
    except MessageGone:
        raise CannotCorrect(
            f"message {action.message_id} has just left the table: it expired, or its sender was erased"
        ) from None
    return action


def corrections(table: Table, *, since: datetime, until: datetime) -> Iterator[Correction]:
    """What was corrected from `since` on and before `until`, oldest first; of what is said twice of a message's axis the last word."""
    found: dict[str, Correction] = {}
    for item in _items(table, max(since, until - KEPT), until):
        before = found.pop(item["message_id"], None)
        said = (before.labels if before else {}) | item["labels"]
        found[item["message_id"]] = Correction(message_id=item["message_id"], text=item["text"], labels=said)
    yield from found.values()


def _items(table: Table, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    month = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month < until:
        pk, _ = keys.correction_key(month, "")
        values = {":pk": pk, ":since": f"{to_ms(max(since, month)):013d}"}
        for item in table.query("pk = :pk AND sk >= :since", values):
            if from_iso(item["at"]) < until:
                yield item
        month = (month + timedelta(days=32)).replace(day=1)


def _message(desk: PeopleDesk, conv: str, message_id: str | None) -> Judged:
    if message_id is None:
        messages = desk.store.messages(conv)
        if not messages:
            raise CannotCorrect("no message of it is in the table any more; postroom restore brings archived ones back")
        return messages[-1]
    if keys.split(message_id).conv != conv:
        raise CannotCorrect(f"{message_id} is not a message of {conv}")
    judged = desk.store.message(message_id)
    if judged is None:
        raise CannotCorrect(f"no message {message_id} in the table; if it is archived, postroom restore brings it back")
    return judged


def _fitting(axis: str, values: tuple[str, ...]) -> Any:
    if axis in _NOT_OURS:
        raise CannotCorrect("the language follows from the letters; there is nothing to learn")
    if axis in SEVERAL:
        return list(values)
    if len(values) > 1:
        raise CannotCorrect(f"{axis} has one value, not {', '.join(values)}")
    return True if axis in FLAGS else values[0]
