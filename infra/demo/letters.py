"""A letter of the demo: one webhook, what the platform gets for it, and what should be stored of each message in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infra.simulators.contract import Webhook

Make = Callable[[Any, str], Webhook]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is stored of a message. `labels` holds the axes that matter for the letter; `reply` is the reason for the reply, or for none."""

    team: str
    reply: str
    sent: bool
    status: str
    labels: dict[str, Any] = field(default_factory=dict)
    kind: str = "text"
    masked: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One webhook. `answers` are the statuses that the platform gets, one per delivery; `expected` goes by each message's native id."""

    channel: str
    make: Make
    native_id: str
    account: str = "demo"
    answers: tuple[int, ...] = (200,)
    expected: dict[str, Expected] = field(default_factory=dict)
    says: str = ""


def answered(
    reply: str, team: str, status: str = "idle", *, kind: str = "text", masked: str | None = None, **labels: Any
) -> Expected:
    """A message that a machine replied to."""
    return Expected(team=team, reply=reply, sent=True, status=status, labels=labels, kind=kind, masked=masked)


def unanswered(
    reason: str, team: str, status: str, *, kind: str = "text", masked: str | None = None, **labels: Any
) -> Expected:
    """A message that no machine replied to, and why."""
    return Expected(team=team, reply=reason, sent=False, status=status, labels=labels, kind=kind, masked=masked)


def app(contact: str, text: str, native_id: str, expected: Expected, **more: Any) -> Letter:
    """A text out of the brand's own app, by the generic channel."""
    return Letter(
        channel="generic",
        native_id=native_id,
        make=lambda platform, native: platform.text(contact, text, native_id=native, **more),
        answers=(202,),
        expected={native_id: expected},
    )


def wechat(contact: str, text: str, native_id: str, expected: Expected, account: str = "demo") -> Letter:
    """A text on WeChat."""
    make: Make = lambda platform, native: platform.text(contact, text, native_id=native)  # noqa: E731
    return Letter(channel="wechat_oa", account=account, native_id=native_id, make=make, expected={native_id: expected})


def sms(contact: str, text: str, digit: str, expected: Expected) -> Letter:
    """A text message, or one on WhatsApp, by Twilio."""
    native_id = f"SM{digit * 32}"
    make: Make = lambda platform, native: platform.text(contact, text, native_id=native)  # noqa: E731
    return Letter(channel="twilio", native_id=native_id, make=make, expected={native_id: expected})


def other(
    channel: str,
    says: str,
    make: Make,
    *answers: int,
    account: str = "demo",
    native_id: str = "",
    expected: dict[str, Expected] | None = None,
) -> Letter:
    """Anything else."""
    return Letter(
        channel=channel,
        account=account,
        make=make,
        native_id=native_id,
        answers=answers or (200,),
        expected=expected or {},
        says=says,
    )
