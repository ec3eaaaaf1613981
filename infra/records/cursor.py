"""Where a page of results ended, as text that the next call takes: with the times, so that "today" stays the day that it was."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta

from functions.common import keys
from functions.common.clock import from_iso, to_iso
from functions.common.wire import plain
from infra.records.errors import RecordsFault
from infra.records.period import Period
from infra.records.question import Place, Question

_VERSION = 1
# Six months, whichever they are and whatever clocks do meanwhile.
_LONGEST = timedelta(days=185)


class CursorInvalid(RecordsFault):
    """A cursor that no search gave, or that was given by another search."""


def cursor(question: Question, place: Place) -> str:
    """The cursor after a page of this question that ended at this place."""
    period = question.period
    told = [_VERSION, _mark(question), to_iso(period.since), to_iso(period.until), place.received_at, place.message_id]
    return urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).decode().rstrip("=")


def resumed(question: Question, text: str) -> tuple[Question, Place]:
    """The question with the cursor's own times, and where to go on; `CursorInvalid` when it belongs to another question."""
    try:
        version, mark, since, until, received_at, message_id = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        asked = replace(question, period=Period(since=from_iso(since), until=from_iso(until)))
        keys.split(message_id)
        place = Place(received_at=to_iso(from_iso(received_at)), message_id=message_id)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, keys.NotAMessageId):
        raise CursorInvalid("not a cursor of this command") from None
    if asked.period.until - asked.period.since > _LONGEST:
        raise CursorInvalid("not a cursor of this command")
    if version != _VERSION or mark != _mark(question):
        raise CursorInvalid("this cursor belongs to another search: repeat the search that gave it with the same options")
    return asked, place


def _mark(question: Question) -> str:
    """What tells one question from another, but for its times and for what follows from it."""
    asked = {name: value for name, value in plain(question).items() if name not in ("period", "linked")}
    return keys.short_hash(json.dumps(asked, sort_keys=True), size=8)
