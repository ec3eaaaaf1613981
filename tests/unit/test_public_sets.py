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
from training.public import OUTSIDE, QUESTIONS, REVIEWS, SETS, Source, measure

# What each topic is told by; between them nothing is shared but the verdict.
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


def test_what_is_denied_and_what_a_review_begins_with_count_apart():
    found = public._features("舒服，谈不上多么好看，结实", library(), REVIEWS)
    of = {kind: {key for own, key in found if own == kind} for kind in ("opening", "denied")}
    assert hashed("好看") in of["denied"]
    assert not {hashed("舒服"), hashed("结实")} & of["denied"]
    assert of["opening"] == ngrams("舒服")
    assert {kind for kind, _ in public._features("舒服，谈不上多么好看", library(), QUESTIONS)} == {"ngram"}


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
    assert figures.outside_recall == pytest.approx(0.7, abs=0.2)
    # Measured on what the bar was not chosen on.
    assert figures.texts == 60


def test_a_set_that_is_not_there_has_no_figures(tmp_path):
    assert measure("ChnSentiCorp", tmp_path) is None


def test_weights_are_whole_numbers_of_one_byte():
    rounded = public._in_bytes(np.array([0.0, 1.0, -0.51, 0.004]), 127)
    assert np.allclose(rounded * 127, np.rint(rounded * 127))
    assert rounded[1] == 1


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the public sets are not part of the project")
def test_reviews_of_a_published_set_are_read_as_well_as_is_said():
    figures = measure("ChnSentiCorp")
    assert figures is not None
    # A little under what was measured: a text more or less is no fault.
    assert figures.accuracy >= 0.92
