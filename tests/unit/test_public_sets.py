"""The engine on sets in their own labels: here on small ones made for the purpose."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")

import numpy as np

from functions.classify.model.concepts import hashed
from functions.classify.model.ngrams import ngrams
from training import public
from training.corpus import library
from training.licensed import FOLDER
from training.public import OUTSIDE, QUESTIONS, REVIEWS, SETS, Outcome, Source, measure

# What each topic is told by.
HOTEL, LAPTOP, BOOK = (
    "大堂 早餐 窗帘 枕头 电梯 走廊 浴缸 门童",
    "键盘 屏幕 电池 硬盘 驱动 接口 风扇 内存",
    "章节 封面 作者 译文 情节 插图 纸张 序言",
)


def write(folder: Path, part: str, texts: list[tuple[str, str]]) -> None:
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in texts]
    (folder / f"made.{part}.jsonl").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Tell how a set is learnt; its figures come back."""

    def figures(train, dev, manner):
        write(tmp_path, "train", train)
        write(tmp_path, "dev", dev)
        monkeypatch.setitem(SETS, "made", Source("made", manner))
        return measure("made", tmp_path)

    return figures


def reviews(count: int, seed: int) -> list[tuple[str, str]]:
    """What is said well of a laptop or a room is said ill of a book, and the other way round; the verdict stands far from its topic."""
    drawn = random.Random(seed)
    made = []
    for _ in range(count):
        words = drawn.choice([HOTEL, LAPTOP, BOOK]).split()
        verdict = drawn.choice(["分量轻", "分量重"])
        good = (verdict == "分量轻") != (words[0] == "章节")
        made.append(("，".join([*drawn.sample(words, 4), "其他的以后再说", verdict]), "pos" if good else "neg"))
    return made


def test_what_praises_one_topic_and_blames_another_is_learnt_topic_by_topic(made):
    train, dev = reviews(300, 1), reviews(120, 2)
    assert made(train, dev, REVIEWS).accuracy > 0.95
    assert made(train, dev, replace(REVIEWS, topics=0)).accuracy < 0.85


def features(text: str, manner=REVIEWS) -> dict[str, set[int]]:
    found = public._features(text, library(), manner)
    return {kind: {key for own, key in found if own == kind} for kind in {kind for kind, _ in found}}


@pytest.mark.parametrize("denial", "不没无别未")
def test_what_is_denied_and_what_a_review_begins_with_count_apart(denial):
    of = features(f"舒服，说{denial}上好看，结实")
    assert set(of) == {"ngram", "concept", "length", "opening", "denied"}
    assert of["denied"] == {hashed(run) for run in ("上", "好", "看", "上好", "好看")}
    assert of["opening"] == ngrams("舒服")
    assert of["length"] == {0}
    assert features("舒服" * 25)["length"] == {2}


def test_of_questions_the_ngrams_count_alone():
    assert features("舒服，说不上好看", QUESTIONS) == {"ngram": ngrams("舒服,说不上好看")}


def test_within_a_group_features_count_by_its_own_ratios():
    # Two topics of two texts; the second feature says yes in one and no in the other.
    texts = public.sp.csr_matrix([[1, 1, 0], [1, 0, 1], [1, 1, 0], [1, 0, 1]])
    says, first = np.array([True, False, False, True]), np.array([True, True, False, False])
    everywhere = np.ones(4, bool)
    groups = [(everywhere, everywhere), (first, first), (~first, ~first)]
    margins = public._class_margins(texts, texts, says, groups, 0.3)
    assert (margins > 0).tolist() == says.tolist()
    # Without groups nothing tells them apart.
    assert np.ptp(public._class_margins(texts, texts, says, groups[:1], 0.3)) == pytest.approx(0)
    # As long as the text is: twice as many features that say nothing leave the sign, and make it less.
    longer = public.sp.hstack([texts, public.sp.csr_matrix(np.ones((4, 1)))]).tocsr()
    assert np.abs(public._class_margins(longer, longer, says, groups, 0.3)).max() <= np.abs(margins).max() + 1e-9


def test_what_stands_in_too_few_texts_does_not_count(made):
    train = [("好好好", "pos"), ("差差差", "neg"), ("不好说甲", "pos"), ("不好说乙", "neg")]
    dev = [("甲", "pos"), ("乙", "neg")]
    assert made(train, dev, QUESTIONS).accuracy == 1
    assert made(train, dev, replace(QUESTIONS, least=2)).accuracy == 0.5


def test_the_bar_for_texts_of_no_class_is_chosen_on_every_second_text_and_measured_on_the_others():
    # Of no class, at even places: 1 … 10, so that seven in ten are under 7.3; at odd ones four under it and six over.
    even, odd = np.arange(1.0, 11.0), np.array([1.0, 2, 3, 4, 8, 9, 10, 11, 12, 13])
    outside = np.stack([even, odd], axis=1).ravel()
    inside = np.array([100.0, 5.0, 100.0, 9.0])
    margins = np.stack([np.r_[outside, inside], np.full(24, -1.0)], axis=1)
    outcome = public._outcome(margins, np.array([OUTSIDE] * 20 + ["a"] * 4), ["a", "b"])
    assert outcome == Outcome(accuracy=0.5, outside_recall=0.4, texts=12)


def test_a_review_of_nothing_but_marks_is_read(made):
    texts = [("很好很好，下次再来", "pos"), ("很差很差，不会再来", "neg"), ("床太硬了", "neg")] * 7
    assert made(texts, [*texts, ("。。。", "neg")], REVIEWS).texts == 22


def test_of_texts_of_no_class_some_are_told_and_no_class_is_made_of_them(made):
    drawn = random.Random(4)
    asked = {
        "card": ["my", "card", "is", "lost", "stolen", "blocked", "replace", "new", "bank", "card"],
        "rate": ["what", "is", "the", "exchange", "rate", "today", "for", "euros", "dollars"],
    }
    other = ["tell", "me", "a", "joke", "about", "cats", "and", "the", "weather", "on", "mars", "please"]

    def texts(count: int) -> list[tuple[str, str]]:
        found = [(" ".join(drawn.sample(words, 5)), label) for label, words in asked.items() for _ in range(count)]
        found += [(" ".join(drawn.sample(other, 5)), OUTSIDE) for _ in range(count)]
        drawn.shuffle(found)
        return found

    figures = made(texts(40), texts(40), QUESTIONS)
    assert figures.accuracy > 0.9
    assert figures.outside_recall is not None and figures.outside_recall > 0.4
    assert figures.texts == 60


def test_a_set_that_is_not_there_has_no_figures(tmp_path):
    assert measure("ChnSentiCorp", tmp_path) is None


def test_weights_are_whole_numbers_of_one_byte():
    rounded = public._in_bytes(np.array([0.0, 1.0, -0.51, 0.004]), 127)
    assert np.allclose(rounded * 127, np.rint(rounded * 127))
    assert rounded[1] == 1


@pytest.mark.skipif(
    not (FOLDER / f"{SETS['ChnSentiCorp'].file}.train.jsonl").is_file(), reason="the public sets are not part of the project"
)
def test_reviews_of_a_published_set_are_read_as_well_as_is_said():
    figures = measure("ChnSentiCorp")
    assert figures is not None
    # 0.934 was measured; with any part of how reviews are read left out it is under this.
    assert figures.accuracy >= 0.93
