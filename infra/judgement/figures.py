"""Figures of labels against the right ones: precision, recall and F1 by value, confusion, and how far scores are what they claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from functions.common.judgement import Business, Content, Risk, Sentiment, Spam, Urgency

AXES: dict[str, tuple[str, ...]] = {
    "business": get_args(Business),
    "content": get_args(Content),
    "urgency": get_args(Urgency),
    "sentiment": get_args(Sentiment),
    "spam": get_args(Spam),
    "risk": get_args(Risk),
    "wants_human": ("true",),
    "opt_out": ("true",),
}
_BINS = 5

Labels = dict[str, Any]
Pair = tuple[Labels, Labels]


def measured(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Figures by axis of pairs (right labels, what was said); an axis that no right label names is left out."""
    found: dict[str, Any] = {"messages": len(pairs)}
    for axis, values in AXES.items():
        of_axis = [(values_of(right[axis]), values_of(said[axis]), said) for right, said in pairs if axis in right]
        if of_axis:
            found[axis] = _of_axis(axis, values, of_axis)
    return found


def values_of(label: Any) -> frozenset[str]:
    """A label's values, one, several or none; of a flag `true`."""
    if isinstance(label, bool):
        return frozenset({"true"} if label else ())
    return frozenset(label) if isinstance(label, list | tuple) else frozenset({str(label)})


def _of_axis(axis: str, values: tuple[str, ...], rows: list[tuple[frozenset[str], frozenset[str], Labels]]) -> dict[str, Any]:
    by_value = {value: _counted(value, rows) for value in values}
    scored = [entry["f1"] for entry in by_value.values() if entry["right"]]
    hits = sum(entry["hits"] for entry in by_value.values())
    total = sum(entry["said"] + entry["right"] for entry in by_value.values())
    confusion: Counter[tuple[str, str]] = Counter()
    for right, said, _ in rows:
        missed, wrong = right - said or {"none"}, said - right or {"none"}
        confusion.update((one, other) for one in missed for other in wrong if one != other)
    return {
        "messages": len(rows),
        "accuracy": _share(sum(right == said for right, said, _ in rows), len(rows)),
        "macro_f1": _share(sum(scored), len(scored)),
        "micro_f1": _share(2 * hits, total),
        "values": by_value,
        "confusion": [{"right": right, "said": said, "count": count} for (right, said), count in confusion.most_common()],
        "calibration": _calibration(axis, rows),
        "uncertain": _share(sum(axis in said.get("uncertain", ()) for _, _, said in rows), len(rows)),
        "accuracy_where_sure": _sure(axis, rows),
    }


def _counted(value: str, rows: list[tuple[frozenset[str], frozenset[str], Labels]]) -> dict[str, Any]:
    right = sum(value in true for true, _, _ in rows)
    said = sum(value in own for _, own, _ in rows)
    hits = sum(value in true and value in own for true, own, _ in rows)
    figures = {"precision": _share(hits, said), "recall": _share(hits, right), "f1": _share(2 * hits, said + right)}
    return figures | {"right": right, "said": said, "hits": hits}


def _calibration(axis: str, rows: Iterable[tuple[frozenset[str], frozenset[str], Labels]]) -> dict[str, Any]:
    """Of what was said with about one score, how much was right; `error` is the mean distance, each label counting once."""
    scored = [
        (said["scores"][f"{axis}.{value}"], value in right)
        for right, own, said in rows
        for value in own
        if f"{axis}.{value}" in said.get("scores", {})
    ]
    bins = []
    for place in range(_BINS):
        inside = [(score, true) for score, true in scored if place <= min(score * _BINS, _BINS - 1e-9) < place + 1]
        if inside:
            mean, true = (
                _share(sum(score for score, _ in inside), len(inside)),
                _share(sum(true for _, true in inside), len(inside)),
            )
            bins.append({"count": len(inside), "score": mean, "right": true})
    error = sum(entry["count"] * abs(entry["score"] - entry["right"]) for entry in bins)
    return {"bins": bins, "error": _share(error, len(scored))}


def _sure(axis: str, rows: Iterable[tuple[frozenset[str], frozenset[str], Labels]]) -> float:
    sure = [right == own for right, own, said in rows if axis not in said.get("uncertain", ())]
    return _share(sum(sure), len(sure))


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"{figures['messages']} messages"]
    for axis in AXES:
        if axis in figures:
            lines += ["", *_axis_lines(axis, figures[axis])]
    return "\n".join(lines)


def _axis_lines(axis: str, figures: dict[str, Any]) -> list[str]:
    head = f"{axis}: accuracy {figures['accuracy']:.3f}, macro F1 {figures['macro_f1']:.3f}, micro F1 {figures['micro_f1']:.3f}"
    lines = [head, f"  {'value':<14}{'precision':>10}{'recall':>8}{'F1':>8}{'right':>7}{'said':>6}"]
    for value, own in figures["values"].items():
        lines.append(
            f"  {value:<14}{own['precision']:>10.3f}{own['recall']:>8.3f}{own['f1']:>8.3f}{own['right']:>7}{own['said']:>6}"
        )
    confused = [f"{entry['right']} as {entry['said']} {entry['count']}" for entry in figures["confusion"][:6]]
    lines.append("  confused: " + ("; ".join(confused) or "nothing"))
    bins = [f"{entry['score']:.2f} → {entry['right']:.2f} ({entry['count']})" for entry in figures["calibration"]["bins"]]
    lines.append(f"  scores → right: {', '.join(bins) or 'none'}; error {figures['calibration']['error']:.3f}")
    lines.append(f"  uncertain {figures['uncertain']:.3f}; accuracy of the rest {figures['accuracy_where_sure']:.3f}")
    return lines
