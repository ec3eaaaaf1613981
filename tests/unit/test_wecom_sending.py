"""What an application of WeCom's answers, and what its API says to that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.channels.contract import NoAnswer, OutgoingReply, SendResult, Unreachable
from functions.channels.wecom import ADAPTER
from functions.common.errors import Unavailable
from infra.simulators.contract import ApiAnswer, ApiRequest
from infra.simulators.wecom import refusal
from tests.fakes.simulated_platform import SimulatedPlatform
from tests.fakes.wecom_accounts import APP, CORP, app_credentials, app_simulator

ANN = "ZhangSan"


class Forgetting(SimulatedPlatform):
    forgotten = 0

    def forget_token(self, app: str, token: str) -> None:
        self.forgotten += 1


def answering(*answers: ApiAnswer, token: str | None = "T", **more: Any) -> Forgetting:
    simulator = app_simulator()
    simulator.failures.extend(answers)
    outbound = Forgetting(simulator, **more)
    if token:
        outbound.access_token = lambda app, fetch: token  # type: ignore[method-assign, assignment]
    return outbound


def send(outbound: SimulatedPlatform, text: str = "您好", **changed: Any) -> SendResult:
    known = {"message_id": "m1", "native_id": "1", "contact": ANN, "text": text}
    return ADAPTER.send(OutgoingReply(**(known | changed)), app_credentials(), outbound)


def answer(**fields: Any) -> ApiAnswer:
    return ApiAnswer(body=json.dumps({"errcode": 0, "errmsg": "ok"} | fields).encode())


def test_a_reply_reaches_the_member_as_it_was_written() -> None:
    simulator = app_simulator()
    simulator.text(ANN, "hello")
    outbound = SimulatedPlatform(simulator)
    result = send(outbound, '您好😀\n"发票" \\u4f60\x1b')
    assert (result.outcome, result.code) == ("sent", "0") and result.provider_id
    assert [(each.contact, each.text) for each in simulator.outbox] == [(ANN, '您好😀\n"发票" \\u4f60')]
    asked = json.loads(outbound.asked[-1].body)
    assert (asked["agentid"], asked["msgtype"], outbound.asked[-1].method) == (218, "text", "POST")


def test_the_token_is_asked_for_once_with_the_secret_escaped() -> None:
    simulator = app_simulator()
    simulator.text(ANN, "hello")
    outbound = SimulatedPlatform(simulator)
    assert send(outbound).outcome == "sent"
    token = outbound.asked[0]
    assert (token.method, token.path) == ("GET", "/cgi-bin/gettoken")
    assert token.query == {"corpid": CORP, "corpsecret": APP["corp_secret"]}


def test_a_member_who_got_nothing_is_told_apart_from_a_good_call() -> None:
    assert send(SimulatedPlatform(app_simulator())) == SendResult(outcome="invalid", code="invaliduser")
    assert send(answering(answer(unlicenseduser=ANN))) == SendResult(outcome="invalid", code="unlicenseduser")
    assert send(answering(answer(invaliduser="", unlicenseduser="", msgid="x"))).outcome == "sent"


@pytest.mark.parametrize(
    ("errcode", "outcome"),
    [(0, "sent"), (-1, "transient"), (40014, "auth_expired"), (42001, "auth_expired"), (45009, "rate_limited"),
     (45033, "rate_limited"), (40056, "invalid"), (60020, "invalid"), (81013, "invalid")],
)  # fmt: skip
def test_each_code_of_the_vendor_has_its_outcome(errcode: int, outcome: str) -> None:
    outbound = answering(refusal(errcode))
    assert send(outbound).outcome == outcome
    assert outbound.forgotten == (outcome == "auth_expired")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"errcode": "0"}', b'{"errcode": true}', b"\xff"])
def test_an_answer_that_says_nothing_leaves_the_send_unknown(body: bytes) -> None:
    assert send(answering(ApiAnswer(200, body))).outcome == "unknown"
    assert send(answering(ApiAnswer(502, b'{"errcode": 0}'))) == SendResult(outcome="unknown", code="http_502")


@pytest.mark.parametrize(("fault", "outcome"), [(Unreachable(), "transient"), (NoAnswer(), "unknown")])
def test_whether_the_request_left_decides_between_again_and_unknown(fault: Exception, outcome: str) -> None:
    assert send(answering(fault=fault)).outcome == outcome


@pytest.mark.parametrize("fault", [Unreachable(), NoAnswer(), Unavailable("the lease")])
def test_without_a_token_nothing_was_sent(fault: Exception) -> None:
    outbound = answering(token=None, fault=fault)
    assert send(outbound) == SendResult(outcome="transient", code="no_token")


@pytest.mark.parametrize(
    ("errcode", "outcome"), [(40001, "invalid"), (40013, "invalid"), (45009, "rate_limited"), (-1, "transient")]
)
def test_a_refused_token_request_never_counts_as_a_send(errcode: int, outcome: str) -> None:
    outbound = answering(refusal(errcode), token=None)
    assert (send(outbound).outcome, outbound.simulator.outbox) == (outcome, [])


def test_a_text_that_the_vendor_would_cut_is_not_sent() -> None:
    outbound = answering(answer())
    assert send(outbound, "字" * 683) == SendResult(outcome="invalid", code="too_long") and not outbound.asked
    assert send(outbound, "字" * 682).outcome == "sent"


def test_an_application_has_no_idempotency_key() -> None:
    assert ADAPTER.idempotent_send is False


def test_the_simulator_refuses_what_the_vendor_refuses() -> None:
    simulator = app_simulator()
    simulator.text(ANN, "hello")

    def ask(method: str, path: str, body: Any = b"", **query: str) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return json.loads(simulator.api(ApiRequest(method, path, query, {}, raw)).body or b"{}")

    send_to, token_at = "/cgi-bin/message/send", "/cgi-bin/gettoken"
    good = {"touser": ANN, "msgtype": "text", "agentid": 218, "text": {"content": "x"}}
    assert ask("GET", token_at, corpid="other", corpsecret="x")["errcode"] == 40013
    assert ask("GET", token_at, corpid=CORP, corpsecret="x")["errcode"] == 40001
    first, second = (ask("GET", token_at, corpid=CORP, corpsecret=APP["corp_secret"])["access_token"] for _ in range(2))
    assert first == second
    codes = [
        ask("POST", send_to, good)["errcode"],
        ask("POST", send_to, good, access_token="wrong")["errcode"],
        ask("POST", send_to, b"no json", access_token=first)["errcode"],
        ask("POST", send_to, b'{"text": "\\u4f60"}', access_token=first)["errcode"],
        ask("POST", send_to, good | {"msgtype": "image"}, access_token=first)["errcode"],
        ask("POST", send_to, good | {"agentid": 1}, access_token=first)["errcode"],
        ask("POST", send_to, good | {"text": {"content": ""}}, access_token=first)["errcode"],
        ask("GET", send_to, access_token=first)["errcode"],
    ]
    assert codes == [41001, 40014, 47001, 40033, 40008, 40056, 44004, 43002]
    simulator.expire_tokens()
    assert ask("POST", send_to, good, access_token=first)["errcode"] == 42001
