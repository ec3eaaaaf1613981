"""`python -m training weights` makes the shipped weights from what is authored here, `… evaluate` measures them."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from functions.classify.model.opinion import Model
from functions.classify.model.shelf import SHIPPED
from functions.classify.model.weights import read_weights, weights_hash
from training import licensed
from training.corpus import ConceptsInvalid, library
from training.misspelt import with_misspelt
from training.seed import FOLDER, Example, SeedInvalid, read_folder
from training.shipping import weights_of
from training.splits import by_style, folds


def main(arguments: list[str]) -> int:
    """Make what is asked for; 1 with one line where what it is made of is wrong."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    weights = commands.add_parser("weights", help="make the shipped weights")
    weights.add_argument("--out", type=Path, default=SHIPPED)
    weights.add_argument("--seed", type=Path, default=FOLDER)
    weights.add_argument("--licensed", action="store_true", help="also learn from the licensed sets, where they are there")
    evaluation = commands.add_parser("evaluate", help="how right the shipped weights are")
    evaluation.add_argument("--out", type=Path, help="also write the tables here")
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "evaluate":
            return evaluate(asked.out)
        return make_weights(asked.out, asked.seed, with_licensed=asked.licensed)
    except (SeedInvalid, ConceptsInvalid) as problem:
        print(f"training: {problem}", file=sys.stderr)
        return 1


def make_weights(out: Path, seed: Path, *, with_licensed: bool) -> int:
    """Read, fit, calibrate, write; the same bytes from the same files and versions."""
    examples = read_folder(seed)
    sources: dict[str, Any] = {"authored": len(examples)}
    for source in licensed.SOURCES if with_licensed else ():
        found = licensed.examples(source)
        print(
            f"{source.name}: {len(found)} texts ({source.licence})"
            if found
            else f"{source.name}: skipped, not in {licensed.FOLDER}"
        )
        examples += found
        sources[f"{source.notice} ({source.licence})"] = len(found)
    known = library()
    learnt = list(with_misspelt(examples))
    sources["misspelt"] = len(learnt) - len(examples)
    document = weights_of(known.rows(learnt), folds(learnt, by_style), known, made_of=sources)
    out.write_bytes(document)
    print(_about(examples), f"{out.name}: {len(document) // 1024} KB, {weights_hash(document)}", sep="\n")
    return 0


def evaluate(out: Path | None) -> int:
    """Print the tables of docs/accuracy.md; an hour and a half of one core."""
    from training.evaluation import HELD_OUT, document, report
    from training.worth import of_others, of_trades

    known, shipped = library(), SHIPPED.read_bytes()
    authored = known.rows(with_misspelt(read_folder()))
    tables = report(authored, known.rows(read_folder(HELD_OUT)), known, Model(read_weights(shipped)))
    tables["What 200 corrections are worth"] = of_trades(authored, known)
    tables["What 200 corrections are worth to merchants unlike the authored ones"] = of_others(authored, known, shipped)
    text = document(tables)
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")
    return 0


def _about(examples: list[Example]) -> str:
    languages = Counter(example.language for example in examples)
    styles = len({example.style for example in examples})
    return f"{len(examples)} messages in {styles} styles: " + ", ".join(
        f"{count} {name}" for name, count in languages.most_common()
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
