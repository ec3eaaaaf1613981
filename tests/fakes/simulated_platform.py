"""The `Outbound` of a channel, wired straight to its platform's simulator."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from functions.channels.contract import AccessToken, HttpResult
from infra.simulators.contract import ApiAnswer, ApiRequest, Simulator

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class SimulatedPlatform:
    """`fault` is raised instead of asking; `asked` are the requests; what is in the simulator's `failures` answers first."""

    def __init__(self, simulator: Simulator, *, fault: Exception | None = None, request_id: str = "our-message") -> None:
        self.simulator, self.fault, self.request_id = simulator, fault, request_id
        self.asked: list[ApiRequest] = []

    def now(self) -> datetime:
        return NOW

    def origin(self, default: str) -> str:
        return default

    def request(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> HttpResult:
        parts = urlsplit(url)
        sent = {**headers, "x-request-id": self.request_id}
        self.asked.append(ApiRequest(method, parts.path, dict(parse_qsl(parts.query)), sent, body))
        if self.fault:
            raise self.fault
        failures: deque[ApiAnswer] = getattr(self.simulator, "failures", deque())
        answer = failures.popleft() if failures else self.simulator.api(self.asked[-1])
        return HttpResult(answer.status, answer.headers, answer.body)

    def access_token(self, app: str, fetch: Callable[[], AccessToken]) -> str:
        return fetch().value

    def forget_token(self, app: str, token: str) -> None:
        """Nothing is kept."""
