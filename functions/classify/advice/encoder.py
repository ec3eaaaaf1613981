"""Linear heads over an encoder's vectors: an adviser in the function itself. No text leaves it.

The folder holds `model.onnx`, `tokenizer.json` and `heads.npz`, which `postroom train --encoder` makes for exactly these two: `weights`
(a line a dimension, a column a lane), `bias`, and `calibration`, a file of weights without features whose header has the lanes, slopes,
offsets and bars, and under `encoder` the hashes of model and tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.classify.advice.panel import AXES, Answer
from functions.classify.advice.sentences import EncoderInvalid, Sentences, read_from
from functions.classify.model.opinion import Model
from functions.classify.model.weights import read_weights
from functions.common.errors import Retryable

if TYPE_CHECKING:
    import numpy as np

HEADS = "heads.npz"
# An answer that took longer is not used, and the encoder rests until the next batch.
SECONDS = 1.0


class AnswerLate(Retryable):
    """An answer that took too long."""


class Heads:
    """The heads of one encoder. `version`: twelve digits of the file's hash; `made_for`: the hashes of that encoder's files."""

    def __init__(self, document: bytes) -> None:
        import numpy as np

        with read_from(HEADS), np.load(BytesIO(document)) as file:
            self.weights, self.bias = file["weights"], file["bias"]
            calibration = read_weights(file["calibration"].tobytes())
            self._model = Model(calibration)
            self.made_for: dict[str, str] = calibration.header["encoder"]
        lanes = calibration.lanes
        if {lane.partition(".")[0] for lane in lanes} != set(AXES):
            raise EncoderInvalid(f"{HEADS}: made for other labels; make it again with `postroom train --encoder`")
        if self.weights.shape[1:] != (len(lanes),) or self.bias.shape != (len(lanes),):
            raise EncoderInvalid(f"{HEADS}: not a weight for each of {len(lanes)} lanes")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise EncoderInvalid(f"{HEADS}: weights that are no numbers")
        self.version = sha256(document).hexdigest()[:12]

    def answer(self, vector: np.ndarray[Any, Any]) -> Answer:
        """What the heads say, on the axes on which they are sure enough."""
        opinion = self._model.judged((vector @ self.weights + self.bias).tolist())
        return Answer({axis: said for axis, said in opinion.values.items() if axis not in opinion.uncertain}, opinion.scores)


class SentenceEncoder:
    """An encoder with its heads. `timer` gives seconds that only go up."""

    name = "encoder"

    def __init__(self, sentences: Sentences, heads: Heads, timer: Callable[[], float]) -> None:
        self._sentences = sentences
        self._heads = heads
        self._timer = timer
        self.version = heads.version

    def answer(self, text: str) -> Answer:
        """The labels that it is sure of; `AnswerInvalid` for a text without a vector, `AnswerLate`."""
        began = self._timer()
        answer = self._heads.answer(self._sentences.vector(text))
        took = self._timer() - began
        if took > SECONDS:
            raise AnswerLate(f"{took:.1f} s for an answer, and {SECONDS:.1f} are allowed")
        return answer


def read_encoder(folder: Path, timer: Callable[[], float]) -> SentenceEncoder:
    """The encoder in a folder; `EncoderInvalid` where a file is missing or broken, or the heads are another encoder's."""
    sentences = Sentences(folder)
    with read_from(HEADS):
        document = (folder / HEADS).read_bytes()
    heads = Heads(document)
    other = [name for name, known in sentences.hashes.items() if heads.made_for.get(name) != known]
    if other:
        raise EncoderInvalid(f"{HEADS}: made for another {' and '.join(other)}; make it again with `postroom train --encoder`")
    if len(heads.weights) != sentences.length:
        raise EncoderInvalid(f"{HEADS}: for vectors of {len(heads.weights)} numbers, and the model's have {sentences.length}")
    return SentenceEncoder(sentences, heads, timer)
