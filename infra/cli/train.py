"""`postroom train`: weights that have learnt from labels which people corrected, and heads for a sentence encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.bundle import CONFIG
from infra.cli.place import one_line, stop

Directory = Annotated[Path, typer.Option(help="Where the YAML files are.")]
Encoder = Annotated[Path | None, typer.Option(help="Instead: make heads for the model.onnx and tokenizer.json of this folder.")]
Out = Annotated[Path | None, typer.Option(help="Where the heads go; heads.npz beside the model otherwise.")]


def train(
    file: Annotated[Path | None, typer.Argument(help="Corrected labels: a CSV, or one JSON object a line.")] = None,
    directory: Directory = CONFIG,
    anyway: Annotated[bool, typer.Option(help="Write the weights even if they are no better.")] = False,
    encoder: Encoder = None,
    out: Out = None,
) -> None:
    """Refit the model on the authored messages and these; keep the weights only if they do better on corrections kept back."""
    if (file is None) == (encoder is None) or (out and not encoder):
        stop("give a file of corrections, or --encoder FOLDER, which alone takes --out")
    with one_line():
        if encoder:
            _heads(encoder, out)
        elif file:
            _weights(file, directory, anyway=anyway)


def _weights(file: Path, directory: Path, *, anyway: bool) -> None:
    from infra.cli.classify import handbook_of
    from infra.cli.weights import keep
    from training.corpus import library
    from training.corrections import CorrectionsInvalid, mean, read_corrections, refit
    from training.seed import read_folder

    model = handbook_of(directory).model
    known = library(directory)
    try:
        corrected = read_corrections(file)
    except CorrectionsInvalid as problem:
        stop(str(problem))
    made = refit(known.rows(read_folder()), known.rows(corrected), known, model)
    print(f"{len(corrected)} corrections, {made.kept_back} of them kept back and judged before and after:")
    for axis, after in made.after.items():
        print(f"  {axis:<12} {made.before[axis]:.3f} → {after:.3f}")
    print(f"  {'mean':<12} {mean(made.before):.3f} → {mean(made.after):.3f}")
    if not made.better and not anyway:
        stop("no better, so nothing is written; --anyway if you know better")
    path = keep(made.document, directory)
    print(f"wrote {path}\nto use it: `weights: {path.name}` in model.yaml, then `postroom config publish`")


def _heads(folder: Path, out: Path | None) -> None:
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
    print(f"{len(examples)} messages; of those of authors left out, the heads are")
    for axis, share in made.share.items():
        print(f"  {axis:<12} sure of {share:.0%}, right in {made.right[axis]:.1%} of them" if share else f"  {axis:<12} silent")
    path = out or folder / HEADS
    path.write_bytes(made.document)
    print(f"wrote {path}")
