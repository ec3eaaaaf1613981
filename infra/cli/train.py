"""`postroom train`: weights that have learnt from labels which people corrected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.bundle import CONFIG
from infra.cli.place import one_line, stop

Directory = Annotated[Path, typer.Option(help="Where the YAML files are.")]


def train(
    file: Annotated[Path, typer.Argument(help="Corrected labels: a CSV, or one JSON object a line.")],
    directory: Directory = CONFIG,
    anyway: Annotated[bool, typer.Option(help="Write the weights even if they are no better.")] = False,
) -> None:
    """Refit the model on the authored messages and these; keep the weights only if they do better on corrections kept back."""
    from infra.cli.classify import handbook_of
    from infra.cli.weights import keep
    from training.corpus import library
    from training.corrections import CorrectionsInvalid, mean, read_corrections, refit
    from training.seed import read_folder

    with one_line():
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
