"""The rules of config/rules.yaml, compiled: which of them fire on a message, and on which words.

One pass over the text finds the keywords of all rules; only rules one of whose keywords was found, and the few that need none, are asked.
Rules that ask about labels come after all others, when the others' labels are resolved; they do not see each other's, so no set of
rules can go round in circles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from functions.classify.compiling import Lexicons, compiled
from functions.classify.conditions import Case, Evidence, Test
from functions.classify.config import Action, Rule, RulesSection, parts_of
from functions.classify.keywords import Automaton, Keyword, Places
from functions.classify.reading import Reading
from functions.classify.substance import Vocabulary
from functions.common.errors import BundleInvalid
from functions.common.judgement import Firing, Judgement, Span
from functions.common.sections import read_section

MAX_SPANS = 3
_HIDDEN = frozenset({"risk", "spam", "opt_out", "wants_human"})


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    test: Test
    # Whether it is about what people hide from machines, or write so that no machine reads over it.
    looks_behind: bool


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that fired, and the stretches of folded text that made it."""

    entry: _Compiled
    evidence: Evidence

    @property
    def rule(self) -> Rule:
        """The rule as the configuration has it."""
        return self.entry.rule


@dataclass(slots=True)
class _Run:
    """One message's way through the rules: exclusive groups that are taken, and whether a rule said stop."""

    groups: set[str] = field(default_factory=set)
    stopped: bool = False

    def tries(self, rule: Rule) -> bool:
        return not self.stopped and rule.group not in self.groups

    def note(self, rule: Rule) -> None:
        self.stopped = rule.stop
        if rule.group:
            self.groups.add(rule.group)


class RuleBook:
    """Every rule, in the order in which they are tried."""

    def __init__(self, section: RulesSection) -> None:
        self.version = section.version
        self.repeats = section.repeats
        lexicons = Lexicons(section.lexicons, section.filler)
        ordered = sorted(enumerate(section.rules), key=lambda entry: -entry[1].priority)
        self._rules = [
            _Compiled(
                rule,
                compiled(rule.when, lexicons, f"rules.rules.{place}.when"),
                looks_behind=not _HIDDEN.isdisjoint(rule.then.model_fields_set),
            )
            for place, rule in ordered
        ]
        self.filler = lexicons.vocabulary((), "rules.filler")
        self._automaton = Automaton(
            (keyword for entry in self._rules for keyword in sorted(entry.test.keywords)),
            thorough=(keyword for entry in self._rules if entry.test.thorough for keyword in entry.test.keywords),
        )
        self._untriggered = [place for place, entry in enumerate(self._rules) if entry.test.triggers is None]
        self._triggered: dict[Keyword, list[int]] = {}
        for place, entry in enumerate(self._rules):
            for keyword in entry.test.triggers or ():
                self._triggered.setdefault(keyword, []).append(place)

    def examine(self, reading: Reading) -> Examination:
        """Begin with a message: find its keywords and the rules they may make fire."""
        plain = self._automaton.find(reading.folded.text)
        behind = self._with_disguised(plain, reading)
        asked = {place for keyword in plain for place in self._triggered.get(keyword, ())}
        if behind is not plain:
            found = {place for keyword in behind for place in self._triggered.get(keyword, ())}
            asked |= {place for place in found if self._rules[place].looks_behind}
        candidates = [self._rules[place] for place in sorted(asked.union(self._untriggered))]
        return Examination(reading, (plain, behind), candidates, self.filler)

    def _with_disguised(self, plain: Places, reading: Reading) -> Places:
        """Where keywords stand, in the open and in disguise."""
        if reading.bare is None:
            return plain
        behind = dict(plain)
        for keyword, stretches in self._automaton.find(reading.bare.text).items():
            behind[keyword] = sorted({*plain.get(keyword, ()), *(reading.bare.stretch(start, end) for start, end in stretches)})
        return behind

    def firing(self, fired: Fired, reading: Reading) -> Firing:
        """A firing as it is stored, with spans in the text that people see."""
        spans = [reading.folded.span(start, end) for start, end in fired.evidence]
        return Firing(rule=fired.rule.name, version=self.version, spans=_merged(spans)[:MAX_SPANS])

    def templates(self) -> dict[str, str]:
        """Reply templates that rules name, to send or to suggest, each with the field that does."""
        actions = [(entry.rule.name, entry.rule.then) for entry in self._rules]
        sent = {then.reply: f"rules.{rule}.then.reply" for rule, then in actions if then.reply}
        return {template: f"rules.{rule}.then.suggest" for rule, then in actions for template in then.suggest} | sent

    def teams(self) -> dict[str, str]:
        """Teams that rules name, each with the field that does."""
        asked = {
            team: f"rules.{entry.rule.name}.when.hours"
            for entry in self._rules
            for part in parts_of(entry.rule.when)
            for team in (part.hours if isinstance(part.hours, dict) else ())
        }
        sent = {entry.rule.then.team: f"rules.{entry.rule.name}.then.team" for entry in self._rules if entry.rule.then.team}
        return asked | sent

    def actions(self) -> dict[str, Action]:
        """What each rule says, by its name."""
        return {entry.rule.name: entry.rule.then for entry in self._rules}

    def channels(self) -> dict[str, str]:
        """Channels that rules name, each with the field that does."""
        return {
            channel: f"rules.{entry.rule.name}.when.channel"
            for entry in self._rules
            for part in parts_of(entry.rule.when)
            for channel in part.channel or ()
        }


class Examination:
    """One message before the rules."""

    def __init__(
        self, reading: Reading, places: tuple[Places, Places], candidates: list[_Compiled], filler: Vocabulary
    ) -> None:
        """`places`: where keywords stand in the open, and where they stand in disguise too."""
        self.reading = reading
        self._places = places
        self._candidates = candidates
        self._filler = filler
        self._run = _Run()

    def first(self) -> list[Fired]:
        """Rules that fire on the text and its circumstances alone."""
        return self._fire(Judgement(), reads_labels=False)

    def second(self, labels: Judgement) -> list[Fired]:
        """Rules that ask about labels, on the labels resolved so far."""
        return self._fire(labels, reads_labels=True)

    def settles(self, fired: Fired, labels: Judgement) -> bool:
        """Whether a rule's answer can be the last word: on the final labels it still fires, and it left nothing unread."""
        reading = self.reading
        evidence = fired.entry.test.holds(Case(reading, self._places[fired.entry.looks_behind], labels))
        if evidence is None or reading.encloses:
            return False
        return self._filler.and_also(reading.names).make_up(reading.folded.text, evidence)

    def _fire(self, labels: Judgement, *, reads_labels: bool) -> list[Fired]:
        cases = [Case(self.reading, places, labels) for places in self._places]
        fired: list[Fired] = []
        for entry in self._candidates:
            if entry.test.reads_labels is not reads_labels or not self._run.tries(entry.rule):
                continue
            evidence = entry.test.holds(cases[entry.looks_behind])
            if evidence is not None:
                fired.append(Fired(entry, evidence))
                self._run.note(entry.rule)
        return fired


def read_rules(section: dict[str, Any]) -> RuleBook:
    """The rule book out of the bundle's section `rules`; `BundleInvalid` names the field that is wrong."""
    rules = read_section(RulesSection, "rules", section)
    names: set[str] = set()
    for place, rule in enumerate(rules.rules):
        if rule.name in names:
            raise BundleInvalid(f"rules.rules.{place}.name: {rule.name} is the name of an earlier rule")
        names.add(rule.name)
    try:
        return RuleBook(rules)
    except RecursionError:
        raise BundleInvalid("rules: nested too deeply") from None


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in order, those that overlap or touch made one."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(start=merged[-1].start, end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)
