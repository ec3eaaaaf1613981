"""Labelled questions of public sets, as entries of an FAQ and as questions to it; made-up ones where the sets are not on this machine."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from random import Random

from bench.rig.figures import NotMeasurable
from infra.packaging import ROOT

DATA = ROOT.parent / "shared" / "data"
SETS = ("en_banking77", "en_clinc150_full", "en_bitext27")
_SYLLABLES = [consonant + vowel for consonant in "bdfklmnrst" for vowel in "aeio"]


def rows(name: str, part: str) -> list[tuple[str, str]]:
    """(text, label) of one part of a set; `NotMeasurable` where it is absent."""
    path = Path(DATA / f"{name}.{part}.jsonl")
    if not path.is_file():
        raise NotMeasurable(f"{path.name} is not here (see bench/README.md)")
    return [(row["text"], row["label"]) for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())]


def by_label(name: str, *, phrasings: int, seed: int) -> dict[str, list[str]]:
    """So many phrasings of every intent of a set, out of its training part."""
    found: dict[str, list[str]] = defaultdict(list)
    for text, label in rows(name, "train"):
        if label != "oos":
            found[label].append(text)
    draw = Random(seed)
    return {label: draw.sample(texts, min(phrasings, len(texts))) for label, texts in sorted(found.items())}


def many(entries: int, *, phrasings: int) -> dict[str, list[str]]:
    """So many entries of real questions, three phrasings each; made-up words where no set is here."""
    try:
        texts = [text for name in SETS for text, _ in rows(name, "train")]
    except NotMeasurable:
        draw = Random(1)
        vocabulary = ["".join(draw.choices(_SYLLABLES, k=draw.randint(1, 4))) for _ in range(6000)]
        texts = [" ".join(draw.choices(vocabulary, k=draw.randint(4, 14))) for _ in range(30_000)]
    Random(1).shuffle(texts)
    places = (phrasings * number % (len(texts) - phrasings) for number in range(entries))
    return {f"e{number}": texts[place : place + phrasings] for number, place in enumerate(places)}
