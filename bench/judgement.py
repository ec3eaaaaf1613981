"""What judging a message takes, and what other ways of doing it would: time, and how right they are on the held-out messages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import mean, median, quantiles
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

from bench.rig.figures import Figures, NotMeasurable, aim

TEXT = "你好,我上周三在你们店里买的咖啡机一直没有发货,订单号20261104551,请问到底什么时候发,急用谢谢!"
ROUNDS, WARM_UP = 2000, 50
# The authored messages of about that length, in no order, each judged once: a process that has read a few hundred meets new ones.
ABOUT, MET = 10, 500
SHIPPED = Path(__file__).parents[1] / "functions/classify/model/shipped.weights"
_LOADING = """
import time
from pathlib import Path
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
import functions.classify.desk
from functions.classify.model.shelf import Shelf
before = resident()
began = time.process_time()
model = Shelf().model({"model": {}})
print((time.process_time() - began) * 1000, resident() - before)
"""
Judge = Callable[[str], dict[str, str]]


def measure() -> Figures:
    """Time per message and macro-F1, ours first; the aims are for ours."""
    try:
        from training.evaluation import HELD_OUT
        from training.seed import read_folder
    except ModuleNotFoundError as missing:
        raise NotMeasurable(f"{missing.name} is not installed (requirements/training.txt)") from None
    asked, known = read_folder(HELD_OUT), read_folder()
    rows, aims = _compared(known, asked)
    load, memory = _loading()
    aims += [
        aim("weights load", load, 100, " ms"),
        aim("memory for weights", memory, 48, " MB"),
        aim("file of weights", SHIPPED.stat().st_size / 1e6, 10, " MB"),
    ]
    return Figures(
        title="Judging a message",
        how=f"{len(TEXT)} characters, {ROUNDS} times in one process, milliseconds of processor time; new ones are authored messages "
        f"of up to {ABOUT} characters more or less, none of them twice; ours is all of it: masking, folding, the shipped "
        f"rules ({_keywords()} keywords), model, routing, repeats. Macro-F1 on {len(asked)} held-out messages; the others, where they "
        "learn, learnt business alone from the same messages",
        columns=("judge", "median", "p95", "business", "sentiment"),
        rows=tuple(rows),
        aims=tuple(aims),
    )


def _compared(known: list[Any], asked: list[Any]) -> tuple[list[tuple[str, ...]], list[str]]:
    """A row for each judge and one more for ours on new messages, and the aims for ours."""
    rows: list[tuple[str, ...]] = []
    aims: list[str] = []
    for name, made in _judges(known):
        if isinstance(made, str):
            rows.append((name, made, "", "", ""))
            continue
        typical, rare = _times(made, [TEXT] * (ROUNDS + WARM_UP), WARM_UP)
        own = {axis: _macro_f1(axis, made, asked) for axis in ("business", "sentiment")}
        rows.append((name, f"{typical:.3f}", f"{rare:.3f}", own["business"], own["sentiment"]))
        if not aims:
            aims += [aim("judging, median", typical, 0.4, " ms"), aim("judging, 95th of a hundred", rare, 0.8, " ms")]
            row, more = _on_new_messages(made, known)
            rows.append(row)
            aims += more
    return rows, aims


def _judges(known: list[Any]) -> Iterator[tuple[str, Judge | str]]:
    yield "Postroom", _ours()
    yield "scikit-learn: TF-IDF of 1 to 4 characters, linear SVM", _pipeline(known)
    for name, make in (("fastText, characters as words", _fasttext), ("SnowNLP, sentiment", lambda _: _snownlp())):
        try:
            yield name, make(known)
        except ModuleNotFoundError as missing:
            yield name, f"{missing.name} is not installed (requirements/peers.txt)"
    yield "keywords in a plain loop", _loop()


def _ours() -> Judge:
    from datetime import UTC, datetime

    from functions.classify.conversations import new_conversation
    from functions.classify.originals import clear
    from functions.classify.understanding import judge_message
    from functions.common import keys
    from functions.common.message import Contact, Message, Verification
    from infra.cli.bundle import CONFIG
    from infra.cli.classify import handbook_of

    handbook, now = handbook_of(CONFIG), datetime(2026, 11, 24, 2, tzinfo=UTC)
    verification = Verification(scheme="standard-webhooks", body_signed=True, timestamped=True)

    def judge(text: str) -> dict[str, str]:
        message = Message(
            message_id=keys.message_id("generic", "demo", "u1", now, "n1"),
            native_id="n1",
            channel="generic",
            account="demo",
            contact=Contact(primary="u1"),
            kind="text",
            text=text,
            sent_at=now,
            received_at=now,
            verification=verification,
        )
        judgement = judge_message(clear(message), new_conversation(message), handbook).judgement
        return {"business": judgement.business, "sentiment": judgement.sentiment}

    return judge


def _pipeline(known: list[Any]) -> Judge:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    pipeline = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2, sublinear_tf=True), LinearSVC(random_state=0)
    )
    pipeline.fit([example.text for example in known], [example.business for example in known])
    return lambda text: {"business": str(pipeline.predict([text])[0])}


def _fasttext(known: list[Any]) -> Judge:
    import fasttext

    def spaced(text: str) -> str:
        return " ".join(text.replace("\n", " "))

    with TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        path.write_text("".join(f"__label__{one.business} {spaced(one.text)}\n" for one in known), encoding="utf-8")
        model = fasttext.train_supervised(str(path), epoch=25, wordNgrams=4, lr=0.5, thread=1, verbose=0)
    # `predict` itself cannot be used with NumPy 2.
    return lambda text: {"business": model.f.predict(spaced(text) + "\n", 1, 0.0, "strict")[0][1].removeprefix("__label__")}


def _snownlp() -> Judge:
    from snownlp import SnowNLP

    def judge(text: str) -> dict[str, str]:
        liking = SnowNLP(text).sentiments
        return {"sentiment": "negative" if liking < 0.35 else "positive" if liking > 0.65 else "neutral"}

    return judge


def _loop() -> Judge:
    from functions.classify.rules import read_rules
    from infra.cli.bundle import read_sections

    book = read_rules(read_sections()["rules"])
    words = [
        (keyword.text, entry.rule.then.business)
        for entry in book._rules
        if entry.rule.then.business
        for keyword in sorted(entry.test.keywords)
    ]
    return lambda text: {"business": next((label for word, label in words if word in text.lower()), "other")}


def _on_new_messages(judge: Judge, known: list[Any]) -> tuple[tuple[str, ...], list[str]]:
    """A row, and what is aimed at, for messages of which none comes twice."""
    texts = sorted(example.text for example in known if abs(len(example.text) - len(TEXT)) <= ABOUT)
    Random(7).shuffle(texts)
    typical, rare = _times(judge, texts[: MET + ROUNDS], MET)
    return (
        ("Postroom, each message a new one", f"{typical:.3f}", f"{rare:.3f}", "", ""),
        [aim("judging new messages, median", typical, 0.4, " ms"), aim("judging new messages, 95th", rare, 0.8, " ms")],
    )


def _times(judge: Judge, texts: Sequence[str], warm_up: int) -> tuple[float, float]:
    """Median and 95th of a hundred, in milliseconds, after a warm-up."""
    taken = []
    for text in texts:
        began = process_time()
        judge(text)
        taken.append((process_time() - began) * 1000)
    return median(taken[warm_up:]), quantiles(taken[warm_up:], n=20)[-1]


def _macro_f1(axis: str, judge: Judge, asked: list[Any]) -> str:
    said = [judge(example.text).get(axis) for example in asked]
    if None in said:
        return ""
    right = [getattr(example, axis) for example in asked]
    scores = []
    for value in sorted(set(right)):
        hits = sum(one == other == value for one, other in zip(right, said, strict=True))
        scores.append(2 * hits / max(1, right.count(value) + said.count(value)))
    return f"{mean(scores):.3f}"


def _keywords() -> int:
    from functions.classify.rules import read_rules
    from infra.cli.bundle import read_sections

    return len({keyword for entry in read_rules(read_sections()["rules"])._rules for keyword in entry.test.keywords})


def _loading() -> tuple[float, float]:
    runs = []
    for _ in range(5):
        outcome = subprocess.run(
            [sys.executable, "-c", _LOADING], cwd=SHIPPED.parents[3], capture_output=True, text=True, check=True
        )
        runs.append(tuple(map(float, outcome.stdout.split())))
    return median(run[0] for run in runs), median(run[1] for run in runs)
