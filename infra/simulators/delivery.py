"""A webhook on its way: sent as the vendor sends it, and again for as long as the vendor would."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from infra.simulators.contract import Now, Patience, Webhook, utc_now

if TYPE_CHECKING:
    from urllib3 import PoolManager

Fault = Literal["connect", "timeout", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try: an answer (`status`, `body`), or a `fault` in its place (no connection; no answer in time; half an answer)."""

    at: datetime
    status: int | None = None
    body: bytes = b""
    fault: Fault | None = None

    @property
    def accepted(self) -> bool:
        """Whether the platform takes this for a yes."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Report:
    """Every try of one webhook, in order."""

    attempts: tuple[Attempt, ...]

    @property
    def accepted(self) -> bool:
        """Whether the last try was accepted; the platform gave up otherwise."""
        return self.attempts[-1].accepted


def not_accepted(attempt: Attempt) -> bool:
    """The usual reason to try again: anything but a 2xx."""
    return not attempt.accepted


def deliver(
    webhook: Webhook | Callable[[], Webhook],
    url: str,
    patience: Patience,
    *,
    pause: Callable[[float], None] = time.sleep,
    now: Now = utc_now,
    scale: float = 1.0,
    tried_again: Callable[[Attempt], bool] = not_accepted,
    http: PoolManager | None = None,
) -> Report:
    """Send a webhook to `url` (without query) until it is accepted, the vendor sees no reason to go on, or its ladder ends.

    A vendor that signs each try anew passes a function instead of a webhook. `scale` shortens the waits (never the time-out),
    `tried_again` is the vendor's own rule where it has one (`simulator.tried_again`), `http` keeps connections across calls.
    """
    from urllib3 import PoolManager

    attempts: list[Attempt] = []
    with nullcontext(http) if http else PoolManager() as pool:
        for place, wait in enumerate((0.0, *patience.waits)):
            if place:
                pause(wait * scale)
            sent = webhook if isinstance(webhook, Webhook) else webhook()
            attempts.append(_attempt(pool, sent, url, patience.timeout, now()))
            if not tried_again(attempts[-1]):
                break
    return Report(tuple(attempts))


def _attempt(pool: PoolManager, webhook: Webhook, url: str, timeout: float, at: datetime) -> Attempt:
    from urllib3 import Timeout
    from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError

    try:
        answer = pool.request(
            webhook.method,
            f"{url}?{webhook.query}" if webhook.query else url,
            headers=dict(webhook.headers),
            body=webhook.body,
            timeout=Timeout(total=timeout),
            retries=False,
            redirect=False,
        )
    except (NewConnectionError, ConnectTimeoutError):
        return Attempt(at=at, fault="connect")
    except ReadTimeoutError:
        return Attempt(at=at, fault="timeout")
    except HTTPError:
        return Attempt(at=at, fault="broken")
    return Attempt(at=at, status=answer.status, body=answer.data)
