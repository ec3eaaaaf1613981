"""What people asked and nobody here answers: questions without an automatic answer, near-identical ones together. Nothing is stored for it:
the questions are the messages themselves, masked, in the table and in the archive, and go when those go.

A question is what the FAQ was looked through for and did not answer: an enquiry, a matter of after-sales or an appointment, or anything
else with a question mark; not what is never looked up (complaints, what is urgent, upset or risky, who asks for a person).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from functions.autoreply.phrase_index import features
from functions.autoreply.proposals import may_be_looked_up
from functions.autoreply.reasons import ANSWERS
from functions.common.judgement import Judgement

ALIKE = 0.5
QUESTIONS = ("enquiry", "after_sales", "appointment")
_AXES = ("business", "urgency", "sentiment", "spam", "risk", "wants_human")
# Groups are compared with each other: so many at most, and what fits in none of them is left out.
MOST_GROUPS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A question that `count` messages asked, in the words of the newest; `message_id` is that one's."""

    count: int
    question: str
    message_id: str


@dataclass(slots=True)
class _Group:
    features: set[str]
    question: str
    message_id: str
    count: int = 1


def gaps(lines: Iterable[dict[str, Any]], *, least: int = 1) -> list[Gap]:
    """The questions of archive lines, newest first, that got no answer: the most frequent first, those of at least `least` messages."""
    groups: list[_Group] = []
    for line in lines:
        text = line["message"].get("text")
        if not text or not _asks(line, text) or not _unanswered(line):
            continue
        ours = features(text)
        group = next((each for each in groups if _alike(each.features, ours)), None)
        if group is not None:
            group.count += 1
        elif ours and len(groups) < MOST_GROUPS:
            groups.append(_Group(ours, text, line["message"]["message_id"]))
    found = [
        Gap(count=each.count, question=each.question, message_id=each.message_id) for each in groups if each.count >= least
    ]
    return sorted(found, key=lambda gap: -gap.count)


def _asks(line: dict[str, Any], text: str) -> bool:
    labels = {axis: value for axis, value in (line.get("judgement") or {}).items() if axis in _AXES}
    said = Judgement(**labels)
    return may_be_looked_up(said) and (said.business in QUESTIONS or "?" in text or "\uff1f" in text)


def _unanswered(line: dict[str, Any]) -> bool:
    reply = line.get("reply") or {}
    return not (reply.get("reason") in ANSWERS and reply.get("state") == "sent")


def _alike(one: set[str], other: set[str]) -> bool:
    return len(one & other) >= ALIKE * len(one | other)
