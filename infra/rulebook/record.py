"""How rules do on labelled messages: of each label that a rule claims, how often it fired and how often that was right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from functions.classify.conversations import new_conversation
from functions.classify.judging import claims_of, judge
from functions.classify.labels import Claim
from functions.classify.originals import clear
from functions.classify.reading import read
from functions.classify.rules import RuleBook
from functions.common.judgement import Judgement
from infra.rulebook.loops import message


class Labelled(Protocol):
    """A message with the labels that people gave it, each axis a value, a tuple of values or a truth value."""

    @property
    def text(self) -> str:
        """What was said."""


@dataclass(frozen=True, slots=True)
class Record:
    """What one rule's claim was worth: it fired `fired` times, `right` of them the label was there."""

    rule: str
    label: str
    fired: int
    right: int

    @property
    def precision(self) -> float | None:
        """The share that was right; None of nothing."""
        return self.right / self.fired if self.fired else None


@dataclass(frozen=True, slots=True)
class Seen:
    """Of the messages that have a label, how many the rules gave it; and to how many that do not have it."""

    label: str
    there: int
    found: int
    imagined: int


SEEN = (
    "risk.money",
    "risk.credentials",
    "risk.legal_media",
    "risk.safety",
    "opt_out.true",
    "wants_human.true",
    "spam.ad",
    "spam.scam",
)


def record(book: RuleBook, examples: Iterable[Labelled]) -> tuple[list[Record], list[Seen]]:
    """How each rule's claims, and the rules together, do on labelled messages; the model has no say."""
    fired, right = Counter[str](), Counter[tuple[str, str]]()
    there, found, imagined = Counter[str](), Counter[str](), Counter[str]()
    for example in examples:
        judgement = _judged(book, example.text)
        for rule in {firing.rule for firing in judgement.firings} & book.actions().keys():
            fired[rule] += 1
            right.update((rule, _label(claim)) for claim in claims_of(book.actions()[rule]) if has(example, _label(claim)))
        for label in SEEN:
            is_there, is_found = has(example, label), has(judgement, label)
            there[label] += is_there
            found[label] += is_there and is_found
            imagined[label] += is_found and not is_there
    records = [Record(rule, label, fired[rule], right[rule, label]) for rule, label in _claims(book)]
    return records, [Seen(label, there[label], found[label], imagined[label]) for label in SEEN]


def has(labelled: object, label: str) -> bool:
    """Whether a judgement, or a labelled message, has a label: `risk.money`."""
    axis, _, value = label.partition(".")
    actual = getattr(labelled, axis)
    if isinstance(actual, bool):
        return actual
    return value in actual if isinstance(actual, tuple) else bool(actual == value)


def _judged(book: RuleBook, text: str) -> Judgement:
    cleared = clear(message(text))
    conversation = new_conversation(cleared.message)
    reading = read(cleared.message, masked=tuple(cleared.counts), first_contact=conversation.count == 0)
    return judge(book, reading).judgement


def _claims(book: RuleBook) -> Iterator[tuple[str, str]]:
    for rule, action in book.actions().items():
        for claim in claims_of(action):
            yield rule, _label(claim)


def _label(claim: Claim) -> str:
    return f"{claim.axis}.{claim.value}"
