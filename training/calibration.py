"""From margins to probabilities, and the bars: everything that is chosen on messages the heads had not seen, and on no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from functions.classify.model.opinion import LIKELY, SINGLE
from training import network
from training.labels import LANES, answers, asked, axis_of
from training.network import Network
from training.seed import Example

# How often what is said of an axis must be right, for the axis not to be called uncertain.
RIGHT = {"business": 0.88, "sentiment": 0.93, "urgency": 0.98, "spam": 0.98, "content": 0.8}
FLAGGED_ENQUIRIES = 0.02
# What is no likelier than this is no risk: not measured, but decided, for whose work it is to look.
UNLIKELY = 0.1
_STEPS = np.linspace(0.05, 0.95, 91)
_BESIDE = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)
_FAVOURS = np.exp(np.linspace(-1.0, 1.0, 21))


@dataclass
class Calibration:
    """A slope and an offset a lane, a network over what comes of them, what values are favoured by, and the bars by name."""

    slopes: np.ndarray
    offsets: np.ndarray
    favour: dict[str, float] = field(default_factory=dict)
    bars: dict[str, float] = field(default_factory=dict)
    network: Network | None = None


def calibrate(margins: np.ndarray, examples: Sequence[Example]) -> Calibration:
    """The calibration of margins, one line an example, that came from heads which had not seen it."""
    with threadpool_limits(1):
        return _calibrate(margins, examples)


def settled(margins: np.ndarray, examples: Sequence[Example], folds: Sequence[int]) -> Calibration:
    """The calibration of margins that came from heads which had not seen their example, with a network where it bears out.

    Every example says something of every lane. Those of one fold were left out together, and are again, so that what is calibrated and
    chosen after the network comes from networks that had not seen them either.
    """
    first, labelled = platt(margins, examples), list(examples)
    alone, right = logits(first, margins), truth(labelled, list(range(len(LANES))))
    together = network.unseen(alone, right, np.asarray(folds))
    if network.surprise(together, right) >= network.surprise(alone, right):
        return calibrate(margins, examples)
    made = calibrate(together, examples)
    known = network.fit(alone, right).scaled(made.slopes, made.offsets)
    return replace(made, slopes=first.slopes, offsets=first.offsets, network=known)


def platt(margins: np.ndarray, examples: Sequence[Example]) -> Calibration:
    """Nothing but a slope and an offset a lane, each by itself (Platt, Probabilistic Outputs for Support Vector Machines, 1999)."""
    made, labelled = Calibration(np.ones(len(LANES)), np.zeros(len(LANES))), list(examples)
    with threadpool_limits(1):
        for lane, name in enumerate(LANES):
            of_lane, says = asked(labelled, name), answers(labelled, name)
            if len(set(says[of_lane])) == 2:
                scaled = LogisticRegression(C=1e3).fit(margins[of_lane, lane : lane + 1], says[of_lane])
                made.slopes[lane], made.offsets[lane] = scaled.coef_[0, 0], scaled.intercept_[0]
    return made


def _calibrate(margins: np.ndarray, examples: Sequence[Example]) -> Calibration:
    made, labelled = platt(margins, examples), list(examples)
    for axis in (*SINGLE, "kind of spam"):
        _share(made, margins, labelled, axis)
    _choose_bars(made, margins, labelled)
    return made


def logits(made: Calibration, margins: np.ndarray) -> np.ndarray:
    """Calibrated margins."""
    result: np.ndarray = margins * made.slopes + made.offsets
    return result if made.network is None else made.network.logits(result)


def lanes_of(axis: str) -> list[int]:
    """The lanes of an axis; of the kind of spam, those of its three kinds."""
    if axis == "kind of spam":
        return [lane for lane in lanes_of("spam") if LANES[lane] != "spam.none"]
    return [lane for lane, name in enumerate(LANES) if axis_of(name) == axis]


def shares(of_lanes: np.ndarray) -> np.ndarray:
    """Logits of values that exclude each other, as probabilities that add up to one."""
    powers = np.exp(of_lanes - of_lanes.max(axis=1, keepdims=True))
    result: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return result


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """A logit as a probability."""
    result: np.ndarray = 1 / (1 + np.exp(-np.clip(logit, -60, 60)))
    return result


def truth(examples: list[Example], lanes: list[int]) -> np.ndarray:
    """One column a lane: whether the example has its value."""
    return np.stack([answers(examples, LANES[lane]) for lane in lanes], axis=1)


def _share(made: Calibration, margins: np.ndarray, examples: list[Example], axis: str) -> None:
    """One temperature for values that exclude each other, and what the scarce ones are favoured by so that none is forgotten."""
    lanes = lanes_of(axis)
    true = truth(examples, lanes)
    counted = true.any(axis=1) & asked(examples, LANES[lanes[0]])
    if not counted.any():
        return
    of_lanes, right = logits(made, margins)[counted][:, lanes], true[counted].argmax(axis=1)
    lines = np.arange(len(right))
    warmth = min(np.linspace(0.4, 2.5, 43), key=lambda by: -np.log(shares(of_lanes * by)[lines, right] + 1e-9).mean())
    made.slopes[lanes] *= warmth
    made.offsets[lanes] *= warmth
    if axis in SINGLE:
        made.favour |= _favour(shares(of_lanes * warmth), right, [LANES[lane] for lane in lanes])


def _favour(known: np.ndarray, right: np.ndarray, names: list[str]) -> dict[str, float]:
    by = np.ones(len(names))
    for _ in range(2):
        for place in range(len(names)):
            by[place] = max(_FAVOURS, key=lambda value: (macro_f1(known, right, _with(by, place, value)), -abs(np.log(value))))
    return {name: round(float(value), 3) for name, value in zip(names, by, strict=True)}


def _with(by: np.ndarray, place: int, value: float) -> np.ndarray:
    changed = by.copy()
    changed[place] = value
    return changed


def macro_f1(known: np.ndarray, right: np.ndarray, by: np.ndarray) -> float:
    """The mean over values of the F1 of choosing the greatest favoured probability."""
    chosen = (known * by).argmax(axis=1)
    return float(np.mean([f1(chosen == value, right == value) for value in range(known.shape[1])]))


def f1(said: np.ndarray, true: np.ndarray, *, recall_counts: float = 1.0) -> float:
    """F1, or with `recall_counts` over 1 an F that minds what is missed more than what is said in vain."""
    square = recall_counts**2
    return float((1 + square) * (said & true).sum() / max(1, square * true.sum() + said.sum()))


def _choose_bars(made: Calibration, margins: np.ndarray, examples: list[Example]) -> None:
    known = sigmoid(logits(made, margins))
    bars = made.bars
    bars["say.content"], bars["beside.content"] = _content_bars(known, examples)
    for lane, name in enumerate(LANES):
        says = answers(examples, name)
        if name.startswith("risk."):
            # A look in vain costs little beside a danger that nobody sees.
            bars[f"say.{name}"] = max(UNLIKELY, _best(known[:, lane], says, recall_counts=3.0))
        elif axis_of(name) == "urgency":
            bars["say.urgency"] = _best(known[:, lane], says)
        elif axis_of(name) == "wants_human":
            bars["say.wants_human"] = _best(known[:, lane], says)
        elif axis_of(name) == "opt_out":
            bars["say.opt_out"] = _precise(known[:, lane], says, 0.9)
    bars["say.spam"] = _spam_bar(known[:, LANES.index("spam.none")], examples)
    bars |= {f"sure.{axis}": _sure(made, margins, examples, axis) for axis in RIGHT}
    made.bars = {name: round(float(bar), 3) for name, bar in bars.items()}


def _content_bars(known: np.ndarray, examples: list[Example]) -> tuple[float, float]:
    """The best on ordinary messages, where there are any: those written to be hard are about twice as much."""
    content = lanes_of("content")
    ordinary = [place for place, example in enumerate(examples) if example.ordinary] or list(range(len(examples)))
    likely, true = known[np.ix_(ordinary, content)], truth([examples[place] for place in ordinary], content)
    tried = ((float(bar), share) for bar in _STEPS[:60] for share in _BESIDE)
    return max(tried, key=lambda pair: (f1(said_content(likely, *pair), true), pair))


def said_content(known: np.ndarray, bar: float, share: float) -> np.ndarray:
    """Which values are said: those over the bar that are not far less probable than the most probable of them."""
    result: np.ndarray = (known >= bar) & (known >= np.minimum(LIKELY, share * known.max(axis=1, keepdims=True)))
    return result


def _best(known: np.ndarray, says: np.ndarray, *, recall_counts: float = 1.0) -> float:
    """The bar with the best F; of equal ones the highest."""
    return float(max(_STEPS, key=lambda bar: (f1(known >= bar, says, recall_counts=recall_counts), bar)))


def _precise(known: np.ndarray, true: np.ndarray, precision: float) -> float:
    """The lowest bar above which what is said is right so often: a wrong one does harm that nobody sees."""
    return float(next((bar for bar in _STEPS if (known >= bar).any() and true[known >= bar].mean() >= precision), 0.95))


def _spam_bar(genuine: np.ndarray, examples: list[Example]) -> float:
    """The best bar at which few plain enquiries are taken for spam; never one at which spam is less likely than not."""
    spam = np.array([example.spam != "none" for example in examples])
    plain = np.array([example.spam == "none" and example.business == "enquiry" for example in examples])
    even = [bar for bar in _STEPS if bar >= 0.5]
    allowed = [bar for bar in even if not plain.any() or ((1 - genuine[plain]) >= bar).mean() <= FLAGGED_ENQUIRIES]
    return float(max(allowed or [_STEPS[-1]], key=lambda bar: f1((1 - genuine) >= bar, spam)))


def _sure(made: Calibration, margins: np.ndarray, examples: list[Example], axis: str) -> float:
    """How sure one must be of an axis for what is said of it to be right so often; where that is never so, as sure as the surest fifth."""
    sure, right = decisions(made, margins, examples, axis)
    for bar in np.linspace(0.0, 0.99, 100):
        kept = sure >= bar
        if kept.mean() < 0.2 or right[kept].mean() >= RIGHT[axis]:
            return float(bar)
    return 0.99


def decisions(made: Calibration, margins: np.ndarray, examples: list[Example], axis: str) -> tuple[np.ndarray, np.ndarray]:
    """How sure the calibrated heads are of an axis of each message, and whether what they say of it is right."""
    lanes = lanes_of(axis)
    of_lanes, true = logits(made, margins)[:, lanes], truth(examples, lanes)
    lines = np.arange(len(examples))
    if axis in SINGLE:
        known = shares(of_lanes)
        chosen = (known * [made.favour[LANES[lane]] for lane in lanes]).argmax(axis=1)
        return known[lines, chosen], true[lines, chosen]
    known = sigmoid(of_lanes)
    if axis == "spam":
        genuine, none = known[:, 0], true[:, 0]
        said = 1 - genuine >= made.bars["say.spam"]
        return np.where(said, 1 - genuine, genuine), said != none
    if axis == "content":
        said = said_content(known, made.bars["say.content"], made.bars["beside.content"])
    else:
        said = known >= made.bars[f"say.{axis}"]
    # As the function has it: of an axis that is said by its bar, how far from an even chance the least sure value is.
    sure = np.where(said, known, 1 - known)[:, 0] if axis == "urgency" else np.maximum(known, 1 - known).min(axis=1)
    return sure, (said == true).all(axis=1)
