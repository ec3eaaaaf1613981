"""How long it takes to find the answer to a question among 100, 1,000 and 10,000 entries, and to build the index."""

from __future__ import annotations

import time
from statistics import median, quantiles

from bench.rig.figures import Figures, aim
from bench.rig.questions import many
from functions.autoreply.faq import MARGIN, THRESHOLD
from functions.autoreply.phrase_index import PhraseIndex

SIZES = (100, 1_000, 10_000)
PHRASINGS = 3
QUESTIONS = 300


def measure() -> Figures:
    """Milliseconds per question and per index."""
    rows, slowest = [], 0.0
    questions = [phrasings[0] for phrasings in many(QUESTIONS * 31, phrasings=PHRASINGS).values()][::31]
    # What is asked has a word more than the entry that it came from.
    questions = [f"please tell me {question}" for question in questions]
    for size in SIZES:
        began = time.perf_counter()
        index = PhraseIndex(many(size, phrasings=PHRASINGS))
        built = time.perf_counter() - began
        times = sorted(_asked(index, question) for question in questions)
        slowest = median(times) * 1e3
        rows.append((f"{size:,}", f"{slowest:.2f}", f"{quantiles(times, n=20)[18] * 1e3:.2f}", f"{built * 1e3:.0f}"))
    return Figures(
        title="Retrieval of answers to frequent questions",
        how=f"{QUESTIONS} questions to an index of so many entries, {PHRASINGS} phrasings each, in one process; "
        "building is once per process and bundle, at the first question",
        columns=("entries", "ms per question", "95 %", "ms to build"),
        rows=tuple(rows),
        aims=(aim("per question at 10,000 entries", slowest, 2.0, " ms"),),
    )


def _asked(index: PhraseIndex, question: str) -> float:
    began = time.perf_counter()
    index.like(question, floor=THRESHOLD - MARGIN, most=2)
    return time.perf_counter() - began
