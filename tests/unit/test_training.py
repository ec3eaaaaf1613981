"""How weights are made: the same bytes twice, and splits that keep apart what must be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")

import numpy as np

from functions.classify.model.ngrams import WORDS
from functions.classify.model.opinion import Model
from functions.classify.model.scoring import Scorer
from functions.classify.model.weights import read_weights
from training import licensed
from training.calibration import Calibration
from training.corpus import Row, library
from training.heads import KINDS, fit
from training.labels import LANES
from training.neighbours import pairs
from training.seed import Example, read_folder
from training.shipping import added, packed, weights_of
from training.splits import by_industry, by_style, folds
from training.vectors import DIRECTIONS, VectorsInvalid, is_chinese, read_vectors, vectors_file

EXAMPLES = read_folder()
LIBRARY = library()
# Enough to learn something from, however many messages there are.
FEW = LIBRARY.rows(EXAMPLES[:: len(EXAMPLES) // 330])


def test_the_same_messages_make_the_same_bytes() -> None:
    split = folds([row.example for row in FEW], by_style, 2)
    first, second = (weights_of(FEW, split, LIBRARY, made_of={"authored": len(FEW)}) for _ in range(2))
    assert first == second
    assert Model(read_weights(first)).scorer.lanes == list(LANES)


def test_little_is_lost_by_whole_numbers() -> None:
    rows = FEW[:150]
    heads, one = fit(rows), {kind: np.ones(len(LANES)) for kind in KINDS}
    calibration = Calibration(np.ones(len(LANES)), np.zeros(len(LANES)), {}, {"say.spam": 0.5})
    scorer = Scorer(read_weights(packed(heads, one, calibration, LIBRARY, {}, made_of={})))
    exact = added({kind: heads[kind].margins(rows, kind) for kind in KINDS}, one)
    whole = np.array([scorer.margins(row.features) for row in rows])
    assert np.abs(whole - exact).max() < 0.1 * np.abs(exact).max()
    business = [lane for lane, name in enumerate(LANES) if name.startswith("business.")]
    assert (whole[:, business].argmax(1) == exact[:, business].argmax(1)).mean() > 0.98


@pytest.mark.parametrize("group", [by_style, by_industry])
def test_a_group_is_in_one_fold_and_near_duplicates_are_with_the_first_of_them(group) -> None:
    examples = [*EXAMPLES[:600], replace(EXAMPLES[0], text=EXAMPLES[5].text + "!", style="another", industry="another")]
    split = folds(examples, group)
    moved = {later for _, later in pairs([example.text for example in examples])}
    assert len(examples) - 1 in moved
    assert split[-1] == split[5]
    for name in {group(example) for example in examples}:
        own = {split[place] for place, example in enumerate(examples) if group(example) == name and place not in moved}
        assert len(own) <= 1
    assert split == folds(examples, group)


def test_texts_with_other_words_are_no_near_duplicates() -> None:
    assert pairs(["请问周末营业吗", "请问周末营业吗?", "发票怎么开"]) == [(0, 1)]


def test_licensed_sets_say_something_of_some_axes_only(tmp_path: Path) -> None:
    assert licensed.examples(licensed.BITEXT, tmp_path) == []
    (tmp_path / "en_bitext27.train.jsonl").write_text(
        '{"text": "get my money", "label": "get_refund"}\n{"text": "pay", "label": "payment_issue"}\n', encoding="utf-8"
    )
    (found,) = licensed.examples(licensed.BITEXT, tmp_path)
    assert (found.business, found.content, found.axes) == ("after_sales", ("refund",), frozenset({"business", "content"}))


def spelt(text: str) -> np.ndarray:
    """A vector that is near another one where their texts share letters."""
    vector = np.zeros(200)
    for letter in text:
        vector[ord(letter) % len(vector)] += 1
    return vector / np.linalg.norm(vector)


def test_a_vector_is_near_what_its_encoder_made_and_in_the_half_of_its_language(tmp_path: Path) -> None:
    texts = [row.example.text for row in FEW]
    path = tmp_path / "vectors.npz"
    path.write_bytes(vectors_file(texts, spelt, spelt, ["c" * 64, "o" * 64]))
    assert path.read_bytes() == vectors_file(reversed(texts), spelt, spelt, ["c" * 64, "o" * 64])
    found = read_vectors(path)
    assert found.encoders == ("c" * 64, "o" * 64)
    assert found.of("nobody wrote this") is None
    kept = np.stack([found.of(text) for text in texts])
    assert kept.shape == (len(texts), 2 * DIRECTIONS)
    assert np.linalg.norm(kept, axis=1) == pytest.approx(1)
    for half, chinese in ((slice(DIRECTIONS), True), (slice(DIRECTIONS, None), False)):
        own = [place for place, row in enumerate(FEW) if is_chinese(row.example.text) == chinese]
        assert not kept[own][:, slice(DIRECTIONS, None) if chinese else slice(DIRECTIONS)].any()
        made = np.stack([spelt(texts[place]) for place in own])
        made -= made.mean(axis=0)
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        near, exact = (kept[own][:, half] @ kept[own][:, half].T).ravel(), (made @ made.T).ravel()
        assert np.corrcoef(near, exact)[0, 1] > 0.97


@pytest.mark.parametrize("spoilt", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_a_spoilt_file_of_vectors_is_named(tmp_path: Path, spoilt: bytes) -> None:
    path = tmp_path / "vectors.npz"
    path.write_bytes(spoilt)
    with pytest.raises(VectorsInvalid, match=r"^vectors\.npz: "):
        read_vectors(path)


def test_without_vectors_there_is_no_company_and_heads_are_made_all_the_same() -> None:
    assert read_vectors(Path("nowhere.npz")).of(FEW[0].example.text) is None
    heads = fit([replace(row, vector=None) for row in FEW[:150]])
    assert not heads["company"].weights.any()
    assert heads["ngrams"].weights.any()


def test_a_word_that_nobody_labelled_is_worth_what_its_company_is_worth() -> None:
    calm, angry = np.eye(2, 2 * DIRECTIONS, dtype=np.float32)
    told = dict.fromkeys(("plum kite", "kite plum moss", "moss plum kite"), ("neutral", calm))
    told |= dict.fromkeys(("oboe tusk", "tusk oboe fell", "fell oboe tusk"), ("negative", angry))
    rows = [replace(row_of(text, sentiment=said), vector=vector) for text, (said, vector) in told.items()]
    untold = frozenset({"business"})
    rows += [replace(row_of(text, axes=untold), vector=angry) for text in ("fern quay", "fern dusk", "fern")]
    rows += [replace(row_of(text, axes=untold), vector=calm) for text in ("lark quay", "lark dusk", "lark")]
    heads, lane = fit(rows), LANES.index("sentiment.negative")

    def worth(word: str, kind: str) -> float:
        block = heads[kind]
        return float(block.weights[block.keys.index(crc32(word.encode(), WORDS)), lane])

    assert worth("fern", "ngrams") == worth("lark", "ngrams") == 0
    assert worth("fern", "company") > 0 > worth("lark", "company")


def row_of(text: str, **labels: Any) -> Row:
    """An English message with these labels."""
    return LIBRARY.row(Example(text=text, language="en", **labels))


def test_most_authored_messages_have_a_vector() -> None:
    # Messages added since teach the other heads alone; encoders are not at hand wherever messages are added.
    missing = sum(row.vector is None for row in LIBRARY.rows(EXAMPLES[::20]))
    assert missing < len(EXAMPLES[::20]) / 2, "show the new messages to the encoders: python -m training vectors"
