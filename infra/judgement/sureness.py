"""How sure the machine is of every label of a message, those that say nothing too: urgency normal, no content, no human wanted.

What is stored has a score for each label that says something. The others follow from the same weights whenever somebody asks, and 52 bytes
a message, which they would take in the table, are saved.
"""

from __future__ import annotations

from collections.abc import Mapping

from functions.classify.desk import Handbook
from functions.classify.labels import ALWAYS_URGENT, FLAGS
from functions.classify.model.opinion import SEVERAL, Model
from functions.classify.model.scoring import view
from functions.classify.reading import Reading
from functions.common.judgement import Judgement

NEUTRAL = {"business": "other", "urgency": "normal", "sentiment": "neutral", "spam": "none"}
_LOWEST, _HIGHEST = 0.01, 0.99


def sureness(judgement: Judgement, reading: Reading, handbook: Handbook) -> dict[str, float]:
    """0…1 by `axis.value`: the judgement's own scores, and beside them those of the values that say nothing (`urgency.normal`,
    `content.none`, `wants_human.false`), axis by axis. Where no model reads and no rule denies, nobody says how sure those are.

    The score of an empty list is that its likeliest value is not there; what follows from spam or from a risk is as sure as that.
    """
    said = {axis for axis in (*NEUTRAL, *SEVERAL, *FLAGS) if _says_something(getattr(judgement, axis))}
    known = dict(judgement.scores)
    if judgement.urgency == "urgent" and "urgency.urgent" not in known:
        known["urgency.urgent"] = max(known[f"risk.{value}"] for value in judgement.risk if value in ALWAYS_URGENT)
    found = _by_model(judgement, reading, handbook.model) | _denied(judgement, handbook)
    if judgement.spam != "none":
        sure = known[f"spam.{judgement.spam}"]
        found |= {"business.other": sure, "urgency.normal": sure, "sentiment.neutral": sure, "content.none": sure}
    return known | {
        label: score for label, score in found.items() if label.partition(".")[0] not in said and label not in known
    }


def says_something(label: str) -> bool:
    """Whether a label is more than what holds when nobody says anything."""
    axis, _, value = label.partition(".")
    return value not in ("none", "false") and (axis == "business" or NEUTRAL.get(axis) != value)


def _says_something(value: object) -> bool:
    return bool(value) and value not in NEUTRAL.values()


def _by_model(judgement: Judgement, reading: Reading, model: Model | None) -> dict[str, float]:
    text = view(reading)
    if model is None or not text.strip():
        return {}
    features = model.scorer.features(text, [firing.rule for firing in judgement.firings])
    known = model.probabilities(model.scorer.margins(features))
    found = {label: known[label] for label in ("business.other", "sentiment.neutral", "spam.none")}
    found["urgency.normal"] = 1 - known["urgency.urgent"]
    found |= {f"{axis}.none": 1 - max(_of(axis, known)) for axis in SEVERAL}
    found |= {f"{flag}.false": 1 - known[f"{flag}.true"] for flag in FLAGS}
    return {label: round(min(_HIGHEST, max(_LOWEST, score)), 2) for label, score in found.items()}


def _denied(judgement: Judgement, handbook: Handbook) -> dict[str, float]:
    """Flags that rules took back: as sure as those rules are."""
    actions = handbook.rules.actions()
    fired = [actions[firing.rule] for firing in judgement.firings if firing.rule in actions]
    return {f"{flag}.false": action.score for action in fired for flag in FLAGS if getattr(action, flag) is False}


def _of(axis: str, known: Mapping[str, float]) -> list[float]:
    return [score for label, score in known.items() if label.startswith(f"{axis}.")]
