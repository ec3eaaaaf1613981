"""`postroom classify`: what classify would say of messages, and why, without a stack."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.bundle import CONFIG
from infra.cli.place import lines_of, one_line

if TYPE_CHECKING:
    from functions.classify.desk import Handbook
    from functions.classify.judging import Verdict
    from functions.classify.reading import Reading
    from functions.common.judgement import Judgement
    from functions.common.masking import Masked

Directory = Annotated[Path, typer.Option(help="Where the YAML files are.")]
AXES = ("business", "content", "urgency", "sentiment", "spam", "risk", "wants_human", "opt_out", "language")


def classify(
    file: Annotated[
        Path | None, typer.Argument(help="One message a line, plain or as JSON with `text`; otherwise stdin.")
    ] = None,
    explain: Annotated[bool, typer.Option(help="For people: the words that made each label.")] = False,
    directory: Directory = CONFIG,
) -> None:
    """Label messages, one a line, as the function would, in the form of the label sheet: one JSON object a line."""
    with one_line():
        handbook = handbook_of(directory)
        for text in texts(file):
            said = described(text, handbook)
            print(explained(text, said) if explain else json.dumps(said, ensure_ascii=False), flush=True)


def handbook_of(directory: Path) -> Handbook:
    """Rules and model of a folder of configuration."""
    from functions.classify.desk import read_handbook
    from functions.common.bundle import read_bundle
    from infra.cli.bundle import compile_bundle
    from infra.cli.weights import shelf_of

    return read_handbook(read_bundle(compile_bundle(directory)), shelf_of(directory))


def texts(file: Path | None) -> Iterator[str]:
    """The messages of a file or of standard input; `ConfigInvalid` names a line that is no message."""
    from infra.cli.bundle import ConfigInvalid

    try:
        lines = lines_of(file.read_bytes() if file else sys.stdin.buffer.read(), errors="replace")
    except OSError as error:
        raise ConfigInvalid(f"{file}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _text(line, number)


def _text(line: str, number: int) -> str:
    from infra.cli.bundle import ConfigInvalid

    if not line.lstrip().startswith("{"):
        return line
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return line  # a customer may well begin with a brace
    if not isinstance(found.get("text"), str):
        raise ConfigInvalid(f"line {number}: no `text`")
    text: str = found["text"]
    return text


def described(text: str, handbook: Handbook) -> dict[str, Any]:
    """What is said of a text: labels, scores, spans by label and rules, every span in the text as it was given."""
    from infra.judgement.sureness import sureness

    masked, reading, verdict = judged(text, handbook)
    judgement = verdict.judgement
    scores = sureness(judgement, reading, handbook)
    return labels_of(judgement) | {
        "also": list(judgement.also),
        "scores": scores,
        "spans": _spans(reading, scores, handbook, masked),
        "rules": [
            {
                "rule": firing.rule,
                "version": firing.version,
                "spans": [_original(masked, span.start, span.end) for span in firing.spans],
            }
            for firing in judgement.firings
        ],
        "uncertain": list(judgement.uncertain),
    }


def judged(text: str, handbook: Handbook) -> tuple[Masked, Reading, Verdict]:
    """A text masked, read and judged as the first message of a conversation."""
    from functions.classify.judging import judge
    from infra.judgement.plain import plain_text

    masked, reading = plain_text(text, first_contact=True)
    return masked, reading, judge(handbook.rules, reading, handbook.model)


def labels_of(judgement: Judgement) -> dict[str, Any]:
    """A judgement's axes as JSON has them."""
    return {axis: list(value) if isinstance(value := getattr(judgement, axis), tuple) else value for axis in AXES}


def explained(text: str, said: dict[str, Any]) -> str:
    """One message for people: each label that says something, with its score and the words that made it."""
    from infra.judgement.sureness import says_something

    lines = [text]
    for label, score in ((label, score) for label, score in said["scores"].items() if says_something(label)):
        words = ", ".join(text[start:end] for start, end in said["spans"].get(label, ()))
        doubt = "  (uncertain)" if label.partition(".")[0] in said["uncertain"] else ""
        lines.append(f"  {label:<24} {score:.2f}  {words}{doubt}")
    rules = [(f"  rule {rule['rule']:<19} v{rule['version']:<4} ", rule["spans"]) for rule in said["rules"]]
    told = "\n".join([*lines, *(head + ", ".join(text[start:end] for start, end in spans) for head, spans in rules)])
    # A terminal shows no half of a character.
    return told.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _spans(reading: Reading, labels: Iterable[str], handbook: Handbook, masked: Masked) -> dict[str, list[list[int]]]:
    from functions.classify.model.explaining import spans

    if handbook.model is None:
        return {}
    found = {label: spans(handbook.model.scorer, reading, label) for label in labels}
    return {
        label: [_original(masked, span.start, span.end) for span in of_label] for label, of_label in found.items() if of_label
    }


def _original(masked: Masked, start: int, end: int) -> list[int]:
    """A stretch of the masked text as one of the text that was given; a placeholder stands for what it hides."""
    finding = next(
        (found for found, blank in zip(masked.findings, masked.blanks, strict=True) if blank.start < end <= blank.end), None
    )
    return [masked.original(start), finding.span.end if finding else masked.original(end - 1) + 1]
