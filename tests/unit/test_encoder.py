"""A sentence encoder in the function: a real model, tokenizer and heads, small enough to be made here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx", reason="onnx is not installed (requirements/dev.txt)")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (requirements/training.txt)")
pytest.importorskip("tokenizers", reason="tokenizers is not installed (requirements/training.txt)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (requirements/training.txt)")

import numpy as np
import onnx
import tokenizers
from typer.testing import CliRunner

from functions.classify.advice import encoder, trial, wiring
from functions.classify.advice.encoder import HEADS, SECONDS, Heads, SentenceEncoder, read_encoder
from functions.classify.advice.panel import AnswerInvalid, Panel
from functions.classify.advice.sentences import MODEL, MOST_TOKENS, TOKENIZER, EncoderInvalid, Sentences
from functions.classify.advice.wiring import panels
from functions.classify.model.weights import dump_weights
from functions.classify.settings import Settings
from infra.cli.app import app
from tests.unit.test_advice import SETTINGS, advised, unsure
from tests.unit.test_classify_service import Room, inbound
from tests.unit.test_queues import QuietTelemetry
from training import seed
from training.calibration import RIGHT, Calibration
from training.encoder import NEVER, document, fit_heads, header, masked
from training.labels import LANES, answers
from training.seed import read_folder

SIZE = 32
EXAMPLES = read_folder()[::10]
WORDS = ["[UNK]", *sorted({letter for text in masked(EXAMPLES) for letter in text if not letter.isspace()})]


def model_of(table: Any, *, pooled: bool = False, inputs: tuple[str, ...] = ("input_ids", "attention_mask")) -> bytes:
    """One vector a token, looked up; or, `pooled`, their plain mean."""
    tensor, helper = onnx.TensorProto, onnx.helper
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["tokens"])]
    if pooled:
        nodes.append(helper.make_node("ReduceMean", ["tokens", "axis"], ["sentence"], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info(name, tensor.INT64, ["batch", "length"]) for name in inputs],
        [helper.make_tensor_value_info("sentence" if pooled else "tokens", tensor.FLOAT, None)],
        [onnx.numpy_helper.from_array(table, "table"), onnx.numpy_helper.from_array(np.array([1], np.int64), "axis")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    result: bytes = made.SerializeToString()
    return result


def table(seed_of_it: int = 0) -> Any:
    return np.random.default_rng(seed_of_it).normal(size=(len(WORDS), SIZE)).astype(np.float32)


def put_encoder(folder: Path, model: bytes | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / MODEL).write_bytes(model or model_of(table()))
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex("."), "isolated")
    tokenizer.save(str(folder / TOKENIZER))
    return folder


def put_heads(folder: Path, *said: str, quiet: tuple[str, ...] = (), size: int = SIZE) -> None:
    """Heads that say the same of every text: these lanes, and nothing of the axes in `quiet`."""
    bias = np.array([8.0 if lane in said else -8.0 for lane in LANES])
    bars = {"say.spam": 0.5, "beside.content": 0.0} | {f"sure.{axis}": NEVER for axis in quiet}
    favour = dict.fromkeys(LANES, 1.0)
    made = Calibration(np.ones(len(LANES)), np.zeros(len(LANES)), favour, bars)
    written = header(made, {"encoder": Sentences(folder).hashes})
    (folder / HEADS).write_bytes(document(np.zeros((size, len(LANES))), bias, dump_weights(written, b"", b"")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put_encoder(tmp_path / "encoder")
    put_heads(tmp_path / "encoder", "business.complaint", "content.product", "sentiment.negative", "spam.none")
    return tmp_path / "encoder"


def ticking(*moments: float) -> Callable[[], float]:
    passing: Iterator[float] = iter(moments)
    return lambda: next(passing)


def still() -> float:
    return 0.0


# --- In classify ------------------------------------------------------------------------------------------------------


def test_what_is_uncertain_is_taken_over_and_what_is_certain_is_not(folder: Path) -> None:
    offline = Room()
    offline(inbound(unsure()))
    (before,) = offline.store.judged.values()
    assert before.judgement.uncertain == ("content",)
    adviser = read_encoder(folder, still)
    after = advised(Room(), adviser, unsure())  # type: ignore[arg-type]
    assert (after.judgement.content, after.judgement.uncertain) == (("product",), ())
    assert after.judgement.scores["content.product"] == 0.99
    assert (after.judgement.business, after.judgement.sentiment) == (before.judgement.business, before.judgement.sentiment)
    assert ("advice.encoder", adviser.version) in [(each.rule, each.version) for each in after.judgement.firings]


def test_of_an_axis_on_which_it_is_not_sure_itself_it_says_nothing(folder: Path) -> None:
    put_heads(folder, "content.product", "spam.none", quiet=("content",))
    answer = read_encoder(folder, still).answer("那个东西")
    assert "content" not in answer.values and answer.values["spam"] == ("none",)
    offline = Room()
    offline(inbound(unsure()))
    after = advised(Room(), read_encoder(folder, still), unsure())  # type: ignore[arg-type]
    assert after == next(iter(offline.store.judged.values()))


def test_an_answer_that_took_too_long_is_not_used_and_the_encoder_rests(folder: Path) -> None:
    offline, room = Room(), Room()
    offline(inbound(unsure()))
    slow = read_encoder(folder, ticking(0.0, SECONDS + 0.1))
    assert advised(room, slow, unsure()) == next(iter(offline.store.judged.values()))  # type: ignore[arg-type]
    assert ("not_advised", {"adviser": "encoder", "fault": "AnswerLate"}) in room.telemetry.lines


# --- A folder that cannot be used -------------------------------------------------------------------------------------


def made_panel(folder: Path, telemetry: QuietTelemetry, monkeypatch: pytest.MonkeyPatch) -> Panel:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings = Settings.read(SETTINGS | {"ENCODER_FOLDER": str(folder), "ADVICE_PER_DAY": "7"})
    return panels(settings, None, telemetry)()  # type: ignore[arg-type]


def test_set_it_comes_first_and_has_a_budget(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = QuietTelemetry()
    panel = made_panel(folder, telemetry, monkeypatch)
    [(adviser, budget)] = panel._advisers
    assert isinstance(adviser, SentenceEncoder) and telemetry.lines == []
    assert (budget.name, budget.per_day) == ("classify.encoder", 7)  # type: ignore[attr-defined]


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-40])


def another_model(folder: Path) -> None:
    (folder / MODEL).write_bytes(model_of(table(1)))


def another_tokenizer(folder: Path) -> None:
    told = json.loads((folder / TOKENIZER).read_text())
    (folder / TOKENIZER).write_text(json.dumps(told, indent=1))


def unknown_input(folder: Path) -> None:
    (folder / MODEL).write_bytes(model_of(table(), inputs=("input_ids", "pixels")))


def too_short(folder: Path) -> None:
    put_heads(folder, size=SIZE - 1)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (remove(MODEL), f"{MODEL}: FileNotFoundError"),
        (remove(TOKENIZER), f"{TOKENIZER}: FileNotFoundError"),
        (remove(HEADS), f"{HEADS}: FileNotFoundError"),
        (cut(MODEL), f"{MODEL}: "),
        (cut(TOKENIZER), f"{TOKENIZER}: "),
        (cut(HEADS), f"{HEADS}: BadZipFile"),
        (another_model, f"{HEADS}: made for another {MODEL}; make it again"),
        (another_tokenizer, f"{HEADS}: made for another {TOKENIZER}; make it again"),
        (unknown_input, f"{MODEL}: "),
        (too_short, f"{HEADS}: for vectors of {SIZE - 1} numbers, and the model's have {SIZE}"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_folder_that_cannot_be_used_is_one_line_and_nobody_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None], said: str
) -> None:
    harm(folder)
    with pytest.raises(EncoderInvalid) as refused:
        read_encoder(folder, still)
    assert str(refused.value).startswith(said) and "\n" not in str(refused.value)
    telemetry = QuietTelemetry()
    assert made_panel(folder, telemetry, monkeypatch)._advisers == []
    assert telemetry.lines == [("not_advised", {"adviser": "encoder", "fault": "EncoderInvalid"})]


def test_without_its_libraries_it_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    telemetry = QuietTelemetry()
    assert made_panel(folder, telemetry, monkeypatch)._advisers == []
    assert telemetry.lines == [("not_advised", {"adviser": "encoder", "fault": "EncoderInvalid"})]


def test_a_library_that_ends_its_process_does_not_end_this_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime.py").write_text("import os; os.abort()")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EncoderInvalid, match="ended its process by signal 6"):
        trial.tried(folder)
    telemetry = QuietTelemetry()
    assert made_panel(folder, telemetry, monkeypatch)._advisers == []
    assert telemetry.lines == [("not_advised", {"adviser": "encoder", "fault": "EncoderInvalid"})]


def test_an_encoder_that_is_not_read_in_time_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0)
    with pytest.raises(EncoderInvalid, match="not read within 0 s"):
        trial.tried(folder)


def test_nothing_of_its_libraries_is_loaded_before_a_folder_is_named() -> None:
    source = (
        f"import sys, {wiring.__name__}, {encoder.__name__}; print({{'numpy', 'onnxruntime', 'tokenizers'}} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "set()"


# --- Vectors ----------------------------------------------------------------------------------------------------------


def test_vectors_of_tokens_become_their_mean_of_length_one(tmp_path: Path) -> None:
    tokens = Sentences(put_encoder(tmp_path / "tokens"))
    known, text = table(), WORDS[5] + WORDS[9]
    mean = (known[5] + known[9]) / 2
    assert tokens.vector(text) == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    whole = Sentences(put_encoder(tmp_path / "whole", model_of(table(), pooled=True)))
    assert whole.vector(text) == pytest.approx(tokens.vector(text), abs=1e-6)


def test_of_a_long_text_only_the_first_tokens_are_read(tmp_path: Path) -> None:
    sentences = Sentences(put_encoder(tmp_path / "encoder"))
    start = WORDS[7] * MOST_TOKENS
    assert (sentences.vector(start + WORDS[8] * 10_000) == sentences.vector(start)).all()


def test_a_text_without_tokens_has_no_answer(folder: Path) -> None:
    with pytest.raises(AnswerInvalid):
        read_encoder(folder, still).answer("")


# --- postroom train --encoder -----------------------------------------------------------------------------------------


def run(*arguments: str, code: int = 0) -> str:
    outcome = CliRunner().invoke(app, ["train", *arguments])
    assert outcome.exit_code == code, outcome.output
    return outcome.output


def test_heads_learn_what_the_vectors_know() -> None:
    """Vectors in which one number says whether the message is urgent, beside others that say nothing."""
    noise = np.random.default_rng(0).normal(size=(len(EXAMPLES), 8)) / 10
    knows = np.where(answers(EXAMPLES, "urgency.urgent"), 1.0, -1.0)
    vectors = np.column_stack([knows, noise])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = fit_heads(EXAMPLES, vectors, {})
    assert made.share["urgency"] > 0.95 and made.right["urgency"] > 0.99
    assert made.share["business"] == 0, "of what the vectors do not know nothing is said"
    heads = Heads(made.document)
    said = [heads.answer(vector.astype(np.float32)).values for vector in vectors]
    assert all("business" not in values for values in said)
    right = [values.get("urgency") == (example.urgency,) for values, example in zip(said, EXAMPLES, strict=True)]
    assert sum(right) > 0.95 * len(right)
    assert set(made.share) == set(RIGHT)


def test_the_command_puts_heads_beside_the_model_that_only_this_encoder_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, few = put_encoder(tmp_path / "encoder"), EXAMPLES
    monkeypatch.setattr(seed, "read_folder", lambda: few)
    said = run("--encoder", str(folder))
    assert f"{len(few)} messages" in said and f"wrote {folder / HEADS}" in said.replace("\n", "")
    first = (folder / HEADS).read_bytes()
    assert read_encoder(folder, still).answer("请问多少钱").values["risk"] == ()
    run("--encoder", str(folder), "--out", str(tmp_path / "other.npz"))
    assert (tmp_path / "other.npz").read_bytes() == first, "the same bytes from the same files"
    another_model(folder)
    with pytest.raises(EncoderInvalid, match=r"made for another model\.onnx"):
        read_encoder(folder, still)


def test_the_command_says_in_a_line_what_is_wrong(tmp_path: Path) -> None:
    assert "model.onnx: FileNotFoundError" in run("--encoder", str(tmp_path), code=1)
    assert "give a file of corrections, or --from-inbox, or --encoder" in run(code=1)
    assert "--out" in run("corrections.csv", "--out", "x", code=1)
