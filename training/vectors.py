"""What sentence encoders make of the authored messages, kept small, so that training knows n-grams by the company they keep.

`python -m training vectors` writes the file with two encoders in folders of yours (`model.onnx`, `tokenizer.json`), one for messages with
Chinese characters and one for the others. Their vectors are turned into the directions in which messages differ most, and kept in four
bits a direction. No encoder is needed to train, and none is there when a message is judged: what the vectors say goes into the weights
of n-grams.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

FILE = Path(__file__).parent / "vectors.npz"
# More say little more, and double the file.
DIRECTIONS = 128
# Four bits: so many steps to each side of nothing. Hardly a number lies further out than so many deviations.
STEPS, _DEVIATIONS = 7, 2.5
_HAN = re.compile(r"[\u3400-\u9fff]")


Encoder = Callable[[str], np.ndarray]


class VectorsInvalid(Exception):
    """The file of vectors cannot be read; the message says why."""


@dataclass(frozen=True)
class Vectors:
    """`places`: where a text's vector stands, by the text's name. `packed`: `uint8[texts, DIRECTIONS / 2]`, two numbers a byte.
    `steps`: `float32[2, DIRECTIONS]`, what a step is worth, of the Chinese encoder and of the other. `encoders`: the SHA-256 of their
    models."""

    places: dict[int, int]
    packed: np.ndarray
    steps: np.ndarray
    encoders: tuple[str, ...] = ()

    def of(self, text: str) -> np.ndarray | None:
        """A text's vector of length one, `float32[2 * DIRECTIONS]`: either half belongs to one encoder. None where there is none."""
        place = self.places.get(name_of(text))
        if place is None:
            return None
        pairs, half = self.packed[place], 0 if is_chinese(text) else 1
        vector = np.zeros((2, DIRECTIONS), np.float32)
        vector[half] = (np.stack([pairs & 0x0F, pairs >> 4], axis=1).reshape(-1).astype(np.float32) - STEPS) * self.steps[half]
        return vector.reshape(-1) / max(float(np.linalg.norm(vector)), 1e-9)


def name_of(text: str) -> int:
    """Eight bytes of a text's SHA-256, as a number: messages are found by what they say."""
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def is_chinese(text: str) -> bool:
    """Whether a text is for the Chinese encoder."""
    return _HAN.search(text) is not None


def read_vectors(path: Path = FILE) -> Vectors:
    """The vectors of a file, none where there is no file; `VectorsInvalid` where it is something else."""
    if not path.exists():
        return Vectors({}, np.zeros((0, DIRECTIONS // 2), np.uint8), np.zeros((2, DIRECTIONS), np.float32))
    try:
        with np.load(path, allow_pickle=False) as file:
            names, packed, steps, encoders = (file[name] for name in ("names", "packed", "steps", "encoders"))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as fault:
        raise VectorsInvalid(f"{path.name}: {fault}") from None
    if packed.dtype != np.uint8 or packed.shape != (len(names), DIRECTIONS // 2) or steps.shape != (2, DIRECTIONS):
        raise VectorsInvalid(
            f"{path.name}: {len(names)} texts, but vectors of shape {packed.shape} in steps of shape {steps.shape}"
        )
    return Vectors({int(name): place for place, name in enumerate(names)}, packed, steps, tuple(map(str, encoders)))


def vectors_file(texts: Iterable[str], chinese: Encoder, other: Encoder, encoders: Sequence[str]) -> bytes:
    """The file for these texts and two encoders, with the hashes of their models: the same bytes for the same texts and encoders."""
    once = sorted(set(texts), key=name_of)
    packed, steps = np.zeros((len(once), DIRECTIONS // 2), np.uint8), np.zeros((2, DIRECTIONS), np.float32)
    for half, encoder in enumerate((chinese, other)):
        own = [place for place, text in enumerate(once) if is_chinese(text) == (half == 0)]
        if own:
            packed[own], steps[half] = _packed(np.stack([encoder(once[place]) for place in own]))
    written = BytesIO()
    names = np.array([name_of(text) for text in once], np.uint64)
    np.savez(written, names=names, packed=packed, steps=steps, encoders=np.array(encoders, "U64"))
    return written.getvalue()


def _packed(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in the directions of their greatest spread, two numbers a byte, and what a step of each direction is worth."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    kept = directions[:, ::-1][:, :DIRECTIONS]
    turned = np.zeros((len(vectors), DIRECTIONS), np.float32)
    turned[:, : kept.shape[1]] = centred @ kept
    turned /= np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-9)
    steps = np.maximum(_DEVIATIONS * turned.std(axis=0), 1e-6) / STEPS
    numbers = (np.clip(np.rint(turned / steps), -STEPS, STEPS) + STEPS).astype(np.uint8)
    return numbers[:, 0::2] | numbers[:, 1::2] << 4, steps
