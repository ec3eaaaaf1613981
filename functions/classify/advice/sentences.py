"""Sentences as vectors, by an ONNX model and its tokenizer in a folder of the operator's.

onnxruntime, tokenizers and NumPy come with that folder, in a layer or an image; the functions' own layer has none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.classify.advice.panel import AnswerInvalid
from functions.common.errors import Poison

if TYPE_CHECKING:
    import numpy as np

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"
# What a longer message says beyond is not read: the time of an answer grows with its tokens.
MOST_TOKENS = 128
_INTEGERS = {"tensor(int64)": "int64", "tensor(int32)": "int32"}
_SHOWN = 200


class EncoderInvalid(Poison):
    """An encoder's folder that cannot be used. The message names the file, or the library that is missing."""


@contextmanager
def read_from(name: str) -> Iterator[None]:
    """Whatever a library says of a file is `EncoderInvalid`, in one line with the file's name."""
    try:
        yield
    except EncoderInvalid:
        raise
    except Exception as fault:  # each of the libraries has errors of its own, and none of them is imported here
        said = " ".join(str(fault).split())[:_SHOWN]
        raise EncoderInvalid(f"{name}: {type(fault).__name__}: {said}") from fault


class Sentences:
    """An encoder ready for use. `hashes`: the SHA-256 of model and tokenizer, by file; `length` of its vectors."""

    def __init__(self, folder: Path) -> None:
        with read_from("the encoder's libraries"):
            import numpy  # noqa: F401 - the first time that it is asked for
            import onnxruntime
            import tokenizers
        self.hashes = {name: _hashed(folder / name) for name in (MODEL, TOKENIZER)}
        with read_from(TOKENIZER):
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
            self._tokenizer.enable_truncation(MOST_TOKENS)
            self._tokenizer.no_padding()
        with read_from(MODEL):
            self._session = _session(onnxruntime, folder / MODEL)
            self._inputs = {each.name: _INTEGERS[each.type] for each in self._session.get_inputs()}
            self._output = self._session.get_outputs()[0].name
            # The first run is the slowest, and shows whether there will be any other.
            self.length = len(self.vector("ok"))

    def vector(self, text: str) -> np.ndarray[Any, Any]:
        """The text as a vector of length one; `AnswerInvalid` where the model has none for it."""
        import numpy as np

        tokens = self._tokenizer.encode(text)
        if not tokens.ids:
            raise AnswerInvalid("no tokens in the text")
        told = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids}
        fed = {name: np.array([told[name]], kind) for name, kind in self._inputs.items()}
        found = self._session.run([self._output], fed)[0][0]
        # A vector a token becomes their mean; one for the whole sentence is taken as it is.
        vector = found if found.ndim == 1 else np.average(found, axis=0, weights=tokens.attention_mask)
        length = float(np.linalg.norm(vector))
        if vector.ndim != 1 or not 0 < length < float("inf"):
            raise AnswerInvalid("the model's vector has no length")
        unit: np.ndarray[Any, Any] = (vector / length).astype("float32")
        return unit


def _session(onnxruntime: Any, path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    # A function has little more than one processor: threads that wait for each other only cost.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _hashed(path: Path) -> str:
    with read_from(path.name), path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
