"""Who writes, and how long and how often they have: the part of a message's priority that its words say nothing of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.classify.contacts import count, heard
from functions.classify.team_config import PointsTable
from functions.common.store import Conversation, unsettled


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A conversation before a message: the tags that people put on it, the minutes of its last messages, since when it waits."""

    tags: tuple[str, ...] = ()
    heard: tuple[int, ...] = ()
    waiting_since: datetime | None = None

    def points(self, table: PointsTable, at: datetime) -> dict[str, int]:
        """The points that count for something, by what gave them."""
        repeat = table.repeat_contact
        often = count(self.heard, at, timedelta(hours=repeat.within_hours)) > repeat.more_than
        found = {
            "repeat_contact": repeat.points if often else 0,
            "waiting": waiting_points(table, self.waiting_since, at),
            **{f"tags.{tag}": table.tags.get(tag, 0) for tag in self.tags},
        }
        return {name: points for name, points in found.items() if points}


STRANGER = Standing()


def standing_of(conversation: Conversation) -> Standing:
    """Where a conversation stands."""
    since = conversation.waiting_since if unsettled(conversation) else None
    return Standing(tags=conversation.tags, heard=heard(conversation.heard), waiting_since=since)


def waiting_points(table: PointsTable, since: datetime | None, at: datetime) -> int:
    """The points of a conversation in which a person has been due to act since then."""
    if since is None:
        return 0
    waiting = table.waiting
    return min(waiting.per_hour * max(0, (at - since) // timedelta(hours=1)), waiting.at_most)
