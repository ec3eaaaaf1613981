from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from functions.channels.contract import (
    AccessToken,
    NoAnswer,
    OutgoingReply,
    SendResult,
    Unreachable,
)
from functions.channels.wechat_oa import ADAPTER
from functions.common.errors import Unavailable
from infra.simulators.contract import ApiAnswer
from infra.simulators.wechat_oa import WechatOaSimulator, refusal
from tests.fakes.simulated_platform import NOW, SimulatedPlatform
from tests.fakes.wechat_oa_account import (
    ANN,
    TOKEN,
    credentials,
    simulator,
)


class Leased(SimulatedPlatform):
    """A platform whose access token is kept until it is forgotten."""

    def __init__(self, sim: WechatOaSimulator, *, token: str | None = None, fault: Exception | None = None) -> None:
        super().__init__(sim, fault=fault)
        self.token = token
        self.forgotten: list[str] = []

    def access_token(self, app: str, fetch: Callable[[], AccessToken]) -> str:
        self.token = self.token or fetch().value
        return self.token

    def forget_token(self, app: str, token: str) -> None:
        self.forgotten.append(token)
        self.token = None


def answering(*answers: ApiAnswer, token: str | None = "T") -> Leased:
    """A platform that gives these answers, whatever it is asked."""
    sim = simulator()
    sim.failures.extend(answers)
    return Leased(sim, token=token)


OK = ApiAnswer(200, b'{"errcode": 0}')


def reply(text: str = "您好", **changed: Any) -> OutgoingReply:
    return OutgoingReply(**({"message_id": "m1", "native_id": "1", "contact": ANN, "text": text} | changed))


def send(outbound: SimulatedPlatform, text: str = "您好", **changed: Any) -> SendResult:
    return ADAPTER.send(reply(text, **changed), credentials(), outbound)


def test_a_reply_reaches_the_person_as_it_was_written() -> None:
    sim = simulator()
    sim.text(ANN, "hello")
    outbound = Leased(sim)
    assert send(outbound, '您好😀\n"发票" \\u4f60 C:\\new') == SendResult(outcome="sent", code="0")
    (delivered,) = sim.outbox
    assert (delivered.contact, delivered.text) == (ANN, '您好😀\n"发票" \\u4f60 C:\\new')
    assert (outbound.asked[-1].method, outbound.asked[-1].path) == ("POST", "/cgi-bin/message/custom/send")
    assert "您好😀".encode() in outbound.asked[-1].body


def test_characters_that_json_could_only_escape_are_dropped() -> None:
    sim = simulator()
    sim.text(ANN, "hello")
    assert send(Leased(sim), "a\x00b\x1bc\ud800d").outcome == "sent"
    assert sim.outbox[0].text == "abc?d"


def test_one_token_serves_many_sends_and_the_secret_stays_out_of_urls() -> None:
    sim = simulator()
    sim.text(ANN, "hello")
    outbound = Leased(sim)
    assert [send(outbound).outcome for _ in range(3)] == ["sent"] * 3
    assert sum(asked.path == "/cgi-bin/stable_token" for asked in outbound.asked) == 1
    assert not any("s3cr3t" in asked.path or "s3cr3t" in asked.query.values() for asked in outbound.asked)


@pytest.mark.parametrize("lose", ["expire_tokens", "revoke_tokens"])
def test_a_refused_token_is_forgotten_and_the_next_try_gets_through(lose: str) -> None:
    sim = simulator()
    sim.text(ANN, "hello")
    outbound = Leased(sim)
    send(outbound)
    old = outbound.token
    getattr(sim, lose)()
    assert send(outbound).outcome == "auth_expired"
    assert outbound.forgotten == [old]
    assert send(outbound).outcome == "sent"
    assert len(sim.outbox) == 2


@pytest.mark.parametrize(
    ("errcode", "outcome", "retry_after"),
    [
        (0, "sent", None),
        (-1, "transient", None),
        (40001, "auth_expired", None),
        (40014, "auth_expired", None),
        (42001, "auth_expired", None),
        (45015, "window_closed", None),
        (45047, "window_closed", None),
        (45009, "rate_limited", 3600.0),
        (45011, "rate_limited", 60.0),
        (40003, "invalid", None),
        (44004, "invalid", None),
        (45002, "invalid", None),
        (48001, "invalid", None),
        (99999, "invalid", None),
    ],
)
def test_each_code_of_the_vendor_has_its_outcome(errcode: int, outcome: str, retry_after: float | None) -> None:
    outbound = answering(refusal(errcode))
    assert send(outbound) == SendResult(outcome=outcome, code=str(errcode), retry_after=retry_after)
    assert outbound.forgotten == (["T"] if outcome == "auth_expired" else [])


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"errcode": "0"}', b'{"errcode": true}', b'{"errcode": null}', b"\xff"]
)
def test_an_answer_that_says_nothing_leaves_the_send_unknown(body: bytes) -> None:
    assert send(answering(ApiAnswer(200, body))).outcome == "unknown"


@pytest.mark.parametrize("status", [302, 404, 500, 502, 504])
def test_an_answer_of_something_in_between_leaves_the_send_unknown(status: int) -> None:
    assert send(answering(ApiAnswer(status, b'{"errcode": 0}'))) == SendResult(outcome="unknown", code=f"http_{status}")


@pytest.mark.parametrize(("fault", "outcome"), [(Unreachable(), "transient"), (NoAnswer(), "unknown")])
def test_whether_the_request_left_decides_between_again_and_unknown(fault: Exception, outcome: str) -> None:
    assert send(Leased(simulator(), token="T", fault=fault)).outcome == outcome


@pytest.mark.parametrize("fault", [Unreachable(), NoAnswer(), Unavailable("the lease")])
def test_without_a_token_nothing_was_sent(fault: Exception) -> None:
    outbound = Leased(simulator(), fault=fault)
    assert send(outbound) == SendResult(outcome="transient", code="no_token")
    assert [asked.path for asked in outbound.asked] == ["/cgi-bin/stable_token"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refusal(40125), "invalid"),
        (refusal(40001), "invalid"),
        (refusal(40164), "invalid"),
        (refusal(45009), "rate_limited"),
        (refusal(45011), "rate_limited"),
        (refusal(-1), "transient"),
        (refusal(0), "transient"),
        (ApiAnswer(200, b'{"access_token": "", "expires_in": 7200}'), "transient"),
        (ApiAnswer(200, b'{"access_token": "T", "expires_in": "7200"}'), "transient"),
        (ApiAnswer(200, b"garbage"), "transient"),
        (ApiAnswer(502, b'{"access_token": "T", "expires_in": 7200}'), "transient"),
    ],
)
def test_a_refused_token_request_never_counts_as_a_send(answer: ApiAnswer, outcome: str) -> None:
    outbound = answering(answer, token=None)
    result = send(outbound)
    assert result.outcome == outcome
    assert str(result.code).startswith("token_")
    assert [asked.path for asked in outbound.asked] == ["/cgi-bin/stable_token"]
    assert not outbound.forgotten


def test_a_text_too_long_is_refused_before_anything_is_asked() -> None:
    outbound = answering(OK)
    assert send(outbound, "字" * 683) == SendResult(outcome="invalid", code="too_long")
    assert not outbound.asked
    assert send(outbound, "字" * 682).outcome == "sent"


def test_a_reply_past_its_time_is_not_sent() -> None:
    outbound = answering(OK)
    assert send(outbound, not_after=NOW - timedelta(seconds=1)) == SendResult(outcome="window_closed", code="too_late")
    assert not outbound.asked
    assert send(outbound, not_after=NOW).outcome == "sent"


def test_a_token_that_cannot_be_forgotten_does_not_hide_what_happened() -> None:
    class Stuck(Leased):
        def forget_token(self, app: str, token: str) -> None:
            raise Unavailable("the lease")

    sim = simulator()
    sim.failures.append(refusal(42001))
    assert send(Stuck(sim, token="T")).outcome == "auth_expired"


def test_nothing_of_the_credentials_is_in_a_result() -> None:
    for outbound in (answering(refusal(40125), token=None), answering(ApiAnswer(500)), Leased(simulator(), fault=NoAnswer())):
        result = repr(send(outbound))
        assert "s3cr3t" not in result
        assert TOKEN not in result


def test_a_send_with_an_unknown_outcome_must_not_be_repeated() -> None:
    assert ADAPTER.idempotent_send is False
