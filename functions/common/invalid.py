"""What pydantic says is wrong with a value: where and how, and never the value itself, which may be a secret or a person's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Fault:
    """`place` is dotted, empty for the whole; `kind` is pydantic's name of the fault, `says` its sentence."""

    place: str
    kind: str
    says: str


def first_fault(error: ValidationError, *above: object) -> Fault:
    """The first thing that is wrong; `above` is what the value stands in, outermost first."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return Fault(".".join(map(str, (*above, *first["loc"]))), first["type"], first["msg"])
