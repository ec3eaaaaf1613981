"""What a decision is about, what it rests on, and what comes of it. All of it plain, frozen data: deciding does no input or output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from functions.autoreply.reasons import Reason
from functions.autoreply.replybook import ReplyPolicy
from functions.autoreply.stops import NOTHING, Stops
from functions.autoreply.templates import Language, language_of
from functions.common.calendar import Calendar
from functions.common.judgement import Judged
from functions.common.message import Message
from functions.common.store import Conversation
from functions.common.wire import ReplyTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a language model said of a case: the entry of faq.yaml that fits, and a reply in its own words; each may be None."""

    model: str
    pick: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One message that asks for a decision. `conversation` is None while classify has not written it yet.

    `backlog` is how many conversations wait for the message's team, None where nobody counted; `later` are the messages that the contact
    has sent since, in order; `draft` is what a language model said, where one was asked.
    """

    task: ReplyTask
    conversation: Conversation | None
    policy: ReplyPolicy
    now: datetime
    stops: Stops = NOTHING
    backlog: int | None = None
    later: tuple[Judged, ...] = ()
    draft: Draft | None = None

    @property
    def judged(self) -> Judged:
        """The message with what is said of it."""
        return self.task.judged

    @property
    def message(self) -> Message:
        """The message itself."""
        return self.task.judged.message

    @property
    def language(self) -> Language:
        """The language to answer in."""
        return language_of(self.judged.judgement.language, self.message.text)

    @property
    def calendar(self) -> Calendar:
        """When the people are there who would answer this message."""
        return self.policy.calendar_of(self.judged.routing.team)

    def names_of(self, reason: str, template: str | None) -> tuple[str, ...]:
        """Every name by which an operator may stop a reply: its template's or FAQ entry's; a command's; and of a reply that rules chose,
        those of all rules that fired.
        """
        names = [template] if template else []
        if reason == Reason.COMMAND:
            names += [each.name for each in self.policy.book.commands if each.reply == template]
        if reason == Reason.KEYWORD:
            names += [firing.rule for firing in self.judged.judgement.firings]
        return tuple(dict.fromkeys(names))

    @property
    def awaited(self) -> bool:
        """Whether a person is to answer, whatever a machine says."""
        return self.judged.routing.needs_person or self.judged.judgement.wants_human

    @property
    def nobody_there(self) -> bool:
        """Whether a person is awaited and none is at work."""
        return self.awaited and not self.calendar.is_open(self.now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """No reply, for this reason; `detail` says more where the reason has more to say (the scope that was stopped)."""

    reason: Reason
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A reply that could be sent. `template` names a template, or what stands for it (an FAQ entry, with `text` ready made).

    `variables` are values that the message itself brought: the arguments of a command. `detail` says why this one (the phrasing of an FAQ
    entry that was matched) and is stored with the reply.
    """

    reason: Reason
    template: str
    text: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    detail: str | None = None


Outcome = Silence | Candidate
Step = Callable[[Case], Outcome | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """A candidate that was not sent, and why."""

    reason: Reason
    because: Reason
    template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A reply (`template` and `text`) with its reason, or the reason for none (both None).

    `beside`: the templates of other answers in the text.
    """

    reason: Reason
    template: str | None = None
    text: str | None = None
    variant: str | None = None
    detail: str | None = None
    beside: tuple[str, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
