"""Labels as operators say them: `business=complaint`, `投诉`, `wants_human`; by machine names or by the Chinese ones that people see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from functions.common.judgement import CHINESE
from infra.records.errors import RecordsFault

# What a message without the field means: fields at their default are not written.
NEUTRAL = {"business": "other", "urgency": "normal", "sentiment": "neutral", "spam": "none", "language": "zh"}
SEVERAL = ("content", "risk")
FLAGS = ("wants_human", "opt_out")


class NoSuchLabel(RecordsFault):
    """No axis has this value."""


def labels(asked: Iterable[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The values asked for on each axis, by their machine names; `NoSuchLabel`."""
    found: dict[str, list[str]] = defaultdict(list)
    for said in asked:
        axis, value = _label(said.strip())
        found[axis].append(value)
    return tuple((axis, tuple(dict.fromkeys(values))) for axis, values in sorted(found.items()))


def _label(said: str) -> tuple[str, str]:
    if said in FLAGS:
        return said, "true"
    axis, equals, value = said.partition("=")
    if not equals:
        return _anywhere(said)
    if axis == "language" and value:
        return axis, value
    if axis not in CHINESE:
        raise NoSuchLabel(f"no axis {axis}; there are {', '.join([*CHINESE, 'language', *FLAGS])}")
    if value in CHINESE[axis]:
        return axis, value
    by_name = {chinese: name for name, chinese in CHINESE[axis].items()}
    if value not in by_name:
        known = ", ".join(f"{name} {chinese}" for name, chinese in CHINESE[axis].items())
        raise NoSuchLabel(f"{axis} has no {value or 'empty value'}; it has {known}")
    return axis, by_name[value]


def _anywhere(said: str) -> tuple[str, str]:
    """A value without its axis."""
    found = [(axis, name) for axis, names in CHINESE.items() for name, chinese in names.items() if said in (name, chinese)]
    if not found:
        known = ", ".join(dict.fromkeys(chinese for names in CHINESE.values() for chinese in names.values()))
        raise NoSuchLabel(f"no label {said}; there are {known}, {', '.join(FLAGS)}")
    if len(found) > 1:
        raise NoSuchLabel(f"{said} is on several axes; say which, as in {found[0][0]}={said}")
    return found[0]
