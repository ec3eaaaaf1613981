"""How long messages stay where: config/retention.yaml, by way of the bundle's section `retention`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from functions.common.errors import BundleInvalid

# A part's items stay this much longer than the proof, whatever their age: nothing expires on the day it was written.
AFTER_PROOF = timedelta(days=1)


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

    def day(self, received_at: datetime) -> str:
        """The local day of a receipt, YYYY-MM-DD."""
        return received_at.astimezone(self.zone).date().isoformat()

    def expiry(self, received_at: datetime, now: datetime) -> int:
        """When an archived message may leave the table, in epoch seconds."""
        return int(max(received_at + self.hot, now + AFTER_PROOF).timestamp())


class _Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    messages: int = Field(default=20_000, ge=1, le=200_000)
    megabytes: int = Field(default=48, ge=1, le=256)


class _Archive(BaseModel):
    model_config = ConfigDict(extra="forbid")

    zone: str
    quiet_hours: int = Field(ge=1)
    at_latest_days: int = Field(ge=1)
    # A dead letter can be sent back to its queue for fourteen days. A message that had left the table by then would be taken for a new one.
    hot_days: int = Field(ge=15)
    batch: _Batch = _Batch()

    @model_validator(mode="after")
    def _in_order(self) -> _Archive:
        if not self.quiet_hours <= self.at_latest_days * 24 <= self.hot_days * 24:
            raise ValueError("quiet_hours ≤ at_latest_days ≤ hot_days must hold")
        return self


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")

    archive: _Archive


def read_retention(raw: Any) -> Retention:
    """The bundle's section `retention`; `BundleInvalid` names what is wrong."""
    try:
        policy = _Section.model_validate(raw).archive
        zone = ZoneInfo(policy.zone)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise BundleInvalid(f"retention.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ZoneInfoNotFoundError, ValueError):
        raise BundleInvalid("retention.archive.zone: no such time zone") from None
    return Retention(
        zone=zone,
        quiet=timedelta(hours=policy.quiet_hours),
        at_latest=timedelta(days=policy.at_latest_days),
        hot=timedelta(days=policy.hot_days),
        batch_messages=policy.batch.messages,
        batch_bytes=policy.batch.megabytes * 2**20,
    )
