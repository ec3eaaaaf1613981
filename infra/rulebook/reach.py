"""Rules that can never fire: conditions that contradict themselves, and rules that an earlier one always shuts out.

What is said here is certain; what is not said may still be so. A condition implies another if every way in which it holds makes
the other hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from functions.classify.compiling import Lexicons, keyword_of
from functions.classify.config import Condition, Labels, Rule
from functions.classify.keywords import Keyword

_TEXT = ("contains", "word", "exactly", "lexicon", "near", "valued", "phrase")
_EDGES = {"contains": "none", "word": "both", "exactly": "whole"}
_ONE_VALUE = ("channel", "account", "kind", "language")
_MOST_WAYS = 200

Way = tuple[Condition, ...]


def ways(condition: Condition) -> list[Way]:
    """The ways in which a condition can hold, each as conditions without `all` and `any` that hold together."""
    own = condition.model_copy(update={"all": None, "any": None})
    parts: list[list[Way]] = [[(own,)]] if _says(own) else []
    parts += [ways(part) for part in condition.all or ()]
    if condition.any:
        parts.append([way for part in condition.any for way in ways(part)])
    found: list[Way] = [()]
    for choices in parts:
        found = [(*before, *way) for before, way in product(found, choices)]
        if len(found) > _MOST_WAYS:
            return [(condition,)]
    return found


def never(condition: Condition, lexicons: Lexicons) -> str | None:
    """Why a condition can never hold; None when nothing says so."""
    reasons = [_contradiction(way, lexicons) for way in ways(condition)]
    return next(iter(reasons)) if reasons and all(reasons) else None


def implies(condition: Condition, other: Condition, lexicons: Lexicons) -> bool:
    """Whether the other condition holds whenever the first does."""
    return all(_makes_hold(way, other, lexicons) for way in ways(condition))


def shadows(rules: Sequence[Rule], asks_labels: Sequence[bool], lexicons: Lexicons) -> Iterator[tuple[int, int]]:
    """Pairs (rule that never fires, the one that shuts it out), as places in the file."""
    order = sorted(range(len(rules)), key=lambda place: (asks_labels[place], -rules[place].priority))
    for later, place in enumerate(order):
        rule = rules[place]
        for before in order[:later]:
            first = rules[before]
            shuts = first.stop or (first.group is not None and first.group == rule.group)
            if shuts and implies(rule.when, first.when, lexicons):
                yield place, before
                break


def _says(condition: Condition) -> bool:
    return any(getattr(condition, name) is not None for name in type(condition).model_fields if name != "except_")


def _contradiction(way: Way, lexicons: Lexicons) -> str | None:
    for name in _ONE_VALUE:
        asked = [set(getattr(part, name)) for part in way if getattr(part, name)]
        if asked and not set.intersection(*asked):
            return f"no message has one {name} of each list"
    if any(part.first_contact for part in way) and any(part.contacts for part in way):
        return "a conversation's first message is the only one so far"
    if len({part.hours for part in way if isinstance(part.hours, str)}) > 1:
        return "the house is not open and closed at once"
    for place, part in enumerate(way):
        if part.not_ and _makes_hold(
            way[:place] + way[place + 1 :] + (part.model_copy(update={"not_": None}),), part.not_, lexicons
        ):
            return "what `not` denies holds whenever the rest does"
        if part.except_ and (words := _words(part, lexicons)) and words <= _keywords(part.except_, None):
            return "every word is excepted"
    return _contradictory_labels([part.label for part in way if part.label])


def _contradictory_labels(labels: list[Labels]) -> str | None:
    asked: dict[str, set[Any]] = {}
    for label in labels:
        for axis in label.model_fields_set:
            wanted = getattr(label, axis)
            values = set(wanted if isinstance(wanted, list) else [wanted])
            several = axis in ("content", "risk")
            asked[axis] = values if several else asked.get(axis, values) & values
    if not all(asked.values()):
        return "no message has two values of one label"
    if "none" not in asked.get("spam", {"none"}):
        others = {"business": "other", "urgency": "normal", "sentiment": "neutral"}
        if "content" in asked or any(value not in asked.get(axis, {value}) for axis, value in others.items()):
            return "spam has business other, no content, normal urgency, neutral sentiment"
    return None


def _makes_hold(way: Way, other: Condition, lexicons: Lexicons) -> bool:
    """Whether a way makes the other condition hold."""
    if any(part == other for part in way):
        return True
    if not all(_makes_hold(way, part, lexicons) for part in other.all or ()):
        return False
    if other.any and not any(_makes_hold(way, part, lexicons) for part in other.any):
        return False
    names = [
        name for name in type(other).model_fields if name not in ("all", "any", "except_") and getattr(other, name) is not None
    ]
    return all(any(_field_holds(part, other, name, lexicons) for part in way) for name in names)


def _field_holds(part: Condition, other: Condition, name: str, lexicons: Lexicons) -> bool:
    has, wanted = getattr(part, name), getattr(other, name)
    if name in _TEXT and other.except_ is None and name in ("contains", "word", "lexicon"):
        found, sought = _words(part, lexicons), _of_field(other, name, lexicons)
        return bool(found) and all(any(_covers(word, seen) for word in sought) for seen in found)
    if name in _TEXT:
        return bool(has == wanted and part.except_ == other.except_)
    if isinstance(has, list) and isinstance(wanted, list) and name != "only":
        return set(has) <= set(wanted)
    if isinstance(has, Labels) and isinstance(wanted, Labels):
        return wanted.model_fields_set <= has.model_fields_set and all(
            set(_listed(getattr(has, axis))) <= set(_listed(getattr(wanted, axis))) for axis in wanted.model_fields_set
        )
    return bool(has == wanted)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _words(part: Condition, lexicons: Lexicons) -> frozenset[Keyword]:
    """Words of which one is there whenever the part holds: those of the text operator that has the fewest."""
    sets = [
        _of_field(part, name, lexicons) for name in ("contains", "word", "exactly", "lexicon", "valued") if getattr(part, name)
    ]
    if part.near:
        sets.append(_keywords(part.near.first, None))
    return min(sets, key=len, default=frozenset())


def _of_field(part: Condition, name: str, lexicons: Lexicons) -> frozenset[Keyword]:
    if name == "lexicon":
        return lexicons.words(part.lexicon or (), "")
    return _keywords(getattr(part, name) or (), _EDGES.get(name))


def _keywords(entries: Sequence[str], edges: Any) -> frozenset[Keyword]:
    return frozenset(keyword_of(entry, "", edges=edges) for entry in entries)


def _covers(word: Keyword, seen: Keyword) -> bool:
    """Whether the first is there wherever the second is."""
    return (
        word == seen or (word.edges == "none" and word.text in seen.text) or (word.text == seen.text and seen.edges == "whole")
    )
