"""A send that needs an access token: leased, used, and dropped when the platform refuses it. Several platforms' `send` in one shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from functions.channels.contract import AccessToken, HttpResult, NoAnswer, Outbound, Outcome, SendResult, Unreachable
from functions.common.errors import Retryable

# A reply that was not sent for want of a token: only what waiting or another setting mends is told apart.
_WITHOUT_TOKEN: dict[Outcome, Outcome] = {"rate_limited": "rate_limited", "auth_expired": "invalid", "invalid": "invalid"}


class TokenRefused(Exception):
    """The platform gave no access token. `result` is what the same answer would mean for a send."""

    def __init__(self, result: SendResult) -> None:
        super().__init__(result.code)
        self.result = result


def send(outbound: Outbound, app: str, fetch: Callable[[], AccessToken], post: Callable[[str], SendResult]) -> SendResult:
    """`post` with the token of an app (`keys.app`); a token that is refused is forgotten, so that the next send fetches another."""
    try:
        token = outbound.access_token(app, fetch)
    except TokenRefused as refused:
        return _unsent(refused.result)
    except (Unreachable, NoAnswer, Retryable):
        return SendResult(outcome="transient", code="no_token")
    result = post(token)
    if result.outcome == "auth_expired":
        # A token that could not be forgotten is refused once more, and forgotten then.
        with suppress(Retryable):
            outbound.forget_token(app, token)
    return result


def post(
    outbound: Outbound, url: str, headers: Mapping[str, str], body: bytes, read: Callable[[HttpResult], SendResult]
) -> SendResult:
    """One POST and what its answer, or the lack of one, means."""
    try:
        answer = outbound.request("POST", url, headers=headers, body=body)
    except Unreachable:
        return SendResult(outcome="transient", code="unreachable")
    except NoAnswer:
        return SendResult(outcome="unknown", code="no_answer")
    return read(answer)


def _unsent(refused: SendResult) -> SendResult:
    """Refused credentials are the account's settings at fault, not its token: `invalid`."""
    outcome: Outcome = _WITHOUT_TOKEN.get(refused.outcome, "transient")
    return replace(refused, outcome=outcome, code=f"token_{refused.code}", provider_id=None)
