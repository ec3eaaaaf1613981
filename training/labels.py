"""The lanes of the model: one yes-or-no question for each value of the label sheet, and what an example answers to it."""

from __future__ import annotations

from typing import get_args

import numpy as np

from functions.common.judgement import Business, Content, Risk
from training.seed import Example

LANES: tuple[str, ...] = (
    *(f"business.{value}" for value in get_args(Business)),
    *(f"content.{value}" for value in get_args(Content)),
    "urgency.urgent",
    *(f"sentiment.{value}" for value in ("negative", "positive", "neutral")),
    *(f"spam.{value}" for value in ("none", "ad", "scam", "noise")),
    *(f"risk.{value}" for value in get_args(Risk)),
    "wants_human.true",
    "opt_out.true",
)


def axis_of(lane: str) -> str:
    """The axis that a lane belongs to."""
    return lane.partition(".")[0]


def says(example: Example, lane: str) -> bool:
    """Whether the example has the lane's value."""
    axis, _, value = lane.partition(".")
    label = getattr(example, axis)
    if isinstance(label, bool):
        return label
    return value in label if isinstance(label, tuple) else bool(value == label)


def answers(examples: list[Example], lane: str) -> np.ndarray:
    """One truth value an example."""
    return np.array([says(example, lane) for example in examples], dtype=bool)


def asked(examples: list[Example], lane: str) -> np.ndarray:
    """Whether the example's source says anything about the lane's axis."""
    return np.array([axis_of(lane) in example.axes for example in examples], dtype=bool)
