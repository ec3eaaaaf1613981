"""Whether and what to answer: one pure decision per message, with its reason.

`STEPS` is the whole order. First come the bars: whatever forbids a machine to speak, asked once more just before a reply is sent. Then the
proposals, best first. What was said before, the ledger, and the checks of a text may rule out some of them or all; the first that is
left is the reply. Every proposal that was not sent is named with why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from functions.autoreply.bars import BARS
from functions.autoreply.case import Candidate, Case, Decision, Silence, Step, Suppressed
from functions.autoreply.proposals import PROPOSALS
from functions.autoreply.reasons import NOTICES, Reason
from functions.autoreply.said import counted, enough_said, said_already
from functions.autoreply.wording import text_of
from functions.common.store import Reply

STEPS: tuple[Step, ...] = (*BARS, *PROPOSALS)
Check = Callable[[Case, Candidate, str], Reason | None]
# What a finished text must pass before it goes out.
TEXT_CHECKS: tuple[Check, ...] = ()


def decide(case: Case, replies: Sequence[Reply]) -> Decision:
    """The decision about a message. `replies` are the conversation's reply records, in any order."""
    return decide_at_once(case) or _decide_by_ledger(case, counted(case, replies))


def decide_at_once(case: Case) -> Decision | None:
    """The decision, where it does not depend on what was said before; None where it does."""
    silence = bar(case)
    if silence is not None:
        return _silent(case, silence)
    return None if any(proposals(case)) else Decision(reason=Reason.NOTHING_TO_SAY)


def bar(case: Case) -> Silence | None:
    """What forbids a machine to answer this message, by what is known at `case.now`; None when nothing does."""
    found = (step(case) for step in BARS)
    return next((outcome for outcome in found if isinstance(outcome, Silence)), None)


def proposals(case: Case) -> Iterator[Candidate]:
    """What could be said, best first."""
    found = (step(case) for step in PROPOSALS)
    return (outcome for outcome in found if isinstance(outcome, Candidate))


def veto(case: Case, reply: Reply) -> Silence | None:
    """What forbids a reply that was decided on earlier: any bar, a stop of its rule, or a notice that nobody is there when somebody is."""
    late_notice = reply.reason in NOTICES and case.calendar.is_open(case.now)
    scope = case.stops.of_rule(reply.template or "")
    return (
        bar(case)
        or (Silence(reason=Reason.STOPPED, detail=scope) if scope else None)
        or (Silence(reason=Reason.STALE) if late_notice else None)
    )


def _silent(case: Case, silence: Silence) -> Decision:
    suppressed = tuple(_because(candidate, silence.reason) for candidate in proposals(case))
    return Decision(reason=silence.reason, detail=silence.detail, suppressed=suppressed)


def _decide_by_ledger(case: Case, said: list[Reply]) -> Decision:
    reason = enough_said(case, said)
    if reason is not None:
        return _silent(case, Silence(reason=reason))
    suppressed: list[Suppressed] = []
    for candidate in proposals(case):
        text = text_of(case, candidate)
        because = _ruled_out(case, candidate, text, said)
        if because is None:
            return Decision(
                reason=candidate.reason,
                template=candidate.template,
                text=text,
                detail=candidate.detail,
                suppressed=tuple(suppressed),
            )
        suppressed.append(_because(candidate, because))
    return Decision(reason=suppressed[0].because, suppressed=tuple(suppressed))


def _ruled_out(case: Case, candidate: Candidate, text: str | None, said: list[Reply]) -> Reason | None:
    if case.stops.of_rule(candidate.template):
        return Reason.STOPPED
    repeated = said_already(case, candidate, text, said)
    if repeated is not None or text is None:
        return repeated or Reason.TEMPLATE_INVALID
    return next((reason for check in TEXT_CHECKS if (reason := check(case, candidate, text))), None)


def _because(candidate: Candidate, reason: Reason) -> Suppressed:
    return Suppressed(reason=candidate.reason, because=reason, template=candidate.template)
