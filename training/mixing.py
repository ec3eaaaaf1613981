"""How much each kind of head has to say on each lane: what bears out on messages that the heads had not seen.

A kind that is right on one lane is not on another: few words give away a scam, and many a word is neither praise nor blame. With an equal
say for each, what one kind knows was drowned by what the others guess.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from training.heads import KINDS
from training.labels import LANES, answers, asked
from training.seed import Example

Shares = dict[str, np.ndarray]


def shares_of(margins: dict[str, np.ndarray], examples: Sequence[Example]) -> Shares:
    """By kind what each lane's margins, one line an example, are multiplied by; nothing for a kind that says nothing.

    Where the examples do not differ on a lane there is nothing to go by, and every kind has an equal say.
    """
    labelled = list(examples)
    spread = np.stack([margins[kind].std(axis=0) for kind in KINDS])
    even = np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 0.0)
    shares = even.copy()
    with threadpool_limits(1):
        for lane, name in enumerate(LANES):
            of_lane, says = asked(labelled, name), answers(labelled, name)
            if len(set(says[of_lane])) == 2:
                said = np.stack([margins[kind][of_lane, lane] for kind in KINDS], axis=1) * even[:, lane]
                shares[:, lane] *= LogisticRegression().fit(said, says[of_lane]).coef_[0]
    return dict(zip(KINDS, shares, strict=True))


def mixed(margins: dict[str, np.ndarray], shares: Shares) -> np.ndarray:
    """The margins of all kinds as one."""
    total: np.ndarray = np.sum([margins[kind] * shares[kind] for kind in KINDS], axis=0)
    return total
