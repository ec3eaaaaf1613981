"""`postroom train`: weights that have learnt from labels which people corrected, and heads for a sentence encoder."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.bundle import CONFIG
from infra.cli.place import Json, one_line, say, stop, table_of, zone

if TYPE_CHECKING:
    from training.corrections import Refit
    from training.seed import Example

Directory = Annotated[Path, typer.Option(help="Where the YAML files are.")]
Encoder = Annotated[Path | None, typer.Option(help="Instead: make heads for the model.onnx and tokenizer.json of this folder.")]
Out = Annotated[Path | None, typer.Option(help="Where the heads go; heads.npz beside the model otherwise.")]


def train(  # noqa: PLR0917  a command's options
    file: Annotated[Path | None, typer.Argument(help="Corrected labels: a CSV, or one JSON object a line.")] = None,
    from_inbox: Annotated[
        bool,
        typer.Option(
            "--from-inbox", help="Learn from what people corrected in conversations, beside the file if one is given."
        ),
    ] = False,
    table: Annotated[str | None, typer.Option("--table", envvar="TABLE_NAME", help="The stack's output TableName.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Corrections from this day or time on, YYYY-MM-DD or ISO 8601; of 400 days otherwise.")
    ] = None,
    directory: Directory = CONFIG,
    anyway: Annotated[bool, typer.Option(help="Write the weights even if they are no better.")] = False,
    encoder: Encoder = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Add what these teach to the shipped weights; keep the new ones only if they do better on corrections kept back."""
    if (not file and not from_inbox) == (encoder is None) or (out and not encoder):
        stop("give a file of corrections, or --from-inbox, or --encoder FOLDER, which alone takes --out")
    if (from_inbox and not table) or (since and not from_inbox):
        stop("--from-inbox needs --table, and --since belongs to it")
    with one_line():
        if encoder:
            _heads(encoder, out, as_json=as_json)
        else:
            _weights(_corrected(file, table if from_inbox else None, since), directory, anyway=anyway, as_json=as_json)


def _corrected(file: Path | None, table: str | None, since: str | None) -> list[Example]:
    """What people corrected, in a file, in conversations, or both."""
    from training.corrections import CorrectionsInvalid, enough, read_corrections

    try:
        found = read_corrections(file) if file else []
        found += _from_inbox(table, since) if table else []
        enough(found)
    except CorrectionsInvalid as problem:
        stop(str(problem))
    return found


def _from_inbox(table: str, since: str | None) -> list[Example]:
    from functions.common.clock import system_clock
    from infra.inbox.correcting import KEPT, corrections
    from infra.records.period import Asked, read_period
    from infra.records.progress import told
    from training.corrections import correction

    now = system_clock()
    period = read_period(Asked(since=since), now=now, zone=zone()) if since else None
    read = corrections(table_of(table), since=period.since if period else now - KEPT, until=now + timedelta(milliseconds=1))
    return [correction(each.text, each.labels, each.message_id) for each in told(read, "corrections read")]


def _weights(corrected: list[Example], directory: Path, *, anyway: bool, as_json: bool) -> None:
    from functions.classify.model.shelf import SHIPPED
    from infra.cli.weights import keep
    from training.corpus import library
    from training.corrections import refit
    from training.misspelt import with_misspelt
    from training.seed import read_folder

    known = library(directory)
    made = refit(known.rows(with_misspelt(read_folder())), known.rows(corrected), known, SHIPPED.read_bytes())
    path = keep(made.document, directory) if made.better or anyway else None
    result = {"corrections": len(corrected), "kept_back": made.kept_back, "before": made.before, "after": made.after}
    say(result | {"written": path and path.name}, _figures(made, len(corrected), path), as_json=as_json)
    if path is None:
        stop("no better, so nothing is written; --anyway if you know better")


def _figures(made: Refit, corrections: int, path: Path | None) -> str:
    from training.corrections import mean

    lines = [f"{corrections} corrections, {made.kept_back} of them kept back and judged before and after:"]
    lines += [f"  {axis:<12} {made.before[axis]:.3f} → {after:.3f}" for axis, after in made.after.items()]
    lines.append(f"  {'mean':<12} {mean(made.before):.3f} → {mean(made.after):.3f}")
    if path:
        lines.append(f"wrote {path}\nto use it: `weights: {path.name}` in model.yaml, then `postroom config publish`")
    return "\n".join(lines)


def _heads(folder: Path, out: Path | None, *, as_json: bool) -> None:
    from functions.classify.advice.encoder import HEADS
    from functions.classify.advice.sentences import Sentences
    from infra.records.progress import told

    sentences = Sentences(folder)

    import numpy as np

    from training.encoder import fit_heads, masked
    from training.seed import read_folder

    examples = read_folder()
    vectors = np.array([sentences.vector(text) for text in told(masked(examples), "messages read", total=len(examples))])
    made = fit_heads(examples, vectors, sentences.hashes)
    path = out or folder / HEADS
    path.write_bytes(made.document)
    lines = [f"{len(examples)} messages; of those of authors left out, the heads are"]
    for axis, share in made.share.items():
        lines.append(
            f"  {axis:<12} sure of {share:.0%}, right in {made.right[axis]:.1%} of them" if share else f"  {axis:<12} silent"
        )
    result = {"messages": len(examples), "sure": made.share, "right": made.right, "written": str(path)}
    say(result, "\n".join([*lines, f"wrote {path}"]), as_json=as_json)
