"""The configuration bundle: everything operators edit, validated, compiled to one immutable JSON document with a hash.

A function holds a default bundle in its zip (`functions/bundle.json`), looks for a newer one in the config bucket at most every 30 s,
and keeps the last good one when the newer is bad or the bucket does not answer. `postroom config` makes and publishes bundles.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

from functions.common.clock import Clock
from functions.common.errors import BundleInvalid
from functions.common.telemetry import Telemetry

CURRENT_KEY = "bundles/current.json"
# Files that a bundle names by their hash lie beside it: they never change, and every bundle that named one can come back.
WEIGHTS_KEY = "bundles/weights/"
LOOK_EVERY = timedelta(seconds=30)
DEFAULT_PATH = Path(__file__).parent.parent / "bundle.json"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bundle:
    """`sections` holds one entry per file in config/, by the file's name without its ending; `hash` is 12 hex digits of it."""

    hash: str
    sections: dict[str, Any]


def bundle_hash(sections: dict[str, Any]) -> str:
    """The hash that names a bundle: of its content alone, whatever the order of keys."""
    return _hash_of({name: _digest(section) for name, section in sections.items()})


def dump_bundle(sections: dict[str, Any], *, without: tuple[str, ...] = ()) -> bytes:
    """The document that is shipped and published. Of sections `without` it has the digests alone: its hash is that of the whole."""
    digests = {name: _digest(section) for name, section in sections.items()}
    document = {
        "format": 2,
        "hash": _hash_of(digests),
        "sections": {name: section for name, section in sections.items() if name not in without},
        "left_out": {name: digest for name, digest in digests.items() if name in without},
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def read_bundle(document: bytes) -> Bundle:
    """Parse a bundle; `BundleInvalid` when it is cut short, altered or of a format this code does not know."""
    try:
        raw = json.loads(document)
        if raw["hash"] != _HASHES[raw["format"]](raw):
            raise BundleInvalid("the bundle's hash does not match its content")
        return Bundle(raw["hash"], raw["sections"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleInvalid(f"not a bundle: {type(error).__name__}") from None


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _digest(section: Any) -> str:
    return sha256(_canonical(section)).hexdigest()


def _hash_of(digests: dict[str, str]) -> str:
    return sha256(_canonical(digests)).hexdigest()[:12]


# Format 1 is what earlier versions published: its hash is that of all sections as one text.
_HASHES: dict[int, Callable[[dict[str, Any]], str]] = {
    1: lambda raw: sha256(_canonical(raw["sections"])).hexdigest()[:12],
    2: lambda raw: _hash_of(raw["left_out"] | {name: _digest(section) for name, section in raw["sections"].items()}),
}


class BundleSource(Generic[T]):
    """The bundle in force, compiled by `build` into what a function works with.

    `fetch(etag)` returns (document, etag) or None when nothing newer is there; None for a function that uses its default only.
    """

    def __init__(
        self,
        default: bytes,
        build: Callable[[Bundle], T],
        *,
        fetch: Callable[[str | None], tuple[bytes, str] | None] | None,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._build = build
        self._fetch = fetch
        self._clock = clock
        self._telemetry = telemetry
        self._current = build(read_bundle(default))
        self._etag: str | None = None
        self._looked: datetime | None = None

    def current(self) -> T:
        """The newest good bundle this process knows of."""
        now = self._clock()
        if self._fetch and (self._looked is None or now - self._looked >= LOOK_EVERY):
            self._looked = now
            self._look(self._fetch)
        return self._current

    def _look(self, fetch: Callable[[str | None], tuple[bytes, str] | None]) -> None:
        try:
            found = fetch(self._etag)
            if found is not None:
                document, self._etag = found
                self._current = self._build(read_bundle(document))
        except Exception as fault:  # whatever is wrong with a new bundle, the old one goes on working
            self._telemetry.error("bundle_not_taken", fault)
            self._telemetry.count({"BundleRefused": 1})


def fetch_from_s3(s3: Any, bucket: str) -> Callable[[str | None], tuple[bytes, str] | None]:
    """A `fetch` that asks the config bucket, with one conditional GET."""
    from botocore.exceptions import ClientError

    def fetch(etag: str | None) -> tuple[bytes, str] | None:
        condition = {"IfNoneMatch": etag} if etag else {}
        try:
            answer = s3.get_object(Bucket=bucket, Key=CURRENT_KEY, **condition)
        except ClientError as error:
            # 304: nothing newer. 404: nothing was ever published, and the default is in force.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (304, 404):
                return None
            raise
        return answer["Body"].read(), answer["ETag"]

    return fetch


def weights_from_s3(s3: Any, bucket: str) -> Callable[[str], bytes]:
    """How the model's weights are fetched by their hash; `BundleInvalid` where the bucket has no such file."""
    from botocore.exceptions import ClientError

    def fetch(name: str) -> bytes:
        try:
            answer = s3.get_object(Bucket=bucket, Key=WEIGHTS_KEY + name)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise BundleInvalid(f"model.weights: no file {name} was ever published") from None
            raise
        content: bytes = answer["Body"].read()
        return content

    return fetch
