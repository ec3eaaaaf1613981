"""Deterministic splits: whole industries or whole authors' styles, near-duplicates together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from training.neighbours import together
from training.seed import Example

FOLDS = 5
Group = Callable[[Example], str]


def by_style(example: Example) -> str:
    """One imagined author's way of writing."""
    return example.style


def by_industry(example: Example) -> str:
    """One trade."""
    return example.industry


def by_itself(example: Example) -> str:
    """Nothing is left out but the message: what is called an in-source number."""
    return example.where


def folds(examples: Sequence[Example], group: Group, count: int = FOLDS) -> list[int]:
    """A fold for each example: a group is in one fold, and folds are about of one size; a misspelt one is where what it was made of is."""
    written = [example for example in examples if not example.misspelt]
    sizes = [0] * count
    fold_of: dict[str, int] = {}
    for name, size in sorted(Counter(map(group, written)).items(), key=lambda entry: (-entry[1], entry[0])):
        fold_of[name] = min(range(count), key=lambda fold: (sizes[fold], fold))
        sizes[fold_of[name]] += size
    settled = together([fold_of[group(example)] for example in written], [example.text for example in written])
    place, found = -1, []
    for example in examples:
        # Each stands right behind its own.
        place += not example.misspelt
        found.append(settled[place])
    return found
