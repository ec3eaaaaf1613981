"""A platform's access token, fetched by one holder at a time and shared by all through the table (item `T#app` / `token`).

An app is what the platform gives tokens to (`keys.app`): all accounts of ours that belong to one app share its token.

A token is refreshed when a tenth of its life is left. Whoever is first to notice takes a lease on the refresh; the others go on with
the old token, and wait a moment only when there is none. A holder that dies loses the lease after `LEASE`; one that comes back too late
does not overwrite what its successor wrote. The token lies in the table as it is: the table is encrypted at rest under the stack's own
key, and only the roles of the functions that speak to platforms may read this item.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from functions.channels.contract import AccessToken
from functions.common import keys
from functions.common.clock import Clock, to_ms
from functions.common.errors import Retryable
from functions.common.table import ConditionFailed, Item, Table
from functions.common.telemetry import Telemetry

SK = "token"
LEASE = timedelta(seconds=15)  # longer than one HTTP exchange may take
EARLY = 0.1
WAIT = 0.25
WAITS = 20
_KEPT_AFTER_EXPIRY = timedelta(days=1)


class TokenAwaited(Retryable):
    """Another holder is fetching the app's first token and has not come back yet."""


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    refresh_ms: int
    expires_ms: int


class TokenLeases:
    """Every app's access token. `pause` waits so many seconds; `new_holder` makes a name that nobody else has; `telemetry` hears of
    refreshes that failed while the old token is still good (None: at a terminal nobody asked).
    """

    def __init__(
        self,
        table: Table,
        clock: Clock,
        *,
        pause: Callable[[float], None],
        new_holder: Callable[[], str],
        telemetry: Telemetry | None = None,
    ) -> None:
        self._table = table
        self._clock = clock
        self._telemetry = telemetry
        self._pause = pause
        self._new_holder = new_holder
        self._kept: dict[str, _Token] = {}

    def token(self, app: str, fetch: Callable[[], AccessToken]) -> str:
        """The app's token. Whatever `fetch` raises is passed on; `TokenAwaited` when another's fetch takes too long."""
        pk = keys.token_pk(app)
        kept = self._kept.get(pk)
        if kept is not None and self._now() < kept.refresh_ms:
            return kept.value
        for _ in range(WAITS):
            found = self._read(pk)
            if found is not None and self._now() < found.refresh_ms:
                return self._keep(pk, found)
            holder = self._lease(pk, found)
            if holder is not None:
                try:
                    return self._refresh(pk, holder, fetch)
                except Exception as fault:
                    # It was early: the old one is good for a while, and somebody asks again before it is not.
                    if found is None or self._now() >= found.expires_ms:
                        raise
                    if self._telemetry:
                        self._telemetry.error("token_not_refreshed", fault, app=app)
                    return found.value
            if found is not None and self._now() < found.expires_ms:
                return found.value
            self._pause(WAIT)
        raise TokenAwaited(f"{app}: the token is being fetched elsewhere")

    def forget(self, app: str, token: str) -> None:
        """The platform refused this token. One that has taken its place in the meantime stays."""
        pk = keys.token_pk(app)
        kept = self._kept.get(pk)
        if kept is not None and kept.value == token:
            del self._kept[pk]
        try:
            self._table.update(
                pk, SK, "REMOVE #token, #refresh_ms, #expires_ms", values={":token": token}, condition="#token = :token"
            )
        except ConditionFailed:
            return

    def _read(self, pk: str) -> _Token | None:
        return _token_from(self._table.get(pk, SK))

    def _lease(self, pk: str, seen: _Token | None) -> str | None:
        """Take the right to refresh what was seen; None when somebody else has it, or has used it since."""
        holder, now = self._new_holder(), self._now()
        free = "(attribute_not_exists(#lease_until_ms) OR #lease_until_ms < :now)"
        unchanged = "#token = :seen" if seen else "attribute_not_exists(#token)"
        values: Item = {":now": now, ":until": now + LEASE // timedelta(milliseconds=1), ":holder": holder}
        if seen:
            values[":seen"] = seen.value
        set_lease = "SET #holder = :holder, #lease_until_ms = :until"
        try:
            self._table.update(pk, SK, set_lease, values=values, condition=f"{free} AND {unchanged}")
        except ConditionFailed:
            return None
        return holder

    def _refresh(self, pk: str, holder: str, fetch: Callable[[], AccessToken]) -> str:
        try:
            fetched = fetch()
        except Exception:
            self._release(pk, holder)
            raise
        now, life = self._now(), fetched.expires_in * 1000
        token = _Token(fetched.value, now + int(life * (1 - EARLY)), now + life)
        values: Item = {
            ":token": token.value,
            ":refresh": token.refresh_ms,
            ":expires": token.expires_ms,
            ":exp": (token.expires_ms + _KEPT_AFTER_EXPIRY // timedelta(milliseconds=1)) // 1000,
            ":holder": holder,
        }
        written = (
            "SET #token = :token, #refresh_ms = :refresh, #expires_ms = :expires, #exp = :exp REMOVE #holder, #lease_until_ms"
        )
        try:
            self._table.update(pk, SK, written, values=values, condition="#holder = :holder")
        except ConditionFailed:
            # Our lease ran out and another holder is at it: this token serves this once.
            return token.value
        return self._keep(pk, token)

    def _release(self, pk: str, holder: str) -> None:
        try:
            self._table.update(
                pk, SK, "REMOVE #holder, #lease_until_ms", values={":holder": holder}, condition="#holder = :holder"
            )
        except (ConditionFailed, Retryable):
            return  # the lease runs out by itself

    def _keep(self, pk: str, token: _Token) -> str:
        self._kept[pk] = token
        return token.value

    def _now(self) -> int:
        return to_ms(self._clock())


def _token_from(item: Item | None) -> _Token | None:
    if item is None or "token" not in item:
        return None
    return _Token(item["token"], item["refresh_ms"], item["expires_ms"])
