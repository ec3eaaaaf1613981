"""A masked message understood where it stands: read, judged by rules and model, and routed. Pure, but for an adviser that is asked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from functions.classify.desk import Handbook
from functions.classify.judging import judge
from functions.classify.originals import Cleared
from functions.classify.reading import read, words
from functions.classify.repeats import folded_in
from functions.classify.routing import route
from functions.classify.standing import standing_of
from functions.common.judgement import Judged
from functions.common.origin import is_marked
from functions.common.store import Conversation

if TYPE_CHECKING:
    from functions.classify.advice.panel import Panel


def judge_message(cleared: Cleared, conversation: Conversation, handbook: Handbook, panel: Panel | None = None) -> Judged:
    """Everything that is said of a masked message which comes next in its conversation."""
    message, first_contact, standing = cleared.message, conversation.count == 0, standing_of(conversation)
    reading = read(
        message,
        masked=tuple(cleared.counts),
        first_contact=first_contact,
        locale=conversation.locale or message.contact.locale,
        tags=standing.tags,
        heard=standing.heard,
        calendars=handbook.teams.calendars,
    )
    verdict = judge(handbook.rules, reading, handbook.model, partial(panel.second_opinion, words(message)) if panel else None)
    routing = route(
        verdict,
        handbook.teams,
        received_at=message.received_at,
        first_contact=first_contact,
        from_bot=message.contact.is_bot or is_marked(message.text),
        standing=standing,
    )
    judged = Judged(
        message=message,
        judgement=verdict.judgement,
        routing=routing,
        bundle=handbook.bundle,
        seq=conversation.count + 1,
        masked=cleared.counts,
    )
    return folded_in(judged, conversation, handbook.rules.repeats)
