"""The model: files of weights, sums in whole numbers, and what it makes of any text."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from functions.classify.judging import judge
from functions.classify.model import scoring
from functions.classify.model import weights as files
from functions.classify.model.concepts import Concepts, hashed
from functions.classify.model.ngrams import LONGEST, clipped, ngrams
from functions.classify.model.opinion import Model
from functions.classify.model.scoring import Features, Scorer
from functions.classify.model.shelf import SHIPPED, Shelf
from functions.classify.model.weights import WeightsInvalid, dump_weights, read_weights, weights_hash
from functions.common.bundle import Bundle, BundleSource, dump_bundle
from functions.common.errors import BundleInvalid
from training.corpus import library, read_text

DOCUMENT = SHIPPED.read_bytes()
MODEL = Model(read_weights(DOCUMENT))
BOOK = library().book


def tiny(rows: dict[int, list[int]], **header: Any) -> bytes:
    lanes = [f"content.x{place}" for place in range(len(next(iter(rows.values()))))]
    known: dict[str, Any] = {"lanes": lanes, "count": len(rows), "bias": [0.0] * len(lanes), "concepts": {}}
    known["scales"] = {kind: [1.0] * len(lanes) for kind in ("ngrams", "concepts")}
    known["slopes"], known["offsets"] = [1.0] * len(lanes), [0.0] * len(lanes)
    keys = b"".join(key.to_bytes(4, "little") for key in sorted(rows))
    body = b"".join(bytes(value & 0xFF for value in rows[key]) for key in sorted(rows))
    return dump_weights(known | header, keys, body)


# --- Files ---------------------------------------------------------------------------------------------------------------


def test_the_same_weights_are_the_same_bytes_and_come_back_whole() -> None:
    document = tiny({7: [1, -128], 9: [127, 0]})
    assert document == tiny({9: [127, 0], 7: [1, -128]})
    read = read_weights(document)
    assert (read.hash, read.lanes, len(read.rows)) == (weights_hash(document), ["content.x0", "content.x1"], 4)


@pytest.mark.parametrize("length", [0, 3, 40, 1000, len(DOCUMENT) - 1])
def test_weights_cut_short_are_refused(length: int) -> None:
    with pytest.raises(WeightsInvalid):
        read_weights(DOCUMENT[:length])


def test_weights_with_one_bit_turned_are_refused() -> None:
    altered = bytearray(DOCUMENT)
    altered[len(altered) // 2] ^= 1
    with pytest.raises(WeightsInvalid, match="cut short or altered"):
        read_weights(bytes(altered))


def test_weights_of_another_version_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FEATURES", 99)
    other = tiny({7: [1]})
    monkeypatch.undo()
    with pytest.raises(WeightsInvalid, match="features 99"):
        read_weights(other)


def test_weights_that_would_fill_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 5)
    with pytest.raises(WeightsInvalid, match="more than 5 bytes"):
        read_weights(tiny({7: [1, 2], 9: [3, 4]}))


def test_weights_with_rows_missing_are_refused() -> None:
    with pytest.raises(WeightsInvalid, match="not as many rows"):
        read_weights(tiny({7: [1], 9: [2]}, count=3))


def test_the_shipped_file_is_small_and_knows_the_shipped_rules() -> None:
    assert len(DOCUMENT) <= 10_000_000
    first_round = {rule.name for rule in library().rules}
    assert len(first_round & set(MODEL.rules)) >= 30


def test_inference_imports_nothing_from_outside_the_standard_library() -> None:
    for path in Path(files.__file__).parent.glob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if path.name != "shelf.py" and line.startswith(("import ", "from ")):  # the shelf checks configuration
                name = line.split()[1].partition(".")[0]
                assert name in sys.stdlib_module_names or name == "functions", (path.name, line)


# --- The shelf -----------------------------------------------------------------------------------------------------------


def test_a_bundle_without_a_model_is_judged_by_rules_alone() -> None:
    assert Shelf().model({}) is None
    assert Shelf().model({"model": {"weights": "none"}}) is None


def test_weights_are_read_once_for_bundles_that_change_only_rules() -> None:
    shelf = Shelf()
    assert shelf.model({"model": {}, "rules": 1}) is shelf.model({"model": {}, "rules": 2})


def test_bars_may_differ_from_the_measured_ones_and_unknown_ones_are_refused() -> None:
    model = Shelf().model({"model": {"bars": {"say.spam": 0.99}}})
    assert model and model.bars["say.spam"] == 0.99
    with pytest.raises(BundleInvalid, match=r"model\.bars\.say\.nothing"):
        Shelf().model({"model": {"bars": {"say.nothing": 0.5}}})


def source_of(shelf: Shelf, documents: list[bytes]) -> Callable[[], Model | None]:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]

    class Silent:
        def error(self, *_: Any, **__: Any) -> None: ...
        def count(self, *_: Any) -> None: ...

    def build(bundle: Bundle) -> Model | None:
        return shelf.model(bundle.sections)

    def fetch(_: str | None) -> tuple[bytes, str] | None:
        return (documents.pop(0), "etag") if documents else None

    source = BundleSource(dump_bundle({"model": {}}), build, fetch=fetch, clock=lambda: now[0], telemetry=Silent())  # type: ignore[arg-type]

    def current() -> Model | None:
        now[0] += timedelta(minutes=1)
        return source.current()

    return current


@pytest.mark.parametrize("kept", [b"", DOCUMENT[:1000], tiny({7: [1]})])
def test_weights_that_are_not_what_the_bundle_names_never_replace_good_ones(kept: bytes) -> None:
    named = dump_bundle({"model": {"weights": weights_hash(DOCUMENT)}})
    current = source_of(Shelf(lambda _: kept), [named])
    model = current()
    assert model and model.hash == weights_hash(DOCUMENT)
    assert current() is model


def test_weights_travel_by_their_hash_and_come_back_with_their_bundle() -> None:
    asked: list[str] = []

    def fetch(name: str) -> bytes:
        asked.append(name)
        return DOCUMENT

    named, alone = dump_bundle({"model": {"weights": weights_hash(DOCUMENT)}}), dump_bundle({"model": {"weights": "none"}})
    current = source_of(Shelf(fetch), [alone, named])
    assert current() is None
    model = current()
    assert model and model.hash == weights_hash(DOCUMENT)
    assert asked == [weights_hash(DOCUMENT)]


# --- Sums ----------------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(-128, 127), min_size=3, max_size=3), min_size=1, max_size=700))
def test_sums_in_whole_numbers_are_exact_however_many_features_there_are(rows: list[list[int]]) -> None:
    scorer = Scorer(read_weights(tiny(dict(enumerate(rows)))))
    margins = scorer.margins(Features(set(range(len(rows))), set()))
    expected = [sum(column) / len(rows) ** 0.5 for column in zip(*rows, strict=True)]
    assert margins == pytest.approx(expected)


def test_features_that_nobody_has_seen_count_for_nothing() -> None:
    scorer = Scorer(read_weights(tiny({7: [5]})))
    assert scorer.margins(Features({1, 2, 3}, {4})) == [0.0]
    assert scorer.margins(Features({1, 2, 7}, set())) == [5.0]


def test_what_corrections_add_has_columns_of_its_own_behind_the_lanes() -> None:
    scales = {"ngrams": [1.0, 1.0, 1.0], "concepts": [2.0, 3.0, 4.0]}
    lanes = ["content.a", "content.b"]
    weights = read_weights(tiny({7: [5, -2, 9]}, lanes=lanes, added=["content.b"], scales=scales, slopes=[1.0, 10.0]))
    scorer = Scorer(weights)
    assert (weights.lanes, weights.added, scorer.lanes) == (lanes, ["content.b"], lanes)
    assert scorer.margins(Features({7}, set())) == [5.0, -2.0, 9.0]
    # A lane's own weight counts by its slope, what is added as it is.
    assert [scorer.worth("ngrams", 7, lane) for lane in (*lanes, "content.c")] == [5, -20 + 9, 0]
    assert [scorer.worth("concepts", 7, lane) for lane in lanes] == [10, -60 + 36]
    with pytest.raises(WeightsInvalid, match="not as many rows"):
        read_weights(tiny({7: [5, -2, 9]}, lanes=lanes))


def test_weights_whose_parts_do_not_fit_together_are_refused_as_a_whole() -> None:
    fitting: dict[str, Any] = {"favour": {}, "bars": {}, "rules": {}}
    network = {
        "inner": [[1, 2]] * 4, "inner_bias": [0, 0], "outer": [[3, 4]] * 2, "scales": [1.0, 1.0], "bias": [0.0, 0.0],
    }  # fmt: skip
    Model(read_weights(tiny({7: [1, 2]}, network=network, **fitting)))
    broken: tuple[dict[str, Any], ...] = (
        {"inner": [[1, 2]] * 3}, {"inner": [[1, 2]] * 3 + [[1]]}, {"outer": [[3, 4]]}, {"outer": [[3, 40_000]] * 2},
        {"inner": [[1, -40_000]] * 4}, {"inner_bias": [0, 2**63]}, {"inner": [[1, 0.5]] * 4}, {"scales": [1.0]}, {"bias": []},
        {"inner": [[]] * 4, "inner_bias": [], "outer": []},
    )  # fmt: skip
    for wrong in broken:
        with pytest.raises(WeightsInvalid, match="the network"):
            Model(read_weights(tiny({7: [1, 2]}, network=network | wrong, **fitting)))
    for unfit in ({"slopes": [1.0]}, {"offsets": [0.0] * 3}):
        with pytest.raises(WeightsInvalid, match="no slope and offset"):
            Model(read_weights(tiny({7: [1, 2]}, **fitting | unfit)))
    lanes: dict[str, Any] = {"lanes": ["content.a", "content.b"], "slopes": [1.0, 1.0], "offsets": [0.0, 0.0]}
    with pytest.raises(WeightsInvalid, match="added to what is none"):
        Model(read_weights(tiny({7: [1, 2, 3]}, added=["content.c"], **lanes, **fitting)))


def test_numbers_that_are_not_one_a_column_are_no_logits() -> None:
    lanes = len(MODEL.scorer.lanes)
    assert len(MODEL.logits([0.0] * lanes)) == lanes
    for wrong in (lanes - 8, lanes + 1):
        with pytest.raises(ValueError, match="zip"):
            MODEL.logits([0.0] * wrong)


def test_a_file_of_before_networks_is_read_as_it_was() -> None:
    document = tiny({7: [1, 2]})
    assert document.startswith(b"PRW2")
    read = read_weights(b"PRW1" + document[4:])
    assert (read.lanes, read.added, bytes(read.rows)) == (["content.x0", "content.x1"], [], b"\x01\x02")
    with pytest.raises(WeightsInvalid, match="not a file of weights"):
        read_weights(b"PRW3" + document[4:])


def test_what_was_met_is_kept_and_there_is_an_end_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "_KEPT", 500)
    scorer = Scorer(read_weights(tiny({7: [5], 2**32 - 1: [-3]})))
    for start in range(0, 10_000, 100):
        scorer.margins(Features(set(range(start, start + 100)), {2**32 - 1}))
        assert len(scorer._rows) <= 501
    assert [scorer.worth("ngrams", feature, "content.x0") for feature in (7, 2**32 - 1, 8)] == [5, -3, 0]


@given(
    st.dictionaries(st.integers(0, 2**32 - 1), st.integers(-128, 127), min_size=1, max_size=40),
    st.sets(st.integers(0, 2**32 - 1)),
)
def test_each_feature_is_found_and_no_other(known: dict[int, int], asked: set[int]) -> None:
    scorer = Scorer(read_weights(tiny({feature: [weight] for feature, weight in known.items()})))
    near = {feature + by for feature in known for by in (-1, 1) if 0 <= feature + by < 2**32}
    for feature in {*known, *asked, *near, 0, 2**32 - 1}:
        assert scorer.worth("ngrams", feature, "content.x0") == known.get(feature, 0)
        assert scorer.margins(Features({feature}, set())) == [known.get(feature, 0)]


# --- Features ------------------------------------------------------------------------------------------------------------


def test_n_grams_of_a_text_are_the_same_on_every_machine() -> None:
    assert sorted(ngrams("ok急"))[:2] == [36246469, 127925957]


def test_numbers_of_one_length_are_one_feature() -> None:
    assert ngrams("订单12345号") == ngrams("订单98765号")


def test_a_long_text_is_read_at_both_ends() -> None:
    text = clipped("头" + "中" * 5000 + "尾")
    assert len(text) == LONGEST + 1
    assert text[0] == "头" and text[-1] == "尾"


def test_concepts_are_found_as_words_and_in_any_language() -> None:
    concepts = Concepts({"book": ["预约", "book", "reserv*"]})
    assert [concepts.find(text)[0].concept for text in ("想预约", "to book now", "reservation?")] == [
        hashed("concept book")
    ] * 3
    assert concepts.find("facebook") == concepts.find("booked") == []


# --- Any text ------------------------------------------------------------------------------------------------------------


def test_what_says_nothing_gets_no_opinion() -> None:
    for text in ("", "  ", "\u200b"):
        assert judge(BOOK, read_text(text), MODEL).judgement.scores == {}


@given(st.text(max_size=300))
def test_any_text_gets_labels_with_scores(text: str) -> None:
    reading = read_text(text)
    assume(reading.folded.text.strip())
    judgement = judge(BOOK, reading, MODEL).judgement
    said = {f"business.{judgement.business}"} if judgement.spam == "none" else {f"spam.{judgement.spam}"}
    said |= {f"content.{value}" for value in judgement.content} | {f"risk.{value}" for value in judgement.risk}
    assert said <= set(judgement.scores)
    assert all(0 < score <= 1 for score in judgement.scores.values())


@pytest.mark.parametrize(
    ("text", "business", "spam"),
    [
        ("", "other", "none"),
        ("\x00\x07", "other", "none"),
        ("\u202e投诉", "complaint", "none"),
        ("\ud800" * 50, "other", "noise"),
        ("😀" * 10_000, "other", "noise"),
        ("退" * 1_000_000, "other after_sales", "none"),
        ("Z̸̢a̵͝l̶g̷o̴" * 500, "other", "none"),
    ],
)
def test_absurd_texts_are_judged_too(text: str, business: str, spam: str) -> None:
    judgement = judge(BOOK, read_text(text), MODEL).judgement
    assert judgement.business in business.split()
    assert (judgement.spam, judgement.risk) == (spam, ())


@pytest.mark.parametrize("text", ["8842913", "20260000113", "5512-8830-19", "8842913."])
def test_the_number_of_an_order_is_not_thrown_away(text: str) -> None:
    verdict = judge(BOOK, read_text(text), MODEL)
    assert (verdict.judgement.spam, verdict.judgement.risk) == ("none", ())
    assert [firing.rule for firing in verdict.judgement.firings] == ["number"]
    assert judge(BOOK, read_text("1212121212"), MODEL).judgement.spam == "noise"


def test_weights_and_what_was_read_with_them_fit_the_memory_they_may_have() -> None:
    tracemalloc.start()
    model = Model(read_weights(SHIPPED.read_bytes()))
    known = iter(model.scorer._rows._features)
    for _ in range(1000):
        model.scorer.margins(Features({next(known) for _ in range(60)}, set()))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most <= 48_000_000
