"""Tests of what a message came with: who wrote, when, by which way, how often, and how sure others are of its labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from functions.classify.conditions import Case, Test, circumstance, matcher
from functions.classify.config import Condition, ContactIs, Window
from functions.classify.reading import Reading


def of_circumstance(condition: Condition) -> Iterator[Test]:
    """The parts of a condition that ask about anything but the text."""
    several = {
        "channel": condition.channel,
        "account": condition.account,
        "kind": condition.kind,
        "language": condition.language,
        "attachments": condition.attachment,
        "masked": condition.masked,
        "first_contact": None if condition.first_contact is None else [condition.first_contact],
    }
    for axis, wanted in several.items():
        if wanted:
            yield circumstance(_reading_has(axis, frozenset(wanted)))
    if condition.contact:
        yield circumstance(_is_contact(condition.contact))
    if condition.contacts:
        yield circumstance(_came_often(condition.contacts))
    for team, shift in _shifts(condition.hours):
        yield circumstance(_is_working(team, shift))
    yield from _of_labels(condition)


def _of_labels(condition: Condition) -> Iterator[Test]:
    label, scores = condition.label, condition.score
    if label:
        fits = matcher(label)
        yield circumstance(lambda case: fits(case.labels), reads_labels=True)
    if scores:
        yield circumstance(lambda case: _is_sure(case, scores), reads_labels=True)


def _is_sure(case: Case, least: Mapping[str, float]) -> bool:
    return all(case.labels.scores.get(value, 0.0) >= score for value, score in least.items())


def _reading_has(axis: str, wanted: frozenset[object]) -> Callable[[Case], bool]:
    def asks(case: Case) -> bool:
        actual = getattr(case.reading, axis)
        return not wanted.isdisjoint(actual if isinstance(actual, tuple) else (actual,))

    return asks


def _is_contact(wanted: ContactIs) -> Callable[[Case], bool]:
    asked = [getattr(wanted, name) for name in ContactIs.model_fields]

    def asks(case: Case) -> bool:
        return all(want is None or _fits(want, has) for want, has in zip(asked, _about(case.reading), strict=True))

    return asks


def _about(reading: Reading) -> tuple[object, ...]:
    """What is known of a contact, in the order of the fields of `ContactIs`; `zh_CN` is a locale of `zh` too."""
    contact = reading.contact
    if contact is None:
        return False, False, (), (), reading.tags
    locale = (contact.locale or "").replace("_", "-").lower()
    locales = (locale, locale.partition("-")[0])
    return contact.name is not None, contact.is_bot, tuple(known.kind for known in contact.ids), locales, reading.tags


def _fits(wanted: object, actual: object) -> bool:
    if not isinstance(wanted, list):
        return wanted == actual
    return isinstance(actual, tuple) and any(str(want).replace("_", "-").lower() in actual for want in wanted)


def _came_often(window: Window) -> Callable[[Case], bool]:
    within = timedelta(hours=window.within_hours)
    return lambda case: case.reading.contacts(within) > window.more_than


def _shifts(hours: object) -> Iterator[tuple[str | None, str]]:
    if isinstance(hours, Mapping):
        yield from hours.items()
    elif isinstance(hours, str):
        yield None, hours


def _is_working(team: str | None, shift: str) -> Callable[[Case], bool]:
    return lambda case: case.reading.is_open(team) is (shift == "open")
