"""From messages to a file of weights: heads, calibration, what rules are worth, in whole numbers; the same bytes for the same messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from functions.classify.judging import NOISE_RULE, claims_of
from functions.classify.model.weights import dump_weights
from functions.classify.weighing import ADDED_UP
from training.calibration import Calibration, settled
from training.corpus import Library, Row
from training.heads import FEATURES, KINDS, Heads, fit, out_of_fold
from training.labels import LANES, says
from training.mixing import Shares, mixed, shares_of
from training.seed import EVERY_AXIS

# A rule may speak over the model's head where it was right this often, and often enough for that to be more than luck.
NEARLY_ALWAYS, OFTEN = 0.95, 10
LARGEST = 127


def weights_of(
    rows: Sequence[Row],
    folds: Sequence[int],
    library: Library,
    *,
    made_of: dict[str, Any],
) -> bytes:
    """A file of weights made of all these messages, calibrated on each as its fold was left out."""
    margins, _ = out_of_fold(rows, folds)
    # What says nothing of most axes has nothing to say of bars, nor what nobody wrote.
    whole = [place for place, row in enumerate(rows) if row.example.axes == EVERY_AXIS and not row.example.misspelt]
    examples = [rows[place].example for place in whole]
    unseen = {kind: of_kind[whole] for kind, of_kind in margins.items()}
    shares = shares_of(unseen, examples)
    calibration = settled(mixed(unseen, shares), examples, [folds[place] for place in whole])
    written = [row for row in rows if not row.example.misspelt]
    return packed(fit(rows), shares, calibration, library, trusted(written, library), made_of=made_of)


def trusted(rows: Sequence[Row], library: Library) -> dict[str, list[str]]:
    """Every shipped rule, with the labels for which these messages show that its word can be taken."""
    hits: dict[tuple[str, str], list[bool]] = defaultdict(list)
    claims = {entry.name: [f"{claim.axis}.{claim.value}" for claim in claims_of(entry.then)] for entry in library.rules}
    claims[NOISE_RULE] = ["spam.noise"]
    for row in rows:
        for rule in row.rules:
            for label in claims[rule]:
                if label.partition(".")[0] in row.denied:
                    continue
                hits[rule, label].append(says(row.example, label))
    found: dict[str, list[str]] = {name: [] for name in sorted(claims)}
    for (rule, label), right in sorted(hits.items()):
        if not label.startswith(ADDED_UP) and len(right) >= OFTEN and sum(right) >= NEARLY_ALWAYS * len(right):
            found[rule].append(label)
    return found


def packed(
    heads: Heads,
    shares: Shares,
    calibration: Calibration,
    library: Library,
    rules: dict[str, list[str]],
    *,
    made_of: dict[str, Any],
) -> bytes:
    """Heads in signed bytes, each lane and kind of feature with its own scale."""
    header: dict[str, Any] = {
        "lanes": list(LANES),
        "slopes": _plain(calibration.slopes),
        "offsets": _plain(calibration.offsets),
        "favour": calibration.favour,
        "bars": calibration.bars,
        "rules": rules,
        "concepts": library.concepts,
        "made_of": made_of,
    }
    if calibration.network is not None:
        header["network"] = calibration.network.header()
    lanes = {
        features: (
            heads[features].keys,
            sum(heads[kind].weights * shares[kind] for kind in KINDS if FEATURES[kind] == features),
        )
        for features in dict.fromkeys(FEATURES.values())
    }
    return dumped(header, sum(heads[kind].bias * shares[kind] for kind in KINDS), lanes)


def dumped(header: dict[str, Any], bias: Any, lanes: dict[str, tuple[list[int], Any]]) -> bytes:
    """The file for a header, a bias a column, and by kind of features their keys and weights, `float[keys, columns]`."""
    scales: dict[str, list[float]] = {}
    table: dict[int, np.ndarray] = {}
    for features, (keys, weights) in lanes.items():
        scale = np.maximum(np.abs(weights).max(axis=0, initial=0.0), 1e-9) / LARGEST
        scales[features] = _plain(scale)
        for key, row in zip(keys, np.rint(weights / scale).astype(np.int8), strict=True):
            # N-grams' and concepts' hashes meet about once in a hundred thousand; who comes first keeps the row.
            table.setdefault(key, row)
    known = sorted(table)
    rows = np.stack([table[key] for key in known]) if known else np.zeros((0, len(bias)), np.int8)
    whole = header | {"bias": _plain(bias), "scales": scales, "count": len(known)}
    return dump_weights(whole, np.array(known, "<u4").tobytes(), rows.tobytes())


def _plain(numbers: Any) -> list[float]:
    """Numbers as JSON, with digits enough and no more, so that the last bits of a sum make no other file."""
    return [float(f"{number:.6g}") for number in np.asarray(numbers)]
