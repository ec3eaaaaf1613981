"""What a platform wants to hear, described by configuration: the answer to its console's first call, and the one to every webhook.

A console's call is signed as every other webhook is; one that is not cannot be configured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from functions.channels.codecs.custom_fields import Path, at, named
from functions.channels.codecs.custom_signature import Section
from functions.channels.contract import HttpAnswer

MAX_ECHO = 256


class CustomHandshake(Section):
    """`when`: the values by which the console's call is known.

    It is answered with `answer`, or with the value at `echo` under its own name.
    """

    when: Mapping[Path, str] = Field(min_length=1)
    answer: str | None = Field(None, max_length=2048)
    echo: str | None = Field(None, pattern=r"^[A-Za-z0-9_.-]{1,128}$")

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        if (self.answer is None) == (self.echo is None):
            raise ValueError("give `answer` or `echo`")
        return self

    def answered(self, body: Mapping[str, Any]) -> HttpAnswer | None:
        """The answer, or None when this is not the console's call, or one with nothing to echo."""
        if any(named(at(path, body, body)) != value for path, value in self.when.items()):
            return None
        if self.answer is not None:
            return HttpAnswer(200, self.answer, "application/json")
        value = at(self.echo, body, body)
        text = named(value)
        if text is None or len(text) > MAX_ECHO or self.echo is None:
            return None
        return HttpAnswer(200, json.dumps({self.echo.rpartition(".")[2]: value}), "application/json")


class CustomAnswer(Section):
    """What every webhook whose messages are safe is answered with."""

    status: int = Field(200, ge=200, le=299)
    body: str = Field("", max_length=2048)
    content_type: Literal["application/json", "text/plain; charset=utf-8"] = "application/json"

    def http(self) -> HttpAnswer:
        """As ingest gives it."""
        return HttpAnswer(self.status, self.body, self.content_type)
