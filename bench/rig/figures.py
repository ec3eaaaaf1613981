"""A measurement's outcome: a table, and how it was measured."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass


class NotMeasurable(Exception):
    """This machine lacks what a measurement needs; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`rows` are as wide as `columns`, text already rounded for people; `how` says what was run, how often, and what the numbers are.

    `aims` are lines of their own: what was aimed at, and whether it was met.
    """

    title: str
    how: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    aims: tuple[str, ...] = ()


def rendered(figures: Figures) -> str:
    """The table as plain text: first column to the left, the others to the right."""
    lines = [figures.columns, *figures.rows]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    table = [_line(line, widths) for line in lines]
    table.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([figures.title, f"({figures.how})", "", *table, *(f"→ {aim}" for aim in figures.aims), ""])


def aim(name: str, measured: float, limit: float, unit: str = "") -> str:
    """Whether a measured figure keeps within its limit, in words."""
    verdict = "met" if measured <= limit else "MISSED"
    return f"{name}: {measured:.2f}{unit}, aim at most {limit:g}{unit}: {verdict}"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *others = (
        _padded(cell, width, left=place == 0) for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()


def _padded(cell: str, width: int, *, left: bool) -> str:
    space = " " * (width - _width(cell))
    return cell + space if left else space + cell


def _width(cell: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in cell)
