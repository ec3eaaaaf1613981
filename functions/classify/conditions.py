"""Conditions of rules, compiled: each says whether it holds of a message and which text made it hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from functions.classify.config import Condition, Labels
from functions.classify.folding import fold_keyword
from functions.classify.keywords import Edges, Keyword, Places
from functions.classify.reading import Reading
from functions.common.errors import BundleInvalid
from functions.common.judgement import Judgement

Stretch = tuple[int, int]
Evidence = tuple[Stretch, ...]
Lexicons = Mapping[str, list[str]]


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
    what other rules, or the model, said.
    """

    holds: Callable[[Case], Evidence | None]
    keywords: frozenset[Keyword] = frozenset()
    triggers: frozenset[Keyword] | None = None
    reads_labels: bool = False


def mentions(words: frozenset[Keyword]) -> Test:
    """One of the keywords is in the text."""

    def holds(case: Case) -> Evidence | None:
        found = [place for keyword, places in case.places.items() if keyword in words for place in places]
        return tuple(sorted(found)) if found else None

    return Test(holds, keywords=words, triggers=words)


def circumstance(asks: Callable[[Case], bool], *, reads_labels: bool = False) -> Test:
    """Something about the message other than its text holds."""
    return Test(lambda case: () if asks(case) else None, reads_labels=reads_labels)


def all_of(parts: list[Test]) -> Test:
    """Every part holds; all their evidence counts."""

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


def _composed(holds: Callable[[Case], Evidence | None], parts: list[Test], triggers: frozenset[Keyword] | None) -> Test:
    keywords = frozenset[Keyword]().union(*(part.keywords for part in parts))
    return Test(holds, keywords, triggers, any(part.reads_labels for part in parts))


def compiled(condition: Condition, lexicons: Lexicons, where: str) -> Test:
    """A condition ready to be asked; `BundleInvalid` at `where` for an unknown lexicon or a keyword with nothing in it."""
    parts = [*_nested(condition, lexicons, where), *_of_text(condition, lexicons, where), *_of_circumstance(condition)]
    return parts[0] if len(parts) == 1 else all_of(parts)


def matches(labels: Labels, judgement: Judgement) -> bool:
    """Whether a judgement has the labels asked for: on each axis named, one of the values."""
    for axis in labels.model_fields_set:
        wanted, actual = getattr(labels, axis), getattr(judgement, axis)
        values = actual if isinstance(actual, tuple) else (actual,)
        if wanted is not None and not set(wanted if isinstance(wanted, list) else [wanted]).intersection(values):
            return False
    return True


def keyword_of(entry: str, where: str, *, edges: Edges | None = None) -> Keyword:
    """A keyword as the configuration writes it. `refund*` need only begin a word; a lexicon's Latin entries are whole words."""
    folded = fold_keyword(entry.rstrip("*"))
    if not folded:
        raise BundleInvalid(f"{where}: {entry!r} leaves nothing to look for")
    if edges is None:
        edges = "both" if folded.isascii() else "none"
    return Keyword(folded, "start" if entry.endswith("*") and edges == "both" else edges)


def _nested(condition: Condition, lexicons: Lexicons, where: str) -> Iterator[Test]:
    if condition.all:
        yield all_of([compiled(part, lexicons, f"{where}.all.{place}") for place, part in enumerate(condition.all)])
    if condition.any:
        yield any_of([compiled(part, lexicons, f"{where}.any.{place}") for place, part in enumerate(condition.any)])
    if condition.not_:
        yield none_of(compiled(condition.not_, lexicons, f"{where}.not"))


def _of_text(condition: Condition, lexicons: Lexicons, where: str) -> Iterator[Test]:
    if condition.contains:
        yield mentions(frozenset(keyword_of(entry, f"{where}.contains", edges="none") for entry in condition.contains))
    if condition.word:
        yield mentions(frozenset(keyword_of(entry, f"{where}.word", edges="both") for entry in condition.word))
    if condition.exactly:
        yield mentions(frozenset(keyword_of(entry, f"{where}.exactly", edges="whole") for entry in condition.exactly))
    if condition.lexicon:
        unknown = sorted(set(condition.lexicon) - lexicons.keys())
        if unknown:
            raise BundleInvalid(f"{where}.lexicon: unknown {', '.join(unknown)}")
        entries = [(name, entry) for name in condition.lexicon for entry in lexicons[name]]
        yield mentions(frozenset(keyword_of(entry, f"rules.lexicons.{name}") for name, entry in entries))


def _of_circumstance(condition: Condition) -> Iterator[Test]:
    reading_axes = {
        "channel": condition.channel,
        "kind": condition.kind,
        "language": condition.language,
        "attachments": condition.attachment,
        "masked": condition.masked,
        "first_contact": None if condition.first_contact is None else [condition.first_contact],
    }
    for axis, wanted in reading_axes.items():
        if wanted:
            yield circumstance(_reading_has(axis, frozenset(wanted)))
    if condition.label:
        label = condition.label
        yield circumstance(lambda case: matches(label, case.labels), reads_labels=True)


def _reading_has(axis: str, wanted: frozenset[object]) -> Callable[[Case], bool]:
    def asks(case: Case) -> bool:
        actual = getattr(case.reading, axis)
        return not wanted.isdisjoint(actual if isinstance(actual, tuple) else (actual,))

    return asks
