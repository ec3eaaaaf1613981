"""Rising phrases of a group of messages: a channel, a label, or all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.insight.topics import Period, Rising, rising

AXES = ("channel", "business", "content", "team")
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A rising phrase of a group (`channel=weibo`), and the id of the newest message that has it."""

    group: str
    rising: Rising
    example: str


@dataclass(slots=True)
class _Group:
    now: Period = field(default_factory=Period)
    before: Period = field(default_factory=Period)
    texts: list[tuple[str, str]] = field(default_factory=list)


def topics(found: Iterable[dict[str, Any]], since: datetime, by: tuple[str, ...], *, top: int) -> Iterator[Topic]:
    """Topics of archive lines, newest first: those from `since` on against those before it, in each group of the axes `by`.

    Spam says nothing of what customers want, and a sender's repeats nothing new.
    """
    groups: defaultdict[str, _Group] = defaultdict(_Group)
    for line in found:
        message, judgement = line["message"], line.get("judgement", {})
        text = message.get("text") or ""
        if line.get("same_as") or judgement.get("spam", "none") != "none" or not text:
            continue
        recent = datetime.fromisoformat(message["received_at"]) >= since
        for name in _groups(line, by):
            group = groups[name]
            (group.now if recent else group.before).add(text)
            if recent and len(group.texts) < _REMEMBERED:
                group.texts.append((message["message_id"], text.lower()))
    for name in sorted(groups):
        for each in rising(groups[name].now, groups[name].before, top=top):
            yield Topic(group=name, rising=each, example=_example(groups[name].texts, each.phrase))


_REMEMBERED = 5000


def _groups(line: dict[str, Any], by: tuple[str, ...]) -> Iterator[str]:
    if not by:
        yield ALL
    for axis in by:
        for value in _values(line, axis):
            yield f"{axis}={value}"


def _values(line: dict[str, Any], axis: str) -> list[str]:
    if axis == "channel":
        return [line["message"]["channel"]]
    if axis == "team":
        return [line["routing"]["team"]]
    judgement = line.get("judgement", {})
    return list(judgement.get("content", ())) if axis == "content" else [judgement.get("business", "other")]


def _example(texts: list[tuple[str, str]], phrase: str) -> str:
    return next((message_id for message_id, text in texts if phrase in text), "")
