"""Answers that would be answered: a machine that sends a template's own words back, as another Postroom or an echo does, and the rule that
replies to them. What limits and marks do against such loops is another matter; a template that needs no such help is better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from functions.classify.conversations import new_conversation
from functions.classify.desk import Handbook
from functions.classify.originals import clear
from functions.classify.understanding import judge_message
from functions.common import keys
from functions.common.message import Contact, Message, Verification
from functions.common.store import Conversation

_MOMENT = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)


def loops(texts: Mapping[str, tuple[str, ...]], handbook: Handbook) -> Iterator[tuple[str, ...]]:
    """Rounds of templates, each answered by the next and the last by the first; each round once. `texts` by template."""
    answers = {name: {found for text in known if (found := answer(text, handbook))} for name, known in texts.items()}
    seen: set[frozenset[str]] = set()
    for start in sorted(answers):
        round_ = _round(start, answers)
        if round_ and frozenset(round_) not in seen:
            seen.add(frozenset(round_))
            yield round_


def answer(text: str, handbook: Handbook) -> str | None:
    """The template with which rules would reply to a text from somebody who has written before."""
    judged = judge_message(clear(message(text)), _known(), handbook)
    return None if judged.routing.no_reply else judged.routing.reply


def message(text: str) -> Message:
    """A text as a message of the generic channel."""
    return Message(
        message_id=keys.message_id("generic", "demo", "echo", _MOMENT, "1"),
        channel="generic",
        account="demo",
        contact=Contact(primary="echo"),
        kind="text",
        text=text,
        received_at=_MOMENT,
        verification=Verification(scheme="none", body_signed=True, timestamped=True),
    )


def _known() -> Conversation:
    return replace(new_conversation(message("")), count=1)


def _round(start: str, answers: Mapping[str, set[str]]) -> tuple[str, ...]:
    """The shortest way from a template back to it; empty when there is none."""
    ways: list[tuple[str, ...]] = [(start,)]
    reached: set[str] = set()
    while ways:
        way = ways.pop(0)
        for following in sorted(answers.get(way[-1], ())):
            if following == start:
                return way
            if following not in reached:
                reached.add(following)
                ways.append((*way, following))
    return ()
