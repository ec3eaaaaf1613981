"""Up to three replies that a person might send, best first and different from each other. Pure.

They come from the rules that fired, first what they would send and then what they only suggest, from the answers to frequent questions that
are like the message, and from templates. What is stored with the reply's record is where each comes from: the text is made when
somebody looks, with the values and the check of that moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from functions.autoreply.case import Candidate, Case
from functions.autoreply.phrase_index import jaccard
from functions.autoreply.reasons import Reason
from functions.autoreply.wording import Wording, worded

MOST = 3
# Two texts that share more of their words than this say the same.
ALIKE = 0.6
# A person chooses: what would be too little for an answer may be enough for a suggestion.
LIKE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A reply's text and where it comes from: `source` is rule, faq or template; `score` how well it fits, 0…1."""

    source: str
    name: str
    score: float
    text: str

    def mark(self) -> str:
        """What is stored of it."""
        return f"{self.source} {self.name} {self.score:.2f}"


def suggestions(case: Case) -> tuple[Suggestion, ...]:
    """The suggestions for one message; none for what nobody is to answer, or can."""
    window, judged = case.message.reply, case.judged
    closed = window.expires_at is not None and case.now >= window.expires_at
    if not case.awaited or judged.judgement.spam != "none" or window.mode == "none" or closed:
        return ()
    chosen: list[Suggestion] = []
    for found in _sources(case):
        if case.policy.outgoing.objections(found.text) or any(jaccard(found.text, other.text) >= ALIKE for other in chosen):
            continue
        chosen.append(found)
        if len(chosen) == MOST:
            break
    return tuple(chosen)


def remade(case: Case, marks: tuple[str, ...]) -> tuple[Suggestion, ...]:
    """The suggestions that were stored, with their texts as of now; one whose source is gone, or has no text now, is left out."""
    found = (_again(case, *mark.split(" ")) for mark in marks)
    return tuple(each for each in found if each is not None and not case.policy.outgoing.objections(each.text))


def _sources(case: Case) -> Iterator[Suggestion]:
    book, faq, text = case.policy.book, case.policy.faq, case.message.text or ""
    routing = case.judged.routing
    for template in dict.fromkeys(filter(None, (routing.reply, *routing.suggest))):
        if said := _again(case, "rule", template, "1.00"):
            yield said
    for like in faq.like(text, case.language, floor=LIKE, most=2 * MOST) if faq and text else ():
        if said := _again(case, "faq", like.name, f"{like.score:.2f}"):
            yield said
    if case.judged.judgement.business == "complaint" and (said := _again(case, "template", book.notices.receipt, "0.10")):
        yield said


def _again(case: Case, source: str, name: str, score: str) -> Suggestion | None:
    if source == "faq":
        text = case.policy.faq.text(name, case.language) if case.policy.faq else None
    else:
        wording = worded(case, Candidate(reason=Reason.KEYWORD, template=name))
        text = wording.text if isinstance(wording, Wording) else None
    return None if text is None else Suggestion(source=source, name=name, score=float(score), text=text)
