"""What a reply's reservation notes in the ledger. Pure."""

from __future__ import annotations

from dataclasses import replace

from functions.autoreply.case import Case, Decision
from functions.autoreply.delivery import parts_of
from functions.autoreply.pace import is_quick
from functions.autoreply.reasons import NOTICES
from functions.autoreply.said import counted
from functions.common.ledger import Said, entry
from functions.common.origin import sign


def entries(case: Case, decision: Decision) -> tuple[Said, ...]:
    """The reply's entry, and one for each other answer in it: the messages that asked for them will know that they are answered."""
    whole = entry(
        case.message.message_id,
        at=case.now,
        notice=decision.reason in NOTICES,
        rule=decision.template or "",
        text=decision.text or "",
        asked=case.message.text,
        parts=parts_of(case, decision.template, decision.text or ""),
        seq=case.judged.seq,
        quick=is_quick(case, counted(case)),
    )
    return (whole, *(replace(whole, kind="+", rule=sign(name), asked=sign(name)) for name in decision.beside))
