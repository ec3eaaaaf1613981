"""Tests that rules are made of: each says whether it holds of a message and which text made it hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.classify.config import Labels
from functions.classify.keywords import Keyword, Places
from functions.classify.reading import Reading
from functions.common.judgement import Judgement

Stretch = tuple[int, int]
Evidence = tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A message under judgement: its reading, the keywords found in it, and the labels it has so far."""

    reading: Reading
    places: Places
    labels: Judgement


@dataclass(frozen=True, slots=True)
class Test:
    """A compiled condition.

    `holds` gives the stretches of folded text that make it hold (none of them for a circumstance), or None when it does not.
    Of `triggers` at least one must be in the text for it to hold; None when it can hold without any. `reads_labels`: it asks
    what other rules, or the model, said. `thorough`: a few places of each keyword are not enough for it. `slow`: it reads the text again.
    """

    holds: Callable[[Case], Evidence | None]
    keywords: frozenset[Keyword] = frozenset()
    triggers: frozenset[Keyword] | None = None
    reads_labels: bool = False
    thorough: bool = False
    slow: bool = False


def circumstance(asks: Callable[[Case], bool], *, reads_labels: bool = False) -> Test:
    """Something about the message other than its text holds."""
    return Test(lambda case: () if asks(case) else None, reads_labels=reads_labels)


def all_of(parts: list[Test]) -> Test:
    """Every part holds; all their evidence counts. What is slow is asked last: mostly it is known by then that another does not hold."""
    parts = sorted(parts, key=lambda part: part.slow)

    def holds(case: Case) -> Evidence | None:
        found: list[Stretch] = []
        for part in parts:
            evidence = part.holds(case)
            if evidence is None:
                return None
            found += evidence
        return tuple(sorted(set(found)))

    # Any one part's triggers would do; the fewest are asked about least often.
    known = [part.triggers for part in parts if part.triggers is not None]
    return _composed(holds, parts, min(known, key=len) if known else None)


def any_of(parts: list[Test]) -> Test:
    """At least one part holds; the evidence of all that do counts."""

    def holds(case: Case) -> Evidence | None:
        found = [evidence for part in parts if (evidence := part.holds(case)) is not None]
        return tuple(sorted({stretch for evidence in found for stretch in evidence})) if found else None

    known = [part.triggers for part in parts if part.triggers is not None]
    return _composed(holds, parts, frozenset().union(*known) if len(known) == len(parts) else None)


def none_of(part: Test) -> Test:
    """The part does not hold. What is absent is no evidence."""
    return _composed(lambda case: () if part.holds(case) is None else None, [part], None)


def matcher(labels: Labels) -> Callable[[Judgement], bool]:
    """Whether a judgement has the labels asked for: on each axis named, one of the values."""
    asked = [
        (axis, frozenset(wanted if isinstance(wanted, list) else [wanted]))
        for axis in labels.model_fields_set
        if (wanted := getattr(labels, axis)) is not None
    ]

    def matches(judgement: Judgement) -> bool:
        for axis, wanted in asked:
            actual = getattr(judgement, axis)
            if wanted.isdisjoint(actual) if isinstance(actual, tuple) else actual not in wanted:
                return False
        return True

    return matches


def _composed(holds: Callable[[Case], Evidence | None], parts: list[Test], triggers: frozenset[Keyword] | None) -> Test:
    keywords = frozenset[Keyword]().union(*(part.keywords for part in parts))
    return Test(
        holds,
        keywords,
        triggers,
        reads_labels=any(part.reads_labels for part in parts),
        thorough=any(part.thorough for part in parts),
        slow=any(part.slow for part in parts),
    )
