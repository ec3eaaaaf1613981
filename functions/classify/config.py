"""The section `rules` of the bundle, checked: unknown fields, unknown values and empty conditions are refused by field.

docs/configuration.md explains the file; this is its grammar.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from functions.common.judgement import CHINESE, Business, Content, Risk, Sentiment, Spam, Urgency
from functions.common.message import Kind

T = TypeVar("T")
Some = TypeVar("Some", bound=BaseModel)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Several = Annotated[list[T], BeforeValidator(_as_list), Field(min_length=1)]
Points = Annotated[int, Field(ge=-100, le=100)]
Share = Annotated[float, Field(gt=0, le=1)]
Hours = Annotated[float, Field(gt=0, le=8760)]
# A rule about so many messages can be asked as long as the conversation remembers when they came.
CONTACTS_KEPT = 20
Language = Annotated[str, StringConstraints(pattern=r"^([a-z]{2}|mixed|other)$")]
Locale = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}([_-][A-Za-z]{2,4})*$")]
Shift = Literal["open", "closed"]
AttachmentKind = Literal["image", "voice", "video", "file", "sticker", "story"]


def _value_of_a_label(value: str) -> str:
    axis, _, wanted = value.partition(".")
    known = CHINESE.get(axis, {"true": ""} if axis in ("wants_human", "opt_out") else {})
    if wanted not in known:
        raise ValueError(f"no label {value}")
    return value


Value = Annotated[str, AfterValidator(_value_of_a_label)]


class Part(BaseModel):
    """A part of a section. Nothing that is not written down here may be in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _saying_something(part: Some) -> Some:
    # `contains:` with nothing after it would otherwise hold of every message.
    if not part.model_fields_set or any(getattr(part, name) is None for name in part.model_fields_set):
        raise ValueError("nothing is said here")
    return part


class Labels(Part):
    """Labels to match. Every axis that is named must have one of the values given for it."""

    business: Several[Business] | None = None
    content: Several[Content] | None = None
    urgency: Several[Urgency] | None = None
    sentiment: Several[Sentiment] | None = None
    spam: Several[Spam] | None = None
    risk: Several[Risk] | None = None
    wants_human: bool | None = None
    opt_out: bool | None = None

    @model_validator(mode="after")
    def _names_an_axis(self) -> Labels:
        return _saying_something(self)


class Near(Part):
    """Words, and others that follow them within so many characters."""

    first: Several[Word]
    then: Several[Word]
    within: Annotated[int, Field(ge=0, le=60)] = 10


class ContactIs(Part):
    """Who wrote. Of the fields that are given each must hold; `tags` are those that people put on the conversation."""

    named: bool | None = None
    bot: bool | None = None
    ids: Several[Name] | None = None
    locale: Several[Locale] | None = None
    tags: Several[Name] | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> ContactIs:
        return _saying_something(self)


class Window(Part):
    """More messages of the conversation than so many within so many hours, this one counted."""

    more_than: Annotated[int, Field(ge=1, le=CONTACTS_KEPT)]
    within_hours: Annotated[float, Field(gt=0, le=720)] = 24


class Condition(Part):
    """What must hold for a rule to fire; where several fields are given, all of them."""

    all: list[Condition] | None = Field(None, min_length=1)
    any: list[Condition] | None = Field(None, min_length=1)
    not_: Condition | None = Field(None, alias="not")
    contains: Several[Word] | None = None
    word: Several[Word] | None = None
    exactly: Several[Word] | None = None
    lexicon: Several[Name] | None = None
    near: Near | None = None
    valued: Several[Word] | None = None
    phrase: Several[Word] | None = None
    except_: Several[Word] | None = Field(None, alias="except")
    regex: Several[Annotated[str, StringConstraints(min_length=1, max_length=300)]] | None = None
    only: Several[Name] | None = None
    masked: (
        Several[Literal["email", "id_card", "bank_card", "passport", "plate", "mobile", "phone", "password", "code", "address"]]
        | None
    ) = None
    label: Labels | None = None
    score: dict[Value, Share] | None = Field(None, min_length=1)
    channel: Several[Name] | None = None
    account: Several[Word] | None = None
    contact: ContactIs | None = None
    kind: Several[Kind] | None = None
    attachment: Several[AttachmentKind] | None = None
    language: Several[Language] | None = None
    hours: Shift | dict[Name, Shift] | None = None
    first_contact: bool | None = None
    contacts: Window | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Condition:
        if self.except_ and not {"contains", "word", "exactly", "lexicon", "near", "valued", "phrase"} & self.model_fields_set:
            raise ValueError("`except` without anything that it is an exception to")
        return _saying_something(self)


def parts_of(condition: Condition) -> Iterator[Condition]:
    """A condition and every one inside it."""
    yield condition
    for part in (*(condition.all or ()), *(condition.any or ()), *filter(None, [condition.not_])):
        yield from parts_of(part)


class Action(Part):
    """What a rule says of a message that it fires on, and what is to follow. `score` is how sure the labels are.

    A flag that is false is taken back: what other rules found within this one's words, and what the model says of it, do not count.
    """

    business: Business | None = None
    content: Several[Content] = Field(default_factory=list)
    urgency: Urgency | None = None
    sentiment: Sentiment | None = None
    spam: Spam | None = None
    risk: Several[Risk] = Field(default_factory=list)
    wants_human: bool | None = None
    opt_out: bool | None = None
    score: float = Field(0.9, gt=0, le=1)
    team: Name | None = None
    hold: Several[Name] = Field(default_factory=list)
    escalate: Several[Name] = Field(default_factory=list)
    tag: Several[Name] = Field(default_factory=list)
    reply: Name | None = None
    suggest: Several[Name] = Field(default_factory=list)
    no_reply: bool = False
    opt_in: bool = False
    needs_person: bool | None = None
    points: Points = 0

    @model_validator(mode="after")
    def _does_something(self) -> Action:
        if self.model_fields_set <= {"score"}:
            raise ValueError("a rule that does nothing")
        return self


class Rule(Part):
    """One rule. Rules are tried from the highest `priority` down, within one priority in the file's order.

    Of a `group` only the first that fires counts; after one that says `stop` no other is tried.
    """

    name: Name
    when: Condition
    then: Action
    group: Name | None = None
    priority: int = 0
    stop: bool = False


class Repeats(Part):
    """When a message is one that was sent before.

    `likeness` of an earlier one by the same sender, at most `within_minutes` old; or the text of at least `senders` senders in a day,
    looked for in a sender's first `newcomers` messages.
    """

    within_minutes: int = Field(60, ge=0, le=10080)
    likeness: float = Field(0.75, ge=0.5, le=1)
    senders: int = Field(5, ge=2, le=50)
    newcomers: int = Field(2, ge=0, le=50)


class RulesSection(Part):
    """config/rules.yaml. `filler` names the lexicons whose words add nothing to a message."""

    version: Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,12}$")]
    lexicons: dict[Name, Several[Word]] = Field(default_factory=dict)
    filler: Several[Name] = Field(default_factory=list)
    repeats: Repeats = Repeats()
    rules: list[Rule]
