"""Labelled messages as the function would read them: masked, folded, with the rules that fire, as features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from functions.classify.config import Rule, RulesSection
from functions.classify.denials import taken_back
from functions.classify.judging import claims_of, evidence
from functions.classify.model.concepts import Concepts
from functions.classify.model.ngrams import ngrams
from functions.classify.model.scoring import Features, view
from functions.classify.noise import is_noise
from functions.classify.reading import Reading
from functions.classify.rules import RuleBook, read_rules
from functions.common.folding import fold
from functions.common.sections import read_section
from infra.cli.bundle import CONFIG, read_sections
from infra.judgement.plain import plain_text
from training.seed import Example

CONCEPTS = Path(__file__).parent / "concepts.txt"


class ConceptsInvalid(Exception):
    """training/concepts.txt cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled message, what rules and model see of it, which rules fired on its text alone, and the flags that these take back."""

    example: Example
    reading: Reading
    rules: tuple[str, ...]
    features: Features
    denied: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Library:
    """What does not depend on the messages: the rules in force and the lists of words."""

    book: RuleBook
    rules: tuple[Rule, ...]
    concepts: dict[str, list[str]]

    @property
    def found(self) -> Concepts:
        """The lists, ready to be looked for."""
        return _found(tuple((name, tuple(entries)) for name, entries in self.concepts.items()))

    def row(self, example: Example) -> Row:
        """One message read."""
        reading = read_text(example.text)
        fired = self.book.examine(reading).first()
        silent = not any(any(claims_of(rule.rule.then)) for rule in fired)
        rules = tuple(evidence(fired, noise=silent and is_noise(reading.folded.text)))
        text = view(reading)
        features = Features(ngrams(text), self.found.features(text, rules))
        return Row(example, reading, rules, features, taken_back(fired))

    def rows(self, examples: Iterable[Example]) -> list[Row]:
        """Messages read."""
        return [self.row(example) for example in examples]


def library(directory: Path = CONFIG) -> Library:
    """The rules of a configuration, the shipped one's by default, and the shipped concepts."""
    section = read_sections(directory)["rules"]
    rules = tuple(read_section(RulesSection, "rules", section).rules)
    concepts = read_concepts(CONCEPTS.read_text(encoding="utf-8").splitlines())
    return Library(read_rules(section), rules, concepts)


def read_concepts(lines: Iterable[str]) -> dict[str, list[str]]:
    """The lists of words by name; `ConceptsInvalid` names the line that is not `name: entry, entry`."""
    lists: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, entries = line.partition(": ")
        if not colon or not name.isidentifier() or name in lists:
            raise ConceptsInvalid(f"concepts.txt:{number}: expected `name: entry, entry`, each name once")
        lists[name] = list(dict.fromkeys(entry for entry in entries.split(", ") if fold(entry.rstrip("*")).text.strip()))
    return lists


def read_text(text: str) -> Reading:
    """A plain text message of a channel without ways of its own."""
    return plain_text(text)[1]


def altered(examples: Sequence[Example], texts: Sequence[str]) -> list[Example]:
    """The same labels on other texts."""
    return [replace(example, text=text) for example, text in zip(examples, texts, strict=True)]


@cache
def _found(lists: tuple[tuple[str, tuple[str, ...]], ...]) -> Concepts:
    return Concepts(dict(lists))
