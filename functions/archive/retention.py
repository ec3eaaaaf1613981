"""How long messages stay where: config/retention.yaml, by way of the bundle's section `retention`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from functions.common.errors import BundleInvalid
from functions.common.judgement import CHINESE, Judgement
from functions.common.keys import short_hash
from functions.common.sections import read_section
from functions.common.store import Status

# A part's items stay this much longer than the proof, whatever their age: nothing expires on the day it was written.
AFTER_PROOF = timedelta(days=1)
_NEUTRAL: dict[str, Any] = {axis: getattr(Judgement(), axis) for axis in CHINESE}


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningRule:
    """What is removed from the archive `days` after its day: on every axis of `labels` one of the values, of `channels` one, and a
    conversation in one of `statuses` or gone. Empty: any.
    """

    name: str
    days: int
    labels: dict[str, tuple[str, ...]]
    channels: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """What a manifest remembers of it: another rule, or the same with other words, has another mark."""
        return short_hash(
            self.name, str(self.days), repr(sorted(self.labels.items())), repr(self.channels), repr(self.statuses), size=5
        )

    def covers(self, channel: str) -> bool:
        """Whether it is about a channel."""
        return not self.channels or channel in self.channels

    def matches(self, judgement: dict[str, Any]) -> bool:
        """Whether it is about a message with these labels, in the archive's form, which leaves out what is neutral."""
        return all(_has(judgement.get(axis, _NEUTRAL[axis]), values) for axis, values in self.labels.items())


def _has(said: Any, values: tuple[str, ...]) -> bool:
    return any(value in values for value in said) if isinstance(said, list | tuple) else said in values


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """When a message is settled, how long it stays in the table, and how much is collected before it is written.

    A message is settled `quiet` after its receipt once its conversation needs no person, or `at_latest` after it. `zone` decides
    which day a message belongs to. `batch_bytes` counts lines before compression.
    """

    zone: ZoneInfo
    quiet: timedelta
    at_latest: timedelta
    hot: timedelta
    batch_messages: int
    batch_bytes: int
    cleaning: tuple[CleaningRule, ...] = ()

    def day(self, received_at: datetime) -> str:
        """The local day of a receipt, YYYY-MM-DD."""
        return received_at.astimezone(self.zone).date().isoformat()

    def expiry(self, received_at: datetime, now: datetime) -> int:
        """When an archived message may leave the table, in epoch seconds."""
        return int(max(received_at + self.hot, now + AFTER_PROOF).timestamp())


Several = Annotated[list[str], BeforeValidator(lambda given: [given] if isinstance(given, str) else given)]


class _Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    messages: int = Field(default=20_000, ge=1, le=200_000)
    megabytes: int = Field(default=48, ge=1, le=256)


class _Archive(BaseModel):
    model_config = ConfigDict(extra="forbid")

    zone: str
    quiet_hours: int = Field(ge=1)
    # Originals of masked texts go 30 days after receipt. A hold on a contact finds whose they are by what is archived, once a day.
    at_latest_days: int = Field(ge=1, le=27)
    # A dead letter can be sent back to its queue for fourteen days. A message that had left the table by then would be taken for a new one.
    hot_days: int = Field(ge=15)
    batch: _Batch = _Batch()

    @model_validator(mode="after")
    def _in_order(self) -> _Archive:
        if not self.quiet_hours <= self.at_latest_days * 24 <= self.hot_days * 24:
            raise ValueError("quiet_hours ≤ at_latest_days ≤ hot_days must hold")
        return self


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"[a-z][a-z0-9_-]{0,39}")
    days: int = Field(ge=1, le=36_500)
    labels: dict[str, Several] = Field(default_factory=dict)
    channels: list[str] = Field(default_factory=list)
    conversation: list[Status] = Field(default_factory=list)

    @model_validator(mode="after")
    def _known_labels(self) -> _Rule:
        for axis, values in self.labels.items():
            unknown = set(values) - set(CHINESE.get(axis, ()))
            if axis not in CHINESE or unknown:
                raise ValueError(f"no label {axis}: {', '.join(sorted(unknown))}")
        return self


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")

    archive: _Archive
    cleaning: list[_Rule] = Field(default_factory=list)

    @model_validator(mode="after")
    def _after_the_table(self) -> _Section:
        names = [rule.name for rule in self.cleaning]
        if len(set(names)) < len(names):
            raise ValueError("two rules of cleaning have one name")
        if any(rule.days <= self.archive.hot_days for rule in self.cleaning):
            raise ValueError("a rule of cleaning must not be due before hot_days: messages leave the table first")
        return self


def read_retention(raw: Any) -> Retention:
    """The bundle's section `retention`; `BundleInvalid` names what is wrong."""
    section = read_section(_Section, "retention", raw)
    policy = section.archive
    try:
        zone = ZoneInfo(policy.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise BundleInvalid("retention.archive.zone: no such time zone") from None
    return Retention(
        zone=zone,
        quiet=timedelta(hours=policy.quiet_hours),
        at_latest=timedelta(days=policy.at_latest_days),
        hot=timedelta(days=policy.hot_days),
        batch_messages=policy.batch.messages,
        batch_bytes=policy.batch.megabytes * 2**20,
        cleaning=tuple(map(_rule, section.cleaning)),
    )


def _rule(rule: _Rule) -> CleaningRule:
    return CleaningRule(
        name=rule.name,
        days=rule.days,
        labels={axis: tuple(values) for axis, values in rule.labels.items()},
        channels=tuple(rule.channels),
        statuses=tuple(rule.conversation),
    )
