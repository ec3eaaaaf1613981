"""The sections `rules` and `teams` of the bundle, checked: unknown fields, unknown values and empty conditions are refused by field.

docs/configuration.md explains the files; this is their grammar.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from functions.common.errors import BundleInvalid
from functions.common.judgement import Business, Content, Risk, Sentiment, Spam, Urgency

T = TypeVar("T")
Some = TypeVar("Some", bound=BaseModel)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Several = Annotated[list[T], BeforeValidator(_as_list), Field(min_length=1)]
Points = Annotated[int, Field(ge=-100, le=100)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _saying_something(part: Some) -> Some:
    # `contains:` with nothing after it would otherwise hold of every message.
    if not part.model_fields_set or any(getattr(part, name) is None for name in part.model_fields_set):
        raise ValueError("nothing is said here")
    return part


class Labels(_Part):
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


class Near(_Part):
    """Words, and others that follow them within so many characters."""

    first: Several[Word]
    then: Several[Word]
    within: Annotated[int, Field(ge=0, le=60)] = 10


class Condition(_Part):
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
    except_: Several[Word] | None = Field(None, alias="except")
    only: Several[Name] | None = None
    masked: (
        Several[Literal["email", "id_card", "bank_card", "passport", "plate", "mobile", "phone", "password", "code", "address"]]
        | None
    ) = None
    label: Labels | None = None
    channel: Several[Name] | None = None
    kind: Several[str] | None = None
    attachment: Several[str] | None = None
    language: Several[str] | None = None
    first_contact: bool | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Condition:
        if self.except_ and not {"contains", "word", "exactly", "lexicon", "near", "valued"} & self.model_fields_set:
            raise ValueError("`except` without anything that it is an exception to")
        return _saying_something(self)


class Action(_Part):
    """What a rule says of a message that it fires on, and what is to follow. `score` is how sure the labels are."""

    business: Business | None = None
    content: Several[Content] = Field(default_factory=list)
    urgency: Urgency | None = None
    sentiment: Sentiment | None = None
    spam: Spam | None = None
    risk: Several[Risk] = Field(default_factory=list)
    wants_human: bool = False
    opt_out: bool = False
    score: float = Field(0.9, gt=0, le=1)
    team: Name | None = None
    hold: Several[Name] = Field(default_factory=list)
    escalate: Several[Name] = Field(default_factory=list)
    tag: Several[Name] = Field(default_factory=list)
    reply: Name | None = None
    no_reply: bool = False
    opt_in: bool = False
    needs_person: bool | None = None
    points: Points = 0

    @model_validator(mode="after")
    def _does_something(self) -> Action:
        if self.model_fields_set <= {"score"}:
            raise ValueError("a rule that does nothing")
        return self


class Rule(_Part):
    """One rule. Rules are tried from the highest `priority` down, within one priority in the file's order.

    Of a `group` only the first that fires counts; after one that says `stop` no other is tried.
    """

    name: Name
    when: Condition
    then: Action
    group: Name | None = None
    priority: int = 0
    stop: bool = False


class Repeats(_Part):
    """When a message is one that was sent before.

    `likeness` of an earlier one by the same sender, at most `within_minutes` old; or the text of at least `senders` senders in a day,
    looked for in a sender's first `newcomers` messages.
    """

    within_minutes: int = Field(60, ge=0, le=10080)
    likeness: float = Field(0.75, ge=0.5, le=1)
    senders: int = Field(5, ge=2, le=50)
    newcomers: int = Field(2, ge=0, le=50)


class RulesSection(_Part):
    """config/rules.yaml. `filler` names the lexicons whose words add nothing to a message."""

    version: Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,12}$")]
    lexicons: dict[Name, Several[Word]] = Field(default_factory=dict)
    filler: Several[Name] = Field(default_factory=list)
    repeats: Repeats = Repeats()
    rules: list[Rule]


class ServiceLevel(_Part):
    """Within how many hours a person must have answered. `working` names those that are hours of work, by the team's calendar."""

    urgent: Annotated[float, Field(gt=0, le=8760)] = 2
    normal: Annotated[float, Field(gt=0, le=8760)] = 24
    working: Several[Urgency] | None = None


class Team(_Part):
    """A team; `name` is what people see, `hours` its service level where it has its own."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    hours: ServiceLevel | None = None


class Route(_Part):
    """The team for messages with these labels."""

    when: Labels
    team: Name


class PointsTable(_Part):
    """Priority points for what was found; a message's priority is their sum."""

    urgency: dict[Urgency, Points] = Field(default_factory=dict)
    business: dict[Business, Points] = Field(default_factory=dict)
    content: dict[Content, Points] = Field(default_factory=dict)
    sentiment: dict[Sentiment, Points] = Field(default_factory=dict)
    spam: dict[Spam, Points] = Field(default_factory=dict)
    risk: dict[Risk, Points] = Field(default_factory=dict)
    wants_human: Points = 0
    first_contact: Points = 0


class TeamsSection(_Part):
    """config/teams.yaml. The first route that matches decides; where none does, `default`."""

    teams: dict[Name, Team] = Field(min_length=1)
    default: Name
    routes: list[Route] = Field(default_factory=list)
    hours: ServiceLevel = ServiceLevel()
    points: PointsTable = PointsTable()


def checked(kind: type[Some], name: str, raw: Any) -> Some:
    """A section of the bundle as its model; `BundleInvalid` names the first field that is wrong, and how."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise BundleInvalid(f"{'.'.join((name, *map(str, first['loc'])))}: {first['msg']}") from None
    except RecursionError:
        raise BundleInvalid(f"{name}: nested too deeply") from None
