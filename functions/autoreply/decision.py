"""Whether and what to answer: one pure decision per message, with its reason.

`STEPS` is the whole order. First come the bars: whatever forbids a machine to speak, asked once more just before a reply is sent. Then the
proposals, best first. What was said before, the ledger, and the checks of a text may rule out some of them or all; the first that is
left is the reply. Every proposal that was not sent is named with why. Several messages in a row get one reply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from functions.autoreply.bars import BARS
from functions.autoreply.case import Candidate, Case, Decision, Silence, Step, Suppressed
from functions.autoreply.delivery import answer_of
from functions.autoreply.proposals import PROPOSALS
from functions.autoreply.reasons import ANSWERS, NOTICES, Reason
from functions.autoreply.said import counted, enough_said, is_courtesy, said_already, too_many_parts
from functions.autoreply.wording import Wording, worded
from functions.common.judgement import Judged
from functions.common.ledger import Said
from functions.common.store import Reply
from functions.common.wire import ReplyTask

STEPS: tuple[Step, ...] = (*BARS, *PROPOSALS)
# Characters in one reply to several messages; beyond that each gets its own. WeChat takes 2048 bytes, and a Han character is three.
LONGEST_TOGETHER = 600
Check = Callable[[Case, Candidate, str], Reason | None]


def fit_to_go_out(case: Case, candidate: Candidate, text: str) -> Reason | None:
    """Nothing in a text, its buttons or its picture's address that must not go out: a denied word, personal data, a link to strangers."""
    return Reason.TEXT_REFUSED if case.policy.outgoing.objections(whole(case, candidate.template, text)) else None


def whole(case: Case, template: str | None, text: str) -> str:
    """A text with everything that its template has beside it."""
    answer = answer_of(case.policy.book, template, text, case.language)
    return "\n".join(filter(None, (answer.text, *answer.buttons, answer.image_url)))


# What a finished text must pass before it goes out.
TEXT_CHECKS: tuple[Check, ...] = (fit_to_go_out,)


def decide(case: Case) -> Decision:
    """The decision about a message, out of what the case holds and nothing else."""
    silence = bar(case)
    if silence is not None:
        return _silent(case, silence)
    said = counted(case)
    silence = enough_said(case, said)
    if silence is not None and any(proposals(case)):
        return _silent(case, silence)
    decision = _first_left(case, said)
    return decision if decision.text is None else _together(case, decision)


def bar(case: Case) -> Silence | None:
    """What forbids a machine to answer this message, by what is known at `case.now`; None when nothing does."""
    found = (step(case) for step in BARS)
    return next((outcome for outcome in found if isinstance(outcome, Silence)), None)


def proposals(case: Case) -> Iterator[Candidate]:
    """What could be said, best first."""
    found = (step(case) for step in PROPOSALS)
    return (outcome for outcome in found if isinstance(outcome, Candidate))


def objections(case: Case, templates: Sequence[str | None]) -> list[str]:
    """Why the texts of some candidates may not go out: template, kind, and the word, the kind of data or the host that was found."""
    texts = ((each.template, worded(case, each)) for each in proposals(case) if each.template in templates)
    return [
        f"{template} {found.kind} {found.found}"
        for template, wording in texts
        if isinstance(wording, Wording)
        for found in case.policy.outgoing.objections(whole(case, template, wording.text))
    ]


def veto(case: Case, reply: Reply, *, doubtful: bool = False) -> Silence | None:
    """What forbids a reply that was decided on earlier: any bar, a stop of its rule, a notice that nobody is there when somebody is, and
    unless the reply may be out already (`doubtful`), that a later message will be answered better.
    """
    scope = case.stops.of_rule(case.names_of(reply.reason, reply.template))
    if (silence := bar(case)) or scope:
        return silence or Silence(reason=Reason.STOPPED, detail=scope)
    reason = Reason(reply.reason)
    if reason in NOTICES and case.calendar.is_open(case.now):
        return Silence(reason=Reason.STALE)
    newer = (
        None
        if doubtful
        else _answered_later(_by_themselves(case), Decision(reason=reason, template=reply.template, text=reply.text))
    )
    return Silence(reason=Reason.ANSWERED_WITH_LATER, detail=newer) if newer else None


def _silent(case: Case, silence: Silence) -> Decision:
    suppressed = tuple(_because(candidate, silence.reason) for candidate in proposals(case))
    return Decision(reason=silence.reason, detail=silence.detail, suppressed=suppressed)


def _first_left(case: Case, said: list[Said]) -> Decision:
    suppressed: list[Suppressed] = []
    for candidate in proposals(case):
        wording = _allowed(case, candidate, said)
        if isinstance(wording, Wording):
            return Decision(
                reason=candidate.reason,
                template=candidate.template,
                text=wording.text,
                variant=wording.variant,
                detail=candidate.detail or " ".join(f"{name}={value}" for name, value in candidate.variables.items()) or None,
                suppressed=tuple(suppressed),
            )
        suppressed.append(_because(candidate, wording))
    reason = suppressed[0].because if suppressed else Reason.NOTHING_TO_SAY
    return Decision(reason=reason, suppressed=tuple(suppressed))


def _allowed(case: Case, candidate: Candidate, said: list[Said]) -> Wording | Reason:
    """What a candidate may say, or why it may not."""
    if case.stops.of_rule(case.names_of(candidate.reason, candidate.template)):
        return Reason.STOPPED
    wording = worded(case, candidate)
    text = wording.text if isinstance(wording, Wording) else None
    reason = said_already(case, candidate, text, said)
    if reason is not None or not isinstance(wording, Wording):
        return reason or wording
    refused = next((found for check in TEXT_CHECKS if (found := check(case, candidate, wording.text))), None)
    return refused or too_many_parts(case, candidate.template, wording.text, said) or wording


def _together(case: Case, decision: Decision) -> Decision:
    """One reply for several messages in a row: the newest one's, if it says as much, else this one's with what later ones ask beside it."""
    later = _by_themselves(case)
    newer = _answered_later(later, decision)
    if newer is not None:
        return _left_to(decision, newer)
    texts = {decision.text: decision.template}
    for each, its_own in later:
        if decision.reason in ANSWERS and not is_courtesy(its_own.reason, each):
            texts.setdefault(its_own.text, its_own.template)
    if len(texts) == 1:
        return decision
    both = "\n\n".join(text for text in texts if text)
    refused = case.policy.outgoing.objections(whole(case, decision.template, both))
    if refused or len(both) > LONGEST_TOGETHER or too_many_parts(case, decision.template, both, counted(case)):
        return decision
    return replace(decision, text=both, beside=tuple(name for name in list(texts.values())[1:] if name))


def _by_themselves(case: Case) -> list[tuple[Judged, Decision]]:
    """What later messages would get by themselves, of those that would get anything."""
    alone = ((each, decide(replace(case, task=ReplyTask(judged=each, first_contact=False), later=()))) for each in case.later)
    return [(each, its_own) for each, its_own in alone if its_own.text is not None]


def _answered_later(later: list[tuple[Judged, Decision]], decision: Decision) -> str | None:
    """The id of a later message, the newest first, whose answer says as much as this one and so answers both."""
    for newer, its_own in reversed(later):
        if decision.reason not in ANSWERS or _same(its_own, decision):
            return newer.message.message_id
    return None


def _same(its_own: Decision, decision: Decision) -> bool:
    """Whether a later answer is this one again. Two commands are two questions, though one template answers them."""
    again = its_own.template == decision.template and its_own.reason != Reason.COMMAND
    return again or its_own.text == decision.text


def _left_to(decision: Decision, newer: str) -> Decision:
    mine = Suppressed(reason=decision.reason, because=Reason.ANSWERED_WITH_LATER, template=decision.template)
    return Decision(reason=Reason.ANSWERED_WITH_LATER, detail=newer, suppressed=(*decision.suppressed, mine))


def _because(candidate: Candidate, reason: Reason) -> Suppressed:
    return Suppressed(reason=candidate.reason, because=reason, template=candidate.template)
