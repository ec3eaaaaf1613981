"""What ends a reply that is on its way: asked between its parts, and what operators stopped once more before every single request.

A newer message does not: half an answer followed by another one would be worse than both. Nor do quiet hours or a message's age, which
ask whether to begin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from functions.autoreply import bars
from functions.autoreply.case import Case, Silence, Step
from functions.autoreply.reasons import Reason
from functions.autoreply.stops import Stops
from functions.channels.contract import AccessToken, HttpResult, Outbound, Unreachable
from functions.common.errors import Unavailable
from functions.common.store import Reply

CUTS: tuple[Step, ...] = (
    bars.stopped, bars.held, bars.blocked, bars.opted_out, bars.taken_over, bars.recalled, bars.window_closed,
)  # fmt: skip


def cut(case: Case, reply: Reply) -> Silence | None:
    """What forbids the rest of a reply whose first part is out; None when nothing does."""
    found = (step(case) for step in CUTS)
    silence = next((outcome for outcome in found if isinstance(outcome, Silence)), None)
    return silence or stop_of(case, case.stops, reply)


def stop_of(case: Case, stops: Stops, reply: Reply) -> Silence | None:
    """An operator's stop that holds for a reply by now: of everything, its channel, its account or its rule."""
    scope = stops.of_account(case.message.channel, case.message.account)
    scope = scope or stops.of_rule(case.names_of(reply.reason, reply.template))
    return Silence(reason=Reason.STOPPED, detail=scope) if scope else None


class Watched:
    """A way out that looks at what is stopped just before every request, a token's included; `stopped` is what it found.

    Where nobody knows what is stopped (`blind`), nothing leaves.
    """

    def __init__(self, outbound: Outbound, look: Callable[[], Silence | None]) -> None:
        self._outbound = outbound
        self._look = look
        self.stopped: Silence | None = None
        self.blind = False

    def now(self) -> datetime:
        """The time, UTC."""
        return self._outbound.now()

    def origin(self, default: str) -> str:
        """Scheme and host of the platform's API."""
        return self._outbound.origin(default)

    def request(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> HttpResult:
        """One exchange; `Unreachable` when it is stopped."""
        try:
            self.stopped, self.blind = self._look(), False
        except Unavailable:
            self.blind = True
            raise Unreachable("nobody knows what is stopped") from None
        if self.stopped is not None:
            raise Unreachable("stopped")
        return self._outbound.request(method, url, headers=headers, body=body)

    def access_token(self, app: str, fetch: Callable[[], AccessToken]) -> str:
        """The app's access token."""
        return self._outbound.access_token(app, fetch)

    def forget_token(self, app: str, token: str) -> None:
        """The platform refused this token."""
        self._outbound.forget_token(app, token)
