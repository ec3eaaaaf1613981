"""What a machine could say, one small step each, best first. To somebody who asked for a person, only when a person will be there."""

from __future__ import annotations

from dataclasses import replace

from functions.autoreply.case import Candidate, Case, Step
from functions.autoreply.commands import command_in
from functions.autoreply.reasons import Reason
from functions.autoreply.wording import Wording, worded
from functions.common.judgement import Judgement
from functions.common.masking import placeholders


def command(case: Case) -> Candidate | None:
    """The reply to a fixed format, with its arguments."""
    found = command_in(case.policy.book.commands, case.message.text)
    if found is None:
        return None
    known, arguments = found
    return Candidate(reason=Reason.COMMAND, template=known.reply, variables=arguments)


def keyword(case: Case) -> Candidate | None:
    """The template of the rule that fired. A greeting at first contact is what the welcome is for."""
    name, greeting = case.judged.routing.reply, case.policy.book.notices.greeting
    if name is None or case.judged.judgement.wants_human or (case.task.first_contact and name == greeting):
        return None
    return _drafted(case, name) or Candidate(reason=Reason.KEYWORD, template=name)


def _drafted(case: Case, name: str) -> Candidate | None:
    """The reply in a language model's words, where an operator lets it word this one, its template stands, and the text may go out."""
    draft, candidate = case.draft, Candidate(reason=Reason.KEYWORD, template=name)
    if draft is None or draft.text is None or name not in case.policy.book.drafts.send_for:
        return None
    unfit = placeholders(draft.text) or case.policy.outgoing.objections(draft.text)
    if unfit or not isinstance(worded(case, candidate), Wording):
        return None
    return replace(candidate, text=draft.text, detail=f"drafted by {draft.model}")


def faq(case: Case) -> Candidate | None:
    """The answer of config/faq.yaml that fits the question well enough. A message that a machine must leave alone gets none."""
    known, text = case.policy.faq, case.message.text
    if known is None or not text or not may_be_looked_up(case.judged.judgement):
        return None
    found = known.answer(text, case.language)
    if found is None:
        return _picked(case)
    return Candidate(reason=Reason.FAQ, template=found.name, text=found.text, detail=f"{found.score:.2f} {found.matched}")


def _picked(case: Case) -> Candidate | None:
    """The entry that a language model picked, where an operator lets that go out."""
    known, draft = case.policy.faq, case.draft
    if known is None or draft is None or draft.pick is None or not case.policy.book.drafts.send_picks:
        return None
    text = known.text(draft.pick, case.language)
    if text is None:
        return None
    return Candidate(reason=Reason.FAQ, template=draft.pick, text=text, detail=f"picked by {draft.model}")


def may_be_looked_up(said: Judgement) -> bool:
    """Whether a ready answer may do. Who complains, is upset, in danger or in a hurry, or asks for a person, is a person's."""
    troubled = said.business == "complaint" or said.sentiment == "negative" or said.urgency == "urgent" or bool(said.risk)
    return not troubled and not said.wants_human and said.spam == "none"


def welcome_out_of_hours(case: Case) -> Candidate | None:
    """At first contact, welcome and notice in one, when a person is awaited and nobody is there."""
    if not _is_new(case) or not case.nobody_there:
        return None
    return Candidate(reason=Reason.WELCOME_OUT_OF_HOURS, template=case.policy.book.notices.welcome_out_of_hours)


def welcome(case: Case) -> Candidate | None:
    """At first contact."""
    if not _is_new(case):
        return None
    notices = case.policy.book.notices
    return Candidate(reason=Reason.WELCOME, template=notices.welcome if case.awaited else notices.greeting)


def out_of_hours(case: Case) -> Candidate | None:
    """The notice, when a person is awaited and nobody is there."""
    if not case.nobody_there:
        return None
    return Candidate(reason=Reason.OUT_OF_HOURS, template=case.policy.book.notices.out_of_hours)


def receipt(case: Case) -> Candidate | None:
    """That a complaint or an urgent matter has arrived."""
    said = case.judged.judgement
    weighty = said.business == "complaint" or said.urgency == "urgent"
    if not weighty or not case.awaited or said.wants_human:
        return None
    return Candidate(reason=Reason.RECEIPT, template=case.policy.book.notices.receipt)


def _is_new(case: Case) -> bool:
    return case.task.first_contact and not case.judged.judgement.wants_human


PROPOSALS: tuple[Step, ...] = (command, keyword, faq, welcome_out_of_hours, welcome, out_of_hours, receipt)
