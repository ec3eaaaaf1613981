"""Heads over the vectors of an operator's sentence encoder, calibrated on authors left out; what classify's adviser reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from functions.classify.model.weights import dump_weights
from functions.common.masking import mask
from training.calibration import RIGHT, Calibration, calibrate, decisions
from training.labels import LANES, answers, asked
from training.seed import Example
from training.splits import by_style, folds

# Vectors have length one, so that their margins are small; not tuned, for want of an encoder to tune it on.
STRENGTH = 10.0
# No answer is as sure as this.
NEVER = 1.01


@dataclass(frozen=True)
class Fitted:
    """`document` is the file of heads. `share`: of each axis how many messages the heads are sure of; `right`: how often rightly so."""

    document: bytes
    share: dict[str, float]
    right: dict[str, float]


def masked(examples: Iterable[Example]) -> list[str]:
    """The texts as an adviser sees them."""
    return [mask(example.text).text for example in examples]


def fit_heads(examples: Sequence[Example], vectors: np.ndarray, encoder: dict[str, str]) -> Fitted:
    """Heads for messages and their vectors, one line each; `encoder` has the hashes of the files that made them.

    An axis on which the heads are not right as often as `RIGHT` asks, however sure they are, is left out: of it they never say a thing.
    """
    split = np.array(folds(examples, by_style))
    margins = np.zeros((len(examples), len(LANES)))
    with threadpool_limits(1):
        for fold in sorted(set(split)):
            outside = [example for example, own in zip(examples, split, strict=True) if own != fold]
            weights, bias = _heads(outside, vectors[split != fold])
            margins[split == fold] = vectors[split == fold] @ weights + bias
        weights, bias = _heads(list(examples), vectors)
    made = calibrate(margins, examples)
    share, right = _silenced(made, margins, list(examples))
    written = header(made, {"encoder": encoder, "made_of": {"authored": len(examples)}})
    return Fitted(document(weights, bias, dump_weights(written, b"", b"")), share, right)


def header(made: Calibration, origin: dict[str, Any]) -> dict[str, Any]:
    """What stands in the heads' calibration: a file of weights without features."""
    none = [0.0] * len(LANES)
    return {
        "lanes": list(LANES),
        "bias": none,
        "scales": {"ngrams": none, "concepts": none},
        "slopes": made.slopes.tolist(),
        "offsets": made.offsets.tolist(),
        "favour": made.favour,
        "bars": made.bars,
        "rules": {},
        "concepts": {},
        "count": 0,
        **origin,
    }


def document(weights: np.ndarray, bias: np.ndarray, calibration: bytes) -> bytes:
    """The file of heads: the same bytes for the same numbers."""
    written = BytesIO()
    np.savez(
        written,
        weights=weights.astype(np.float32),
        bias=bias.astype(np.float32),
        calibration=np.frombuffer(calibration, np.uint8),
    )
    return written.getvalue()


def _heads(examples: list[Example], vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weights, bias = np.zeros((vectors.shape[1], len(LANES))), np.zeros(len(LANES))
    for lane, name in enumerate(LANES):
        of_lane, says = asked(examples, name), answers(examples, name)
        if len(set(says[of_lane])) == 2:
            head = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000)
            head.fit(vectors[of_lane], says[of_lane])
            weights[:, lane], bias[lane] = head.coef_[0], head.intercept_[0]
    return weights, bias


def _silenced(made: Calibration, margins: np.ndarray, examples: list[Example]) -> tuple[dict[str, float], dict[str, float]]:
    """Bars out of reach where no bar makes the heads right often enough; and what is left, axis by axis."""
    share, right = dict[str, float](), dict[str, float]()
    for axis, wanted in RIGHT.items():
        sure, correct = decisions(made, margins, examples, axis)
        kept = sure >= made.bars[f"sure.{axis}"]
        right[axis] = float(correct[kept].mean()) if kept.any() else 0.0
        if right[axis] < wanted:
            made.bars[f"sure.{axis}"] = NEVER
            kept &= False
        share[axis] = float(kept.mean())
    return share, right
