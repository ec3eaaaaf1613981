"""What people corrected: read, kept back in part, and worth it or refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")

from typer.testing import CliRunner

from functions.classify.model.opinion import Model
from functions.classify.model.weights import dump_weights, read_weights
from infra.cli.app import app
from infra.judgement.figures import AXES
from training import additions, corrections, lessons, worth
from training.additions import Addition, Cases, learn
from training.attacks import ATTACKS
from training.calibration import lanes_of, shares
from training.corpus import Row, library
from training.corrections import CorrectionsInvalid, enough, figures, read_corrections, refit
from training.evaluation import headline, interval, pairs_of
from training.labels import LANES
from training.lessons import ground_of, taught
from training.network import Network
from training.seed import Example, read_folder
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
    rows += [{"text": text, "business": "suggestion", "content": ["refund"]} for text in OTHERS]
    return "\n".join(json.dumps(row) for row in rows)


def read_lines(text: str) -> list[Example]:
    rows = [json.loads(line) for line in text.splitlines()]
    return [corrections.correction(row.pop("text"), row, str(place)) for place, row in enumerate(rows)]


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
def few_weights() -> bytes:
    split = folds([row.example for row in FEW], by_style, 2)
    return weights_of(FEW, split, LIBRARY, made_of={"authored": len(FEW)})


def columns_of(document: bytes) -> dict[int, bytes]:
    """What each feature counts for in the lanes, without what corrections add."""
    weights = read_weights(document)
    rows = np.frombuffer(weights.rows, np.int8).reshape(-1, len(weights.lanes) + len(weights.added))[:, : len(weights.lanes)]
    return {int(key): row.tobytes() for key, row in zip(np.frombuffer(weights.keys, "<u4"), rows, strict=True)}


def with_network(document: bytes) -> bytes:
    """The file with a network of random weights over its lanes."""
    weights, chance, lanes = read_weights(document), np.random.default_rng(2), len(LANES)
    shapes = ((2 * lanes, 5), (5,), (5, lanes), (lanes,))
    over = Network(*(chance.normal(0, 0.3, shape) for shape in shapes))
    return dump_weights(weights.header | {"network": over.header()}, bytes(weights.keys), bytes(weights.rows))


def test_corrections_teach_what_nobody_wrote_of(tmp_path: Path, few_weights: bytes) -> None:
    rows = LIBRARY.rows(read_corrections(written(tmp_path, "c.jsonl", corrected())))
    made = refit(FEW, rows, LIBRARY, few_weights)
    assert made.kept_back >= 8
    assert made.better
    assert made.after["business"] > 0.9 > made.before["business"]
    made_of = read_weights(made.document).header["made_of"]
    assert made_of["authored"] == len(FEW)
    assert made_of["corrections"] == len(rows)
    assert set(made_of["axes"]) == {"business", "content"}


def test_what_is_learnt_is_added_and_an_axis_that_nobody_spoke_of_stays_as_it_was(tmp_path: Path, few_weights: bytes) -> None:
    """Under a network too, which has no say in what is added."""
    before = with_network(few_weights)
    rows = LIBRARY.rows(read_corrections(written(tmp_path, "c.jsonl", corrected())))
    after = taught(ground_of(before, FEW), rows, LIBRARY).document
    known, changed = columns_of(before), columns_of(after)
    assert {key: changed[key] for key in known} == known
    assert not any(any(row) for key, row in changed.items() if key not in known)
    added = read_weights(after).added
    assert added == [lane for lane in LANES if lane.startswith(("business.", "content."))]
    ours, theirs = Model(read_weights(before)), Model(read_weights(after))
    # Messages of which every feature is known to both: the same share of their n-grams counts.
    old = [row for row in FEW if not {*row.features.ngrams, *row.features.concepts} & (changed.keys() - known.keys())]
    assert len(old) > 50
    for row in old:
        margins = theirs.scorer.margins(row.features)
        more = dict(zip(added, margins[len(LANES) :], strict=True))
        logits = zip(LANES, ours.logits(ours.scorer.margins(row.features)), theirs.logits(margins), strict=True)
        for lane, was, now in logits:
            assert now == pytest.approx(was + more.get(lane, 0.0)), lane


def test_what_is_learnt_begins_at_what_the_function_would_say(tmp_path: Path, few_weights: bytes) -> None:
    rows = [row for row in FEW if row.features.ngrams][:60]
    for document in (few_weights, with_network(few_weights)):
        model, space = Model(read_weights(document)), lessons._Space(ground_of(document, FEW), rows)
        known = [model.logits(model.scorer.margins(row.features)) for row in rows]
        # No n-gram of theirs is new: each is known of itself.
        assert space.logits == pytest.approx(np.array(known), abs=1e-6)


def test_where_nothing_is_learnt_nothing_is_written_but_that(few_weights: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "OTHERWISE", 1000)
    after = read_weights(taught(ground_of(few_weights, FEW), LIBRARY.rows(read_lines(corrected())), LIBRARY).document)
    before = read_weights(few_weights)
    assert (after.added, bytes(after.keys), bytes(after.rows)) == ([], bytes(before.keys), bytes(before.rows))


def test_weights_that_have_learnt_are_no_ground_to_learn_on(few_weights: bytes) -> None:
    learnt = taught(ground_of(few_weights, FEW), LIBRARY.rows(read_lines(corrected())), LIBRARY).document
    with pytest.raises(ValueError, match="have learnt from corrections"):
        ground_of(learnt, FEW)


def test_of_very_many_corrections_the_directions_are_bounded(
    tmp_path: Path, few_weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "MOST", 6)
    widths: set[int] = set()

    def seen(directions: np.ndarray, cases: Cases) -> Addition:
        widths.add(directions.shape[1])
        return learn(directions, cases)

    monkeypatch.setattr(lessons, "learn", seen)
    rows = LIBRARY.rows(read_corrections(written(tmp_path, "c.jsonl", corrected())))
    assert taught(ground_of(few_weights, FEW), rows, LIBRARY).strengths.keys() == {"business", "content"}
    assert max(widths) == 6


def test_labels_that_are_as_likely_as_the_model_says_teach_next_to_nothing(few_weights: bytes) -> None:
    """Whatever they are wrong about is chance. Of seven strengths one may look right by luck; it is a weak one, and seldom."""
    found = [taught(ground_of(few_weights, FEW), as_told(few_weights, seed), LIBRARY).strengths for seed in range(8)]
    assert sum(map(bool, found)) <= 3, found
    assert max((strength for each in found for strength in each.values()), default=0) <= 1, found


def as_told(document: bytes, seed: int) -> list[Row]:
    """Messages with what a die said of their business, each side as likely as the model holds it to be."""
    chance, model, lanes = np.random.default_rng(seed), Model(read_weights(document)), lanes_of("business")
    said = np.array([model.logits(model.scorer.margins(row.features)) for row in FEW[:120]])
    drawn = [chance.choice(AXES["business"], p=likely) for likely in shares(said[:, lanes])]
    return [
        replace(row, example=replace(row.example, business=str(value), axes=frozenset({"business"})))
        for row, value in zip(FEW, drawn, strict=False)
    ]


def test_that_people_correct_only_what_is_wrong_is_not_learnt() -> None:
    """Of messages that are right four times in five only the wrong ones are corrected: no word of theirs tells them from the others."""
    chance = np.random.default_rng(5)
    right = (np.arange(400) % 2)[:, None].astype(float)
    said = np.where(chance.random((400, 1)) < 0.2, 1 - right, right)
    wrong = (said != right)[:, 0]
    logits = (2 * said - 1) * np.log(4)
    cases = Cases(logits, right, said, np.ones(400, dtype=bool), one=False).of(np.flatnonzero(wrong))
    made = learn(np.ones((len(cases.right), 1)), cases)
    assert abs(float(made.weights[0, 0] + made.bias[0])) < 0.5
    assert made.rarer[0] > 3


def test_what_is_learnt_has_the_slopes_of_its_loss() -> None:
    chance = np.random.default_rng(7)
    directions = chance.normal(size=(12, 4))
    for one in (True, False):
        right = np.eye(3)[chance.integers(0, 3, 12)]
        cases = Cases(chance.normal(size=(12, 3)), right, np.eye(3)[chance.integers(0, 3, 12)], chance.random(12) < 0.5, one)
        numbers = np.abs(chance.normal(size=17))
        at = additions._addition(numbers, 4, 3)
        cost, slopes = additions._loss(directions, cases, at)
        for place in range(17):
            nudged = numbers.copy()
            nudged[place] += 1e-6
            higher, _ = additions._loss(directions, cases, additions._addition(nudged, 4, 3))
            assert (higher - cost) / 1e-6 == pytest.approx(slopes[place], abs=1e-3)


def test_the_file_says_what_was_learnt(tmp_path: Path, few_weights: bytes) -> None:
    """Weights in bytes add up to the logits of the model and the addition, on messages that were not learnt from."""
    rows = LIBRARY.rows(read_corrections(written(tmp_path, "c.jsonl", corrected())))
    weights = read_weights(taught(ground_of(few_weights, FEW), rows[::2], LIBRARY).document)
    told = figures(rows[1::2], LIBRARY, Model(weights))
    assert told["business"] > 0.9 > figures(rows[1::2], LIBRARY, Model(read_weights(few_weights)))["business"]


def test_what_corrections_are_worth_is_asked_of_the_other_half(few_weights: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worth, "DRAWS", 2)
    own = LIBRARY.rows(read_lines(corrected()))
    asked: list[set[str]] = []

    def measure(rows: Sequence[Row], model: Model) -> dict[str, float]:
        asked.append({row.example.text for row in rows})
        return figures(rows, LIBRARY, model)

    found = worth.worth(ground_of(few_weights, FEW), own, LIBRARY, measure)
    assert asked[0] == asked[1] != asked[2] == asked[3]
    before, after = found.mean("business")
    assert after > before
    shown = worth.table({"zorblatts": found})
    assert f"| business | {before:.3f} | {after:.3f} |" in shown
    assert f"| messages asked | {found.asked} |" in shown


def test_nothing_that_is_learnt_from_is_asked_about() -> None:
    kept = corrections._kept_back(["hello there", "good morning to you", "something else", "hello there!", "bye"])
    assert kept == set()


def test_weights_are_written_only_if_they_are_better(
    tmp_path: Path, few_weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra.cli.bundle import CONFIG

    monkeypatch.setattr("training.seed.read_folder", lambda: [row.example for row in FEW])
    (tmp_path / "few.weights").write_bytes(few_weights)
    monkeypatch.setattr("functions.classify.model.shelf.SHIPPED", tmp_path / "few.weights")
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
