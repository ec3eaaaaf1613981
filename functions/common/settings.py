"""Settings from environment variables: each function declares its own model and reads it once.

Field `table_name` is variable `TABLE_NAME`. template.yaml sets every one; a missing or wrong one is `SettingsInvalid`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from functions.common.errors import SettingsInvalid


class Settings(BaseModel):
    """What every function is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """The settings in `environ`; empty values count as absent."""
        wanted = {name: environ[name.upper()] for name in cls.model_fields if environ.get(name.upper())}
        try:
            return cls.model_validate(wanted)
        except ValidationError as error:
            problems = ", ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
            raise SettingsInvalid(f"{cls.__module__}: {problems}") from None
