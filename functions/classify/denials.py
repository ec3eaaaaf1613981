"""Flags that rules take back: of "don't transfer me to a human" one rule sees the human, another that none is wanted.

A rule that says false of a flag takes it back where it stands: what other rules found in the same words does not count. If nothing else
speaks for the flag, the model, which knows words and not who denies them, is not heard on it either.
"""

from __future__ import annotations

from collections.abc import Iterable

from functions.classify.conditions import Stretch
from functions.classify.labels import FLAGS
from functions.classify.rules import Fired


def taken_back(fired: Iterable[Fired]) -> frozenset[str]:
    """The flags that a rule denies and no other claims outside of the words denied."""
    rules = list(fired)
    return frozenset(flag for flag in FLAGS if _denied(flag, rules))


def _denied(flag: str, rules: list[Fired]) -> bool:
    denied = [stretch for rule in rules if getattr(rule.rule.then, flag) is False for stretch in rule.evidence]
    return bool(denied) and all(_among(rule, denied) for rule in rules if getattr(rule.rule.then, flag))


def _among(rule: Fired, denied: list[Stretch]) -> bool:
    """Whether all that made a rule fire stands among the words denied; a rule without words stands on something else."""
    return bool(rule.evidence) and all(any(a < end and start < b for a, b in denied) for start, end in rule.evidence)
