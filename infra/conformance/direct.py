"""A channel's way to its platform's simulator in the same process: no HTTP, no lease."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from functions.channels.contract import HttpResult
from infra.simulators.contract import ApiRequest, Simulator, utc_now

if TYPE_CHECKING:
    from functions.channels.contract import AccessToken


class Direct:
    """An `Outbound` that asks the simulator itself."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._tokens: dict[str, str] = {}

    def now(self) -> datetime:
        """The machine's time."""
        return utc_now()

    def origin(self, default: str) -> str:
        """The platform's own."""
        return default

    def request(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> HttpResult:
        """One call of the simulator's API."""
        parts = urlsplit(url)
        answer = self._simulator.api(ApiRequest(method, parts.path, dict(parse_qsl(parts.query)), headers, body))
        return HttpResult(answer.status, answer.headers, answer.body)

    def access_token(self, app: str, fetch: Callable[[], AccessToken]) -> str:
        """The app's token, kept until it is forgotten."""
        if app not in self._tokens:
            self._tokens[app] = fetch().value
        return self._tokens[app]

    def forget_token(self, app: str, token: str) -> None:
        """The next call fetches another."""
        if self._tokens.get(app) == token:
            del self._tokens[app]
