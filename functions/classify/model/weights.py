"""A file of weights: read whole or refused, named by its hash.

`PRW2`, the SHA-256 of all that follows, the length of the header as four bytes, the header (JSON), then compressed: the features'
hashes (four bytes each, ascending), and for each a row of one signed byte a column: one of each lane, then one of each lane to which
corrections add (`added`). Little-endian throughout. Of files that begin with `PRW1` none has added columns or a network (`network`), and
all else is the same. A file that is cut short, altered, or written by a version with other features is `WeightsInvalid`; nothing of it
is used.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from functions.common.errors import BundleInvalid

MAGIC, BEFORE = b"PRW2", b"PRW1"
# Changed with whatever changes what a feature's hash stands for.
FEATURES = 1
# No file of ours comes near: whoever puts another in its place does not fill the memory.
LARGEST = 40_000_000
_PIECE = 65_536


class WeightsInvalid(BundleInvalid):
    """A file of weights that cannot be used. The message says why."""


@dataclass(frozen=True, slots=True)
class Weights:
    """`header` as it was written; `keys` and `rows`, signed bytes; `hash` names the file: 64 hex digits of its content.

    Both are views of what was read: copies would take as much memory again.
    """

    hash: str
    header: dict[str, Any]
    keys: memoryview
    rows: memoryview

    @property
    def lanes(self) -> list[str]:
        """The questions answered, `axis.value` each."""
        lanes: list[str] = self.header["lanes"]
        return lanes

    @property
    def added(self) -> list[str]:
        """The lanes to which corrections add: each has a column more, behind those of the lanes."""
        added: list[str] = self.header.get("added", [])
        return added


def dump_weights(header: dict[str, Any], keys: bytes, rows: bytes) -> bytes:
    """The file: the same bytes for the same weights."""
    written = json.dumps(header | {"features": FEATURES}, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    rest = len(written).to_bytes(4, "little") + written + zlib.compress(keys + rows, 9)
    return MAGIC + sha256(rest).digest() + rest


def read_weights(document: bytes) -> Weights:
    """Parse a file of weights; `WeightsInvalid` says what is wrong with it."""
    if document[: len(MAGIC)] not in (MAGIC, BEFORE):
        raise WeightsInvalid("weights: not a file of weights")
    rest = memoryview(document)[len(MAGIC) + 32 :]
    if sha256(rest).digest() != document[len(MAGIC) : len(MAGIC) + 32]:
        raise WeightsInvalid("weights: cut short or altered")
    header, body = _parts(rest)
    if header.get("features") != FEATURES:
        raise WeightsInvalid(f"weights: made for features {header.get('features')}, and these are {FEATURES}")
    count, columns = header["count"], len(header["lanes"]) + len(header.get("added", ()))
    if len(body) != count * (4 + columns):
        raise WeightsInvalid("weights: not as many rows as the header says")
    read = memoryview(body)
    return Weights(weights_hash(document), header, read[: 4 * count], read[4 * count :])


def weights_hash(document: bytes) -> str:
    """The name of a file of weights: of its content alone."""
    return sha256(document).hexdigest()


def _parts(rest: memoryview) -> tuple[dict[str, Any], bytearray]:
    size = int.from_bytes(rest[:4], "little")
    try:
        return json.loads(bytes(rest[4 : 4 + size])), _inflated(rest[4 + size :])
    except (ValueError, zlib.error) as error:
        raise WeightsInvalid(f"weights: {type(error).__name__}") from None


def _inflated(compressed: memoryview) -> bytearray:
    """Piece by piece: all at once zlib takes twice what comes out."""
    inflater, body = zlib.decompressobj(), bytearray()
    for start in range(0, len(compressed), _PIECE):
        body += inflater.decompress(compressed[start : start + _PIECE], LARGEST + 1 - len(body))
        if len(body) > LARGEST:
            raise WeightsInvalid(f"weights: more than {LARGEST} bytes")
    return body
