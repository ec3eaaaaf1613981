"""Up to three replies that a person might send, best first and different from each other. Pure.

They come from the rules that fired, first what they would send and then what they only suggest, from the answers to frequent questions that
are like the message, and from templates. What is stored with the reply's record is where each comes from: the text is made when
somebody looks, with the values and the check of that moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from functions.autoreply.case import Candidate, Case
from functions.autoreply.delivery import answer_of, parcels
from functions.autoreply.phrase_index import jaccard
from functions.autoreply.reasons import Reason
from functions.autoreply.said import left_for_people
from functions.autoreply.wording import Wording, worded
from functions.channels import registry
from functions.channels.codecs import text_parts

MOST = 3
# Two texts that share more of their words than this say the same.
ALIKE = 0.6
# A person chooses: what would be too little for an answer may be enough for a suggestion.
LIKE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A reply's text and where it comes from: `source` is rule, faq, draft (then `name` is the model's) or template; `score` how well it
    fits, 0…1.
    """

    source: str
    name: str
    score: float
    text: str

    def mark(self) -> str:
        """What is stored of it."""
        return f"{self.source} {self.name} {self.score:.2f}"


def suggestions(case: Case) -> tuple[Suggestion, ...]:
    """The suggestions for one message; none for what nobody is to answer, or can."""
    if not case.awaited or case.judged.judgement.spam != "none" or not _open(case):
        return ()
    chosen: list[Suggestion] = []
    for found in _sources(case):
        if not fits(case, found) or any(jaccard(found.text, other.text) >= ALIKE for other in chosen):
            continue
        chosen.append(found)
        if len(chosen) == MOST:
            break
    return tuple(chosen)


def remade(case: Case, marks: tuple[str, ...]) -> tuple[Suggestion, ...]:
    """The suggestions that were stored, with their texts as of now. One whose source is gone, or has no text now, or that does not fit any
    more is left out; all of them once the window is shut.
    """
    found = (_again(case, *mark.split(" ")) for mark in marks) if _open(case) else ()
    return tuple(each for each in found if each is not None and fits(case, each))


def fits(case: Case, said: Suggestion) -> bool:
    """Whether the text may go out, and in as many of the platform's messages as are left and as the platform can show."""
    message, template = case.message, said.name if said.source in ("rule", "template") else None
    if case.policy.outgoing.objections(said.text):
        return False
    adapter, left = registry.adapter(message.channel), left_for_people(case)
    parts = parcels(message, answer_of(case.policy.book, template, said.text, case.language), adapter)
    long = [part for part in parts if adapter.max_text and text_parts.size(part.text, adapter.max_text_unit) > adapter.max_text]
    return not long and (left is None or len(parts) <= left)


def _open(case: Case) -> bool:
    window = case.message.reply
    return window.mode != "none" and (window.expires_at is None or case.now < window.expires_at)


def _sources(case: Case) -> Iterator[Suggestion]:
    book, faq, text = case.policy.book, case.policy.faq, case.message.text or ""
    routing = case.judged.routing
    for template in dict.fromkeys(filter(None, (routing.reply, *routing.suggest))):
        if said := _again(case, "rule", template, "1.00"):
            yield said
    if case.draft and case.draft.pick and (said := _again(case, "faq", case.draft.pick, "0.90")):
        yield said
    if case.draft and (said := _again(case, "draft", case.draft.model, "0.50")):
        yield said
    for like in faq.like(text, case.language, floor=LIKE, most=2 * MOST) if faq and text else ():
        if said := _again(case, "faq", like.name, f"{like.score:.2f}"):
            yield said
    if case.judged.judgement.business == "complaint" and (said := _again(case, "template", book.notices.receipt, "0.10")):
        yield said


def _again(case: Case, source: str, name: str, score: str) -> Suggestion | None:
    text: str | None
    if source == "draft":
        text = case.draft.text if case.draft else None
    elif source == "faq":
        text = case.policy.faq.text(name, case.language) if case.policy.faq else None
    else:
        wording = worded(case, Candidate(reason=Reason.KEYWORD, template=name))
        text = wording.text if isinstance(wording, Wording) else None
    return None if text is None else Suggestion(source=source, name=name, score=float(score), text=text)
