"""`postroom evaluate`: how right the labels are on messages whose right labels are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.cli.bundle import CONFIG, ConfigInvalid
from infra.cli.classify import described, handbook_of
from infra.cli.place import Json, lines_of, one_line, say
from infra.judgement.figures import AXES, measured, table, values_of

Directory = Annotated[Path, typer.Option(help="Where the YAML files are.")]


def evaluate(
    file: Annotated[
        Path, typer.Argument(help="One JSON object a line: `text` and the right labels, by their names in docs/judgement.md.")
    ],
    directory: Directory = CONFIG,
    as_json: Json = False,
) -> None:
    """Label the messages of a file and compare: precision, recall, F1, confusion and calibration, axis by axis."""
    with one_line():
        handbook = handbook_of(directory)
        pairs = [(right, described(text, handbook)) for text, right in labelled(file)]
        figures = measured(pairs)
    say(figures, table(figures), as_json=as_json)


def labelled(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Texts with those of their labels that the file gives; `ConfigInvalid` names the line that cannot be read."""
    try:
        lines = lines_of(file.read_bytes())
    except UnicodeDecodeError:
        raise ConfigInvalid(f"{file}: not UTF-8") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, right = row["text"], {axis: row[axis] for axis in AXES if axis in row}
            wrong = _wrong(right)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigInvalid(f"{file}:{number}: expected a JSON object with `text`: {type(error).__name__}") from None
        if wrong:
            raise ConfigInvalid(f"{file}:{number}: {wrong}")
        yield str(text), right


def _wrong(right: dict[str, Any]) -> str | None:
    """What keeps labels from being compared with anything."""
    if not right:
        return f"no label beside `text`; there are {', '.join(AXES)}"
    for axis, label in right.items():
        if unknown := sorted(values_of(label) - set(AXES[axis])):
            return f"{axis} has no {unknown[0]}; it has {', '.join(AXES[axis])}"
    return None
