"""How often an answer is given, how often it is the right one, and how often a question about something else gets one, by threshold."""

from __future__ import annotations

from bench.rig.figures import Figures
from bench.rig.questions import by_label, rows
from functions.autoreply.faq import MARGIN, THRESHOLD
from functions.autoreply.phrase_index import Likeness, PhraseIndex

THRESHOLDS = (0.35, 0.4, 0.45, 0.5, 0.55)
CASES = (("en_banking77", 20), ("en_banking77", 5), ("en_clinc150_full", 20), ("en_clinc150_full", 5))


def measure() -> Figures:
    """Precision and share of questions answered per set, phrasings and threshold."""
    strange = [text for text, label in rows("en_clinc150_full", "dev") if label == "oos"]
    table = []
    for name, phrasings in CASES:
        index = PhraseIndex(by_label(name, phrasings=phrasings, seed=1))
        asked = [(label, _like(index, text)) for text, label in rows(name, "dev") if label != "oos"]
        others = [_like(index, text) for text in strange]
        for threshold in THRESHOLDS:
            given = [(label, found[0].name) for label, found in asked if _answers(found, threshold)]
            right = sum(label == name for label, name in given) / max(1, len(given))
            wrongly = sum(_answers(found, threshold) for found in others) / len(others)
            shares = (right, len(given) / len(asked), wrongly)
            table.append((f"{name}, {phrasings} phrasings", f"{threshold:.2f}", *(f"{100 * share:.1f} %" for share in shares)))
    return Figures(
        title="Answers to frequent questions, by threshold",
        how=f"intents of public sets as entries, phrasings drawn from their training parts, questions from their dev parts; "
        f"margin {MARGIN}, {len(strange)} questions of clinc150's out-of-scope part as questions about something else; "
        f"shipped is {THRESHOLD}",
        columns=("entries", "threshold", "right", "answered", "others answered"),
        rows=tuple(table),
    )


def _like(index: PhraseIndex, text: str) -> list[Likeness]:
    return index.like(text, floor=0.2, most=2)


def _answers(found: list[Likeness], threshold: float) -> bool:
    if not found or found[0].score < threshold:
        return False
    return len(found) < 2 or found[0].score - found[1].score >= MARGIN
