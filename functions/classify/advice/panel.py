"""The advisers in turn: who is asked about a message, for how long, and what becomes of their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from functions.classify.model.opinion import Opinion
from functions.common.errors import Poison
from functions.common.judgement import Firing
from functions.common.telemetry import Telemetry

# An answer settles these. On the others it may only add, and a person still looks: whoever writes a message might talk to the adviser.
SETTLED = ("business", "content", "urgency", "sentiment")
ADDED = ("risk", "wants_human", "opt_out")
AXES = (*SETTLED, *ADDED, "spam")
# As much of a message as an adviser sees.
LONGEST = 2000
# A batch of ten must be done long before Lambda's own limit, however slowly advisers answer.
SECONDS_A_BATCH = 10.0


class AnswerInvalid(Poison):
    """An adviser's answer that is not of the form that was asked for: no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`values` by axis, of the label sheet (for a flag `true`, or none), and `scores` by `axis.value`, 0…1."""

    values: dict[str, tuple[str, ...]]
    scores: dict[str, float]


class Adviser(Protocol):
    """Somebody who can be asked. `version` says which model it is."""

    name: str
    version: str

    def answer(self, text: str) -> Answer:
        """What it says of a masked text; `AnswerInvalid`, `Unavailable`."""


class Budget(Protocol):
    """How often an adviser may be asked."""

    def draw(self) -> bool:
        """Whether it may be asked once more."""


class Panel:
    """The advisers for one batch. One that failed, or whose budget is spent, is not asked again before the next batch.

    `timer` gives seconds that only go up.
    """

    def __init__(self, advisers: list[tuple[Adviser, Budget]], telemetry: Telemetry, timer: Callable[[], float]) -> None:
        self._advisers = list(advisers)
        self._telemetry = telemetry
        self._timer = timer
        self._left = SECONDS_A_BATCH

    def second_opinion(self, text: str, opinion: Opinion, unsure: frozenset[str]) -> tuple[Opinion, tuple[Firing, ...]]:
        """The opinion with what advisers say of the axes in `unsure`, and who said so; the same one if nobody has an answer."""
        heard: list[Firing] = []
        for adviser, budget in list(self._advisers):
            answer = self._ask(adviser, budget, text[:LONGEST]) if unsure else None
            axes = unsure & answer.values.keys() if answer else frozenset()
            if answer and axes:
                opinion = _taken(opinion, answer, axes)
                unsure -= axes
                heard.append(Firing(rule=f"advice.{adviser.name}", version=adviser.version))
        return opinion, tuple(heard)

    def _ask(self, adviser: Adviser, budget: Budget, text: str) -> Answer | None:
        if self._left <= 0:
            return None
        began = self._timer()
        try:
            if budget.draw():
                return adviser.answer(text)
            self._telemetry.info("budget_spent", adviser=adviser.name)
        except Exception as fault:  # the offline answer is always there, and no adviser is worth a message's delay
            self._telemetry.error("not_advised", fault, adviser=adviser.name)
        finally:
            self._left -= self._timer() - began
        self._advisers = [each for each in self._advisers if each[0] is not adviser]
        return None


def _taken(opinion: Opinion, answer: Answer, axes: frozenset[str]) -> Opinion:
    values, scores = dict(opinion.values), dict(opinion.scores)
    for axis in axes:
        before = opinion.values.get(axis, ()) if axis in ADDED else ()
        values[axis] = tuple(dict.fromkeys((*before, *answer.values[axis])))
        for value in set(values[axis]) - set(before):
            scores[f"{axis}.{value}"] = answer.scores[f"{axis}.{value}"]
    return replace(opinion, values=values, scores=scores, uncertain=opinion.uncertain - (axes & set(SETTLED)))
