"""Sections of a bundle as models, and what is wrong in them in an operator's words."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from functions.common.errors import BundleInvalid
from functions.common.invalid import first_fault

Section = TypeVar("Section", bound=BaseModel)

_IN_OTHER_WORDS = {"extra_forbidden": "no such field", "missing": "is missing"}


def read_section(kind: type[Section], name: str, raw: Any) -> Section:
    """A section as its model; `BundleInvalid` names the first field that is wrong, and how."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        fault = first_fault(error, name)
        raise BundleInvalid(f"{fault.place}: {wrong(fault.kind, fault.says)}") from None
    except RecursionError:
        raise BundleInvalid(f"{name}: nested too deeply") from None


def wrong(kind: str, says: str) -> str:
    """What one of pydantic's errors says is wrong with the field."""
    return _IN_OTHER_WORDS.get(kind) or says.removeprefix("Value error, ")
