"""Everything that is to be said of rules.yaml, each with its line: errors, which no bundle may hold, and warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from functions.classify.compiling import Lexicons
from functions.classify.config import Condition, RulesSection, parts_of
from functions.classify.rules import RuleBook, read_rules
from functions.common.errors import BundleInvalid
from functions.common.folding import fold_keyword
from functions.common.sections import wrong
from infra.rulebook.lines import Lines
from infra.rulebook.reach import never, shadows

Level = Literal["error", "warning"]
_LISTS = ("contains", "word", "exactly", "valued", "phrase", "except_", "regex")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to be said, at a path of rules.yaml."""

    level: Level
    path: tuple[str | int, ...]
    text: str

    def said(self, file: str, lines: Lines) -> str:
        """`rules.yaml:12: error: …`."""
        return f"{file}:{lines.of(self.path)}: {self.level}: {self.text}"


def faults(raw: Mapping[str, Any]) -> list[Finding]:
    """What the grammar does not allow: every field that is wrong, or the first fault that compiling meets."""
    try:
        RulesSection.model_validate(raw)
        read_rules(dict(raw))
    except ValidationError as invalid:
        return [
            _of_field(fault["loc"], wrong(fault["type"], fault["msg"]))
            for fault in invalid.errors(include_input=False, include_url=False)
        ]
    except BundleInvalid as refused:
        where, _, why = str(refused).partition(": ")
        return [_of_field(tuple(_steps(where)), why)]
    except RecursionError:
        return [Finding("error", (), "nested too deeply")]
    return []


def names_that_lead_nowhere(
    book: RuleBook, section: RulesSection, known: Mapping[str, Mapping[str, Any] | frozenset[str]]
) -> Iterator[Finding]:
    """Templates, teams and channels that rules name and nobody has. `known` has those there are, by kind."""
    places = {rule.name: place for place, rule in enumerate(section.rules)}
    for kind, named in (("template", book.templates()), ("team", book.teams()), ("channel", book.channels())):
        for name, where in named.items():
            if name not in known[kind]:
                _, rule, *field = where.split(".")
                yield Finding("error", ("rules", places[rule], *field), f"rule {rule}: no {kind} {name}")


def unreachable(section: RulesSection) -> Iterator[Finding]:
    """Rules that can never fire."""
    lexicons = Lexicons(section.lexicons, section.filler)
    for place, rule in enumerate(section.rules):
        why = never(rule.when, lexicons)
        if why:
            yield Finding("error", ("rules", place, "when"), f"rule {rule.name} can never fire: {why}")
    asks_labels = [any(part.label or part.score for part in parts_of(rule.when)) for rule in section.rules]
    for place, before in shadows(section.rules, asks_labels, lexicons):
        rule, first = section.rules[place], section.rules[before]
        because = "says stop" if first.stop else f"takes the group {first.group}"
        yield Finding(
            "error",
            ("rules", place),
            f"rule {rule.name} can never fire: whenever it could, {first.name} fires first and {because}",
        )


def untidy(section: RulesSection) -> Iterator[Finding]:
    """Words that stand twice in one list, and lists that nothing refers to."""
    for name, entries in section.lexicons.items():
        yield from _twice(entries, ("lexicons", name), f"lexicon {name}")
    used = set(section.filler)
    for place, rule in enumerate(section.rules):
        for part in parts_of(rule.when):
            used.update(part.lexicon or (), part.only or ())
            for field, entries in _lists(part):
                yield from _twice(entries, ("rules", place, "when"), f"rule {rule.name}: {field}")
    for name in section.lexicons.keys() - used:
        yield Finding("warning", ("lexicons", name), f"no rule uses the lexicon {name}")


def _lists(part: Condition) -> Iterator[tuple[str, list[str]]]:
    for field in _LISTS:
        if entries := getattr(part, field):
            yield field.removesuffix("_"), entries
    if part.near:
        yield from (("near.first", part.near.first), ("near.then", part.near.then))


def _twice(entries: list[str], path: tuple[str | int, ...], where: str) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for entry in entries:
        folded = fold_keyword(entry)
        if folded in seen:
            same = "" if seen[folded] == entry else f", which folds as {seen[folded]!r} does"
            yield Finding("warning", path, f"{where} has {entry!r} twice{same}")
        seen.setdefault(folded, entry)


def _of_field(loc: tuple[Any, ...], why: str) -> Finding:
    path = tuple("not" if step == "not_" else step for step in loc)
    return Finding("error", path, f"{'.'.join(map(str, path)) or 'rules'}: {why}")


def _steps(where: str) -> Iterator[str | int]:
    steps = where.split(".")
    for step in steps[1:] if steps[0] == "rules" else steps:
        yield int(step) if re.fullmatch(r"\d+", step) else step
