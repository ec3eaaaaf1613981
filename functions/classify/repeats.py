"""A message that its sender, or many senders, sent before.

The same sender's near-identical message folds into the first: it is stored and names it (`same_as`), is not answered again, and adds no
work of its own, unless a machine's answer to the first did not help. The same text from many senders is one campaign: each copy is stored
and names it, and people see it once, with a count (docs/judgement.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from functions.classify import likeness
from functions.classify.config import Repeats
from functions.classify.reading import words
from functions.common import keys
from functions.common.folding import fold
from functions.common.judgement import Judged, Judgement, Routing
from functions.common.masking import placeholders
from functions.common.message import Message
from functions.common.store import Conversation

KEPT = 3
# Two copies within so short a time are a slip of the finger, not impatience.
_AT_ONCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a conversation keeps of one of its last few texts."""

    minute: int
    rest: str
    labels: str
    sketch: str

    def __str__(self) -> str:
        """As it is stored: `minute ts13.h labels sketch`."""
        return f"{self.minute} {self.rest} {self.labels} {self.sketch}"

    @classmethod
    def read(cls, stored: str) -> Said:
        """What `str` of one made."""
        minute, rest, labels, sketch = stored.split(" ", 3)
        return cls(minute=int(minute), rest=rest, labels=labels, sketch=sketch)


def said(judged: Judged) -> Said | None:
    """What is kept of a message; None when it has no letters."""
    sketch = likeness.sketch(folded(judged.message))
    if not sketch:
        return None
    rest = judged.message.message_id.partition(".")[2]
    return Said(minute=_minute(judged.message.received_at), rest=rest, labels=_labels(judged.judgement), sketch=sketch)


def with_said(before: Conversation, judged: Judged) -> tuple[str, ...]:
    """The last few texts of the conversation after a message; a repeat leaves the first one where it is."""
    entry = None if judged.same_as else said(judged)
    return before.said if entry is None else (*before.said, str(entry))[-KEPT:]


def folded_in(judged: Judged, conversation: Conversation, policy: Repeats) -> Judged:
    """The message, folded into an earlier one of the conversation if it is the same but for what people change."""
    first = _first(judged, conversation, policy)
    if first is None:
        return judged
    conv = keys.split(judged.message.message_id).conv
    return replace(judged, same_as=f"{conv}.{first.rest}", routing=_without_answer(judged, first))


def fingerprint(judged: Judged, conversation: Conversation, policy: Repeats) -> str | None:
    """What identifies the text among those of all senders; None where a campaign is not looked for.

    A campaign comes from people who have not written before: looking for it costs a write, which regular customers need not pay.
    """
    if judged.same_as or conversation.count >= policy.newcomers:
        return None
    return likeness.fingerprint(folded(judged.message))


def folded(message: Message) -> str:
    """The folded view of what the sender said."""
    text = words(message)
    return fold(text, placeholders(text)).text


def _first(judged: Judged, conversation: Conversation, policy: Repeats) -> Said | None:
    now = said(judged) if conversation.said else None
    if now is None:
        return None
    for earlier in map(Said.read, conversation.said):
        recent = now.minute - earlier.minute <= policy.within_minutes
        if recent and earlier.labels == now.labels and likeness.likeness(now.sketch, earlier.sketch) >= policy.likeness:
            return earlier
    return None


def _without_answer(judged: Judged, first: Said) -> Routing:
    routing, judgement = judged.routing, judged.judgement
    asked_again = _minute(judged.message.received_at) - first.minute > _AT_ONCE // timedelta(minutes=1)
    unhelped = asked_again and judgement.spam == "none" and judgement.business != "other"
    return replace(routing, reply=None, no_reply=True, needs_person=routing.needs_person or unhelped)


def _labels(judgement: Judgement) -> str:
    """What must be equal for two texts to be one message; mood may differ."""
    return keys.short_hash(
        judgement.business,
        ",".join(sorted(judgement.content)),
        judgement.urgency,
        judgement.spam,
        ",".join(sorted(judgement.risk)),
        f"{judgement.wants_human}{judgement.opt_out}",
        size=2,
    )


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60
