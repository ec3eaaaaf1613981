"""config/faq.yaml as operators write it, checked field by field, and the answers found in it.

An answer is given when one entry is at least `threshold` like the question and `margin` more like it than any other: a question between
two entries is a person's. docs/replies.md says how the two were chosen. The index is built when the first question is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from functions.autoreply.phrase_index import Likeness, PhraseIndex
from functions.autoreply.replybook import Answered
from functions.autoreply.templates import Language
from functions.common.masking import placeholders, without
from functions.common.sections import read_section

THRESHOLD = 0.45
MARGIN = 0.06
# Below this a question and an entry have a few words in common, and no more.
KINDRED = 0.3
# What a template of replies.yaml would fill in would go out here as it stands.
_VARIABLE = re.compile(r"\{[a-z][a-z_]*\}")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


def _no_variable(text: str) -> str:
    if found := _VARIABLE.search(text):
        raise ValueError(f"an answer has no variables: {found.group()}")
    return text


Answer = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=600), AfterValidator(_no_variable)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class _Wording(_Model):
    questions: Annotated[tuple[Question, ...], Field(min_length=1, max_length=100)]
    answer: Answer


class _Entry(_Model):
    zh: _Wording | None = None
    en: _Wording | None = None

    @model_validator(mode="after")
    def _is_in_a_language(self) -> _Entry:
        if self.zh is None and self.en is None:
            raise ValueError("neither `zh` nor `en`")
        return self


class FaqSection(_Model):
    """config/faq.yaml."""

    threshold: Annotated[float, Field(gt=0, le=1)] = THRESHOLD
    margin: Annotated[float, Field(ge=0, le=1)] = MARGIN
    entries: dict[Name, _Entry] = Field(default_factory=dict)


class FaqBook:
    """The answers of config/faq.yaml, found by what a question is like."""

    def __init__(self, section: FaqSection) -> None:
        self._section = section

    @cached_property
    def _indexes(self) -> dict[Language, PhraseIndex]:
        entries = self._section.entries.items()
        return {
            "zh": PhraseIndex({name: entry.zh.questions for name, entry in entries if entry.zh}),
            "en": PhraseIndex({name: entry.en.questions for name, entry in entries if entry.en}),
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Every entry's name, sorted."""
        return tuple(sorted(self._section.entries))

    @property
    def texts(self) -> Mapping[str, str]:
        """Every answer, by where it stands in the file."""
        return {
            f"{name}.{language}": said.answer
            for name, entry in self._section.entries.items()
            for language, said in (("zh", entry.zh), ("en", entry.en))
            if said
        }

    def answer(self, question: str, language: Language) -> Answered | None:
        """The answer that fits the question well enough; None when none does, or two do."""
        margin = self._section.margin
        found = self.like(question, language, floor=max(self._section.threshold - margin, 0.01), most=2)
        if not found or found[0].score < self._section.threshold:
            return None
        if len(found) > 1 and found[0].score - found[1].score < margin:
            return None
        best, text = found[0], self.text(found[0].name, language)
        return None if text is None else Answered(name=best.name, text=text, score=round(best.score, 3), matched=best.phrase)

    def like(self, question: str, language: Language, *, floor: float = KINDRED, most: int = 3) -> list[Likeness]:
        """The entries most like the question, best first, whether or not they are like enough to be its answer."""
        # What was masked is nobody's word.
        return self._indexes[language].like(without(question, placeholders(question)), floor=floor, most=most)

    def text(self, name: str, language: Language) -> str | None:
        """An entry's answer in a language; None when it has none."""
        entry = self._section.entries.get(name)
        said = entry and (entry.zh if language == "zh" else entry.en)
        return said.answer if said else None


def read_faq(section: Any) -> FaqBook:
    """The answers of a bundle's `faq` section; `BundleInvalid` names the first field that is wrong."""
    return FaqBook(read_section(FaqSection, "faq", section))
