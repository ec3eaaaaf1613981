"""Files of weights beside the configuration: config/weights/<hash>, published with the bundle that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from functions.classify.model.shelf import Shelf
from functions.common.errors import BundleInvalid

FOLDER = "weights"


def beside(directory: Path) -> Callable[[str], bytes]:
    """How weights are fetched by their hash from the folder of a configuration."""

    def fetch(name: str) -> bytes:
        path = directory / FOLDER / name
        if not path.is_file():
            raise BundleInvalid(f"model.weights: {path} is not there; `postroom train` makes such files")
        return path.read_bytes()

    return fetch


def shelf_of(directory: Path) -> Shelf:
    """The shelf for a configuration that is not published yet."""
    return Shelf(beside(directory))


def publish_weights(sections: Mapping[str, Any], directory: Path, bucket: str) -> None:
    """Put the weights that a configuration names into the config bucket, where every bundle that names them finds them."""
    from functions.common.aws import client
    from functions.common.bundle import WEIGHTS_KEY

    name = sections.get("model", {}).get("weights", "shipped")
    if name not in ("shipped", "none"):
        client("s3").put_object(Bucket=bucket, Key=WEIGHTS_KEY + name, Body=beside(directory)(name))


def keep(document: bytes, directory: Path) -> Path:
    """Put a file of weights beside a configuration, under its hash."""
    from functions.classify.model.weights import weights_hash

    path = directory / FOLDER / weights_hash(document)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(document)
    return path
