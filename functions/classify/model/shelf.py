"""Where weights are kept: those in the function's own zip, and in the config bucket those that a bundle names by their hash.

A bundle whose weights are missing, cut short or of another version is refused as a whole; the last good one, weights and all, stays in
force.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from functions.classify.model.opinion import Model
from functions.classify.model.weights import WeightsInvalid, read_weights, weights_hash
from functions.common.errors import BundleInvalid
from functions.common.sections import read_section

SHIPPED = Path(__file__).parent / "shipped.weights"

Fetch = Callable[[str], bytes]
Share = Annotated[float, Field(ge=0, le=1)]


class ModelSection(BaseModel):
    """config/model.yaml. `weights`: `shipped`, `none` (rules alone), or the hash of a file made by `postroom train`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Literal["shipped", "none"] | Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = "shipped"
    bars: dict[str, Share] = Field(default_factory=dict)


class Shelf:
    """Models by their section of a bundle; the last one is kept, for most bundles change rules and not weights."""

    def __init__(self, fetch: Fetch | None = None) -> None:
        self._fetch = fetch
        self._kept: tuple[ModelSection, Model] | None = None

    def model(self, sections: Mapping[str, Any]) -> Model | None:
        """The model that a bundle's sections ask for; None where they ask for none, as bundles did before there was one."""
        if "model" not in sections:
            return None
        section = read_section(ModelSection, "model", sections["model"])
        if section.weights == "none":
            return None
        if self._kept is None or self._kept[0] != section:
            self._kept = (section, Model(read_weights(self._document(section.weights)), section.bars))
        return self._kept[1]

    def _document(self, weights: str) -> bytes:
        if weights == "shipped":
            return SHIPPED.read_bytes()
        if self._fetch is None:
            raise BundleInvalid(f"model.weights: {weights} cannot be fetched here")
        document = self._fetch(weights)
        if weights_hash(document) != weights:
            raise WeightsInvalid(f"model.weights: what is kept as {weights} is cut short or altered")
        return document
