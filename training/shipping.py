"""From messages to a file of weights: heads, calibration, what rules are worth, in whole numbers; the same bytes for the same messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from functions.classify.judging import NOISE_RULE, claims_of
from functions.classify.model.weights import dump_weights
from functions.classify.weighing import ADDED_UP
from training.calibration import Calibration, calibrate
from training.corpus import Library, Row
from training.heads import FEATURES, KINDS, Heads, fit, out_of_fold
from training.labels import LANES, says
from training.seed import EVERY_AXIS

# A rule may speak over the model's head where it was right this often, and often enough for that to be more than luck.
NEARLY_ALWAYS, OFTEN = 0.95, 10
LARGEST = 127
# One message of a merchant's own says more of the next one than one of somebody's imagination.
COUNTS = 16.0


def weights_of(
    rows: Sequence[Row],
    folds: Sequence[int],
    library: Library,
    *,
    made_of: dict[str, Any],
    counts: np.ndarray | None = None,
) -> bytes:
    """A file of weights made of all these messages, calibrated on each as its fold was left out; `counts` weighs some more."""
    margins, _ = out_of_fold(rows, folds, counts)
    even = evened(margins)
    # What says nothing of most axes has nothing to say of bars.
    whole = [place for place, row in enumerate(rows) if row.example.axes == EVERY_AXIS]
    calibration = calibrate(added(margins, even)[whole], [rows[place].example for place in whole])
    return packed(fit(rows, weights=counts), even, calibration, library, trusted(rows, library), made_of=made_of)


def evened(margins: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What each lane's margins are multiplied by, for every kind to have an equal say; a kind that says nothing has none."""
    spread = {kind: of_kind.std(axis=0) for kind, of_kind in margins.items()}
    return {kind: np.where(of_kind > 1e-6, 1 / np.maximum(of_kind, 1e-6), 0.0) for kind, of_kind in spread.items()}


def added(margins: dict[str, np.ndarray], even: dict[str, np.ndarray]) -> np.ndarray:
    """The margins of all kinds as one."""
    total: np.ndarray = sum(margins[kind] * even[kind] for kind in KINDS)
    return total


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
    even: dict[str, np.ndarray],
    calibration: Calibration,
    library: Library,
    rules: dict[str, list[str]],
    *,
    made_of: dict[str, Any],
) -> bytes:
    """Heads in signed bytes, each lane and kind of feature with its own scale."""
    header: dict[str, Any] = {
        "lanes": list(LANES),
        "bias": _plain(sum(heads[kind].bias * even[kind] for kind in KINDS)),
        "scales": {},
        "slopes": _plain(calibration.slopes),
        "offsets": _plain(calibration.offsets),
        "favour": calibration.favour,
        "bars": calibration.bars,
        "rules": rules,
        "concepts": library.concepts,
        "made_of": made_of,
    }
    table: dict[int, np.ndarray] = {}
    for features in dict.fromkeys(FEATURES.values()):
        weights = sum(heads[kind].weights * even[kind] for kind in KINDS if FEATURES[kind] == features)
        scale = np.maximum(np.abs(weights).max(axis=0), 1e-9) / LARGEST
        header["scales"][features] = _plain(scale)
        keys = heads[features].keys
        for key, row in zip(keys, np.rint(weights / scale).astype(np.int8), strict=True):
            # N-grams' and concepts' hashes meet about once in a hundred thousand; who comes first keeps the row.
            table.setdefault(key, row)
    known = sorted(table)
    header["count"] = len(known)
    rows = np.stack([table[key] for key in known]) if known else np.zeros((0, len(LANES)), np.int8)
    return dump_weights(header, np.array(known, "<u4").tobytes(), rows.tobytes())


def _plain(numbers: Any) -> list[float]:
    """Numbers as JSON, with digits enough and no more, so that the last bits of a sum make no other file."""
    return [float(f"{number:.6g}") for number in np.asarray(numbers)]
