"""The reply desk: what autoreply works with, and the two ways in which it asks the queue to bring a message back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from functions.autoreply.breaker import Breaker
from functions.autoreply.case import Case, Decision, Draft
from functions.autoreply.replybook import ReplyPolicy
from functions.autoreply.stops import NOTHING, Stops
from functions.channels.contract import Outbound
from functions.common.clock import Clock
from functions.common.credentials import CredentialStore
from functions.common.errors import Retryable
from functions.common.store import Store
from functions.common.telemetry import Telemetry

CONVERSATION_SECONDS = 20


class Postponed(Retryable):
    """The message is to come again in so many `seconds`."""

    def __init__(self, why: str, seconds: int) -> None:
        super().__init__(why)
        self.seconds = seconds


class ReplyPostponed(Postponed):
    """The platform took nothing, or takes the same reply again without harm."""


class ConversationAwaited(Postponed):
    """Classify has not written the conversation yet; nothing is said without it, and nobody told."""

    def __init__(self, conv: str) -> None:
        super().__init__(conv, CONVERSATION_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What autoreply needs. `outbound` makes the way out for (channel, message id).

    `stops()` says what an operator has stopped, `backlog(team)` how many conversations wait for a team (None: nobody knows),
    `drafter(case, decision)` what a language model says of a case (None where there is none).
    """

    store: Store
    credentials: CredentialStore
    policy: Callable[[], ReplyPolicy]
    outbound: Callable[[str, str], Outbound]
    clock: Clock
    telemetry: Telemetry
    stops: Callable[[], Stops] = lambda: NOTHING
    backlog: Callable[[str], int | None] = lambda _: None
    breaker: Breaker = field(default_factory=Breaker)
    drafter: Callable[[Case, Decision], Draft | None] = lambda *_: None
