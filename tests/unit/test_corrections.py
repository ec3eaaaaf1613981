"""What people corrected: read, kept back in part, and worth it or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")

from typer.testing import CliRunner

from functions.classify.model.opinion import Model
from functions.classify.model.weights import read_weights
from infra.cli.app import app
from training import corrections
from training.attacks import ATTACKS
from training.corpus import library
from training.corrections import CorrectionsInvalid, enough, read_corrections, refit
from training.evaluation import headline, interval, pairs_of
from training.seed import read_folder
from training.shipping import weights_of
from training.splits import by_style, folds

LIBRARY = library()
EXAMPLES = read_folder()
FEW = LIBRARY.rows(EXAMPLES[:: len(EXAMPLES) // 270])
# Words of a trade that nobody else uses: what they mean can only be learnt from its corrections.
QUALITIES = (
    "red", "blue", "old", "new", "big", "tall", "odd", "raw", "wet", "dry", "hot", "cold", "fast", "slow", "long", "soft",
)  # fmt: skip
TEXTS = [f"zorblatt {word} flimp" for word in QUALITIES]
OTHERS = [f"quandle {word} gribbit" for word in QUALITIES]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def corrected() -> str:
    rows = [{"text": text, "business": "appointment", "content": []} for text in TEXTS]
    rows += [{"text": text, "business": "complaint", "content": ["refund"]} for text in OTHERS]
    return "\n".join(json.dumps(row) for row in rows)


def test_a_csv_says_something_of_the_axes_that_are_filled_in(tmp_path: Path) -> None:
    lines = [f"message {number},complaint,refund;price,,true" for number in range(20)]
    path = written(tmp_path, "c.csv", "text,business,content,urgency,wants_human\n" + "\n".join(lines))
    first = read_corrections(path)[0]
    assert (first.business, first.content, first.wants_human) == ("complaint", ("refund", "price"), True)
    assert first.axes == {"business", "content", "wants_human"}
    assert first.where == "c.csv:2"


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("c.csv", "text,business\nhi,nonsense\n", r"c\.csv:2: business cannot be 'nonsense'"),
        ("c.csv", "text,business\n,enquiry\n", r"c\.csv:2: a correction has `text`"),
        ("c.jsonl", "not json\n", r"c\.jsonl:1: no JSON object"),
        ("c.jsonl", '{"text": "hi"}\n', r"c\.jsonl:1: a correction has `text`"),
        ("c.jsonl", '{"text": "hi", "risk": ["fire"]}\n', r"c\.jsonl:1: risk cannot be 'fire'"),
        ("c.jsonl", '{"text": "hi", "spam": "ad"}\n', r"1 corrections; fewer than 20"),
        ("c.jsonl", '["hi"]\n', r"c\.jsonl:1: no JSON object"),
        ("c.jsonl", "[" * 100_000, r"c\.jsonl:1: no JSON object"),
        ("c.jsonl", '{"text": 5, "spam": "ad"}\n', r"c\.jsonl:1: a correction has `text`"),
        ("c.jsonl", '{"text": "hi", "spam": {"ad": 1}}\n', r"c\.jsonl:1: spam cannot be {'ad': 1}"),
        ("c.csv", 'text,spam\n"hi"there,ad\n', r"c\.csv:2: "),
    ],
)
def test_a_correction_that_cannot_be_used_is_told_by_line(tmp_path: Path, name: str, text: str, fault: str) -> None:
    with pytest.raises(CorrectionsInvalid, match=fault):
        enough(read_corrections(written(tmp_path, name, text)))


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_bytes("text,spam\n你好,ad\n".encode("gb18030"))
    with pytest.raises(CorrectionsInvalid, match=r"c\.csv: not UTF-8"):
        read_corrections(tmp_path / "c.csv")


@pytest.fixture(scope="module")
def few_weights() -> Model:
    split = folds([row.example for row in FEW], by_style, 2)
    return Model(read_weights(weights_of(FEW, split, LIBRARY, made_of={})))


def test_corrections_teach_what_nobody_wrote_of(tmp_path: Path, few_weights: Model) -> None:
    rows = LIBRARY.rows(read_corrections(written(tmp_path, "c.jsonl", corrected())))
    made = refit(FEW, rows, LIBRARY, few_weights)
    assert made.kept_back >= 8
    assert made.better
    assert made.after["business"] > 0.9 > made.before["business"]
    assert read_weights(made.document).header["made_of"] == {"authored": len(FEW), "corrections": len(rows)}


def test_nothing_that_is_learnt_from_is_asked_about() -> None:
    kept = corrections._kept_back(["hello there", "good morning to you", "something else", "hello there!", "bye"])
    assert kept == set()


def test_weights_are_written_only_if_they_are_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.cli.bundle import CONFIG

    monkeypatch.setattr("training.seed.read_folder", lambda: EXAMPLES[::20])
    directory = tmp_path / "config"
    directory.mkdir()
    for path in CONFIG.glob("*.yaml"):
        (directory / path.name).write_bytes(path.read_bytes())
    good = written(tmp_path, "good.jsonl", corrected())
    outcome = CliRunner().invoke(app, ["train", str(good), "--directory", str(directory)])
    assert outcome.exit_code == 0, outcome.output
    (path,) = (directory / "weights").iterdir()
    assert f"weights: {path.name}" in outcome.output
    (directory / "model.yaml").write_text(f"weights: {path.name}\n", encoding="utf-8")
    check = CliRunner().invoke(app, ["config", "check", "--directory", str(directory)])
    assert check.exit_code == 0, check.output
    # What contradicts itself helps nobody.
    rows = [{"text": text, "opt_out": False} for text in (*TEXTS, *OTHERS)]
    useless = written(tmp_path, "useless.jsonl", "\n".join(map(json.dumps, rows)))
    outcome = CliRunner().invoke(app, ["train", str(useless), "--directory", str(directory)])
    assert outcome.exit_code == 1
    assert "nothing is written" in outcome.output
    assert list((directory / "weights").iterdir()) == [path]


def test_a_configuration_that_names_weights_which_are_not_there_is_refused(tmp_path: Path) -> None:
    from infra.cli.bundle import CONFIG

    for path in CONFIG.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.yaml").write_text(f"weights: {'f' * 64}\n", encoding="utf-8")
    check = CliRunner().invoke(app, ["config", "check", "--directory", str(tmp_path)])
    assert check.exit_code == 1
    assert "is not there" in check.output


# --- Evaluation ----------------------------------------------------------------------------------------------------------


def test_every_disguise_changes_texts_and_keeps_their_labels() -> None:
    text = "请把钱转账给我,在抖音发货了 please transfer"
    for name, disguise in ATTACKS.items():
        assert disguise(text) != text, name
    assert ATTACKS["zero-width"]("转账") == "转\u200b账"


def test_headline_counts_what_the_aims_are_set_for() -> None:
    rows = [replace(FEW[0].example, text="x", spam="none", business="enquiry"), replace(FEW[0].example, text="x", spam="ad")]
    pairs = [(p, p) for p, _ in pairs_of(LIBRARY.rows(rows), LIBRARY, None)]
    figures = headline(pairs)
    assert (figures["spam F1"], figures["enquiries flagged"]) == (1.0, 0.0)
    assert interval(pairs * 5)["spam F1"][1] == 1.0
